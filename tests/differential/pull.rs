//! The least work a lazy graph with cutoffs can do on one thread, counted run by run.
//!
//! A computed runs at its first read, and again only when it is read (or an effect needs it) and a
//! source that it read has changed since; sources are looked at in the order in which they were
//! read,
//! so that a change of the first keeps the others from being run for nothing.

use crate::log::{Write, commit};
use crate::spec::{Compare, Failed, Id, Outcome, Rule, Sources, Spec, Val};

pub(crate) struct Pull<'a> {
    spec: &'a Spec,
    signals: Vec<Val>,
    changed_at: Vec<u64>,
    now: u64,
    memos: Vec<Option<Memo>>,
    effects: Vec<(Rule, Option<Memo>)>,
    /// Runs of computeds, as they happened.
    pub runs: Vec<Id>,
    pub effect_runs: Vec<usize>,
}

#[derive(Clone)]
struct Memo {
    /// As kept, not as seen: which of several equal values it is matters to the next comparison.
    value: Result<u64, Failed>,
    changed_at: u64,
    verified_at: u64,
    sources: Vec<Id>,
}

impl<'a> Pull<'a> {
    pub(crate) fn new(spec: &'a Spec, effects: &[Rule]) -> Pull<'a> {
        let mut pull = Pull {
            spec,
            signals: spec.first(),
            changed_at: vec![0; spec.nodes()],
            now: 0,
            memos: vec![None; spec.computeds.len()],
            effects: effects.iter().map(|rule| (rule.clone(), None)).collect(),
            runs: Vec::new(),
            effect_runs: Vec::new(),
        };
        pull.react();
        pull
    }

    pub(crate) fn write(&mut self, writes: &[Write], touched: &[usize]) {
        self.now += 1;
        let before = self.signals.clone();
        commit(self.spec, &mut self.signals, writes, self.now);
        for (at, signal) in self.spec.signals.iter().enumerate() {
            let written = writes.iter().any(|write| write.signal == at);
            let changed = match signal.compare {
                Compare::Always => written,
                _ => self.signals[at] != before[at],
            };
            if changed || touched.contains(&at) {
                self.changed_at[at] = self.now;
            }
        }
        self.react();
    }

    pub(crate) fn read(&mut self, id: Id) -> Outcome {
        self.refresh(id);
        self.kept(id)
    }

    /// Runs every effect of which a source changed.
    fn react(&mut self) {
        for at in 0..self.effects.len() {
            if let Some(memo) = self.effects[at].1.clone()
                && !self.outdated(&memo)
            {
                self.effects[at].1.as_mut().expect("just seen").verified_at = self.now;
                continue;
            }
            let rule = self.effects[at].0.clone();
            self.effect_runs.push(at);
            let mut reading = Reading { pull: self, sources: Vec::new() };
            let value = rule.apply(&mut reading);
            let sources = reading.sources;
            let (changed_at, verified_at) = (self.now, self.now);
            self.effects[at].1 = Some(Memo { value, changed_at, verified_at, sources });
        }
    }

    fn outdated(&mut self, memo: &Memo) -> bool {
        memo.sources.iter().any(|source| self.refresh(*source) > memo.verified_at)
    }

    /// Brings a node up to date; when it last changed.
    fn refresh(&mut self, id: Id) -> u64 {
        let Some(at) = id.checked_sub(self.spec.signals.len()) else {
            return self.changed_at[id];
        };
        let fresh = match self.memos[at].clone() {
            None => false,
            Some(memo) => memo.verified_at == self.now || !self.outdated(&memo),
        };
        if !fresh {
            self.run(id, at);
        }
        let memo = self.memos[at].as_mut().expect("it has run");
        memo.verified_at = self.now;
        memo.changed_at
    }

    fn run(&mut self, id: Id, at: usize) {
        self.runs.push(id);
        let spec = &self.spec.computeds[at];
        let mut reading = Reading { pull: self, sources: Vec::new() };
        let value = spec.rule.apply(&mut reading);
        let sources = reading.sources;
        let old = self.memos[at].take();
        let kept = old.filter(|old| equal(spec.compare, old.value, value));
        let (value, changed_at) = match kept {
            Some(old) => (old.value, old.changed_at),
            None => (value, self.now),
        };
        self.memos[at] = Some(Memo { value, changed_at, verified_at: self.now, sources });
    }

    fn kept(&self, id: Id) -> Outcome {
        let value = match id.checked_sub(self.spec.signals.len()) {
            None => Ok(self.signals[id].v),
            Some(at) => self.memos[at].as_ref().expect("read after refresh").value,
        };
        value.map(|number| self.spec.compare(id).seen(number))
    }
}

/// A failure is a new value every time; a panic of the equality function counts as a change.
fn equal(compare: Compare, old: Outcome, new: Outcome) -> bool {
    let (Ok(old), Ok(new)) = (old, new) else {
        return false;
    };
    match compare {
        Compare::Panics(rest) if new % 5 == rest => false,
        compare => compare.same(&Val::plain(old), &Val::plain(new)),
    }
}

struct Reading<'a, 'b> {
    pull: &'a mut Pull<'b>,
    sources: Vec<Id>,
}

impl Sources for Reading<'_, '_> {
    fn read(&mut self, id: Id) -> Outcome {
        if !self.sources.contains(&id) {
            self.sources.push(id);
        }
        self.pull.read(id)
    }

    fn attempt(&mut self, id: Id) -> Outcome {
        self.read(id)
    }
}
