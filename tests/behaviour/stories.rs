//! Small programs from one end to the other, with every line they print.

use std::collections::BTreeMap;

use isobar::{Computed, Join as _, Signal, batch, computed, effect, signal};

use crate::stage::{Trace, in_graph};

#[test]
fn a_thermometer_prints_one_line_per_write_also_when_it_reads_its_unit_twice() {
    in_graph(|_| {
        let lines = Trace::new();
        let (celsius, unit) = (signal(22.5), signal('C'));
        let shown = computed!([celsius, unit] {
            let degrees = celsius.get();
            if unit.get() == 'F' { degrees * 9.0 / 5.0 + 32.0 } else { degrees }
        });
        let _print = effect!([shown, unit, lines] lines.note((shown.get(), unit.get())));
        celsius.set(25.0);
        unit.set('F');
        celsius.set(0.0);
        unit.set('C');
        assert_eq!(lines.take(), [(22.5, 'C'), (25.0, 'C'), (77.0, 'F'), (32.0, 'F'), (0.0, 'C')]);
    });
}

#[derive(Clone, PartialEq, Default)]
struct Layer {
    level: Option<&'static str>,
    timeout: Option<u32>,
}

impl Layer {
    fn over(&self, lower: &Layer) -> Layer {
        Layer { level: self.level.or(lower.level), timeout: self.timeout.or(lower.timeout) }
    }
}

type Line = (Option<&'static str>, Option<u32>, Option<&'static str>, Option<u32>);

/// The layered configuration, with one of two ideas of what a change is; what it printed.
fn configured(effective_of: fn(&Signal<Layer>, &Signal<Layer>) -> Computed<Layer>) -> Vec<Line> {
    let lines = Trace::new();
    let global = signal(Layer { level: Some("INFO"), timeout: Some(30) });
    let services = signal(BTreeMap::from([("auth", Layer { level: None, timeout: Some(10) })]));
    let instance = signal(Layer { level: Some("DEBUG"), timeout: None });
    let auth_layer = services.map(|s| s["auth"].clone());
    let relayed = computed!([auth_layer] auth_layer.get());
    let effective = effective_of(&instance, &global);
    let auth = (&relayed, &global).map(|auth: &Layer, global: &Layer| auth.over(global));
    let _print = effect!([effective, auth, lines] {
        let (e, a) = (effective.get(), auth.get());
        lines.note((e.level, e.timeout, a.level, a.timeout));
    });
    global.mutate(|g| g.timeout = Some(60));
    services.mutate(|s| _ = s.insert("database", Layer::default()));
    // What the instance layer says is written anew, with nothing new in it.
    instance.touch();
    instance.mutate(|i| i.level = Some("TRACE"));
    lines.take()
}

#[test]
fn a_layered_configuration_prints_what_really_differs() {
    in_graph(|_| {
        let by_value = configured(|top, bottom| {
            (top, bottom).map(|top: &Layer, bottom: &Layer| top.over(bottom))
        });
        let start = (Some("DEBUG"), Some(30), Some("INFO"), Some(10));
        let longer = (Some("DEBUG"), Some(60), Some("INFO"), Some(10));
        let louder = (Some("TRACE"), Some(60), Some("INFO"), Some(10));
        assert_eq!(by_value, [start, longer, louder]);
        let each_time = configured(|top, bottom| {
            let (top, bottom) = (top.clone(), bottom.clone());
            Computed::builder(move || top.with(|t| bottom.with(|b| t.over(b)))).always().build()
        });
        assert_eq!(each_time, [start, longer, longer, louder]);
    });
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    Normal,
    Warning,
    Critical,
}

struct Monitor {
    cpu: Signal<Vec<f64>>,
    memory: Signal<Vec<f64>>,
    lines: Trace<(Status, f64, f64)>,
    _print: isobar::Effect,
}

/// The mean of the last five, nothing before there are five.
fn mean_of_five(samples: &[f64]) -> f64 {
    let last = samples.len().checked_sub(5).map(|from| &samples[from..]);
    last.map_or(0.0, |five| five.iter().sum::<f64>() / 5.0)
}

impl Monitor {
    fn new() -> Self {
        let (cpu, memory) = (signal(Vec::new()), signal(Vec::new()));
        let lines = Trace::new();
        let cpu_mean = cpu.map(|s: &Vec<f64>| mean_of_five(s));
        let memory_mean = memory.map(|s: &Vec<f64>| mean_of_five(s));
        let status =
            (&cpu_mean, &memory_mean).map(|cpu: &f64, memory: &f64| match cpu.max(*memory) {
                worst if worst > 90.0 => Status::Critical,
                worst if worst > 70.0 => Status::Warning,
                _ => Status::Normal,
            });
        let _print = effect!([status, cpu_mean, memory_mean, lines] {
            lines.note((status.get(), cpu_mean.get(), memory_mean.get()));
        });
        Monitor { cpu, memory, lines, _print }
    }

    fn sample(&self, i: usize) {
        self.cpu.mutate(move |s| s.push(50.0 + 5.0 * i as f64));
        self.memory.mutate(move |s| s.push(60.0 + 4.0 * i as f64));
    }
}

#[test]
fn a_system_monitor_prints_a_line_per_changed_mean() {
    use Status::{Critical, Normal, Warning};
    in_graph(|_| {
        let monitor = Monitor::new();
        (0..10).for_each(|i| monitor.sample(i));
        let lines = [
            (Normal, 0.0, 0.0),
            (Normal, 60.0, 0.0),
            (Normal, 60.0, 68.0),
            (Normal, 65.0, 68.0),
            (Warning, 65.0, 72.0),
            (Warning, 70.0, 72.0),
            (Warning, 70.0, 76.0),
            (Warning, 75.0, 76.0),
            (Warning, 75.0, 80.0),
            (Warning, 80.0, 80.0),
            (Warning, 80.0, 84.0),
            (Warning, 85.0, 84.0),
            (Warning, 85.0, 88.0),
        ];
        assert_eq!(monitor.lines.take(), lines);
        batch(|| monitor.sample(10));
        assert_eq!(monitor.lines.take(), [(Critical, 90.0, 92.0)]);
    });
}

#[test]
fn a_system_monitor_fed_in_batches_prints_whole_pairs_only() {
    in_graph(|_| {
        let monitor = Monitor::new();
        (0..10).for_each(|i| batch(|| monitor.sample(i)));
        let pairs: Vec<_> = monitor.lines.take().iter().map(|line| (line.1, line.2)).collect();
        let expected = [
            (0.0, 0.0),
            (60.0, 68.0),
            (65.0, 72.0),
            (70.0, 76.0),
            (75.0, 80.0),
            (80.0, 84.0),
            (85.0, 88.0),
        ];
        assert_eq!(pairs, expected);
    });
}

#[test]
fn a_log_pipeline_alerts_once_per_changed_alert() {
    in_graph(|_| {
        let (counted, alerted) = (Trace::new(), Trace::new());
        let entries: Signal<Vec<(&str, Option<&str>)>> = signal(vec![]);
        let errors = entries.map(|entries| {
            let mut errors = BTreeMap::new();
            for (_, service) in entries.iter().filter(|(level, _)| *level == "error") {
                *errors.entry(service.unwrap_or("unknown")).or_insert(0) += 1;
            }
            errors
        });
        let alerts = errors.map(|errors| {
            errors.iter().filter(|(_, n)| **n > 5).map(|(s, n)| (*s, *n)).collect::<Vec<_>>()
        });
        let _count = effect!([errors, counted] {
            counted.note(errors.with(|e| e.values().sum::<i32>()));
        });
        let _alert = effect!([alerts, alerted] alerts.with(|all| {
            all.iter().for_each(|alert| alerted.note(*alert));
        }));
        let log = |level, service, times| {
            entries.mutate(move |e| e.extend(std::iter::repeat_n((level, service), times)));
        };
        batch(|| log("error", Some("auth"), 2));
        log("error", Some("auth"), 3);
        batch(|| {
            log("error", Some("auth"), 1);
            log("info", Some("db"), 1);
        });
        log("error", None, 1);
        log("info", Some("auth"), 1);
        assert_eq!(counted.take(), [0, 2, 5, 6, 7]);
        assert_eq!(alerted.take(), [("auth", 6)]);
    });
}

#[test]
fn a_job_sends_a_frame_for_each_change_and_none_after_its_death() {
    in_graph(|_| {
        let frames = Trace::new();
        let (status, progress) = (signal("idle"), signal(0));
        let _socket = effect!([status, progress, frames] {
            frames.note((status.get(), progress.get()));
        });
        let tick = || {
            if status.get() == "running" {
                progress.update(|p| p + 1);
            }
        };
        let send = |command: &str| {
            let next = match (status.get(), command) {
                ("idle", "start") | ("paused", "resume") => "running",
                ("running", "pause") => "paused",
                (_, "kill") => "dead",
                (same, _) => same,
            };
            status.set(next);
        };
        send("start");
        (0..3).for_each(|_| tick());
        send("pause");
        (0..5).for_each(|_| tick());
        send("resume");
        tick();
        send("kill");
        (0..3).for_each(|_| tick());
        send("start");
        let expected = [
            ("idle", 0),
            ("running", 0),
            ("running", 1),
            ("running", 2),
            ("running", 3),
            ("paused", 3),
            ("running", 3),
            ("running", 4),
            ("dead", 4),
        ];
        assert_eq!(frames.take(), expected);
    });
}
