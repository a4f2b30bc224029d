//! Values on a Redis server, a real one, which is stopped and started meanwhile.
//!
//! Without `redis-server` on the machine these tests say so and pass; with `REDIS_TESTS=required`
//! they fail.

use super::conformance::{Place, conforms};
use super::{PATIENCE, all, get, path, put, set, within_a_minute};
use isobar::store::{
    ApplyError, Backend, BackendError, Change, Expected, Heard, Notice, Notices, Redis,
    RedisBuilder, Version,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tempfile::TempDir;

/// A server of a test's own; killed with the test.
struct Server {
    directory: TempDir,
    port: u16,
    /// A shell that kills the server when this process lets go of it, however that ends.
    keeper: Child,
    server: String,
}

/// Says the server's number first; then what the server says.
const KEEPER: &str = "redis-server \"$@\" & echo $!; read end; kill -9 $!; wait";

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// None if there is none on this machine.
    fn start() -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it has an address").port();
        drop(free);
        let (keeper, server) = Self::run(&directory, port);
        Some(Self { directory, port, keeper, server })
    }

    fn run(directory: &TempDir, port: u16) -> (Child, String) {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--unixsocket", "socket", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--requirepass", "secret"]);
        command.arg("--dir").arg(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("there is a shell");
        let output = keeper.stdout.take().expect("it is a pipe");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let server = lines.next().expect("it tells the server's number");
        let mut said = String::new();
        while !said.contains("Ready to accept connections") {
            said = lines.next().unwrap_or_else(|| panic!("it ended, and said last: {said}"));
        }
        // Else it would wait for a reader of what it says.
        std::thread::spawn(move || lines.for_each(drop));
        (keeper, server)
    }

    fn kill(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("the shell ends with the server");
    }

    fn restart(&mut self) {
        self.kill();
        (self.keeper, self.server) = Self::run(&self.directory, self.port);
    }

    fn restart_without_data(&mut self) {
        self.kill();
        let data = self.directory.path().join("appendonlydir");
        fs::remove_dir_all(data).expect("it keeps its data there");
        self.restart();
    }

    fn send_signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.server]).status();
        let sent = sent.expect("kill is there");
        assert!(sent.success());
    }

    fn builder(&self) -> RedisBuilder {
        let socket = self.directory.path().join("socket");
        Redis::builder(format!("redis+unix://{}?pass=secret", socket.display()))
    }

    fn open(&self) -> Redis {
        self.builder().open().expect("it answers")
    }

    /// Something the backend does not do.
    fn ask(&self, words: &[&str]) {
        let mut command = Command::new("redis-cli");
        command.args(["--no-auth-warning", "-a", "secret", "-p", &self.port.to_string()]);
        let output = command.args(words).output().expect("it comes with the server");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.starts_with("ERR"), "{words:?}: {text}");
    }
}

fn is_installed() -> bool {
    match Command::new("redis-server").arg("--version").output() {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let required = std::env::var("REDIS_TESTS").is_ok_and(|it| it == "required");
            assert!(!required, "redis-server is not installed, and these tests are required");
            let told = "redis-server is not installed: a test is passed over";
            // Past the test harness, which shows what is printed by tests that fail only.
            let _ = writeln!(std::io::stderr(), "{told}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn watched(backend: &mut Redis) -> Heard {
    let (notices, heard) = Notices::channel();
    backend.watch(notices).expect("it can be watched");
    heard
}

/// The next notice that is no report of an outage.
fn next(heard: &Heard) -> Notice {
    loop {
        match heard.next(PATIENCE).expect("it is told") {
            Notice::Failed(_) => {}
            notice => return notice,
        }
    }
}

/// Waits until all of these were told of, and nothing else is.
fn hear(heard: &Heard, paths: &[String]) {
    let wanted: BTreeSet<_> = paths.iter().map(|it| path(it)).collect();
    let mut told = BTreeSet::new();
    while told != wanted {
        match next(heard) {
            Notice::Changed(paths) => told.extend(paths),
            other => panic!("{other:?}"),
        }
        assert!(told.is_subset(&wanted), "{told:?}");
    }
}

#[test]
fn redis_conforms() {
    let Some(server) = Server::start() else { return };
    let mut places = 0;
    within_a_minute("redis", || {
        let fresh = || -> Place {
            places += 1;
            let (socket, prefix) = (server.directory.path().join("socket"), places.to_string());
            Box::new(move || {
                let url = format!("redis+unix://{}?pass=secret", socket.display());
                let builder = Redis::builder(url).prefix(&*prefix);
                Box::new(builder.open().expect("it answers"))
            })
        };
        conforms(fresh, 40);
    });
}

#[test]
fn redis_tells_what_others_store_and_not_ones_own() {
    let Some(server) = Server::start() else { return };
    within_a_minute("two clients", || {
        let (mut one, mut other) = (server.open(), server.open());
        let heard = watched(&mut other);
        for number in 0..50 {
            set(&mut other, "own", number);
            set(&mut one, &format!("a/{number}"), number);
        }
        let group: Vec<Change> = (50..9_000).map(|it| put(&format!("a/{it}"), it)).collect();
        one.apply(&group).expect("it can be stored");
        hear(&heard, &(0..9_000).map(|number| format!("a/{number}")).collect::<Vec<_>>());
        assert_eq!(all(&mut other), all(&mut one));
    });
}

#[test]
fn redis_loses_no_increment_of_several_clients() {
    let Some(server) = Server::start() else { return };
    within_a_minute("increments", || {
        set(&mut server.open(), "count", 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut client = server.open();
                    (0..100).for_each(|_| increment(&mut client));
                });
            }
        });
        assert_eq!(get(&mut server.open(), "count"), Some(400.into()));
    });
}

fn increment(client: &mut Redis) {
    loop {
        let found = client.read(&path("count")).expect("it answers").expect("it is there");
        let count = found.value.as_i64().expect("a number");
        let version = found.version.expect("it has one");
        let change = Change { expected: Expected::At(version), ..put("count", count + 1) };
        match client.apply(&[change]) {
            Ok(_) => return,
            Err(ApplyError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn redis_reads_on_after_a_broken_connection() {
    let Some(server) = Server::start() else { return };
    within_a_minute("disconnect", || {
        let (mut one, mut other) = (server.open(), server.open());
        let heard = watched(&mut other);
        for number in 0..5 {
            set(&mut one, &format!("before/{number}"), 1);
            server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
            server.ask(&["SCRIPT", "FLUSH"]);
            set(&mut one, &format!("after/{number}"), 1);
            hear(&heard, &[format!("before/{number}"), format!("after/{number}")]);
            assert_eq!(get(&mut other, &format!("after/{number}")), Some(1.into()));
        }
    });
}

#[test]
fn redis_loads_again_after_a_restart() {
    let Some(mut server) = Server::start() else { return };
    within_a_minute("restart", || {
        let (mut one, mut other) = (server.open(), server.open());
        let heard = watched(&mut other);
        let before = set(&mut one, "a", 1);
        hear(&heard, &["a".into()]);
        server.restart();
        assert!(matches!(next(&heard), Notice::Missed), "the server may have lost something");
        assert_eq!(all(&mut other), [("/a".to_string(), json!(1))].into());
        set(&mut one, "b", 2);
        hear(&heard, &["b".into()]);

        server.restart_without_data();
        assert!(matches!(next(&heard), Notice::Missed), "it has lost all");
        assert!(all(&mut other).is_empty());
        let after = set(&mut one, "a", 3);
        assert!(after > before, "a version comes once, also after a loss");
        hear(&heard, &["a".into()]);
        let stale = Change { expected: Expected::At(before.expect("it has one")), ..put("a", 4) };
        other.apply(&[stale]).expect_err("the version is of a former life");
    });
}

#[test]
fn redis_loads_again_if_what_it_missed_is_gone() {
    let Some(server) = Server::start() else { return };
    within_a_minute("trimmed", || {
        let (mut one, mut other) = (server.open(), server.open());
        let heard = watched(&mut other);
        set(&mut one, "a", 1);
        hear(&heard, &["a".into()]);
        server.ask(&["FLUSHALL"]);
        assert!(matches!(next(&heard), Notice::Missed));
        assert!(all(&mut other).is_empty());
        set(&mut one, "b", 1);
        hear(&heard, &["b".into()]);
        // The stream is cut while nobody can read it.
        server.ask(&["EVAL", CUT, "1", "isobar:changes"]);
        assert!(matches!(next(&heard), Notice::Missed));
        set(&mut one, "c", 1);
        hear(&heard, &["c".into()]);
    });
}

/// Two more changes, and all but the last forgotten, at once.
const CUT: &str = "\
    for n = 1, 2 do redis.call('XADD', KEYS[1], '*', 'client', 'x', 'paths', '[]') end \
    return redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', 1)";

#[test]
fn redis_keeps_its_stream_short() {
    let Some(server) = Server::start() else { return };
    within_a_minute("short", || {
        let mut one = server.builder().kept_changes(10).open().expect("it answers");
        for number in 0..2_000 {
            set(&mut one, "a", number);
        }
        server.ask(&["EVAL", SHORT, "1", "isobar:changes"]);
    });
}

const SHORT: &str = "\
    if redis.call('XLEN', KEYS[1]) > 500 then return redis.error_reply('ERR long') end";

#[test]
fn redis_works_on_once_the_server_is_back() {
    let Some(mut server) = Server::start() else { return };
    within_a_minute("stopped", || {
        let mut one =
            server.builder().timeout(Duration::from_millis(200)).open().expect("it is up");
        set(&mut one, "a", 1);
        server.kill();
        let address = server.directory.path().join("socket").display().to_string();
        for error in [
            one.apply(&[put("a", 2)]).expect_err("it is down").to_string(),
            one.read(&path("a")).expect_err("it is down").to_string(),
            one.load().expect_err("it is down").to_string(),
            server.builder().open().expect_err("it is down").to_string(),
        ] {
            assert!(error.contains(&address) && !error.contains("secret"), "{error}");
        }
        server.restart();
        assert_eq!(get(&mut one, "a"), Some(1.into()));
        set(&mut one, "a", 3);
        assert_eq!(get(&mut server.open(), "a"), Some(3.into()));
    });
}

#[test]
fn redis_keeps_nobody_waiting_who_asks_a_server_that_hangs() {
    let Some(server) = Server::start() else { return };
    within_a_minute("hangs", || {
        let timeout = Duration::from_millis(100);
        let mut one = server.builder().timeout(timeout).open().expect("it is up");
        let heard = watched(&mut one);
        set(&mut one, "a", 1);
        server.send_signal("-STOP");
        one.apply(&[put("a", 2)]).expect_err("nothing is answered");
        server.builder().timeout(timeout).open().expect_err("nothing is answered");
        server.send_signal("-CONT");
        // Whether it was stored is found by reading it again.
        hear(&heard, &["a".into()]);
        assert!([Some(1.into()), Some(2.into())].contains(&get(&mut one, "a")));
    });
}

/// Stands between a client and the server, and can keep an answer for itself.
struct Between {
    port: u16,
    swallow: Arc<AtomicBool>,
}

impl Between {
    fn new(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let swallow = Arc::new(AtomicBool::new(false));
        let swallows = Arc::clone(&swallow);
        // These threads end with the connections, and with the process.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server)).expect("it is up");
                let (mut asks, mut asked) = (client.try_clone().expect("a copy"), server);
                let (mut answers, mut answered) = (asked.try_clone().expect("a copy"), client);
                std::thread::spawn(move || std::io::copy(&mut asks, &mut asked));
                let swallows = Arc::clone(&swallows);
                std::thread::spawn(move || {
                    let mut text = [0; 4096];
                    while let Ok(length @ 1..) = answers.read(&mut text) {
                        if swallows.swap(false, SeqCst) {
                            break;
                        }
                        answered.write_all(&text[..length]).expect("the client listens");
                    }
                    // It fails if the client was faster.
                    let _ = answered.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, swallow }
    }
}

#[test]
fn redis_stores_nothing_twice_if_an_answer_was_lost() {
    let Some(server) = Server::start() else { return };
    within_a_minute("lost answers", || {
        let between = Between::new(server.port);
        let url = format!("redis://:secret@127.0.0.1:{}", between.port);
        let mut one = Redis::builder(url).open().expect("it answers");
        let mut version = None;
        for number in 0..20 {
            let expected = version.map_or(Expected::Missing, Expected::At);
            let change = Change { expected, ..put("a", number) };
            between.swallow.store(number % 2 == 0, SeqCst);
            version = one.apply(&[change]).expect("nobody else stores anything")[0];
            assert!(!between.swallow.load(SeqCst), "an answer was lost");
            let found = server.open().read(&path("a")).expect("it answers").expect("it is there");
            assert_eq!((&*found.value, found.version), (&number.into(), version));
        }
    });
}

#[test]
fn redis_ends_with_who_listens() {
    let Some(mut server) = Server::start() else { return };
    within_a_minute("ends", || {
        let mut one = server.open();
        let heard = watched(&mut one);
        drop(one);
        assert!(heard.next(PATIENCE).is_none(), "its thread has ended");
        // Also while it tries to reach the server.
        let mut one = server.open();
        let heard = watched(&mut one);
        server.kill();
        assert!(matches!(heard.next(PATIENCE), Some(Notice::Failed(_))));
        drop(one);
        while heard.next(PATIENCE).is_some() {}
    });
}

#[test]
fn redis_names_no_password() {
    let url = "redis://user:hidden@127.0.0.1:1/0";
    let builder = Redis::builder(url).timeout(Duration::from_millis(200));
    assert!(!format!("{builder:?}").contains("hidden"));
    let error = builder.open().expect_err("nobody listens there");
    let told = format!("{error} {error:?}");
    assert!(told.contains("127.0.0.1:1") && !told.contains("hidden"), "{told}");
    let error = Redis::builder("hidden://hidden").open().expect_err("it is no URL");
    assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
}

#[test]
fn redis_tells_broken_values_and_names_from_the_others() {
    let Some(server) = Server::start() else { return };
    within_a_minute("broken", || {
        let mut one = server.open();
        set(&mut one, "good", 1);
        server.ask(&["HSET", "isobar:values", "/bad", "{", "no//path", "1", "/by/hand", "2"]);
        let contents = one.load().expect("the others are fine");
        assert_eq!((contents.stored.len(), contents.broken.len()), (2, 2));
        match one.read(&path("bad")).expect_err("it is broken") {
            BackendError::Invalid { path: at, .. } => assert_eq!(at, path("bad")),
            other => panic!("{other}"),
        }
        let by_hand = one.read(&path("by/hand")).expect("it is fine").expect("it is there");
        assert_eq!(by_hand.version, Some(Version(0)));
        let change = Change { expected: Expected::At(Version(0)), ..put("by/hand", 3) };
        one.apply(&[change]).expect("the version is as it was read");
    });
}

#[test]
fn redis_is_reached_by_address_as_well() {
    let Some(server) = Server::start() else { return };
    within_a_minute("address", || {
        let url = format!("redis://:secret@127.0.0.1:{}/3", server.port);
        let mut one = Redis::builder(url).open().expect("it answers");
        set(&mut one, "a", 1);
        assert!(format!("{one:?}").contains(&format!("127.0.0.1:{}", server.port)));
        assert_eq!(get(&mut server.open(), "a"), None, "another database");
    });
}
