//! What does a durable change cost in each storage backend, alone and a hundred at a time, and a
//! store's `set` that is written through to it, or behind?
//!
//! `alone`: one value of about 50 bytes stored by one call; `hundred`: a hundred of them by one
//! call. `through`: one `set`; `behind`: a thousand of them, of a path each, and the flush. Redis
//! runs here, by a socket, and writes its log each second (`everysec`) or before each answer
//! (`always`); it is left out where `redis-server` is not installed. Expected: the disk decides. A
//! call of `Embedded` waits for it once; one of `Files` twice, and a little for each value.
//! Last recorded: docs/STORE.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench backends [-- hundred]`, `TMPDIR` says on which disk.

use std::io::{BufRead, BufReader};
use std::path::Path as FilePath;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use isobar::store::{Backend, Change, Embedded, Expected, Files, Memory, Redis, Store, Value};
use isobar::{Clock, Graph};

/// Changes go around among so many paths.
const PATHS: u64 = 1_000;
/// Nothing is due while it is measured.
const LATER: Duration = Duration::from_secs(3600);

/// Changes of the next paths, to values they do not have.
fn changes(count: u64) -> impl FnMut() -> Vec<Change> {
    let mut turn = 0;
    move || {
        let first = turn;
        turn += count;
        let change = |turn: u64| {
            let path = format!("sensors/{}/reading", turn % PATHS);
            let text = format!("the value of turn {turn}, and forty bytes of it");
            let value = Some(Arc::new(Value::from(text)));
            Change { path: path.parse().expect("a path"), value, expected: Expected::Any }
        };
        (first..turn).map(change).collect()
    }
}

fn measure(criterion: &mut Criterion, name: &str, mut backend: impl Backend) {
    for (size, count) in [("alone", 1), ("hundred", 100)] {
        let mut group = criterion.benchmark_group(size);
        group.throughput(Throughput::Elements(count));
        let mut next = changes(count);
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| backend.apply(&next()).expect("it can be stored"));
        });
        group.finish();
    }
    let store = Store::builder().graph(&Graph::builder().threads(1).build()).build();
    let mount = store.mount("/", backend).build().expect("it can be loaded");
    let mut next = changes(1);
    let mut set = |store: &Store| {
        let change = next().pop().expect("one change");
        store.at(&change.path).set(&*change.value.expect("a value")).expect("it can be stored")
    };
    let mut group = criterion.benchmark_group("through");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| set(&store)));
    group.finish();
    let backend = mount.unmount().expect("all is stored");
    let behind = store.mount("/", backend).write_behind(&Clock::system(), LATER);
    let mount = behind.build().expect("it can be loaded");
    let mut group = criterion.benchmark_group("behind");
    group.throughput(Throughput::Elements(PATHS));
    group.bench_function(BenchmarkId::from_parameter(name), |b| {
        b.iter(|| {
            for _ in 0..PATHS {
                set(&store);
            }
            mount.flush().expect("it can be stored");
        });
    });
    group.finish();
}

fn local(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    measure(criterion, "memory", Memory::new());
    let files = Files::open(directory.path().join("files")).expect("it is new");
    measure(criterion, "files", files);
    let embedded = Embedded::open(directory.path().join("redb")).expect("it is new");
    measure(criterion, "redb", embedded);
}

/// Killed when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It fails if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server(directory: &FilePath, fsync: &str) -> Option<Server> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket", "socket", "--save", "", "--appendonly", "yes"]);
    command.args(["--appendfsync", fsync, "--dir"]).arg(directory).stdout(Stdio::piped());
    let mut server = Server(command.spawn().ok()?);
    let lines = BufReader::new(server.0.stdout.take()?).lines().map_while(Result::ok);
    let mut lines = lines.skip_while(|line| !line.contains("ready to accept connections"));
    lines.next()?;
    std::thread::spawn(move || lines.for_each(drop));
    Some(server)
}

fn remote(criterion: &mut Criterion) {
    for fsync in ["everysec", "always"] {
        let directory = tempfile::tempdir().expect("a directory");
        let Some(_server) = server(directory.path(), fsync) else {
            eprintln!("redis-server is not installed, or does not start: left out");
            return;
        };
        let url = format!("redis+unix://{}", directory.path().join("socket").display());
        let redis = Redis::builder(url).open().expect("it answers");
        measure(criterion, &format!("redis {fsync}"), redis);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = local, remote
}
criterion_main!(benches);
