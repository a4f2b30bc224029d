//! Snapshots, drafts and linked nodes under writers (C2, C3).

use std::sync::Mutex;

use isobar::{Computed, Graph, Linked, Signal, Snapshot};

use crate::crew::{Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const WRITERS: usize = 2;
const READERS: usize = 2;

/// Three signals that always hold n, 2n and 3n, a computed over them, and one with a cutoff.
struct Triple {
    graph: Graph,
    parts: [Signal<u64>; 3],
    sum: Computed<u64>,
    parity: Computed<u64>,
}

impl Triple {
    fn new() -> Triple {
        let graph = Graph::new();
        let parts = [graph.signal(0u64), graph.signal(0u64), graph.signal(0u64)];
        let sum = graph.computed({
            let parts = parts.clone();
            move || parts.iter().map(|part| part.get()).sum()
        });
        let parity = graph.computed({
            let (n, sum) = (parts[0].clone(), sum.clone());
            move || {
                if n.get() % 2 == 0 { 0 } else { 1 + sum.get() % 6 }
            }
        });
        Triple { graph, parts, sum, parity }
    }

    fn step(&self) {
        self.graph.batch(|| {
            for (place, part) in self.parts.iter().enumerate() {
                part.update(move |n| n + place as u64 + 1);
            }
        });
    }

    fn write(&self, shift: &Shift, effort: Effort) -> (u64, u64) {
        let _writing = shift.writing();
        let mut commits = 0;
        while effort.goes_on(commits) {
            self.step();
            commits += 1;
        }
        (commits, 0)
    }
}

/// Whether the numbers read at one revision belong together.
fn belong(n: u64, twice: u64, thrice: u64, sum: u64, parity: u64) -> bool {
    let parity_due = if n.is_multiple_of(2) { 0 } else { 1 };
    (twice, thrice, sum, parity) == (2 * n, 3 * n, 6 * n, parity_due)
}

/// A snapshot answers the same, and the right thing, as long as it is held, on any thread.
#[test]
fn snapshots_under_writers() {
    within("snapshots_under_writers", allowance(60), |case| {
        let triple = Triple::new();
        let stats = triple.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(6_000);
        let shift = Shift::new(WRITERS, 1_000);
        let handed_over: Mutex<Vec<(Snapshot, u64)>> = Mutex::default();
        let done = crew(WRITERS + READERS, |index| {
            if index < WRITERS {
                triple.write(&shift, effort)
            } else {
                look_back(&triple, &shift, &handed_over)
            }
        });
        let commits: u64 = done[..WRITERS].iter().map(|done| done.0).sum();
        let reads: u64 = done[WRITERS..].iter().map(|done| done.0).sum();
        let wrong: u64 = done.iter().map(|done| done.1).sum();
        println!("snapshots: {commits} commits, {wrong} wrong of {reads} reads");
        assert_eq!(wrong, 0);
        assert_eq!(triple.parts[0].get(), commits);
    });
}

fn look_back(triple: &Triple, shift: &Shift, handed: &Mutex<Vec<(Snapshot, u64)>>) -> (u64, u64) {
    let mut held: Vec<(Snapshot, u64)> = Vec::new();
    let (mut reads, mut wrong, mut newest) = (0, 0, None);
    while shift.goes_on(reads) {
        let snap = triple.graph.snapshot();
        wrong += u64::from(newest > Some(snap.revision()));
        newest = Some(snap.revision());
        let n = snap.get(&triple.parts[0]);
        held.push((snap, n));
        if held.len() > 8 {
            let old = held.swap_remove(reads as usize % 8);
            let mut handed = handed.lock().expect("no panic here");
            handed.push(old);
            if handed.len() > 4 {
                let at = reads as usize % 4;
                held.push(handed.swap_remove(at));
                let spare = handed.pop();
                drop(handed);
                drop(spare);
            }
        }
        for (snap, n) in &held {
            let parity = snap.get(&triple.parity);
            let [one, two, three] = [0, 1, 2].map(|place| snap.get(&triple.parts[place]));
            let right = one == *n && belong(one, two, three, snap.get(&triple.sum), parity);
            wrong += u64::from(!right);
            reads += 1;
        }
    }
    (reads, wrong)
}

/// Drafts are private, complete, and commit only if what they wrote had stayed the same.
#[test]
fn drafts_under_writers() {
    within("drafts_under_writers", allowance(60), |case| {
        let triple = Triple::new();
        let tally = triple.graph.signal(0u64);
        let stats = triple.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(4_000);
        let shift = Shift::new(WRITERS, 500);
        let done = crew(WRITERS + READERS, |index| {
            if index < WRITERS {
                triple.write(&shift, effort)
            } else {
                what_if(&triple, &tally, &shift)
            }
        });
        let commits: u64 = done[..WRITERS].iter().map(|done| done.0).sum();
        let drafts: u64 = done[WRITERS..].iter().map(|done| done.0).sum();
        let wrong: u64 = done.iter().map(|done| done.1).sum();
        println!("drafts: {commits} commits, {wrong} wrong of {drafts} drafts");
        assert_eq!(wrong, 0);
        assert_eq!(triple.parts[0].get(), commits, "a dropped draft changed nothing");
        assert_eq!(tally.get(), drafts, "each draft committed its count once");
    });
}

fn what_if(triple: &Triple, tally: &Signal<u64>, shift: &Shift) -> (u64, u64) {
    let (mut drafts, mut wrong) = (0, 0);
    while shift.goes_on(drafts) {
        wrong += u64::from(!imagine(triple, drafts));
        commit_one(triple, tally);
        drafts += 1;
    }
    (drafts, wrong)
}

/// More than any run commits.
const FAR: u64 = 1 << 40;

/// Looks at a draft in which n is far away, and drops it.
fn imagine(triple: &Triple, far: u64) -> bool {
    let draft = triple.graph.draft();
    let n = draft.get(&triple.parts[0]);
    let before = draft.get(&triple.sum) == 6 * n;
    let far = FAR + far;
    draft.set(&triple.parts[0], far);
    let during = draft.get(&triple.sum) == far + 5 * n;
    draft.set(&triple.parts[1], 2 * far);
    draft.update(&triple.parts[2], move |_| 3 * far);
    let parity = draft.get(&triple.parity);
    let [one, two, three] = [0, 1, 2].map(|place| draft.get(&triple.parts[place]));
    let after = belong(one, two, three, draft.get(&triple.sum), parity);
    let inside = draft.enter(|| triple.sum.get() == 6 * far);
    before && during && after && inside && triple.parts[0].get() < FAR
}

/// Counts by a draft, as often as it takes: rebased when somebody else was first.
fn commit_one(triple: &Triple, tally: &Signal<u64>) {
    let mut draft = triple.graph.draft();
    draft.update(tally, |n| n + 1);
    loop {
        match draft.commit() {
            Ok(_) => return,
            Err(conflict) => {
                draft = conflict.into_draft();
                draft.rebase();
            }
        }
    }
}

/// A linked node follows its source; what was set holds until the source changes, and is never
/// seen on another source.
#[test]
fn linked_under_writers() {
    within("linked_under_writers", allowance(60), |case| {
        let g = Graph::new();
        let source = g.signal(0u64);
        let chosen = g.enter(|| {
            isobar::linked(&source, |source: &u64, _| Choice { of: *source, by_hand: false })
        });
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(4_000);
        let shift = Shift::new(WRITERS, 1_000);
        let done = crew(WRITERS + READERS, |index| match index {
            0 => advance(&source, &shift, effort),
            1 => choose(&g, &source, &chosen, &shift, effort),
            _ => compare(&g, &source, &chosen, &shift),
        });
        let by_hand: u64 = done.iter().map(|done| done.2).sum();
        let wrong: u64 = done.iter().map(|done| done.1).sum();
        let reads: u64 = done[WRITERS..].iter().map(|done| done.0).sum();
        println!(
            "linked: {} changes, {by_hand} seen set, {wrong} wrong of {reads} reads",
            done[0].0
        );
        assert_eq!(wrong, 0);
    });
}

#[derive(Clone, PartialEq)]
struct Choice {
    of: u64,
    by_hand: bool,
}

fn advance(source: &Signal<u64>, shift: &Shift, effort: Effort) -> (u64, u64, u64) {
    let _writing = shift.writing();
    let mut changes = 0;
    while effort.goes_on(changes) {
        source.update(|n| n + 1);
        changes += 1;
        std::thread::yield_now();
    }
    (changes, 0, 0)
}

/// Sets the linked node by hand, in a transaction, for the source as it is.
fn choose(
    g: &Graph,
    source: &Signal<u64>,
    chosen: &Linked<Choice>,
    shift: &Shift,
    effort: Effort,
) -> (u64, u64, u64) {
    let _writing = shift.writing();
    let (mut choices, mut wrong) = (0, 0);
    while effort.goes_on(choices) {
        let set: Result<u64, ()> = g.transaction(|| {
            let of = source.get();
            chosen.set(Choice { of, by_hand: true });
            Ok(of)
        });
        let of = set.expect("the transaction never gives up");
        // It holds as long as the source is the same, and no longer.
        let snap = g.snapshot();
        let holds = snap.get(source) == of;
        wrong += u64::from(snap.get(chosen).by_hand != holds);
        choices += 1;
        std::thread::yield_now();
    }
    (choices, wrong, 0)
}

fn compare(
    g: &Graph,
    source: &Signal<u64>,
    chosen: &Linked<Choice>,
    shift: &Shift,
) -> (u64, u64, u64) {
    let (mut reads, mut wrong, mut by_hand) = (0, 0, 0);
    while shift.goes_on(reads) {
        let snap = g.snapshot();
        let choice = snap.get(chosen);
        let right = choice.of == snap.get(source) && chosen.get().of >= choice.of;
        wrong += u64::from(!right);
        by_hand += u64::from(choice.by_hand);
        reads += 1;
    }
    (reads, wrong, by_hand)
}
