//! A build: sources are parsed, compiled and linked. Notice that the first build compiles a wide
//! level, that an edit compiles one file, that a new comment parses one file and compiles none
//! (the cutoff), and that a header is followed only by who includes it.

use isobar::{Computed, Graph, Signal};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const FILES: usize = 100;

#[derive(Default)]
struct Log {
    parsed: AtomicU32,
    compiled: AtomicU32,
    linked: AtomicU32,
}

impl Log {
    fn take(&self) -> String {
        let take = |count: &AtomicU32| count.swap(0, Relaxed);
        let (parsed, compiled) = (take(&self.parsed), take(&self.compiled));
        format!("{parsed} parsed, {compiled} compiled, {} linked", take(&self.linked))
    }
}

/// A file without its comments: what the compiler sees.
type Code = Arc<[String]>;

struct Build {
    files: BTreeMap<String, Signal<String>>,
    program: Computed<u64>,
    log: Arc<Log>,
}

fn parse(text: &str) -> Code {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).map(str::to_owned).collect()
}

/// Stands for the machine code: a number that depends on every byte.
fn digest(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn build(graph: &Graph) -> Build {
    let log = Arc::<Log>::default();
    let file = |name: &str, text: String| Signal::builder(text).name(name).graph(graph).build();
    let parsed = |name: &str, text: &Signal<String>| {
        let (text, log) = (text.clone(), log.clone());
        let code = Computed::builder(move || {
            log.parsed.fetch_add(1, Relaxed);
            text.with(|text| parse(text))
        });
        code.name(format!("parsed {name}")).graph(graph).build()
    };

    let header = file("common.h", "const LIMIT = 10".to_owned());
    let header_code = parsed("common.h", &header);
    let mut files = BTreeMap::from([("common.h".to_owned(), header)]);
    let mut objects = Vec::new();
    for index in 0..FILES {
        let name = format!("file{index:02}.c");
        let include = if index % 10 == 0 { "include common.h\n" } else { "" };
        let text = file(&name, format!("{include}return {index}"));
        let (code, header, log) = (parsed(&name, &text), header_code.clone(), log.clone());
        let object = Computed::builder(move || {
            log.compiled.fetch_add(1, Relaxed);
            code.get().iter().fold(index as u64, |hash, line| match line.as_str() {
                // Found while compiling: the header becomes a source of this object only now.
                "include common.h" => {
                    header.get().iter().fold(hash, |hash, line| digest(hash, line))
                }
                line => digest(hash, line),
            })
        });
        objects.push(object.name(format!("{name}.o")).graph(graph).build());
        files.insert(name, text);
    }
    let program = {
        let log = log.clone();
        Computed::builder(move || {
            log.linked.fetch_add(1, Relaxed);
            objects
                .iter()
                .map(Computed::get)
                .fold(0, |all, object| digest(all, &object.to_string()))
        })
    };
    Build { files, program: program.name("program").graph(graph).build(), log }
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let graph = Graph::new();
    let Build { files, program, log } = build(&graph);
    let watch = graph.effect(move || {
        program.get();
    });
    say(format!("first build:       {}", log.take()));

    files["file07.c"].set("return 7 + 1".to_owned());
    say(format!("an edit:           {}", log.take()));

    files["file07.c"].set("// lucky\nreturn 7 + 1".to_owned());
    say(format!("a comment:         {}", log.take()));

    files["common.h"].set("const LIMIT = 11".to_owned());
    say(format!("the header:        {}", log.take()));

    files["file07.c"].update(String::clone);
    say(format!("saved, unchanged:  {}", log.take()));

    graph.batch(|| {
        for (name, text) in &files {
            if name.ends_with(".c") {
                text.mutate(|text| text.push_str("\nreturn 0"));
            }
        }
    });
    say(format!("all files at once: {}", log.take()));
    drop(watch);
}
