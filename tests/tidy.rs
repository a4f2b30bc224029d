//! The house rules, read off the sources: who may import and name what, which comments have to be
//! there, how long things get, and that documents speak of what exists.
//!
//! A rule that is broken lists every place. `ISOBAR_TIDY_ROOT` names another tree to look at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

/// From the bottom up; every other file directly in src is the ground below them.
const LAYERS: [&str; 9] = [
    "structure",
    "engine",
    "handle",
    "by_key",
    "time",
    "operators",
    "futures",
    "collections",
    "store",
];

/// The layer of `handle`.
const HANDLES: usize = 3;

/// Words that only certain files of src may use, and why each of these may.
const ROOMS: [(&str, &str, &str); 11] = [
    ("loom", "src/sync.rs", "the shim"),
    ("loom", "src/pool.rs", "two loom threads stand in for the pool"),
    ("loom", "src/reclaim.rs", "a static that starts afresh with each execution"),
    ("loom", "src/participants.rs", "a static that starts afresh with each execution"),
    ("rayon", "src/pool.rs", "the pool"),
    ("parking_lot", "src/sync.rs", "the shim"),
    ("stacker", "src/engine/evaluate.rs", "room for user code inside user code"),
    ("atomic", "src/sync.rs", "the shim"),
    ("atomic", "src/structure/world.rs", "`suspecting`: a hint that spares a lock"),
    ("atomic", "src/engine/overlay.rs", "`wrote`: a hint that spares a lock"),
    ("atomic", "src/engine/owner.rs", "`any`: a hint that spares a lock"),
];

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
const EMPTY_NAMES: [&str; 4] = ["manager", "helper", "util", "utility"];
const DEFINING: [&str; 7] = ["fn", "struct", "enum", "union", "mod", "trait", "type"];
const LEFTOVERS: [&str; 5] = ["todo!", "unimplemented!", "dbg!", "#[ignore", "sleep("];
/// Paths in documents that begin so are paths of this repository.
const FOLDERS: [&str; 6] = ["src/", "docs/", "tests/", "loom-tests/", "benches/", "examples/"];
/// Where the targets lie that these options of cargo name.
const TARGETS: [(&str, &str); 3] =
    [("--test", "tests/"), ("--bench", "benches/"), ("--example", "examples/")];

static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);

#[test]
fn layers_import_downwards_only() {
    let mut found = Vec::new();
    for file in TREE.rust("src/") {
        let Some(own) = layer(&file.path) else { continue };
        for root in ["crate::", "super::"] {
            for (line, name) in file.imports(root) {
                // At the root stand the files of the ground; all else there are handles, or
                // what is made of them.
                let ground = root == "super::" || TREE.holds(&format!("src/{name}.rs"));
                let place = LAYERS.iter().position(|layer| *layer == name).map(|at| at + 1);
                if place.unwrap_or(if ground { 0 } else { HANDLES }) > own {
                    found.push(file.at(line, format!("`{root}{name}` lies above")));
                }
            }
        }
    }
    report("imports upwards", found);
}

#[test]
fn the_program_uses_the_public_api_only() {
    let private = |(file, line): &(&File, usize)| {
        let code = &file.code[*line];
        let outside = code.contains("#[path") && file.lines[*line].contains("..");
        outside || code.contains("include!") || code.contains("isobar::protocol")
    };
    let found = TREE.lines("src/bin/").filter(private);
    report("a program with an entrance of its own", found.map(|(file, line)| file.at(line, "")));
}

#[test]
fn words_stay_in_their_rooms() {
    let mut found = Vec::new();
    let mut unused = ROOMS.to_vec();
    for (file, line) in TREE.lines("src/") {
        // The flag is followed by one of these, the crate is not; the module by two colons, what
        // a backend can do by one, or is asked of it.
        let code = file.code[line].replace("loom)", ")").replace("loom,", ",");
        let code = code.replace("atomic: ", ": ").replace(".atomic", "");
        for word in words(&code) {
            unused.retain(|room| (room.0, room.1) != (word, &file.path));
            let mut rooms = ROOMS.iter().filter(|room| room.0 == word).peekable();
            if rooms.peek().is_some() && rooms.all(|room| room.1 != file.path) {
                found.push(file.at(line, word));
            }
        }
    }
    found.extend(unused.iter().map(|(word, path, _)| format!("{path}: needs no `{word}`")));
    report("words outside of their rooms", found);
}

#[test]
fn every_ordering_says_why() {
    let mut found = Vec::new();
    for file in TREE.rust("src/").filter(|file| !file.path.starts_with("src/bin/")) {
        let exempt = file.chooses_no_ordering();
        for (line, code) in file.code.iter().enumerate().filter(|(line, _)| !exempt[*line]) {
            let used: Vec<&str> = words(code).filter(|word| ORDERINGS.contains(word)).collect();
            if !used.is_empty() && !file.gives_reason(line, &used) {
                found.push(file.at(line, used.join(", ")));
            }
        }
    }
    report("orderings without a reason", found);
}

#[test]
fn citations_resolve() {
    let mut found = Vec::new();
    for file in TREE.rust("src/") {
        for (line, note, cited) in file.citations() {
            let mut notes = TREE.files.iter().filter(|it| it.path.starts_with("docs/protocols/"));
            let stated = format!("**{cited}.**").to_lowercase();
            if !notes.any(|it| it.path.ends_with(note) && it.text.to_lowercase().contains(&stated))
            {
                found.push(file.at(line, format!("{cited} in {note}")));
            }
        }
    }
    for file in TREE.files.iter().filter(|file| !file.path.ends_with(".md")) {
        for (line, text) in file.lines.iter().enumerate() {
            let dead = paths(text).filter(|path| path.starts_with("docs/") && !TREE.holds(path));
            found.extend(dead.map(|path| file.at(line, path)));
        }
    }
    report("citations that lead nowhere", found);
}

#[test]
fn things_stay_short_and_introduce_themselves() {
    let mut found = Vec::new();
    for (file, line) in TREE.lines("") {
        let text = &file.lines[line];
        if line == 0 && !text.starts_with("//!") {
            found.push(file.at(line, "no `//!` header"));
        }
        if text.chars().count() > 100 {
            found.push(file.at(line, format!("{} columns", text.chars().count())));
        }
        for (_, name) in definitions(&file.code[line]).filter(|(kind, _)| *kind == "fn") {
            let length = file.function_length(line);
            if length > 70 {
                found.push(file.at(line, format!("`{name}` has {length} lines")));
            }
        }
    }
    report("too long, or without a header", found);
}

#[test]
fn names_say_something() {
    let mut found = Vec::new();
    for (file, line) in TREE.lines("") {
        for (_, name) in definitions(&file.code[line]).filter(|(_, name)| is_empty_name(name)) {
            found.push(file.at(line, name));
        }
    }
    let mut places = BTreeMap::<&str, Vec<&str>>::new();
    for file in TREE.rust("") {
        if file.path.split(['/', '.']).any(is_empty_name) {
            found.push(file.at(0, "the file's name"));
        }
        if file.path.starts_with("src/") && !file.path.starts_with("src/bin/") {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            places.entry(name).or_default().push(&file.path);
        }
    }
    found.extend(places.values().filter(|same| same.len() > 1).map(|same| same.join(" and ")));
    report("names that say nothing, or two things", found);
}

#[test]
fn unsafe_stays_where_the_architecture_lists_it() {
    let mut found = Vec::new();
    let text = TREE.files.iter().find(|file| file.path == "docs/ARCHITECTURE.md");
    let sections = text.map_or("", |file| &file.text).split("\n## ");
    let section = sections.filter_map(|it| it.strip_prefix("Unsafe\n")).next().unwrap_or("");
    let listed = section.split('`').skip(1).step_by(2).filter(|path| path.ends_with(".rs"));
    let mut listed: Vec<String> = listed.map(|path| path.replace("src/", "")).collect();
    for file in TREE.rust("src/") {
        let is_unsafe = |code: &String| words(code).any(|word| word == "unsafe");
        let Some(first) = file.code.iter().position(is_unsafe) else { continue };
        let path = file.path.replace("src/", "");
        match listed.iter().position(|listed| *listed == path) {
            Some(place) => drop(listed.swap_remove(place)),
            None => found.push(file.at(first, "unsafe, and not listed")),
        }
    }
    found.extend(listed.iter().map(|path| format!("src/{path}: listed, but safe or gone")));
    report("unsafe code, and the list of it in docs/ARCHITECTURE.md", found);
}

#[test]
fn nothing_sleeps_and_nothing_is_left_over() {
    let mut found = Vec::new();
    for (file, line) in TREE.lines("") {
        let code = &file.code[line];
        found.extend(LEFTOVERS.iter().filter(|it| code.contains(*it)).map(|it| file.at(line, it)));
    }
    // Put together here, lest this file break its own rule.
    let roots = ["work", "tmp", "root", "home"].map(|name| format!("/{name}/"));
    for file in &TREE.files {
        for (line, text) in file.lines.iter().enumerate() {
            if text.contains(concat!("FIX", "ME")) {
                found.push(file.at(line, "unfinished"));
            }
            let absolute = roots.iter().filter(|root| is_absolute(text, root));
            found.extend(absolute.map(|root| file.at(line, root)));
        }
    }
    report("leftovers", found);
}

#[test]
fn documents_speak_of_what_exists() {
    let mut found = Vec::new();
    for file in TREE.files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = TREE.root.join(&file.path).with_file_name("");
        let mut line = 0;
        // In turns prose and what stands between backticks, be it a span or a block.
        for (turn, piece) in file.text.split('`').enumerate() {
            let dead = if turn % 2 == 0 { links(piece) } else { dead_paths_and_targets(piece) };
            for (at, what) in dead.into_iter().filter(|(_, path)| !folder.join(path).exists()) {
                found.push(file.at(line + line_of(piece, at), what));
            }
            line += line_of(piece, piece.len());
        }
    }
    report("documents that speak of what does not exist", found);
}

#[test]
fn code_comments_and_strings_are_told_apart() {
    let text = "a = '\"'; // \"x\nf::<'b>(b\"\\\"//\", r#\"\"/*\"#) /* y \" */ + r#type";
    let (code, comments) = split(text);
    assert_eq!(words(&code).collect::<Vec<_>>(), ["a", "f", "b", "b", "r", "type"]);
    assert_eq!(words(&comments).collect::<Vec<_>>(), ["x", "y"]);
}

fn report(rule: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

struct Tree {
    root: PathBuf,
    files: Vec<File>,
}

impl Tree {
    fn read() -> Self {
        let root = env::var("ISOBAR_TIDY_ROOT").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let root = PathBuf::from(root);
        let mut paths = tracked(&root).unwrap_or_else(|| below(&root));
        paths.sort();
        let files: Vec<File> = paths.iter().filter_map(|it| File::read(&root, it)).collect();
        assert!(files.iter().any(|file| file.path == "src/lib.rs"), "{root:?} is something else");
        Self { root, files }
    }

    fn rust(&self, folder: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |it| it.path.starts_with(folder) && it.path.ends_with(".rs"))
    }

    fn lines(&self, folder: &str) -> impl Iterator<Item = (&File, usize)> {
        self.rust(folder).flat_map(|file| (0..file.lines.len()).map(move |line| (file, line)))
    }

    fn holds(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

/// What git tracks or is about to.
fn tracked(root: &Path) -> Option<Vec<PathBuf>> {
    // A copy inside of somebody else's repository would be answered for that one.
    root.join(".git").exists().then_some(())?;
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let list = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(list.split_terminator('\0').map(|path| root.join(path)).collect())
}

/// What lies in a folder, where there is no git to ask.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the sources can be read");
    let paths = entries.map(|entry| entry.expect("and their names").path());
    let paths = paths.filter(|path| !path.ends_with("target") && !path.ends_with(".git"));
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// A text file; of a Rust file also its code alone and its comments alone, line by line.
struct File {
    path: String,
    text: String,
    lines: Vec<String>,
    code: Vec<String>,
    comments: Vec<String>,
}

impl File {
    fn read(root: &Path, path: &Path) -> Option<Self> {
        // What is not UTF-8 is no text; what is gone will not be tracked for long.
        let text = fs::read_to_string(path).ok()?;
        let path = path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
        let ours = !path.ends_with(".lock") && !path.starts_with(".ci/");
        let (code, comments) = split(if path.ends_with(".rs") { &text } else { "" });
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        let (lines, code, comments) = (lines(&text), lines(&code), lines(&comments));
        ours.then_some(Self { path, text, lines, code, comments })
    }

    fn at(&self, line: usize, what: impl AsRef<str>) -> String {
        format!("{}:{}: {}", self.path, line + 1, what.as_ref())
    }

    /// The name behind each `root`; of a group, the layers in it.
    fn imports(&self, root: &str) -> Vec<(usize, String)> {
        let code = self.code.join("\n");
        let all = code.match_indices(root).flat_map(|(at, _)| {
            let rest = code[at + root.len()..].split(';').next().unwrap_or_default();
            let group = rest.starts_with('{');
            let names = words(rest).take(if group { usize::MAX } else { 1 });
            let names = names.filter(move |name| !group || LAYERS.contains(name));
            let line = line_of(&code, at);
            names.map(move |name| (line, name.to_owned()))
        });
        all.collect()
    }

    /// The lines that do not choose an ordering: imports, and the shim's handing on of one.
    fn chooses_no_ordering(&self) -> Vec<bool> {
        let mut import = false;
        let lines = self.code.iter().map(|code| {
            import |= words(code).find(|word| !["pub", "crate"].contains(word)) == Some("use");
            let exempt = import || self.path == "src/sync.rs" && code.contains("Ordering::");
            import &= !code.contains(';');
            exempt
        });
        lines.collect()
    }

    fn gives_reason(&self, line: usize, used: &[&str]) -> bool {
        let fence = self.code[line].contains("fence(");
        let tells = |at: usize| {
            let comment = self.comments[at].trim_start_matches([' ', '/', '!']);
            let mut named = used.iter().filter_map(|ordering| comment.strip_prefix(ordering));
            named.any(|rest| rest.starts_with(':')) || fence && comment.contains("airs with")
        };
        let indent = |at: usize| self.lines[at].len() - self.lines[at].trim_start().len();
        let for_all = |at: &usize| self.comments[*at].contains("Relaxed, all of them");
        let above = (0..line).rev().find(for_all);
        (line.saturating_sub(6)..=line).any(tells)
            || above.is_some_and(|it| (it..=line).all(|at| indent(at) >= indent(it)))
    }

    /// Such as "marks.md, claim M1"; without a note, what all notes end with stands for it.
    fn citations(&self) -> Vec<(usize, &str, String)> {
        let lines = self.comments.iter().enumerate();
        let spoken = lines.flat_map(|(at, it)| it.split_whitespace().map(move |word| (at, word)));
        let bare = spoken.map(|(at, it)| (at, it.trim_matches(|c: char| !c.is_alphanumeric())));
        let (mut note, mut kind, mut found) = (".md", "", Vec::new());
        for (line, word) in bare.filter(|(_, word)| !word.is_empty()) {
            match word.trim_end_matches('s') {
                "claim" | "Claim" | "step" | "Step" => {
                    note = if kind.is_empty() { note } else { ".md" };
                    kind = word.trim_end_matches('s');
                }
                "and" if !kind.is_empty() => {}
                _ if !kind.is_empty() && is_label(word) => {
                    found.push((line, note, format!("{kind} {word}")));
                }
                _ => {
                    kind = "";
                    note = if word.ends_with(".md") { word } else { ".md" };
                }
            }
        }
        found
    }

    fn function_length(&self, line: usize) -> usize {
        let (mut nesting, mut inside) = (0, false);
        for (more, code) in self.code[line..].iter().enumerate() {
            let start = if more == 0 { code.find("fn ").unwrap_or(0) } else { 0 };
            for c in code[start..].chars() {
                nesting += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
                inside |= c == '{' && nesting == 1;
                if nesting == 0 && (c == ';' || inside && c == '}') {
                    return more + 1;
                }
            }
        }
        self.code.len() - line
    }
}

fn layer(path: &str) -> Option<usize> {
    let name = path.strip_prefix("src/")?.split(['/', '.']).next()?;
    let place = LAYERS.iter().position(|layer| *layer == name);
    (!["bin", "lib"].contains(&name)).then(|| place.map_or(0, |at| at + 1))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c) && !"./-".contains(c)).map(|path| path.trim_end_matches('.'))
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count()
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_whitespace().zip(text.split_whitespace().skip(1))
}

fn definitions(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let defining = pairs(code).filter(|(kind, _)| DEFINING.contains(kind));
    defining.filter_map(|(kind, name)| Some((kind, words(name).next()?)))
}

fn is_empty_name(name: &str) -> bool {
    let apart = |c: char| if c.is_uppercase() { format!("_{c}") } else { c.to_string() };
    let snake = name.chars().map(apart).collect::<String>().to_lowercase();
    snake.split('_').any(|part| EMPTY_NAMES.contains(&part.trim_end_matches('s')))
}

fn is_label(word: &str) -> bool {
    let number = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    number.len() + 1 == word.len() && number.parse::<u32>().is_ok()
}

/// Not so if something stands before it: then it goes on from there.
fn is_absolute(text: &str, root: &str) -> bool {
    let goes_on = |before: &str| before.ends_with(|c| is_word(c) || "-.~$}".contains(c));
    text.match_indices(root).any(|(at, _)| !goes_on(&text[..at]))
}

fn links(prose: &str) -> Vec<(usize, &str)> {
    let targets = prose.match_indices("](").map(|(at, _)| (at, &prose[at + 2..]));
    let targets = targets.filter_map(|(at, rest)| Some((at, rest.split([')', '#', ' ']).next()?)));
    targets.filter(|(_, target)| !target.contains(':')).collect()
}

/// The paths of this repository, and the targets of cargo, that are named and do not exist.
fn dead_paths_and_targets(span: &str) -> Vec<(usize, &str)> {
    let ours = |path: &&str| FOLDERS.iter().any(|folder| path.starts_with(folder));
    let mut dead: Vec<&str> = paths(span).filter(ours).filter(|it| !TREE.holds(it)).collect();
    for (option, name) in pairs(span) {
        let Some((_, folder)) = TARGETS.iter().find(|it| it.0 == option) else { continue };
        let target = [format!("{folder}{name}.rs"), format!("{folder}{name}/main.rs")];
        if !TREE.files.iter().any(|file| target.iter().any(|it| file.path.ends_with(it))) {
            dead.push(name);
        }
    }
    dead.into_iter().map(|it| (span.find(it).unwrap_or(0), it)).collect()
}

/// The code alone and the comments alone, with all else blanked out.
fn split(mut rest: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    while !rest.is_empty() {
        let (token, after) = rest.split_at(token_length(rest).unwrap_or(rest.len()));
        let comment = token.starts_with("//") || token.starts_with("/*");
        let quoted = token.len() > 1 && token.ends_with(['"', '\'', '#']);
        for (kept, text) in [(!comment && !quoted, &mut code), (comment, &mut comments)] {
            match kept {
                true => text.push_str(token),
                false => text.extend(token.chars().map(|c| if c == '\n' { c } else { ' ' })),
            }
        }
        rest = after;
    }
    (code, comments)
}

/// Of a comment, a literal, a word or a single character; none if it goes on to the end.
fn token_length(rest: &str) -> Option<usize> {
    let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
    let hashes = &after[..after.len() - after.trim_start_matches('#').len()];
    let past = |from: usize, end: &str| rest[from..].find(end).map(|at| from + at + end.len());
    let first = rest.chars().next()?;
    let is_char = rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'');
    match first {
        _ if ["r", "br", "cr"].contains(&word) && after[hashes.len()..].starts_with('"') => {
            past(word.len() + hashes.len() + 1, &format!("\"{hashes}"))
        }
        _ if !word.is_empty() => Some(word.len()),
        '/' if rest.starts_with("//") => past(0, "\n"),
        '/' if rest.starts_with("/*") => past(2, "*/"),
        '"' | '\'' if first == '"' || is_char => {
            let mut escaped = false;
            let ends = |c: char| {
                let ends = c == first && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            };
            rest[1..].find(ends).map(|at| at + 2)
        }
        _ => Some(first.len_utf8()),
    }
}
