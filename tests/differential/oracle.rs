//! Judges a finished run: everything that was seen must be what a sequential execution of the
//! commits, in the order of the log, would have shown.

use std::collections::{BTreeMap, HashMap};

use isobar::Revision;

use crate::log::{Entry, OpId, Write, commit, overlay};
use crate::perform::{Ended, Event, Target, What};
use crate::plant::{Evaluation, Plant, Sight, Watch};
use crate::script::{Flavour, Op, Plan};
use crate::spec::{Failed, Id, Naive, Outcome, Role, Val};

/// What was judged, for the figures that are printed.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub commits: u64,
    pub observations: u64,
    pub runs: u64,
    pub evaluations: u64,
}

/// The first thing found wrong.
pub(crate) type Verdict<T> = Result<T, String>;

pub(crate) struct Oracle<'a> {
    plan: &'a Plan,
    /// The signals after each commit of the log.
    states: Vec<Vec<Val>>,
    /// For each signal, which values it may have there: where one was written that its equality
    /// calls equal to the one before, which of them stays depends on when they were compared.
    possible: Vec<Vec<Vec<Val>>>,
    outcomes: Vec<Vec<Outcome>>,
    place: HashMap<OpId, u64>,
    /// Nodes that may depend on signals written outside the log.
    free: Vec<bool>,
    /// In the flavour with history: all signals at each revision.
    history: BTreeMap<Revision, Vec<Val>>,
    tally: Tally,
}

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

/// Everything that one run of a plan left behind.
pub(crate) struct Remains<'a> {
    pub plant: &'a Plant,
    pub ended: &'a [Ended],
    pub evaluations: &'a [Evaluation],
}

pub(crate) fn judge(plan: &Plan, remains: &Remains<'_>) -> Verdict<Tally> {
    let mut oracle = Oracle::new(plan, remains.plant)?;
    oracle.exactly_once(remains)?;
    if plan.flavour == Flavour::History {
        oracle.look_back(remains)?;
    }
    for ended in remains.ended {
        oracle.session(&ended.events)?;
        for watch in &ended.watches {
            oracle.watch(watch, remains.plant)?;
        }
    }
    for watch in &remains.plant.watches {
        oracle.watch(watch, remains.plant)?;
    }
    for evaluation in remains.evaluations {
        oracle.evaluation(evaluation)?;
    }
    oracle.one_order(remains)?;
    oracle.reported(remains)?;
    oracle.at_rest(remains.plant)?;
    Ok(oracle.tally)
}

impl<'a> Oracle<'a> {
    fn new(plan: &'a Plan, plant: &Plant) -> Verdict<Oracle<'a>> {
        let entries = plant.log.get().entries();
        let mut signals = plan.spec.first();
        let mut states = vec![signals.clone()];
        let mut possible = vec![signals.iter().map(|value| vec![*value]).collect::<Vec<_>>()];
        let mut place = HashMap::new();
        let mut outcomes = vec![plan.spec.outcomes(&signals)];
        let free = plan.spec.tainted(|id| {
            plan.spec.signals.get(id).is_some_and(|s| matches!(s.role, Role::Free { .. }))
        });
        for (at, entry) in entries.iter().enumerate() {
            ensure!(entry.index == at as u64 + 1, "the log has a gap at {at}");
            for (id, outcome) in entry.read.iter().filter(|(id, _)| !free[*id]) {
                ensure!(
                    outcomes[at][*id] == *outcome,
                    "{:?} builds on {outcome:?} at node {id}, but right before its commit \
                     it was {:?}",
                    entry.op,
                    outcomes[at][*id]
                );
            }
            possible.push(choices(plan, &signals, &possible[at], entry));
            commit(&plan.spec, &mut signals, &entry.writes, entry.op.tag());
            states.push(signals.clone());
            outcomes.push(plan.spec.outcomes(&signals));
            let twice = place.insert(entry.op, entry.index);
            ensure!(twice.is_none(), "{:?} is in the log twice", entry.op);
        }
        let tally = Tally { commits: entries.len() as u64, ..Tally::default() };
        let history = BTreeMap::new();
        Ok(Oracle { plan, possible, states, outcomes, place, free, history, tally })
    }

    /// Asks the graph for the past: at every revision that was seen, all signals, and every node
    /// as it is due over them.
    fn look_back(&mut self, remains: &Remains<'_>) -> Verdict<()> {
        let events = remains.ended.iter().flat_map(|ended| &ended.events);
        let seen = events.filter_map(|event| match &event.what {
            What::Together { sight, .. } => Some(sight.revision),
            What::Committed { revision, .. } => Some(*revision),
            _ => None,
        });
        let plant = remains.plant;
        for revision in seen {
            if revision.as_u64() == 0 || self.history.contains_key(&revision) {
                continue;
            }
            let snap = plant.graph.snapshot_at(revision);
            let snap = snap.map_err(|error| format!("{revision} is in the history: {error:?}"))?;
            let signals: Vec<Val> = plant.signals.iter().map(|signal| snap.get(signal)).collect();
            let due = self.plan.spec.outcomes(&signals);
            for (id, node) in plant.nodes.iter().enumerate() {
                let found = node.in_snapshot(&snap, id);
                ensure!(
                    found == due[id],
                    "history at {revision}: node {id} is {found:?} where {:?} is due, over \
                     {signals:?}",
                    due[id]
                );
            }
            self.tally.observations += due.len() as u64;
            self.history.insert(revision, signals);
        }
        Ok(())
    }

    /// Every commit that returned is in the log, no refused one is, and nothing else.
    fn exactly_once(&mut self, remains: &Remains<'_>) -> Verdict<()> {
        let mut due = 0;
        for event in remains.ended.iter().flat_map(|ended| &ended.events) {
            match event.what {
                What::Committed { op, logged: true, .. } => {
                    ensure!(self.place.contains_key(&op), "{op:?} returned but is lost");
                    due += 1;
                }
                What::Refused { op } => {
                    ensure!(!self.place.contains_key(&op), "{op:?} failed but is in the log");
                }
                _ => {}
            }
        }
        let ended = remains.ended.iter().flat_map(|ended| &ended.watches);
        for watch in remains.plant.watches.iter().chain(ended) {
            let runs = watch.seen.runs.lock().expect("nobody panics here");
            for (run, sight) in runs.iter().enumerate() {
                due += usize::from(self.reflected(watch, run, sight)?);
            }
        }
        ensure!(due == self.place.len(), "{due} commits are due, {} in the log", self.place.len());
        Ok(())
    }

    /// Whether a run of a mirror wrote; if so, its commit comes after what it saw.
    fn reflected(&self, watch: &Watch, run: usize, sight: &Sight) -> Verdict<bool> {
        let Some(_) = watch.spec.mirror else {
            return Ok(false);
        };
        let Ok(_) = applied(watch, sight) else {
            return Ok(false);
        };
        let op = OpId { by: watch.seen.number, at: run as u32 + 1 };
        let place = self.place.get(&op);
        ensure!(place.is_some(), "the write of effect run {op:?} is lost");
        ensure!(place > Some(&sight.log), "effect run {op:?} commits before what it saw");
        Ok(true)
    }

    /// One thread's events in order: right, and never back.
    fn session(&mut self, events: &[Event]) -> Verdict<()> {
        let mut low = 0;
        let mut newest: Option<Revision> = None;
        let mut tags = vec![HashMap::new(); self.plan.spec.signals.len()];
        for event in events {
            let found = self.event(event, &mut low, &mut tags);
            found.map_err(|wrong| format!("{wrong}\n  in step {}: {:?}", event.at, event.what))?;
            let revision = match &event.what {
                What::Together { fresh: true, sight, .. } => Some(sight.revision),
                What::Committed { revision, .. } => Some(*revision),
                _ => None,
            };
            ensure!(revision.is_none() || revision >= newest, "{newest:?} was before {event:?}");
            newest = newest.max(revision);
        }
        Ok(())
    }

    fn event(
        &mut self,
        event: &Event,
        low: &mut u64,
        tags: &mut [HashMap<u32, u32>],
    ) -> Verdict<()> {
        let least = event.before.max(*low);
        match &event.what {
            What::Together { by, fresh, sight, own } => {
                self.sight(by, sight, own.as_ref())?;
                if *fresh {
                    ensure!(sight.log >= least, "{by} went back: {} after {least}", sight.log);
                    *low = sight.log;
                    forwards(tags, sight)?;
                }
            }
            What::Alone { target, outcome, after } => {
                ensure!(*after >= least, "the log went back: {after} after {least}");
                *low = self.alone(target, *outcome, least, *after)?;
            }
            What::Committed { op, logged: true, after, .. } => {
                let place = self.place[op];
                ensure!(place > least, "{op:?} committed as {place}, but {least} was past");
                ensure!(*after >= place, "{op:?} is not seen by its own thread");
                *low = *after;
            }
            What::Committed { after, .. } => {
                ensure!(*after >= least, "the log went back: {after} after {least}");
                *low = *after;
            }
            What::Refused { .. } => {}
        }
        Ok(())
    }

    /// The first state from `least` to `after` in which a top-level read gives this.
    fn alone(&mut self, target: &Target, outcome: Outcome, least: u64, after: u64) -> Verdict<u64> {
        self.tally.observations += 1;
        let sources = match target {
            Target::Node(id) => vec![*id],
            Target::Passing(rule) => rule.sources(),
        };
        if sources.iter().any(|id| self.free[*id]) {
            return Ok(least);
        }
        let holds = |place: &u64| {
            let outcomes = &self.outcomes[*place as usize];
            let due = match target {
                Target::Node(id) => outcomes[*id],
                Target::Passing(rule) => rule.apply(&mut Naive { outcomes: outcomes.clone() }),
            };
            due == outcome
        };
        (least..=after).find(holds).ok_or_else(|| {
            format!("{outcome:?} is the outcome of no state from {least} to {after}")
        })
    }

    /// Things read at one revision: all of one state, and right in it.
    fn sight(
        &mut self,
        by: &str,
        sight: &Sight,
        own: Option<&(std::sync::Arc<[Write]>, OpId)>,
    ) -> Verdict<()> {
        self.tally.observations += sight.reads.len() as u64;
        ensure!((sight.log as usize) < self.states.len(), "{by} saw a log that is not there");
        let mut signals = self.states[sight.log as usize].clone();
        if let Some(seen) = &sight.signals {
            self.signals(by, sight, seen)?;
            signals.clone_from(seen);
        }
        if let Some((writes, op)) = own {
            overlay(&mut signals, writes, op.tag());
        }
        let known = sight.signals.is_some();
        let due = self.plan.spec.outcomes(&signals);
        for (id, outcome) in sight.reads.iter().filter(|(id, _)| known || !self.free[*id]) {
            ensure!(
                due[*id] == *outcome,
                "{by} at {}, log {}: node {id} is {outcome:?} where {:?} is due, over {signals:?}",
                sight.revision,
                sight.log,
                due[*id]
            );
        }
        Ok(())
    }

    /// All signals seen at one revision, against the log and, where there is one, the history.
    fn signals(&self, by: &str, sight: &Sight, seen: &[Val]) -> Verdict<()> {
        for (at, value) in seen.iter().enumerate() {
            if let Role::Free { .. } = self.plan.spec.signals[at].role {
                self.tag(by, sight, at, *value)?;
                continue;
            }
            let due = &self.possible[sight.log as usize][at];
            ensure!(
                due.contains(value),
                "{by} at {}: signal {at} is {value:?} where log {} has {due:?}",
                sight.revision,
                sight.log
            );
        }
        let kept = self.history.get(&sight.revision);
        ensure!(
            kept.is_none_or(|kept| kept == seen),
            "{by} at {} saw {seen:?}, but the history has {kept:?}",
            sight.revision
        );
        Ok(())
    }

    /// A signal written outside the log: what is seen of it must fit the order of the script of
    /// whoever wrote it, of which the log tells the rest.
    fn tag(&self, by: &str, sight: &Sight, signal: usize, value: Val) -> Verdict<()> {
        let author = OpId::of_tag(value.tag);
        for (thread, script) in self.plan.scripts.iter().enumerate() {
            let thread = thread as u32 + 1;
            let mine = author.filter(|author| author.by == thread);
            if author.is_some() && mine.is_none() {
                continue;
            }
            // The last logged commit of this thread within what was seen, and the next one.
            let places =
                (1..=script.len() as u32).map(|at| (at, self.place.get(&OpId { by: thread, at })));
            let logged = |(at, place): (u32, Option<&u64>)| place.map(|place| (at, *place));
            let logged: Vec<(u32, u64)> = places.filter_map(logged).collect();
            let last = logged.iter().rfind(|(_, place)| *place <= sight.log).map_or(0, |l| l.0);
            let next =
                logged.iter().find(|(_, place)| *place > sight.log).map_or(u32::MAX, |l| l.0);
            let wrote = |at: &u32| {
                let op = &script[*at as usize - 1];
                matches!(op, Op::Lone { write, .. } if write.signal == signal)
            };
            let least = (1..=last).rev().find(wrote).unwrap_or(0);
            let at = mine.map_or(0, |op| op.at);
            ensure!(
                least <= at && at < next,
                "{by} at {}: free signal {signal} is {value:?}, but log {} says that it is of \
                 operation {least} of thread {thread} or later, and before {next}",
                sight.revision,
                sight.log
            );
        }
        Ok(())
    }

    fn evaluation(&mut self, evaluation: &Evaluation) -> Verdict<()> {
        self.tally.evaluations += 1;
        let found = self.sight("evaluation", &evaluation.sight, None);
        found.map_err(|wrong| format!("{wrong}\n  in {evaluation:?}"))
    }

    /// One effect: each run right, forwards, needed; the last one up to date.
    fn watch(&mut self, watch: &Watch, plant: &Plant) -> Verdict<()> {
        let seen = &watch.seen;
        let runs = seen.runs.lock().expect("nobody panics here");
        let overlaps = seen.overlaps.load(std::sync::atomic::Ordering::Relaxed);
        ensure!(overlaps == 0, "two runs of effect {} at once", seen.number);
        let late = seen.late.load(std::sync::atomic::Ordering::Relaxed);
        ensure!(late == 0, "effect {} ran after dispose had returned", seen.number);
        let mut tags = vec![HashMap::new(); self.plan.spec.signals.len()];
        for sight in runs.iter() {
            self.tally.runs += 1;
            let found = self.sight("effect", sight, None).and_then(|()| forwards(&mut tags, sight));
            found.map_err(|wrong| format!("{wrong}\n  in {:?} {sight:?}", watch.spec))?;
        }
        for pair in runs.windows(2) {
            let found = self.next_run(watch, &pair[0], &pair[1]);
            found.map_err(|wrong| format!("{wrong}\n  in {:?}\n  {pair:?}", watch.spec))?;
        }
        if watch.effect.is_some() {
            let last = runs.last().ok_or("an effect never ran")?;
            let found = self.saw_the_last(watch, last, plant);
            found.map_err(|wrong| format!("{wrong}\n  in {:?} {last:?}", watch.spec))?;
        }
        Ok(())
    }

    fn next_run(&self, watch: &Watch, before: &Sight, after: &Sight) -> Verdict<()> {
        ensure!(before.revision < after.revision, "an effect did not move forwards");
        ensure!(before.log <= after.log, "an effect went back in the log");
        if watch.spec.tracks_log || before.reads.iter().any(|(id, _)| self.restless(*id)) {
            return Ok(());
        }
        let (from, to) = (before.log as usize, after.log as usize);
        let changed = before.reads.iter().any(|(id, outcome)| {
            let outcomes = &self.outcomes[from..=to];
            // An equal value that raced another write may have been installed.
            let rewritten = |of: &Vec<Vec<Val>>| of.get(*id).is_some_and(|of| of.len() > 1);
            outcomes.iter().any(|outcomes| outcomes[*id] != *outcome)
                || self.possible[from..=to].iter().any(rewritten)
        });
        ensure!(changed, "an effect ran although nothing it had read had changed");
        Ok(())
    }

    /// Whether a node may count as changed although its outcome is the same, or in ways that the
    /// log does not tell.
    fn restless(&self, id: Id) -> bool {
        let spec = &self.plan.spec;
        let restless = spec.tainted(|id| {
            let touched = self.plan.touched.contains(&id);
            touched || spec.compare(id).changes_without_change()
        });
        // One failure after another may be a change.
        restless[id] || self.free[id] || self.outcomes.iter().any(|of| of[id] == Err(Failed))
    }

    fn saw_the_last(&self, watch: &Watch, last: &Sight, plant: &Plant) -> Verdict<()> {
        let signals: Vec<Val> = plant.signals.iter().map(|signal| signal.get()).collect();
        let due = self.plan.spec.outcomes(&signals);
        for (id, outcome) in &last.reads {
            ensure!(
                due[*id] == *outcome,
                "an effect missed the last state: node {id} is {:?} in it",
                due[*id]
            );
        }
        let newest = self.states.len() as u64 - 1;
        ensure!(
            !watch.spec.tracks_log || last.log == newest,
            "an effect missed the last of the log"
        );
        Ok(())
    }

    /// Revisions and the log agree on the order of everything that was seen.
    fn one_order(&self, remains: &Remains<'_>) -> Verdict<()> {
        let mut order: BTreeMap<Revision, u64> = BTreeMap::new();
        let events = remains.ended.iter().flat_map(|ended| &ended.events);
        let together = events.filter_map(|event| match &event.what {
            What::Together { sight, .. } => Some((sight.revision, sight.log)),
            _ => None,
        });
        let evaluations = remains.evaluations.iter().map(|e| (e.sight.revision, e.sight.log));
        for (revision, log) in together.chain(evaluations) {
            let other = *order.entry(revision).or_insert(log);
            ensure!(other == log, "{revision} is log {other} and log {log}");
        }
        let places: Vec<_> = order.iter().collect();
        for pair in places.windows(2) {
            ensure!(pair[0].1 <= pair[1].1, "revisions and log disagree: {pair:?}");
        }
        Ok(())
    }

    /// Each panic of an effect was reported, and nothing else.
    fn reported(&self, remains: &Remains<'_>) -> Verdict<()> {
        let watches = remains.ended.iter().flat_map(|ended| &ended.watches);
        let mut due = 0;
        for watch in remains.plant.watches.iter().chain(watches) {
            let runs = watch.seen.runs.lock().expect("nobody panics here");
            let panics = |sight: &&Sight| {
                watch.spec.panics.is_some() && applied(watch, sight).ok() == watch.spec.panics
            };
            due += runs.iter().filter(panics).count() as u64;
        }
        let reported = remains.plant.failures.load(std::sync::atomic::Ordering::Relaxed);
        ensure!(reported == due, "{reported} failures reported where {due} effect runs panicked");
        Ok(())
    }

    /// After all is over every node is what the last state makes of it.
    fn at_rest(&self, plant: &Plant) -> Verdict<()> {
        let signals: Vec<Val> = plant.signals.iter().map(|signal| signal.get()).collect();
        let last = self.possible.last().expect("there is a first state");
        for (at, spec) in self.plan.spec.signals.iter().enumerate() {
            let free = matches!(spec.role, Role::Free { .. });
            let right = free || last[at].contains(&signals[at]);
            ensure!(right, "signal {at} is {:?} at rest", signals[at]);
        }
        let due = self.plan.spec.outcomes(&signals);
        for (id, node) in plant.nodes.iter().enumerate() {
            let found = node.try_get(id);
            ensure!(found == due[id], "node {id} is {found:?} at rest where {:?} is due", due[id]);
        }
        Ok(())
    }
}

/// The values that each signal may have after a commit.
fn choices(plan: &Plan, before: &[Val], possible: &[Vec<Val>], entry: &Entry) -> Vec<Vec<Val>> {
    let mut after = before.to_vec();
    overlay(&mut after, &entry.writes, entry.op.tag());
    let mut choices = possible.to_vec();
    for write in entry.writes.iter() {
        let at = write.signal;
        if plan.spec.signals[at].compare.same(&before[at], &after[at]) {
            choices[at].push(after[at]);
        } else {
            choices[at] = vec![after[at]];
        }
    }
    choices
}

/// What an effect's rule makes of what the run had read.
fn applied(watch: &Watch, sight: &Sight) -> Outcome {
    struct Replay<'a>(std::slice::Iter<'a, (Id, Outcome)>);
    impl crate::spec::Sources for Replay<'_> {
        fn read(&mut self, id: Id) -> Outcome {
            let (read, outcome) = self.0.next().expect("a rule reads the same again");
            assert_eq!(*read, id, "a rule reads the same again");
            *outcome
        }

        fn attempt(&mut self, id: Id) -> Outcome {
            self.read(id)
        }
    }
    watch.spec.rule.apply(&mut Replay(sight.reads.iter()))
}

/// Per author, what is seen of the writes to a signal never goes back.
fn forwards(tags: &mut [HashMap<u32, u32>], sight: &Sight) -> Verdict<()> {
    for (at, value) in sight.signals.iter().flatten().enumerate() {
        let Some(op) = OpId::of_tag(value.tag) else {
            continue;
        };
        let newest = tags[at].entry(op.by).or_insert(0);
        ensure!(*newest <= op.at, "signal {at} went back: {op:?} after its author's {newest}");
        *newest = op.at;
    }
    Ok(())
}
