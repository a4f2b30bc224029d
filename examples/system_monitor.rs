//! Averages of the last five measurements and a status. Notice that the first writes change no
//! average and so show nothing, and that two writes show a frame between them unless they are
//! one batch.

use isobar::{Computed, Graph, Join, Signal, batch, effect, signal};

const SAMPLES: usize = 5;

fn average(measured: &Signal<Vec<f64>>) -> Computed<f64> {
    measured.map(|measured| match measured.last_chunk::<SAMPLES>() {
        Some(last) => last.iter().sum::<f64>() / SAMPLES as f64,
        None => 0.0,
    })
}

fn status(cpu: f64, memory: f64) -> &'static str {
    match cpu.max(memory) {
        highest if highest > 90.0 => "critical",
        highest if highest > 70.0 => "warning",
        _ => "normal",
    }
}

fn add(measured: &Signal<Vec<f64>>, value: u32) {
    measured.mutate(move |measured| measured.push(value.into()));
}

/// Both rise with each step; `together` takes the two writes of one.
fn monitor(say: fn(String), steps: u32, together: fn(&dyn Fn())) {
    Graph::new().enter(|| {
        let (cpu, memory) = (signal(Vec::new()), signal(Vec::new()));
        let (cpu_average, memory_average) = (average(&cpu), average(&memory));
        let status = (&cpu_average, &memory_average).map(|cpu, memory| status(*cpu, *memory));
        let screen = effect!([status, cpu_average, memory_average] {
            say(format!("{} {} {}", status.get(), cpu_average.get(), memory_average.get()));
        });
        for step in 0..steps {
            together(&|| {
                add(&cpu, 50 + 5 * step);
                add(&memory, 60 + 4 * step);
            });
        }
        drop(screen);
    });
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    monitor(say, 10, |write| write());
    say("in batches:".to_owned());
    monitor(say, 11, |write| batch(write));
}
