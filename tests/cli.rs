//! The program as a user meets it: run on small inputs that each test writes itself.
//!
//! Nothing here asserts a time. Every run is watched: one that does not end is killed and named.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Far beyond what any run here needs, on any machine.
const HUNG: Duration = Duration::from_secs(120);

struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The one line of a `--once --json` run that ended well.
    fn report(&self) -> Value {
        assert_eq!(self.code(), Some(0), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr, "");
        assert_eq!(self.stdout.lines().count(), 1, "one report: {}", self.stdout);
        json(&self.stdout)
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in: {line}"))
}

fn start(arguments: &[&str], stdin: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_isobar"))
        .args(arguments)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn run(arguments: &[&str]) -> Ended {
    finish(start(arguments, Stdio::null()))
}

/// Waits for the end of a run, or kills it.
fn finish(mut child: Child) -> Ended {
    let stdout = child.stdout.take().map(|stdout| read_in_background(BufReader::new(stdout)));
    finish_with(child, stdout)
}

fn finish_with(mut child: Child, stdout: Option<mpsc::Receiver<String>>) -> Ended {
    let stderr = child.stderr.take().map(|stderr| read_in_background(BufReader::new(stderr)));
    let mut text = |stream: Option<mpsc::Receiver<String>>| {
        let Some(stream) = stream else {
            return String::new();
        };
        stream.recv_timeout(HUNG).unwrap_or_else(|_| {
            child.kill().expect("a hung run can be killed");
            panic!("the run did not end within {HUNG:?}");
        })
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = child.wait().expect("it was started here");
    Ended { status, stdout, stderr }
}

/// Delivers all that was written once the stream is closed, which is when the run has ended.
fn read_in_background(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).expect("output is UTF-8 whatever the input is");
        drop(read.map(|_| sender.send(text)));
    });
    receiver
}

/// A folder for one test's files.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a fresh folder");
        Folder(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), content).expect("a file in our own folder");
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("our own names are UTF-8").to_owned()
    }
}

/// `timestamp,value` with a sample a minute.
fn series(values: impl IntoIterator<Item = f64>) -> String {
    let rows = values.into_iter().enumerate().map(|(minute, value)| {
        format!("2014-04-02 {:02}:{:02}:00,{value}\n", minute / 60 % 24, minute % 60)
    });
    std::iter::once("timestamp,value\n".to_owned()).chain(rows).collect()
}

/// A combined access log with a request a second.
fn access_log(requests: impl IntoIterator<Item = (&'static str, u16)>) -> String {
    let line = |(second, (path, status)): (usize, (&str, u16))| {
        let at = format!(
            "17/May/2015:{:02}:{:02}:{:02} +0000",
            10 + second / 3600,
            second / 60 % 60,
            second % 60
        );
        let request = format!("\"GET {path}?q=1 HTTP/1.1\"");
        format!("192.0.2.7 - - [{at}] {request} {status} 100 \"-\" \"test \\\"x\\\"\"\n")
    };
    requests.into_iter().enumerate().map(line).collect()
}

fn once(inputs: &[&str], more: &[&str]) -> Ended {
    let mut arguments = vec!["watch", "--once", "--json"];
    arguments.extend(inputs.iter().flat_map(|input| ["--input", input]));
    arguments.extend(more);
    run(&arguments)
}

fn assert_counted(report: &Value, samples: u64) {
    let end = &report["end"];
    assert_eq!(end["samples_in"], samples, "{end}");
    assert_eq!(end["counted"], samples, "{end}");
    assert_eq!(report["samples"], samples, "{report}");
}

#[test]
fn every_sample_of_a_series_is_one_commit_and_is_counted() {
    let folder = Folder::new("series");
    let file = folder.file("load.csv", series((0..1000).map(f64::from)));
    let report = once(&[&file], &["--window", "10"]).report();
    assert_counted(&report, 1000);
    let series = &report["series"][0];
    assert_eq!(series["series"], "load");
    assert_eq!(series["samples"], 1000);
    assert_eq!(series["latest"], 999.0);
    assert_eq!(series["total"], 499_500.0);
    assert_eq!(series["average"], 994.5, "the last ten only");
    assert_eq!(series["change_per_second"], 1.0 / 60.0);
    let end = &report["end"];
    assert!(end["commits"].as_u64() >= Some(1000), "{end}");
    assert!(end["recomputes"].as_u64() > Some(0), "{end}");
    assert!(end["effect_runs"].as_u64() > Some(0), "{end}");
    assert!(end["samples_per_second"].as_f64() > Some(0.0), "{end}");
}

#[test]
fn an_access_log_is_tallied() {
    let folder = Folder::new("access_log");
    let requests = [("/a", 200), ("/b", 404), ("/a", 200), ("/a", 503), ("/c", 304)];
    let file = folder.file("site.txt", access_log(requests));
    let report = once(&[&file], &["--busiest", "1"]).report();
    assert_counted(&report, 5);
    let log = &report["logs"][0];
    assert_eq!(log["requests"], 5);
    assert_eq!(log["bytes"], 500.0);
    assert_eq!(log["responses"], serde_json::json!([0, 2, 1, 1, 1]));
    assert_eq!(log["error_percent"], 20.0);
    assert_eq!(log["status"], "critical");
    assert_eq!(log["requests_per_second"], 1.0);
    assert_eq!(log["paths"], 3);
    assert_eq!(log["busiest"], serde_json::json!([{"path": "/a", "requests": 3, "bytes": 300.0}]));
}

#[test]
fn many_files_are_replayed_by_many_threads_and_nothing_is_lost() {
    let folder = Folder::new("many_files");
    let mut files = Vec::new();
    for file in 0..6 {
        files.push(folder.file(&format!("s{file}.csv"), series((0..2000).map(f64::from))));
        let requests = (0..1000).map(|request| ([("/x", 200), ("/y", 500)])[request % 2]);
        files.push(folder.file(&format!("l{file}.log"), access_log(requests)));
    }
    let inputs: Vec<&str> = files.iter().map(String::as_str).collect();
    let report = once(&inputs, &[]).report();
    assert_counted(&report, 6 * 3000);
    let feeds = report["feeds"].as_array().expect("a list");
    for (place, feed) in feeds.iter().enumerate() {
        assert_eq!(feed["samples"], if place % 2 == 0 { 2000 } else { 1000 }, "{feed}");
    }
    assert_eq!(feeds.len(), 12);
}

#[test]
fn malformed_lines_are_counted_and_the_first_ones_named() {
    let folder = Folder::new("malformed");
    let bad = "timestamp,value\n1,1\n2,x\n3,NaN\n4,inf\n5\n6,6,6\n\nnever,7\n8,8\n9,\"9\n";
    let bad = folder.file("bad.csv", bad);
    let good = folder.file("good.csv", series([1.0, 2.0]));
    let report = once(&[&bad, &good], &[]).report();
    assert_counted(&report, 4);
    let end = &report["end"];
    assert_eq!(end["malformed"], 7);
    let named = end["first_malformed"].as_array().expect("a list");
    let lines: Vec<_> = named.iter().map(|line| line["line"].as_u64().expect("a line")).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7], "the first five, counted from the top of the file");
    assert_eq!(named[0]["file"], bad);
    assert_eq!(named[0]["reason"], "`x` is not a number");
    assert_eq!(named[1]["reason"], "`NaN` is not a finite number");

    let plain = run(&["watch", "--input", &bad]);
    assert_eq!(plain.code(), Some(0));
    assert!(plain.stdout.contains("malformed lines   7\n"), "{}", plain.stdout);
    assert!(plain.stdout.contains(&format!("{bad}:3: `x` is not a number")), "{}", plain.stdout);
}

#[test]
fn line_ends_byte_order_marks_and_joined_files_do_no_harm() {
    let folder = Folder::new("line_ends");
    let dos = folder.file("dos.csv", "\u{feff}timestamp,value\r\n1,1\r\n\r\n2,2");
    let one = series([1.0, 2.0]);
    let joined = folder.file("joined.csv", format!("{one}{one}"));
    let report = once(&[&dos, &joined], &[]).report();
    assert_counted(&report, 6);
    assert_eq!(report["end"]["malformed"], 0);
    assert_eq!(report["series"][1]["late"], 1, "the second half starts before the first ended");
}

#[test]
fn bytes_that_are_no_text_are_no_harm() {
    let folder = Folder::new("bytes");
    let mut log = b"\xff\xfe\x00\n".to_vec();
    log.extend(b"192.0.2.7 - \xe9 [17/May/2015:10:05:03 +0000] ");
    log.extend(b"\"GET /\xff\x1b[31m HTTP/1.1\" 200 - \"-\" \"\xfe\"\n");
    let file = folder.file("raw.log", log);
    let report = once(&[&file], &[]).report();
    assert_counted(&report, 1);
    assert_eq!(report["end"]["malformed"], 1);
    let plain = run(&["watch", "--input", &file]);
    assert!(!plain.stdout.contains('\u{1b}'), "a log gets no say over the terminal");
}

#[test]
fn a_line_without_end_is_malformed_and_the_next_one_counts() {
    let folder = Folder::new("long_line");
    let file = folder.file("long.csv", format!("1,1\n{}\n2,2\n", "9".repeat(1 << 20)));
    let report = once(&[&file], &[]).report();
    assert_counted(&report, 2);
    assert_eq!(report["end"]["malformed"], 1);
    let named = &report["end"]["first_malformed"][0];
    assert_eq!(named["line"], 2);
    assert_eq!(named["reason"], "the line is longer than 65536 bytes");
}

#[track_caller]
fn assert_refused(arguments: &[&str], words: &[&str]) {
    let ended = run(arguments);
    assert_eq!(ended.code(), Some(2), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, "", "{arguments:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{arguments:?}: {}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{arguments:?}: no `{word}` in {}", ended.stderr);
    }
}

#[test]
fn bad_input_is_one_clear_line_and_code_two() {
    let folder = Folder::new("bad_input");
    let fine = folder.file("fine.csv", series([1.0]));
    let missing = folder.path("missing.csv");
    assert_refused(&["watch", "--input", &missing], &[&missing, "check the path"]);
    let both = ["watch", "--input", &fine, "--input", &missing];
    assert_refused(&both, &[&missing]);
    let directory = folder.path(".");
    assert_refused(&["watch", "--input", &directory], &[&directory, "is a directory"]);
    let empty = folder.file("empty.csv", "");
    assert_refused(&["watch", "--input", &empty], &[&empty, "is empty"]);
    let unknown = folder.file("unknown.csv", "dear diary,\ntoday\n");
    let words = [unknown.as_str(), "unknown format", "`dear diary,`", "timestamp,value"];
    assert_refused(&["watch", "--input", &unknown], &words);
    let packed = folder.file("packed.log", b"\x1f\x8b\x08\x00rest");
    assert_refused(&["watch", "--input", &packed], &[&packed, "gzip -dc"]);
    assert_refused(&["watch", "--proc", &missing], &[&missing, "/proc", "--input FILE"]);
    assert_refused(&["record", &folder.path("no/such/folder.csv")], &["check the path"]);
    assert_refused(&["record", &directory], &["not a directory"]);
}

#[test]
fn bad_usage_is_one_clear_line_and_code_two() {
    assert_refused(&[], &["watch or record"]);
    assert_refused(&["wacht"], &["wacht"]);
    assert_refused(&["watch", "--frequently"], &["--frequently"]);
    assert_refused(&["watch", "--for", "ten"], &["--for", "10s"]);
    assert_refused(&["watch", "--for", "0s"], &["longer than zero"]);
    assert_refused(&["watch", "--speed", "2"], &["--input"]);
    assert_refused(&["watch", "--input", "x", "--speed", "0"], &["above zero"]);
    assert_refused(&["watch", "--input", "x", "--speed", "inf"], &["above zero"]);
    assert_refused(&["watch", "--limit", "cpu"], &["cpu=70:90"]);
    assert_refused(&["watch", "--limit", "cpu=9:3"], &["must not exceed"]);
    assert_refused(&["watch", "--window", "1"], &["from 2"]);
    assert_refused(&["record"], &["FILE"]);
}

#[test]
fn a_file_of_malformed_lines_is_refused_after_the_others_were_counted() {
    let folder = Folder::new("all_malformed");
    let bad = folder.file("bad.csv", "timestamp,value\na,b\nc,d\n");
    let good = folder.file("good.csv", series([1.0, 2.0, 3.0]));
    let ended = once(&[&bad, &good], &[]);
    assert_eq!(ended.code(), Some(2));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(&bad), "{}", ended.stderr);
    assert!(ended.stderr.contains("none of its 2 lines"), "{}", ended.stderr);
    assert_counted(&json(&ended.stdout), 3);
}

#[test]
fn a_header_alone_is_an_empty_series() {
    let folder = Folder::new("header");
    let file = folder.file("header.csv", "timestamp,value\n");
    let report = once(&[&file], &[]).report();
    assert_counted(&report, 0);
}

#[test]
fn a_status_follows_its_limit_and_each_change_is_noted() {
    let folder = Folder::new("status");
    let calm = (0..40).map(|minute| 50.0 + f64::from(minute % 3));
    let file = folder.file("spike.csv", series(calm.chain([500.0])));
    let report = once(&[&file], &[]).report();
    assert_eq!(report["status"], "critical");
    assert_eq!(report["alarms"]["status_changes"], 1);
    let alarm = &report["alarms"]["latest"][0];
    assert_eq!((&alarm["from"], &alarm["to"]), (&"ok".into(), &"critical".into()), "{alarm}");
    assert_eq!(alarm["at"], "2014-04-02T00:40:00Z");

    let report = once(&[&file], &["--limit", "deviation=98:99"]).report();
    assert_eq!(report["status"], "critical", "{report}");
    let report = once(&[&file], &["--limit", "deviation=98:100"]).report();
    assert_eq!(report["status"], "warn", "{report}");
    let report = once(&[&file], &["--limit", "deviation=100:100"]).report();
    assert_eq!((&report["status"], &report["alarms"]["status_changes"]), (&"ok".into(), &0.into()));
}

#[test]
fn standard_input_is_an_input() {
    let mut child = start(&["watch", "--once", "--json", "--input", "-"], Stdio::piped());
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(series([1.0, 2.0]).as_bytes()).expect("the program reads");
    drop(stdin);
    let report = finish(child).report();
    assert_counted(&report, 2);
    assert_eq!(report["series"][0]["series"], "standard input");
}

#[test]
fn an_input_that_never_comes_ends_with_the_run() {
    for before in ["", "timestamp,value\n1,1\n"] {
        let arguments = ["watch", "--json", "--input", "-", "--for", "1s"];
        let mut child = start(&arguments, Stdio::piped());
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(before.as_bytes()).expect("the program reads");
        let ended = finish(child);
        drop(stdin);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let last = ended.stdout.lines().last().expect("an account");
        assert_counted(&json(last), if before.is_empty() { 0 } else { 1 });
    }
}

#[test]
fn a_paced_replay_waits_and_a_stop_interrupts_the_wait() {
    let folder = Folder::new("paced");
    let file = folder.file("gap.csv", "timestamp,value\n0,1\n0.001,2\n1e9,3\n");
    let ended = run(&["watch", "--json", "--input", &file, "--speed", "1", "--for", "1s"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let last = ended.stdout.lines().last().expect("an account");
    assert_counted(&json(last), 2);
    let report = once(&[&file], &["--speed", "1e12"]).report();
    assert_counted(&report, 3);
}

#[cfg(feature = "bench")]
#[test]
fn a_bench_tells_that_this_engine_is_right_on_one_thread_and_on_several() {
    let ended = run(&[
        "bench",
        "--quick",
        "--json",
        "-",
        "--engines",
        "isobar,floor",
        "diamond_5",
        "avoidable",
        "mt_invariant_1",
        "mt_diamond_1",
        "mt_write_observed_2",
        "bytes_signal",
    ]);
    assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    let lines: Vec<_> = ended.stdout.lines().map(json).collect();
    let ours = lines.iter().filter(|line| line["entry"]["engine"] == "isobar");
    let ours: Vec<_> = ours.map(|line| &line["entry"]).collect();
    assert_eq!(ours.len(), 6, "{}", ended.stdout);
    for entry in ours {
        assert_eq!(entry["verdict"], "right", "{entry}");
        assert!(entry["measured"].is_object(), "{entry}");
    }
}

#[test]
fn a_recording_by_hand_is_a_machine_and_more() {
    let folder = Folder::new("by_hand");
    let file = folder.file(
        "machine.csv",
        "timestamp,series,value\n\
         0,cpu/0/busy_seconds,10\n0,cpu/1/busy_seconds,10\n\
         0,memory/ram/total_bytes,1000\n0,memory/ram/available_bytes,250\n\
         0,process/7/kworker/0:1/busy_seconds,1\n0,process/8/cat/busy_seconds,1\n\
         0,room temperature,21.5\n\
         2,cpu/0/busy_seconds,12\n2,cpu/1/busy_seconds,11\n\
         2,process/7/kworker/0:1/busy_seconds,2\n",
    );
    let report = once(&[&file], &["--limit", "memory=50:75"]).report();
    assert_counted(&report, 10);
    let machine = &report["machines"][0];
    assert_eq!(machine["cpu"]["percent"], 75.0);
    assert_eq!(machine["cores"][1]["percent"], 50.0);
    assert_eq!(machine["memory"]["percent"], 75.0);
    assert_eq!(machine["memory"]["status"], "critical");
    assert_eq!(machine["series"][0]["series"], "room temperature");
    let busiest = machine["busiest"].as_array().expect("a list");
    assert_eq!(busiest.len(), 1, "a process that the last frame does not name has ended");
    assert_eq!(
        (&busiest[0]["process"], &busiest[0]["percent"]),
        (&"7/kworker/0:1".into(), &50.0.into())
    );
}

#[cfg(target_os = "linux")]
mod on_this_machine {
    use super::*;

    #[test]
    fn once_is_one_report_with_rates() {
        let report = run(&["watch", "--once", "--json", "--every", "100ms"]).report();
        let machine = &report["machines"][0];
        assert!(machine["cores"].as_array().is_some_and(|cores| !cores.is_empty()), "{machine}");
        assert!(machine["memory"]["total_bytes"].as_f64() > Some(0.0), "{machine}");
        assert!(machine["busiest"].as_array().is_some_and(|busiest| !busiest.is_empty()));
        let counted = report["end"]["samples_in"].as_u64().expect("a count");
        assert!(counted > 0);
        assert_counted(&report, counted);
    }

    #[test]
    fn a_recording_replays_to_what_was_seen() {
        let folder = Folder::new("recording");
        let file = folder.path("host.csv");
        let arguments = ["record", &file, "--json", "--every", "200ms", "--for", "1s"];
        let recorded = run(&arguments);
        assert_eq!(recorded.code(), Some(0), "{}", recorded.stderr);
        let recorded = json(recorded.stdout.lines().last().expect("an account"));
        let samples = recorded["end"]["samples_in"].as_u64().expect("a count");
        assert!(samples > 0);
        assert_counted(&recorded, samples);
        assert_eq!(recorded["end"]["recorded"], samples);
        let rows = fs::read_to_string(&file).expect("it was recorded").lines().count() as u64;
        assert_eq!(rows, samples + 1, "a header and a row a sample");

        let mut replayed = once(&[&file], &[]).report();
        assert_counted(&replayed, samples);
        replayed["machines"][0]["machine"] = recorded["machines"][0]["machine"].clone();
        assert_eq!(replayed["machines"], recorded["machines"]);
    }

    #[test]
    fn a_recording_does_not_replace_a_file_unasked() {
        let folder = Folder::new("occupied");
        let file = folder.file("diary.txt", "dear diary\n");
        assert_refused(&["record", &file, "--for", "1s"], &[&file, "--force"]);
        assert_eq!(fs::read_to_string(&file).expect("still there"), "dear diary\n");
        let forced = run(&["record", &file, "--force", "--for", "300ms"]);
        assert_eq!(forced.code(), Some(0), "{}", forced.stderr);
        let recording = fs::read_to_string(&file).expect("a recording");
        assert!(recording.starts_with("timestamp,series,value\n"), "{recording}");
    }

    #[test]
    fn a_full_disk_is_told() {
        let ended = run(&["record", "/dev/full", "--json", "--for", "30s"]);
        assert_eq!(ended.code(), Some(2));
        assert!(ended.stderr.contains("cannot write /dev/full"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }

    #[test]
    fn an_interrupt_ends_the_run_with_its_account() {
        let mut child = start(&["watch", "--json", "--every", "50ms"], Stdio::null());
        let mut stdout = first_line(&mut child).1;
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.expect("kill is everywhere").success());
        let ended = finish_with(child, Some(read_in_background(stdout_rest(&mut stdout))));
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let last = json(ended.stdout.lines().last().expect("an account"));
        let counted = last["end"]["samples_in"].as_u64().expect("a count");
        assert_counted(&last, counted);
    }

    #[test]
    fn a_closed_pipe_ends_the_run_quietly() {
        let mut child = start(&["watch", "--every", "50ms", "--for", "60s"], Stdio::null());
        let (line, stdout) = first_line(&mut child);
        assert!(line.contains("samples in"), "{line}");
        drop(stdout);
        let ended = finish(child);
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    }
}

fn first_line(child: &mut Child) -> (String, Option<BufReader<ChildStdout>>) {
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        drop(stdout.read_line(&mut line).map(|_| sender.send((line, stdout))));
    });
    let Ok((line, stdout)) = receiver.recv_timeout(HUNG) else {
        child.kill().expect("a hung run can be killed");
        panic!("no line within {HUNG:?}");
    };
    (line, Some(stdout))
}

fn stdout_rest(stdout: &mut Option<BufReader<ChildStdout>>) -> BufReader<ChildStdout> {
    stdout.take().expect("it was not taken yet")
}
