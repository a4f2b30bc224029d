//! A thread performs its script and notes what it sees; nothing is judged here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use isobar::{Draft, Revision, Snapshot};

use crate::log::{Log, OpId, Write};
use crate::plant::{Handle, Plant, Sight, Watch, apply, overlaid};
use crate::script::{End, Lone, Op, Plan, Via};
use crate::spec::{Id, Outcome, Rule, Val};

/// What a thread saw or did, in the order of its script.
#[derive(Debug)]
pub(crate) struct Event {
    pub at: u32,
    /// The place in the log that this thread knew to be past before.
    pub before: u64,
    pub what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// Read together, at one revision; `own` are the writes through which it was read.
    Together {
        by: &'static str,
        fresh: bool,
        sight: Sight,
        own: Option<(Arc<[Write]>, OpId)>,
    },
    /// Read at top level: the value of some state not before `before` and not after `after`.
    Alone {
        target: Target,
        outcome: Outcome,
        after: u64,
    },
    Committed {
        op: OpId,
        logged: bool,
        after: u64,
        revision: Revision,
    },
    Refused {
        op: OpId,
    },
}

#[derive(Debug)]
pub(crate) enum Target {
    Node(Id),
    Passing(Rule),
}

/// What is left when a script has ended.
pub(crate) struct Ended {
    pub events: Vec<Event>,
    pub watches: Vec<Watch>,
}

pub(crate) struct Performer<'a> {
    plan: &'a Plan,
    plant: &'a Plant,
    thread: u32,
    at: u32,
    events: Vec<Event>,
    held: Vec<(Snapshot, Sight)>,
    watches: Vec<Watch>,
}

/// Raised to leave a batch in the middle.
const LEAVE: &str = "deliberate: the script leaves this batch";

impl<'a> Performer<'a> {
    pub(crate) fn new(plan: &'a Plan, plant: &'a Plant, thread: usize) -> Performer<'a> {
        let (events, held, watches) = Default::default();
        Performer { plan, plant, thread: thread as u32 + 1, at: 0, events, held, watches }
    }

    pub(crate) fn perform(mut self) -> Ended {
        let script = &self.plan.scripts[self.thread as usize - 1];
        for op in script {
            self.at += 1;
            self.op(op);
        }
        Ended { events: self.events, watches: self.watches }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Commit { via: Via::Draft, writes, reads, .. } => self.draft(writes, reads),
            Op::Commit { via: Via::Transaction, writes, reads, end } => {
                self.transaction(writes, reads, end);
            }
            Op::Commit { via, writes, reads, end } => self.batch(*via, writes, reads, end),
            Op::WhatIf { writes, reads, enter } => self.what_if(writes, reads, *enter),
            Op::Lone { write, way } => self.lone(write, *way),
            Op::Touch(signal) => self.plant.signals[*signal].touch(),
            Op::Read(reads) => reads.iter().for_each(|id| self.read(*id)),
            Op::Snapshot { reads, keep } => self.snapshot(reads, *keep),
            Op::Again { reads } => self.again(reads),
            Op::Passing(rule) => self.passing(rule),
            Op::Watch(spec) => self.watches.push(self.plant.watch(spec)),
            Op::Unwatch { dispose } => self.unwatch(*dispose),
            Op::Settle => {
                self.plant.graph.settle().expect("no effect reads what effects write");
            }
            Op::Collect => self.plant.graph.collect(),
        }
    }

    fn this(&self) -> OpId {
        OpId { by: self.thread, at: self.at }
    }

    fn note(&mut self, before: u64, what: What) {
        let told = match &what {
            What::Together { fresh: true, sight, .. } => sight.log,
            What::Alone { after, .. } | What::Committed { after, .. } => *after,
            _ => 0,
        };
        if self.plan.share {
            self.plant.known.fetch_max(told, Ordering::SeqCst);
        }
        self.events.push(Event { at: self.at, before, what });
    }

    /// What all threads have told so far; what comes now must not be older.
    fn known(&self) -> u64 {
        if self.plan.share { self.plant.known.load(Ordering::SeqCst) } else { 0 }
    }

    fn newest(&self) -> u64 {
        self.plant.log.with(Log::index)
    }

    fn committed(&mut self, before: u64, op: OpId, logged: bool) {
        let (after, revision) = (self.newest(), self.plant.graph.revision());
        self.note(before, What::Committed { op, logged, after, revision });
    }

    fn in_batch<R>(&self, work: impl FnOnce() -> R) -> R {
        if self.plan.entered { isobar::batch(work) } else { self.plant.graph.batch(work) }
    }

    fn read(&mut self, id: Id) {
        let before = self.known();
        let handle = &self.plant.nodes[id];
        let outcome = match self.at % 3 {
            0 => handle.try_peek(),
            _ => handle.try_get(self.at as usize),
        };
        let after = self.newest();
        self.note(before, What::Alone { target: Target::Node(id), outcome, after });
    }

    fn passing(&mut self, rule: &Rule) {
        let before = self.known();
        let computed = self.plant.graph.computed(self.plant.closure(rule, None));
        let handle = Handle::Computed(computed, crate::spec::Compare::Number);
        let outcome = handle.try_get(self.at as usize);
        drop(handle);
        let after = self.newest();
        self.note(before, What::Alone { target: Target::Passing(rule.clone()), outcome, after });
    }

    fn snapshot(&mut self, reads: &[Id], keep: bool) {
        let before = self.known();
        let snap = if self.plan.entered { isobar::snapshot() } else { self.plant.graph.snapshot() };
        let log = snap.with(&self.plant.log, Log::index);
        let sight = self.look(&snap, log, reads);
        let what = What::Together { by: "snapshot", fresh: true, sight: sight.clone(), own: None };
        self.note(before, what);
        if keep {
            self.held.push((snap, sight));
            if self.held.len() > 3 {
                drop(self.held.remove(self.at as usize % 3));
            }
        }
    }

    fn look(&self, snap: &Snapshot, log: u64, reads: &[Id]) -> Sight {
        let reads = reads.iter().map(|id| (*id, self.plant.nodes[*id].in_snapshot(snap, *id)));
        let reads = reads.collect();
        let signals: Vec<Val> = self.plant.signals.iter().map(|signal| snap.get(signal)).collect();
        Sight { revision: snap.revision(), log, signals: Some(signals), reads }
    }

    fn again(&mut self, reads: &[Id]) {
        for held in 0..self.held.len() {
            let (snap, first) = &self.held[held];
            let sight = self.look(snap, snap.with(&self.plant.log, Log::index), reads);
            assert_eq!(sight.log, first.log, "a held snapshot moved");
            assert_eq!(sight.revision, first.revision, "a held snapshot moved");
            assert_eq!(sight.signals, first.signals, "a held snapshot moved");
            let by = "held snapshot";
            self.note(0, What::Together { by, fresh: false, sight, own: None });
        }
    }

    fn batch(&mut self, via: Via, writes: &Arc<[Write]>, reads: &[Id], end: &End) {
        let (before, op) = (self.known(), self.this());
        let mut seen = Vec::new();
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.in_batch(|| {
                overlaid(|| self.in_this_batch(via, writes, reads, end, &mut seen));
            });
        }));
        let own = [None, Some((Arc::clone(writes), op)), Some((Arc::clone(writes), op))];
        for (sight, own) in seen.into_iter().zip(own) {
            let by = "batch";
            self.note(before, What::Together { by, fresh: true, sight, own });
        }
        match done {
            Ok(()) => self.committed(before, op, true),
            Err(_) => self.note(before, What::Refused { op }),
        }
    }

    fn in_this_batch(
        &self,
        via: Via,
        writes: &Arc<[Write]>,
        reads: &[Id],
        end: &End,
        seen: &mut Vec<Sight>,
    ) {
        let (plant, op) = (self.plant, self.this());
        // The log is read before it is written: what a batch reads is of its start.
        let log = plant.log.with(Log::index);
        let revision = plant.graph.revision();
        let look = |with_signals: bool| {
            let signals = with_signals.then(|| Plant::all_signals(&plant.signals));
            let reads = reads.iter().map(|id| (*id, plant.nodes[*id].try_get(*id))).collect();
            Sight { revision, log, signals, reads }
        };
        seen.push(look(true));
        for write in writes.iter() {
            match via {
                Via::Nested => self.in_batch(|| plant.write(write, op)),
                _ => plant.write(write, op),
            }
        }
        seen.push(look(false));
        if let End::Undoes(inner) = end {
            self.undone(inner);
            seen.push(look(false));
        }
        plant.append(op, writes, &[].into());
        if matches!(end, End::Refuses) {
            panic!("{LEAVE}");
        }
    }

    /// Writes in an inner batch that ends by a panic.
    fn undone(&self, writes: &[Write]) {
        let op = OpId { by: self.thread, at: u32::MAX };
        let inner = catch_unwind(AssertUnwindSafe(|| {
            self.in_batch(|| {
                writes.iter().for_each(|write| self.plant.write(write, op));
                self.plant.append(op, &writes.into(), &[].into());
                panic!("{LEAVE}");
            });
        }));
        assert!(inner.is_err(), "the inner batch let its panic through");
    }

    /// What the last run of the closure read goes into the log: it must hold where it commits.
    fn transaction(&mut self, writes: &Arc<[Write]>, reads: &[Id], end: &End) {
        let (before, op) = (self.known(), self.this());
        let run = || -> Result<(), ()> {
            overlaid(|| {
                let read: Vec<(Id, Outcome)> =
                    reads.iter().map(|id| (*id, self.plant.nodes[*id].try_get(*id))).collect();
                writes.iter().for_each(|write| self.plant.write(write, op));
                if let End::Undoes(inner) = end {
                    self.undone(inner);
                }
                self.plant.append(op, writes, &read.into());
            });
            if matches!(end, End::Refuses) { Err(()) } else { Ok(()) }
        };
        let transaction = AssertUnwindSafe(|| {
            if self.plan.entered {
                isobar::transaction(run)
            } else {
                self.plant.graph.transaction(run)
            }
        });
        match catch_unwind(transaction) {
            Ok(Ok(())) => self.committed(before, op, true),
            Ok(Err(())) | Err(_) => self.note(before, What::Refused { op }),
        }
    }

    fn draft(&mut self, writes: &Arc<[Write]>, reads: &[Id]) {
        let (before, op) = (self.known(), self.this());
        let plant = self.plant;
        let mut draft = plant.graph.draft();
        // A draft commits only if what it wrote is still what it was when it began: that goes into
        // the
        // log as read. Not after a rebase: where it then begins is not known here.
        let first = |write: &Write| (write.signal, plant.nodes[write.signal].in_draft(&draft, 0));
        let begun: Arc<[(Id, Outcome)]> = writes.iter().map(first).collect();
        let begun = Arc::new(Mutex::new(begun));
        let written = catch_unwind(AssertUnwindSafe(|| self.write_draft(&draft, writes)));
        if written.is_err() {
            // An equality function refused.
            self.note(before, What::Refused { op });
            return;
        }
        let sight = self.look_draft(&draft, reads);
        let own = Some((Arc::clone(writes), op));
        self.note(before, What::Together { by: "draft", fresh: true, sight, own });
        let (all, read) = (Arc::clone(writes), Arc::clone(&begun));
        draft.update(&plant.log, move |log| {
            log.with(op, &all, &read.lock().expect("nobody panics here"))
        });
        let done = catch_unwind(AssertUnwindSafe(|| {
            loop {
                match draft.commit() {
                    Ok(_) => return,
                    Err(conflict) => draft = conflict.into_draft(),
                }
                *begun.lock().expect("nobody panics here") = [].into();
                draft.rebase();
            }
        }));
        match done {
            Ok(()) => self.committed(before, op, true),
            Err(_) => self.note(before, What::Refused { op }),
        }
    }

    fn write_draft(&self, draft: &Draft, writes: &[Write]) {
        let tag = self.this().tag();
        for write in writes {
            let (signal, write) = (&self.plant.signals[write.signal], *write);
            match write.how {
                crate::log::How::Set => draft.set(signal, Val { v: write.v, tag }),
                crate::log::How::Update => draft.update(signal, move |old| write.of(old, tag)),
                crate::log::How::Mutate => {
                    draft.mutate(signal, move |value| *value = write.of(value, tag));
                }
            }
        }
    }

    fn look_draft(&self, draft: &Draft, reads: &[Id]) -> Sight {
        overlaid(|| {
            let reads = reads.iter().map(|id| (*id, self.plant.nodes[*id].in_draft(draft, *id)));
            let reads = reads.collect();
            let log = draft.with(&self.plant.log, Log::index);
            Sight { revision: draft.base(), log, signals: None, reads }
        })
    }

    fn what_if(&mut self, writes: &Arc<[Write]>, reads: &[Id], enter: bool) {
        let (before, op) = (self.known(), self.this());
        let draft = self.plant.graph.draft();
        let written = catch_unwind(AssertUnwindSafe(|| self.write_draft(&draft, writes)));
        if written.is_err() {
            return;
        }
        let sight = if enter {
            let look = || reads.iter().map(|id| (*id, self.plant.nodes[*id].try_get(*id)));
            let reads = overlaid(|| draft.enter(|| look().collect()));
            Sight { reads, ..self.look_draft(&draft, &[]) }
        } else {
            self.look_draft(&draft, reads)
        };
        let own = Some((Arc::clone(writes), op));
        self.note(before, What::Together { by: "what-if", fresh: true, sight, own });
    }

    fn lone(&mut self, write: &Write, way: Lone) {
        let (before, op) = (self.known(), self.this());
        let signal = &self.plant.signals[write.signal];
        let value = Val { v: write.v, tag: op.tag() };
        match way {
            Lone::Set => signal.set(value),
            Lone::Try => signal.try_set(value).expect("nothing forbids it here"),
            Lone::Replace => drop(signal.replace(value)),
            Lone::Update | Lone::Mutate => apply(signal, write, op),
            Lone::Compare => loop {
                let snap = self.plant.graph.snapshot();
                if signal.compare_set(snap.revision(), value).is_ok() {
                    break;
                }
            },
        }
        // Read your writes: nobody else may have written it, or something later has.
        let seen = signal.get();
        let only = self.plan.spec.signals[write.signal].role
            == crate::spec::Role::Free { only: Some(self.thread as usize - 1) };
        assert!(!only || seen.tag == op.tag(), "own write {op:?} not read: {seen:?}");
        self.committed(before, op, false);
    }

    fn unwatch(&mut self, dispose: bool) {
        if self.watches.is_empty() {
            return;
        }
        let at = self.at as usize % self.watches.len();
        let Some(effect) = self.watches[at].effect.take() else {
            return;
        };
        if dispose {
            effect.dispose();
            self.watches[at].seen.over.store(true, Ordering::Release);
        }
        drop(effect);
    }
}
