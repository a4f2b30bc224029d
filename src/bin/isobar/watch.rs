//! One run: producers fill the pipeline, this thread shows it once a second, and at the end gives
//! an account of every sample.

use std::mem;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{at, never, select};
use isobar::Computed;
use jiff::Timestamp;

use crate::account::{Account, check};
use crate::args::{CommonArgs, RecordArgs, WatchArgs};
use crate::fault::Fault;
use crate::host::Host;
use crate::input::{self, Format, Input, Intake, Replay};
use crate::pipeline::limit::Limits;
use crate::pipeline::{MachineFeed, Pipeline, Settings};
use crate::present::{self, Presenter};
use crate::producers::Producers;
use crate::record::Recorder;
use crate::report::Report;
use crate::sampler::Sampler;
use crate::series::Group;
use crate::stop::{Stop, StopSwitch};
use crate::view::View;

const SHOWN_EVERY: Duration = Duration::from_secs(1);
/// Two samples make a rate.
const ONCE: u64 = 2;
/// What shells expect of a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

pub(crate) fn watch(args: &WatchArgs) -> Result<(), Fault> {
    let mut run = Run::prepare(&args.common)?;
    if args.input.is_empty() {
        let host = Host::open(&args.common.proc)?;
        run.start_samplers(&host, args.common.every, args.once.then_some(ONCE), None)?;
    } else {
        run.start_replays(&args.input, args.speed)?;
    }
    let show_every = (!args.once).then_some(SHOWN_EVERY);
    run.show_to_the_end(Presenter::new(args.common.json), show_every, None)
}

pub(crate) fn record(args: &RecordArgs) -> Result<(), Fault> {
    let mut run = Run::prepare(&args.common)?;
    let host = Host::open(&args.common.proc)?;
    let recorder = Recorder::start(&args.file, args.force, run.switch.clone())?;
    run.start_samplers(&host, args.common.every, None, Some(&recorder))?;
    run.show_to_the_end(Presenter::new(args.common.json), Some(SHOWN_EVERY), Some(recorder))
}

struct Run {
    started: Instant,
    switch: StopSwitch,
    stop: Stop,
    pipeline: Pipeline,
    producers: Producers,
}

impl Run {
    fn prepare(common: &CommonArgs) -> Result<Run, Fault> {
        let started = Instant::now();
        let due = common.length.and_then(|length| started.checked_add(length));
        let (switch, stop) = StopSwitch::new(due);
        catch_interrupts(&switch)?;
        let limits = Limits::with(&common.limits);
        let settings = Settings { window: common.window, busiest: common.busiest, limits };
        let pipeline = Pipeline::new(settings);
        let producers = Producers::new(switch.clone());
        Ok(Run { started, switch, stop, pipeline, producers })
    }

    fn start_samplers(
        &mut self,
        host: &Host,
        every: Duration,
        rounds: Option<u64>,
        recorder: Option<&Recorder>,
    ) -> Result<(), Fault> {
        let machine = self.pipeline.add_machine(&"this machine".into());
        for group in Group::ALL {
            let name: Arc<str> = group.word().into();
            let feed = MachineFeed::new(machine.clone(), self.pipeline.add_feed(&name));
            let sampler = Sampler {
                host: host.clone(),
                group,
                every,
                rounds,
                recording: recorder.map(Recorder::frames),
                switch: self.switch.clone(),
                stop: self.stop.clone(),
            };
            self.producers.start(&name, move || sampler.run(feed))?;
        }
        Ok(())
    }

    /// All files are opened and told before the first is replayed.
    fn start_replays(&mut self, files: &[PathBuf], speed: Option<f64>) -> Result<(), Fault> {
        let mut inputs = Vec::new();
        for (file, name) in files.iter().zip(input::names(files)) {
            inputs.extend(Input::open(file, &self.stop)?.map(|input| (name, input)));
        }
        for (name, input) in inputs {
            let intake = self.intake(&name, input.format);
            let replay = Replay::new(input, speed, self.stop.clone());
            self.producers.start(&name, move || replay.run(intake))?;
        }
        Ok(())
    }

    fn intake(&mut self, name: &Arc<str>, format: Format) -> Intake {
        let turnstile = self.pipeline.add_feed(name);
        match format {
            Format::Series => Intake::Series(self.pipeline.add_gauge(name), turnstile),
            Format::AccessLog => Intake::AccessLog(self.pipeline.add_traffic(name), turnstile),
            Format::Recording => {
                let feed = MachineFeed::new(self.pipeline.add_machine(name), turnstile);
                Intake::Recording(Box::new(feed))
            }
        }
    }

    /// The account is given whatever ended the run, unless nobody is left to read it.
    fn show_to_the_end(
        mut self,
        mut presenter: Presenter,
        every: Option<Duration>,
        recorder: Option<Recorder>,
    ) -> Result<(), Fault> {
        let view = self.pipeline.view();
        let shown = self.show(&view, &mut presenter, every);
        let Run { started, pipeline, producers, .. } = self;
        let account = Account::of(producers.join(), recorder.map(Recorder::finish));
        let settled =
            pipeline.graph.settle().map_err(|looping| Fault::Unsettled(looping.to_string()));
        let mut report = report(&pipeline, &view, started);
        report.end = Some(account.end(&report, &pipeline.graph.stats()));
        let is_read = !matches!(&shown, Err(fault) if fault.is_closed_pipe());
        let ended = if is_read { presenter.end(&report) } else { Ok(()) };
        account.agrees_with(&report)?;
        settled?;
        account.faults.into_iter().next().map_or(Ok(()), Err)?;
        match shown.and(ended) {
            Err(fault) if fault.is_closed_pipe() => Ok(()),
            outcome => outcome,
        }
    }

    /// Until all producers have ended or the run is stopped.
    fn show(
        &mut self,
        view: &Computed<View>,
        presenter: &mut Presenter,
        every: Option<Duration>,
    ) -> Result<(), Fault> {
        let over = self.producers.over();
        let mut next = every.map(|every| Instant::now() + every);
        loop {
            select! {
                recv(over) -> _ => return Ok(()),
                recv(self.stop.requested()) -> _ => return Ok(()),
                recv(self.stop.due()) -> _ => return Ok(()),
                recv(next.map_or_else(never, at)) -> _ => {}
            }
            let report = report(&self.pipeline, view, self.started);
            check(&report)?;
            presenter.show(&report)?;
            next = next.zip(every).map(|(next, every)| (next + every).max(Instant::now()));
        }
    }
}

/// Everything at one revision, while the producers go on.
fn report(pipeline: &Pipeline, view: &Computed<View>, started: Instant) -> Report {
    let snapshot = pipeline.graph.snapshot();
    Report {
        at: Timestamp::now(),
        seconds: started.elapsed().as_secs_f64(),
        revision: snapshot.revision(),
        view: snapshot.load(view),
        alarms: pipeline.alarms.log(),
        end: None,
    }
}

/// Ends the run at Ctrl-C, a termination or a hang-up; a second one does so without an account.
fn catch_interrupts(switch: &StopSwitch) -> Result<(), Fault> {
    let switch = switch.clone();
    let mut is_first = true;
    let interrupt = move || {
        if !mem::replace(&mut is_first, false) {
            present::leave_screen();
            process::exit(INTERRUPTED);
        }
        switch.throw();
    };
    ctrlc::set_handler(interrupt).map_err(Fault::Signals)
}
