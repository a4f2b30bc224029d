//! Cores that do operations given as lists of accesses, each core at its own pace: what crosses
//! between them, and how much they get done. The lists are in `benches/scaling.rs`.
//!
//! A transfer takes time, and a line crosses to one core after the other. Commits are those of
//! docs/protocols/commit.md: who finds the right taken leaves its request, and the holder commits
//! all that wait as one group. Left out: full caches, looks at the right while a request waits,
//! parking, and that a core goes on while a line is on its way.

use std::collections::BTreeMap;

use crate::coherence::{Caches, Line, Met};

/// A line of a graph's record, by what is in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// The newest visible revision.
    Clock,
    /// The commit right.
    Right,
    /// Requests that wait.
    Inbox,
    /// Superseded versions since the last trim, and when the next is due.
    Due,
    /// How many requests, commits, waves, recomputes.
    Counts,
    /// How many edges, effects, subscriptions, values to reclaim.
    Live,
    /// Signals to trim, retired memos, the trimmer's lock.
    Lists,
    /// Pending effects, costs, who waits for progress.
    Hints,
    /// Revisions that are held elsewhere than in a thread's record.
    Holds,
    /// The lock of the register of nodes.
    Register,
    /// The register's own fields.
    Registered,
    /// Where the register keeps the nodes.
    Slots,
}

/// A line, as an operation names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// Of this thread's record: 0, what it holds; 1, its pin and what it keeps; 2, its request.
    Own(usize),
    /// The same line of every thread's record.
    Everybodys(usize),
    /// The epoch of reclamation, of the whole process.
    Epoch,
    /// Of the graph's record.
    Graph(Part),
    /// Of the signal's record: 0, what readers need; 1, what markers need.
    Signal(usize),
    /// The signal's newest version.
    Version,
    /// The version that is being made.
    Fresh,
    /// A superseded version.
    Old,
    /// Of the record of the signal's observer, likewise; 2, its function; 3, its memo.
    Observer(usize),
}

/// What a thread does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Nanoseconds of its own, give or take a half.
    Work(u64),
    /// Reads a line.
    Read(Place),
    /// Writes a line, or exchanges a word in it.
    Write(Place),
    /// Does all this once in so many times, by chance.
    Sometimes(u64, &'static [Step]),
}

/// An operation: what it does, in this order.
#[derive(Debug)]
pub struct Operation {
    /// Once, at the beginning.
    pub begin: &'static [Step],
    /// For each signal it is about.
    pub each: &'static [Step],
    /// Under the right, for each signal; nothing: it does not commit.
    pub install: &'static [Step],
    /// Once, at the end.
    pub end: &'static [Step],
    /// How many signals it is about, one after the other.
    pub signals: usize,
    /// Begins again if another commit has changed the signal meanwhile.
    pub is_conditional: bool,
}

/// What all operations have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Under the right, once for each group of requests.
    pub group: &'static [Step],
    /// Trimming: once before, for each listed signal, for each version, once after.
    pub trim: [&'static [Step]; 4],
    /// A signal enters the list to trim.
    pub enlist: &'static [Step],
    /// A trim is due after so many versions and a quarter of the listed signals.
    pub batch: usize,
    /// How long who finds the right taken waits before the next try, in nanoseconds, then twice
    /// that, and so on; and so does who was refused.
    pub back_off: f64,
    /// How often the right is tried before the request is left.
    pub tries: u32,
}

/// How the graph's record is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Design {
    /// What only the holder of the right writes stands on the right's line.
    pub is_together: bool,
    /// Counts, lists and the register are kept by each core for itself.
    pub is_striped: bool,
    /// Requests wait in a queue of each core, which the holder looks through.
    pub has_queues: bool,
    /// Who has waited looks whether its condition still holds before it tries again.
    pub looks_first: bool,
}

/// What a transfer costs, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Costs {
    /// Within a socket.
    pub near: f64,
    /// Across.
    pub far: f64,
}

/// One turn of a core: an operation on signals of a graph, from the first on.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// What is done.
    pub operation: &'static Operation,
    /// In which graph.
    pub graph: usize,
    /// To which signal, and those that follow.
    pub first: usize,
}

/// Numbers that look random: splitmix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Operations.
    pub done: u64,
    /// How often one began again, from the first turn on.
    pub refused: u64,
    /// Transfers of lines, or of the right to write them.
    pub transfers: u64,
    /// The same, by line.
    pub by_place: BTreeMap<Place, u64>,
    /// Nanoseconds.
    pub time: f64,
}

impl Found {
    /// Transfers an operation.
    pub fn per_operation(&self) -> f64 {
        self.transfers as f64 / self.done as f64
    }

    /// Million operations a second, of all cores together.
    pub fn rate(&self) -> f64 {
        self.done as f64 * 1e3 / self.time
    }
}

/// Backing off takes no longer than the first time, doubled so often.
const LONGEST: u32 = 6;

/// What a core has before it.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// A step for the turn of a core, about a signal.
    Step(Step, usize, usize),
    /// Takes the right, or leaves the request.
    Arrive,
    /// Commits the request of a core.
    Commit(usize),
    /// A version becomes the newest one of a signal.
    Install(usize, usize),
    /// Releases the right and answers the first so many that wait.
    Leave(usize),
    /// The turn is over, and was refused or not.
    Over,
}

#[derive(Debug)]
struct Core {
    now: f64,
    tasks: Vec<Task>,
    turn: Turn,
    is_waiting: bool,
    is_refused: bool,
    tried: u32,
    refused: u32,
    record: [Line; 2],
    request: Line,
    stripes: BTreeMap<Place, Line>,
    /// Lines of its free memory.
    free: Vec<Line>,
    fresh: Vec<Line>,
    /// Of each signal, how often it had changed when the turn began.
    seen: Vec<u64>,
}

#[derive(Debug)]
struct Signal {
    record: [Line; 2],
    version: Line,
    changes: u64,
    is_listed: bool,
    observer: [Line; 4],
}

#[derive(Debug)]
struct Graph {
    parts: BTreeMap<Part, Line>,
    signals: Vec<Signal>,
    is_taken: bool,
    /// Who waits; the front ones are being committed.
    waiting: Vec<usize>,
    superseded: Vec<Line>,
    listed: Vec<usize>,
}

/// Cores, their caches, and the graphs they use.
#[derive(Debug)]
pub struct Machine {
    caches: Caches,
    cores: Vec<Core>,
    graphs: Vec<Graph>,
    epoch: Line,
    /// When each line has crossed the last time.
    crossed: Vec<f64>,
    random: Random,
    common: Common,
    design: Design,
    costs: Costs,
    found: Found,
}

impl Machine {
    /// So many cores, and graphs of so many signals.
    pub fn new(
        (cores, graphs, signals): (usize, usize, usize),
        (common, design, costs): (Common, Design, Costs),
        idle: Turn,
        seed: u64,
    ) -> Self {
        let mut caches = Caches::default();
        let epoch = caches.line();
        let core = |caches: &mut Caches| Core {
            now: 0.0,
            tasks: Vec::new(),
            turn: idle,
            is_waiting: false,
            is_refused: false,
            tried: 0,
            refused: 0,
            record: [caches.line(), caches.line()],
            request: caches.line(),
            stripes: BTreeMap::new(),
            free: Vec::new(),
            fresh: Vec::new(),
            seen: Vec::new(),
        };
        let signal = |caches: &mut Caches| Signal {
            record: [caches.line(), caches.line()],
            version: caches.line(),
            changes: 0,
            is_listed: false,
            observer: std::array::from_fn(|_| caches.line()),
        };
        let graph = |caches: &mut Caches| Graph {
            parts: BTreeMap::new(),
            signals: (0..signals).map(|_| signal(caches)).collect(),
            is_taken: false,
            waiting: Vec::new(),
            superseded: Vec::new(),
            listed: Vec::new(),
        };
        Self {
            cores: (0..cores).map(|_| core(&mut caches)).collect(),
            graphs: (0..graphs).map(|_| graph(&mut caches)).collect(),
            caches,
            epoch,
            crossed: Vec::new(),
            random: Random(seed),
            common,
            design,
            costs,
            found: Found::default(),
        }
    }

    /// Has the cores take turns, of which the first third is not counted.
    pub fn run(&mut self, turns: u64, pick: impl Fn(usize, &mut Random) -> Turn) -> Found {
        let mut began = None;
        while self.found.done < turns {
            let awake = self.cores.iter().enumerate().filter(|(_, core)| !core.is_waiting);
            let next = awake.min_by(|a, b| a.1.now.total_cmp(&b.1.now));
            let (core, now) = next.map(|(at, core)| (at, core.now)).expect("a holder is awake");
            if began.is_none() && self.found.done >= turns / 3 {
                began = Some((now, self.found.done));
                (self.found.transfers, self.found.by_place) = Default::default();
            }
            match self.cores[core].tasks.pop() {
                None => {
                    let turn = pick(core, &mut self.random);
                    self.begin(core, turn);
                }
                Some(task) => self.perform(core, task),
            }
        }
        let (start, before) = began.expect("a third of the turns was taken");
        let ends = self.cores.iter().filter(|core| !core.is_waiting).map(|core| core.now);
        let end = ends.min_by(f64::total_cmp).expect("a holder is awake");
        Found { done: self.found.done - before, time: end - start, ..self.found.clone() }
    }

    fn begin(&mut self, core: usize, turn: Turn) {
        let signals = turn.first..turn.first + turn.operation.signals;
        let step = |at| move |step: &Step| Task::Step(*step, core, at);
        let mut tasks: Vec<Task> = turn.operation.begin.iter().map(step(turn.first)).collect();
        for at in signals.clone() {
            tasks.extend(turn.operation.each.iter().map(step(at)));
        }
        if !turn.operation.install.is_empty() {
            tasks.push(Task::Arrive);
        }
        tasks.extend(turn.operation.end.iter().map(step(turn.first)));
        tasks.push(Task::Over);
        tasks.reverse();
        let graph = &self.graphs[turn.graph];
        let seen = signals.map(|at| graph.signals[at].changes).collect();
        let me = &mut self.cores[core];
        (me.turn, me.tasks, me.seen, me.is_refused, me.tried) = (turn, tasks, seen, false, 0);
    }

    fn perform(&mut self, core: usize, task: Task) {
        match task {
            Task::Step(Step::Work(ns), ..) => {
                let jitter = 0.5 + self.random.below(1000) as f64 / 1000.0;
                self.cores[core].now += ns as f64 * jitter;
            }
            Task::Step(Step::Read(place), owner, at) => self.touch(core, place, owner, at, false),
            Task::Step(Step::Write(place), owner, at) => self.touch(core, place, owner, at, true),
            Task::Step(Step::Sometimes(often, steps), owner, at) => {
                if self.random.below(often) == 0 {
                    steps.iter().for_each(|step| self.perform(core, Task::Step(*step, owner, at)));
                }
            }
            Task::Arrive => self.arrive(core),
            Task::Commit(owner) => self.commit(core, owner),
            Task::Install(owner, at) => self.install(core, owner, at),
            Task::Leave(answered) => self.leave(core, answered),
            Task::Over => {
                let me = &mut self.cores[core];
                me.free.append(&mut me.fresh);
                if me.is_refused {
                    let turn = me.turn;
                    me.now += self.common.back_off * f64::from(1 << me.refused.min(LONGEST));
                    me.refused += 1;
                    self.found.refused += 1;
                    return self.begin(core, turn);
                }
                me.refused = 0;
                self.found.done += 1;
            }
        }
    }

    /// The line that an owner's operation on a signal names so.
    fn line(&mut self, core: usize, place: Place, owner: usize, at: usize) -> Line {
        let graph = self.cores[owner].turn.graph;
        let graph = &mut self.graphs[graph];
        let signal = graph.signals.get(at);
        let signal = || signal.expect("the signal is one of the graph's");
        match place {
            Place::Own(index) | Place::Everybodys(index) => self.cores[core].record[index],
            Place::Epoch => self.epoch,
            Place::Graph(part) => self.part(core, owner, part),
            Place::Signal(index) => signal().record[index],
            Place::Version => signal().version,
            Place::Observer(index) => signal().observer[index],
            Place::Old => *graph.superseded.last().expect("asked for each of them"),
            Place::Fresh if core == owner => {
                let me = &mut self.cores[core];
                let line = me.free.pop().unwrap_or_else(|| self.caches.line());
                me.fresh.push(line);
                line
            }
            Place::Fresh => *self.cores[owner].fresh.first().expect("made before the commit"),
        }
    }

    fn part(&mut self, core: usize, owner: usize, part: Part) -> Line {
        use Part::{Counts, Due, Lists, Live, Register, Registered, Right, Slots};
        let graph = self.cores[owner].turn.graph;
        if self.design.is_striped
            && matches!(part, Counts | Live | Lists | Register | Registered | Slots)
        {
            let stripes = &mut self.cores[core].stripes;
            let place = Place::Graph(part);
            return *stripes.entry(place).or_insert_with(|| self.caches.line());
        }
        let is_right = self.design.is_together && matches!(part, Counts | Due);
        let part = if is_right { Right } else { part };
        *self.graphs[graph].parts.entry(part).or_insert_with(|| self.caches.line())
    }

    fn touch(&mut self, core: usize, place: Place, owner: usize, at: usize, writes: bool) {
        if let Place::Everybodys(index) = place {
            for other in 0..self.cores.len() {
                let line = self.cores[other].record[index];
                self.access(core, place, line, writes);
            }
            return;
        }
        let line = self.line(core, place, owner, at);
        self.access(core, place, line, writes);
    }

    fn access(&mut self, core: usize, place: Place, line: Line, writes: bool) {
        let caches = &mut self.caches;
        let met = if writes { caches.write(core, line) } else { caches.read(core, line) };
        let cost = match met {
            Met::Hit | Met::Memory => return,
            Met::Near => self.costs.near,
            Met::Far => self.costs.far,
        };
        self.found.transfers += 1;
        *self.found.by_place.entry(place).or_default() += 1;
        if self.crossed.len() <= line {
            self.crossed.resize(line + 1, 0.0);
        }
        let crossed = &mut self.crossed[line];
        let me = &mut self.cores[core];
        me.now = me.now.max(*crossed) + cost;
        *crossed = me.now;
    }

    fn access_part(&mut self, core: usize, part: Part, writes: bool) {
        let line = self.part(core, core, part);
        self.access(core, Place::Graph(part), line, writes);
    }

    fn arrive(&mut self, core: usize) {
        let Turn { graph, first, .. } = self.cores[core].turn;
        if self.design.looks_first && self.cores[core].tried > 0 {
            self.touch(core, Place::Signal(0), core, first, false);
            if self.is_refused(core) {
                self.cores[core].is_refused = true;
                return;
            }
        }
        self.access_part(core, Part::Inbox, false);
        self.access_part(core, Part::Right, false);
        if !self.graphs[graph].is_taken {
            self.graphs[graph].is_taken = true;
            self.access_part(core, Part::Right, true);
            return self.commit_all(core, &[core], 0);
        }
        let me = &mut self.cores[core];
        if me.tried < self.common.tries {
            me.now += self.common.back_off * f64::from(1 << me.tried);
            me.tried += 1;
            return me.tasks.push(Task::Arrive);
        }
        if !self.design.has_queues {
            self.access_part(core, Part::Inbox, true);
        }
        self.access(core, Place::Own(2), self.cores[core].request, true);
        self.cores[core].is_waiting = true;
        self.graphs[graph].waiting.push(core);
    }

    /// Puts a group before the holder, the last task first.
    fn commit_all(&mut self, core: usize, members: &[usize], answered: usize) {
        let step = |step: &Step| Task::Step(*step, core, 0);
        let mut tasks: Vec<Task> = members.iter().map(|member| Task::Commit(*member)).collect();
        tasks.extend(self.common.group.iter().map(step));
        tasks.push(Task::Leave(answered));
        self.cores[core].tasks.extend(tasks.into_iter().rev());
    }

    fn commit(&mut self, core: usize, owner: usize) {
        if core != owner {
            self.access(core, Place::Own(2), self.cores[owner].request, false);
        }
        if self.is_refused(owner) {
            self.cores[owner].is_refused = true;
            return;
        }
        let Turn { operation, first, .. } = self.cores[owner].turn;
        for at in (first..first + operation.signals).rev() {
            let steps = operation.install.iter().rev();
            self.cores[core].tasks.push(Task::Install(owner, at));
            self.cores[core].tasks.extend(steps.map(|step| Task::Step(*step, owner, at)));
        }
    }

    /// Does the condition of a core's request not hold any more?
    fn is_refused(&self, owner: usize) -> bool {
        let Turn { operation, graph, first } = self.cores[owner].turn;
        let now = self.graphs[graph].signals[first..].iter().map(|signal| signal.changes);
        operation.is_conditional && now.zip(&self.cores[owner].seen).any(|(now, seen)| now != *seen)
    }

    fn install(&mut self, core: usize, owner: usize, at: usize) {
        let graph = self.cores[owner].turn.graph;
        let fresh = self.cores[owner].fresh.remove(0);
        self.access(core, Place::Fresh, fresh, true);
        let signal = &mut self.graphs[graph].signals[at];
        let old = std::mem::replace(&mut signal.version, fresh);
        signal.changes += 1;
        let is_new = !std::mem::replace(&mut signal.is_listed, true);
        self.graphs[graph].superseded.push(old);
        if is_new {
            self.graphs[graph].listed.push(at);
            let enlist = self.common.enlist.iter().rev();
            self.cores[core].tasks.extend(enlist.map(|step| Task::Step(*step, core, at)));
        }
    }

    fn leave(&mut self, core: usize, answered: usize) {
        let graph = self.cores[core].turn.graph;
        self.access_part(core, Part::Right, true);
        let answered: Vec<usize> = self.graphs[graph].waiting.drain(..answered).collect();
        for other in answered {
            self.access(core, Place::Own(2), self.cores[other].request, true);
            let now = self.cores[core].now;
            let waiter = &mut self.cores[other];
            (waiter.is_waiting, waiter.now) = (false, waiter.now.max(now));
            self.access(other, Place::Own(2), self.cores[other].request, false);
        }
        let waiting = self.graphs[graph].waiting.clone();
        if !waiting.is_empty() {
            if !self.design.has_queues {
                self.access_part(core, Part::Inbox, true);
            }
            self.access_part(core, Part::Right, true);
            return self.commit_all(core, &waiting, waiting.len());
        }
        self.access_part(core, Part::Inbox, false);
        self.graphs[graph].is_taken = false;
        let of = &self.graphs[graph];
        if of.superseded.len() >= self.common.batch + of.listed.len() / 4 {
            self.trim(core, graph);
        }
    }

    /// At once, for what it costs others is what counts.
    fn trim(&mut self, core: usize, graph: usize) {
        let [begin, signal, version, end] = self.common.trim;
        let listed = std::mem::take(&mut self.graphs[graph].listed);
        begin.iter().for_each(|step| self.perform(core, Task::Step(*step, core, 0)));
        for at in listed {
            self.graphs[graph].signals[at].is_listed = false;
            signal.iter().for_each(|step| self.perform(core, Task::Step(*step, core, at)));
        }
        while let Some(old) = self.graphs[graph].superseded.last().copied() {
            version.iter().for_each(|step| self.perform(core, Task::Step(*step, core, 0)));
            self.graphs[graph].superseded.pop();
            self.cores[core].free.push(old);
        }
        end.iter().for_each(|step| self.perform(core, Task::Step(*step, core, 0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Read, Work, Write};

    const NEAR: Costs = Costs { near: 40.0, far: 40.0 };
    const NOTHING: Common =
        Common { group: &[], trim: [&[]; 4], enlist: &[], batch: 1000, back_off: 40.0, tries: 4 };
    const TURNS: u64 = 60_000;

    const fn plain(begin: &'static [Step]) -> Operation {
        let (each, install, end): (&[Step], &[Step], &[Step]) = (&[], &[], &[]);
        Operation { begin, each, install, end, signals: 1, is_conditional: false }
    }

    static COUNT: Operation = plain(&[Work(10), Write(Place::Graph(Part::Counts))]);
    static LOOK: Operation = plain(&[Work(10), Read(Place::Graph(Part::Clock))]);
    static UPDATE: Operation = Operation {
        each: &[Read(Place::Version), Write(Place::Fresh)],
        install: &[Write(Place::Signal(0))],
        is_conditional: true,
        ..plain(&[Work(10)])
    };

    fn found(cores: usize, operation: &'static Operation, design: Design) -> (Found, Machine) {
        let turn = Turn { operation, graph: 0, first: 0 };
        let mut machine = Machine::new((cores, 1, 1), (NOTHING, design, NEAR), turn, 1);
        (machine.run(TURNS, |_, _| turn), machine)
    }

    #[test]
    fn one_counter_takes_a_transfer_an_increment_from_two_cores_on() {
        assert_eq!(found(1, &COUNT, Design::default()).0.transfers, 0);
        for cores in [2, 16, 64] {
            let found = found(cores, &COUNT, Design::default()).0;
            // A core may come twice in a row.
            assert!((0.95..=1.01).contains(&found.per_operation()), "{found:?}");
        }
    }

    #[test]
    fn a_line_crosses_to_one_core_after_the_other() {
        let rate = found(64, &COUNT, Design::default()).0.rate();
        assert!((20.0..=26.0).contains(&rate), "one in 40 ns, whatever the cores: {rate}");
    }

    #[test]
    fn what_is_only_read_does_not_cross_and_scales() {
        let (one, many) = (found(1, &LOOK, Design::default()), found(64, &LOOK, Design::default()));
        assert_eq!(many.0.transfers, 0);
        assert!(many.0.rate() > 40.0 * one.0.rate());
    }

    #[test]
    fn a_striped_counter_does_not_cross() {
        let striped = Design { is_striped: true, ..Design::default() };
        assert_eq!(found(64, &COUNT, striped).0.transfers, 0);
    }

    #[test]
    fn no_update_is_lost_and_all_who_wait_are_answered() {
        for cores in [1, 2, 16] {
            let (found, machine) = found(cores, &UPDATE, Design::default());
            let changes = machine.graphs[0].signals[0].changes;
            // Those of turns that are not over yet are changes already.
            assert!((TURNS..TURNS + cores as u64).contains(&changes), "{changes} of {found:?}");
            assert_eq!(found.refused > 0, cores > 1, "who comes second begins again: {found:?}");
        }
    }
}
