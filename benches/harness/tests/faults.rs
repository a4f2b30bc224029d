//! What ends badly is told, with its count, and never left out: seen through a program with
//! engines that are broken on purpose. No timing is asserted.

use std::path::PathBuf;
use std::process::{Command, Output};

use isobar_harness::{Entry, Quantity, Record, Verdict};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faulty"));
    command.args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of this test alone, in the directory that cargo keeps for tests.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The record of a quick run, by way of its file.
fn record(name: &str, arguments: &[&str]) -> (Record, Output) {
    let path = file(name);
    let to = path.to_string_lossy().into_owned();
    let output = run(&[&["--quick", "--json", &to], arguments].concat());
    let record = Record::read(&path).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    });
    (record, output)
}

fn only(record: &Record) -> &Entry {
    let [entry] = &record.entries[..] else { panic!("one entry, not {:?}", record.entries) };
    entry
}

#[test]
fn a_right_engine_is_right_and_its_numbers_are_told() {
    let (record, output) =
        record("right.json", &["--engines", "right,floor,static_schedule", "diamond_5"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(record.entries.len(), 3);
    for entry in &record.entries {
        assert_eq!(entry.verdict, Verdict::Right, "{entry:?}");
        let step = entry.best(Quantity::Step);
        assert!(step.is_some_and(|step| step > 0.0), "{entry:?}");
    }
    let tables = text(&output.stdout);
    assert!(tables.contains("| diamond_5 |"), "{tables}");
}

#[test]
fn a_wrong_engine_is_told_as_wrong_with_the_count_and_without_a_speed() {
    let (record, output) = record("wrong.json", &["--engines", "wrong", "chain_50"]);
    let entry = only(&record);
    assert_eq!(entry.verdict, Verdict::Wrong, "{entry:?}");
    // Of the steps looked at, the third shows nothing.
    let answers = entry.answers.expect("they were looked at");
    assert_eq!((answers.wrong, answers.glitches), (1, 0), "{answers:?}");
    assert_eq!(entry.best(Quantity::Step), None);
    let tables = text(&output.stdout);
    assert!(tables.contains("WRONG: 1 wrong in 50"), "{tables}");
    assert!(tables.contains("- chain_50, wrong: "), "{tables}");
}

#[test]
fn a_glitching_engine_is_told_as_glitching_with_the_count() {
    let (record, output) =
        record("glitching.json", &["--engines", "glitching", "glitch_unbatched"]);
    let entry = only(&record);
    assert_eq!(entry.verdict, Verdict::Wrong, "{entry:?}");
    let answers = entry.answers.expect("they were looked at");
    assert_eq!(answers.glitches, answers.looked_at, "one a step: {answers:?}");
    assert_eq!(answers.wrong, 0, "{answers:?}");
    let tables = text(&output.stdout);
    assert!(tables.contains("50 glitches in 50"), "{tables}");
}

#[test]
fn a_hanging_engine_is_told_as_over_its_limit() {
    let (record, output) =
        record("hanging.json", &["--engines", "hanging", "--limit", "1", "chain_50"]);
    let entry = only(&record);
    assert_eq!(entry.verdict, Verdict::OverLimit { seconds: 1 }, "{entry:?}");
    assert_eq!((entry.failed, entry.started), (1, 1));
    let tables = text(&output.stdout);
    assert!(tables.contains("did not end within 1 s (1 of 1 processes)"), "{tables}");
}

#[test]
fn a_dying_engine_is_told_with_its_last_words() {
    let (record, output) = record("dying.json", &["--engines", "dying", "chain_50"]);
    let entry = only(&record);
    let Verdict::Crashed { message } = &entry.verdict else { panic!("{entry:?}") };
    assert!(message.contains("dead at the third settling"), "{message}");
    let tables = text(&output.stdout);
    assert!(tables.contains("CRASHED 1 of 1"), "{tables}");
}

#[test]
fn what_differs_from_an_earlier_run_is_told() {
    let (mut old, _) = record("new.json", &["--engines", "right", "chain_50", "avoidable"]);
    let path = file("old.json");
    // The earlier run was eight times as fast at one workload, a power of two dividing exactly, and
    // did not have the other.
    old.entries.retain(|entry| entry.workload == "chain_50");
    for value in old.entries[0].measured.get_mut(&Quantity::Step).expect("measured") {
        *value /= 8.0;
    }
    let mut writer = isobar_harness::Writer::create(&path).expect("it can be made");
    for entry in old.entries {
        writer.write(&isobar_harness::Line::Entry(entry)).expect("it can be written");
    }
    let (old, new) = (path.to_string_lossy(), file("new.json"));
    let output = run(&["--from", &new.to_string_lossy(), "--compare", &old]);
    let tables = text(&output.stdout);
    let compared = tables.split("## Compared").nth(1).unwrap_or_default();
    assert!(compared.contains("| chain_50 | right | ns |"), "{tables}");
    assert!(compared.contains("| 8.00 | 8.00 |"), "{tables}");
    assert!(compared.contains("| avoidable | right |  |  | not measured before |"), "{tables}");
}

#[test]
fn plots_are_drawn_for_what_was_measured() {
    let folder = file("plots");
    let to = folder.to_string_lossy().into_owned();
    let arguments = ["--engines", "right,static_schedule", "--svg", &to, "growth_depth@100"];
    let (_, output) = record("plots.json", &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let plot = std::fs::read_to_string(folder.join("growth_depth_ns.svg")).expect("it was drawn");
    assert!(plot.starts_with("<svg") && plot.contains("static_schedule"), "{plot}");
}

#[test]
fn names_that_nothing_has_are_refused() {
    for arguments in [["--engines", "nobody"], ["--sections", "nowhere"], ["--quick", "nothing"]] {
        let output = run(&arguments);
        assert!(!output.status.success());
        let said = text(&output.stderr);
        assert!(said.contains("is called no") && said.contains("`--list`"), "{said}");
    }
}
