//! Processes that are killed while they write: what they had acknowledged is there, and nothing
//! is torn.
//!
//! `ISOBAR_KILLS` says how many of each kind; the seed is printed when a test fails.

use super::{all, within_a_minute};
use isobar::store::{Backend, Change, Expected, Files, Value};
use serde_json::json;
use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path as FilePath;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The part of the process that is killed: kind, directory, seed.
const ROLE: &str = "ISOBAR_STORE_WRITES";

type Values = BTreeMap<String, Value>;

/// A sequence of numbers that a seed gives (SplitMix64, Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn open(kind: &str, directory: &FilePath) -> Box<dyn Backend> {
    match kind {
        "files" => Box::new(Files::open(directory.join("values")).expect("nobody else has it")),
        #[cfg(feature = "redb")]
        "embedded" => {
            let file = directory.join("values.redb");
            Box::new(isobar::store::Embedded::open(file).expect("nobody else has it"))
        }
        other => panic!("{other} is no kind of backend"),
    }
}

/// What is stored in the turn-th place: one to three changes.
fn group(seed: u64, turn: u64) -> Vec<Change> {
    let mut dice = Dice(seed.wrapping_add(turn << 32));
    let mut changes: Vec<Change> = Vec::new();
    for _ in 0..=dice.roll(3) {
        let folder = ["", "d/", "d/e/", "f/g/"][dice.roll(4) as usize];
        let path = format!("{folder}{}", dice.roll(3)).parse().expect("it is a path");
        let text = "x".repeat(dice.roll(9000) as usize);
        let value = (dice.roll(4) > 0).then(|| Arc::new(json!([seed, turn, text])));
        if changes.iter().all(|change| change.path != path) {
            changes.push(Change { path, value, expected: Expected::Any });
        }
    }
    changes
}

/// No test, but what a killed process does; without its role it has nothing to do.
#[test]
fn writes_until_it_is_killed() {
    let Ok(role) = env::var(ROLE) else { return };
    let [kind, seed, directory] = *role.splitn(3, ' ').collect::<Vec<_>>() else {
        panic!("{role:?} is no role")
    };
    let seed = seed.parse().expect("the seed is a number");
    let mut backend = open(kind, FilePath::new(directory));
    for turn in 0.. {
        backend.apply(&group(seed, turn)).expect("it can be stored");
        // In one piece, which a pipe takes as a whole. If nobody reads any more, that is the end.
        let line = format!("stored {turn}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("the test listens");
    }
}

/// Whatever becomes of the test, nobody writes on.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        // It fails if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has a process write, kills it, and says how many groups it acknowledged.
fn write_and_kill(kind: &str, directory: &FilePath, seed: u64) -> u64 {
    let mut dice = Dice(!seed);
    let mut command = Command::new(env::current_exe().expect("this is a process"));
    command.args(["--exact", "kills::writes_until_it_is_killed", "--nocapture"]);
    command.env(ROLE, format!("{kind} {seed} {}", directory.display()));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut writer = Writer(command.spawn().expect("it can be started"));
    let errors = writer.0.stderr.take().expect("it is a pipe");
    let mut lines = BufReader::new(errors).lines().map(|line| line.expect("it is text"));
    let mut acknowledged = 0;
    let mut hear = |line: String| match line.strip_prefix("stored ") {
        Some(turn) => acknowledged = turn.parse::<u64>().expect("a number") + 1,
        None => panic!("the writer says: {line}"),
    };
    for _ in 0..dice.roll(15) {
        hear(lines.next().expect("it writes until it is killed"));
    }
    // The moment is a matter of chance, down to the microsecond.
    let moment = Instant::now() + Duration::from_micros(dice.roll(12_000));
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    writer.0.kill().expect("it runs");
    writer.0.wait().expect("it has ended");
    lines.for_each(hear);
    acknowledged
}

fn change(values: &mut Values, change: &Change) {
    match &change.value {
        Some(value) => values.insert(change.path.to_string(), Value::clone(value)),
        None => values.remove(change.path.as_str()),
    };
}

/// The states in which a kill may leave what was written: before and after the group that was not
/// acknowledged, and, if groups are not atomic, after each of its changes.
fn possible(mut values: Values, seed: u64, acknowledged: u64, atomic: bool) -> Vec<Values> {
    for turn in 0..acknowledged {
        group(seed, turn).iter().for_each(|it| change(&mut values, it));
    }
    let mut states = vec![values.clone()];
    for it in group(seed, acknowledged) {
        change(&mut values, &it);
        states.push(values.clone());
    }
    if atomic {
        states.drain(1..states.len() - 1);
    }
    states
}

/// Kills many writers, some of which have to begin anew.
pub(super) fn survives_kills(kind: &str) {
    let kills = env::var("ISOBAR_KILLS").ok().map(|text| text.parse().expect("a number"));
    let mut directory = tempfile::tempdir().expect("a directory");
    let mut values = Values::new();
    for round in 0..kills.unwrap_or(20) {
        let seed = RandomState::new().hash_one(round);
        if round % 4 == 0 {
            directory = tempfile::tempdir().expect("another directory");
            values.clear();
        }
        within_a_minute(&format!("{kind}, seed {seed}"), || {
            let acknowledged = write_and_kill(kind, directory.path(), seed);
            let mut backend = open(kind, directory.path());
            let found = all(&mut *backend);
            let atomic = backend.capabilities().atomic;
            let states = possible(values.clone(), seed, acknowledged, atomic);
            assert!(states.contains(&found), "{kind}, seed {seed}: {acknowledged} were stored");
            values = found;
        });
    }
}
