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
const LAYERS: [&str; 3] = ["structure", "engine", "handle"];

/// Words that only certain files of src may use, and why each of these may.
const ROOMS: [(&str, &str, &str); 11] = [
    ("loom", "src/sync.rs", "the shim"),
    ("loom", "src/pool.rs", "two loom threads stand in for the pool"),
    ("loom", "src/reclaim.rs", "a static that starts afresh with each execution"),
    ("loom", "src/participants.rs", "a static that starts afresh with each execution"),
    ("rayon", "src/pool.rs", "the pool"),
    ("parking_lot", "src/sync.rs", "the shim"),
    ("stacker", "src/engine/evaluate.rs", "the one way into user code that nests"),
    ("atomic", "src/sync.rs", "the shim"),
    ("atomic", "src/structure/world.rs", "`suspecting`: a hint that spares a lock"),
    ("atomic", "src/engine/overlay.rs", "`wrote`: a hint that spares a lock"),
    ("atomic", "src/engine/owner.rs", "`any`: a hint that spares a lock"),
];

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
const EMPTY_NAMES: [&str; 4] = ["manager", "helper", "util", "utility"];
const DEFINING: [&str; 7] = ["fn", "struct", "enum", "union", "mod", "trait", "type"];
const LEFTOVERS: [&str; 5] = ["todo!", "unimplemented!", "dbg!", "#[ignore", "sleep("];
/// Where documents find what they speak of, and which option of cargo means it.
const FOLDERS: [(&str, &str); 6] = [
    ("src/", ""),
    ("docs/", ""),
    ("loom-tests/", ""),
    ("tests/", "--test"),
    ("benches/", "--bench"),
    ("examples/", "--example"),
];

static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);

#[test]
fn layers_import_downwards_only() {
    let mut found = Vec::new();
    for file in TREE.rust("src/") {
        let Some(own) = layer(&file.path) else { continue };
        for root in ["crate::", "super::"] {
            for (line, name) in file.imports(root) {
                // At the root stand the files of the ground; all else there are handles.
                let ground = root == "super::" || TREE.holds(&format!("src/{name}.rs"));
                let place = LAYERS.iter().position(|layer| *layer == name).map(|at| at + 1);
                if place.unwrap_or(if ground { 0 } else { LAYERS.len() }) > own {
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
        let code = without_cfg(&file.code[line]);
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
        for (line, note, label) in file.citations() {
            let mut notes = TREE.files.iter().filter(|it| it.path.starts_with("docs/protocols/"));
            if !notes.any(|it| it.path.ends_with(note) && words(&it.text).any(|it| it == label)) {
                found.push(file.at(line, format!("{label} in {note}")));
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
    let text = text.map_or("", |file| &file.text);
    let section = text.split("\n## ").find_map(|it| it.strip_prefix("Unsafe\n")).unwrap_or("");
    let mut listed: Vec<_> = spans(section).filter(|(_, it)| it.ends_with(".rs")).collect();
    let list = listed.clone();
    for file in TREE.rust("") {
        let is_this = |path: &str| file.path == path || file.path == format!("src/{path}");
        let lines = file.code.iter().enumerate();
        for (line, _) in lines.filter(|(_, code)| words(code).any(|word| word == "unsafe")) {
            listed.retain(|(_, path)| !is_this(path));
            if !list.iter().any(|(_, path)| is_this(path)) {
                found.push(file.at(line, ""));
            }
        }
    }
    found.extend(listed.iter().map(|(_, path)| format!("{path}: listed, but safe or gone")));
    report("unsafe code that docs/ARCHITECTURE.md does not list under Unsafe", found);
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
        let (prose, commands) = prose_and_commands(&file.text);
        for (at, _) in prose.match_indices("](") {
            let target = prose[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            if !target.contains(':') && !folder.join(target).exists() {
                found.push(file.at(line_of(&prose, at), target));
            }
        }
        for (line, span) in spans(&prose).chain(commands) {
            let missing = missing(span).into_iter().filter(|path| !folder.join(path).exists());
            found.extend(missing.map(|what| file.at(line, what)));
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
        let mut paths = tracked(&root).unwrap_or_else(|| below(&root, ""));
        paths.retain(|path| !path.ends_with(".lock") && !path.starts_with(".ci/"));
        paths.sort();
        let files: Vec<File> = paths.into_iter().filter_map(|it| File::read(&root, it)).collect();
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
fn tracked(root: &Path) -> Option<Vec<String>> {
    // A copy inside of somebody else's repository would be answered for that one.
    root.join(".git").exists().then_some(())?;
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let list = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(list.split_terminator('\0').map(str::to_owned).collect())
}

/// What lies in a folder, where there is no git to ask.
fn below(root: &Path, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join(folder)).expect("the sources can be read");
    let names = entries.map(|it| it.expect("so can their names").file_name().into_string());
    let names = names.map(|name| name.expect("names are plain"));
    let names = names.filter(|name| !["target", ".git", ".ci"].contains(&&**name));
    let found = names.map(|name| match root.join(folder).join(&name).is_dir() {
        true => below(root, &format!("{folder}{name}/")),
        false => vec![format!("{folder}{name}")],
    });
    found.flatten().collect()
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
    fn read(root: &Path, path: String) -> Option<Self> {
        // What is not UTF-8 is no text; what is gone will not be tracked for long.
        let text = fs::read_to_string(root.join(&path)).ok()?;
        let rust = if path.ends_with(".rs") { &*text } else { "" };
        let (code, comments) = split(rust);
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        let (lines, code, comments) = (lines(&text), lines(&code), lines(&comments));
        Some(Self { path, text, lines, code, comments })
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
        let ends = |at: usize| self.code[at].trim_end().ends_with([';', '}']);
        let for_all = |at: &usize| self.comments[*at].contains("Relaxed, all of them");
        let above = (0..line).rev().find(for_all);
        (line.saturating_sub(6)..=line).any(tells)
            || above.is_some_and(|it| !(it..line).any(|at| ends(at) && indent(at) <= indent(it)))
    }

    /// Labels such as M1 in "marks.md, claim M1", each with its note, or what all notes end with.
    fn citations(&self) -> Vec<(usize, &str, &str)> {
        let lines = self.comments.iter().enumerate();
        let spoken = lines.flat_map(|(at, it)| it.split_whitespace().map(move |word| (at, word)));
        let bare = spoken.map(|(at, it)| (at, it.trim_matches(|c: char| !c.is_alphanumeric())));
        let list: Vec<(usize, &str)> = bare.filter(|(_, word)| !word.is_empty()).collect();
        let mut found = Vec::new();
        for pair in 0..list.len().saturating_sub(1) {
            if ["claim", "claims", "step", "steps"].contains(&&*list[pair].1.to_lowercase()) {
                let before = pair.checked_sub(1).map_or("", |before| list[before].1);
                let note = if before.ends_with(".md") { before } else { ".md" };
                let labels = list[pair + 1..].iter().filter(|(_, word)| *word != "and");
                let labels = labels.take_while(|(_, word)| is_label(word));
                found.extend(labels.map(|(line, label)| (*line, note, *label)));
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

fn definitions(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = code.split_whitespace().zip(code.split_whitespace().skip(1));
    let named = pairs.filter_map(|(kind, name)| Some((kind, words(name).next()?)));
    named.filter(|(kind, _)| DEFINING.contains(kind))
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

fn without_cfg(code: &str) -> String {
    let mut parts = code.split("cfg");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut depth = 0;
        let end = part.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ')' && depth == 0
        });
        kept += &part[end.unwrap_or(0)..];
    }
    kept
}

/// What stands between backticks, with its line.
fn spans(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut line = 0;
    text.split('`').enumerate().filter_map(move |(index, piece)| {
        let at = line;
        line += piece.matches('\n').count();
        (index % 2 == 1).then_some((at, piece))
    })
}

/// A document with its fenced blocks blanked out, and the commands in these.
fn prose_and_commands(text: &str) -> (String, Vec<(usize, &str)>) {
    let (mut prose, mut commands, mut fenced) = (String::new(), Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        match fenced || fence {
            true => commands.push((at, line)),
            false => prose += line,
        }
        prose.push('\n');
    }
    commands.retain(|(_, line)| line.contains("cargo "));
    (prose, commands)
}

/// Paths of this repository, and targets of cargo, that a span names and that do not exist.
fn missing(span: &str) -> Vec<String> {
    let ours = |path: &&str| FOLDERS.iter().any(|(folder, _)| path.starts_with(folder));
    let mut missing: Vec<String> = paths(span).filter(ours).map(str::to_owned).collect();
    missing.retain(|path| !TREE.holds(path));
    let arguments = span.split_whitespace().zip(span.split_whitespace().skip(1));
    for (option, name) in arguments.filter(|_| span.contains("cargo ")) {
        for (folder, _) in FOLDERS.iter().filter(|(_, it)| *it == option) {
            let target = [format!("{folder}{name}.rs"), format!("{folder}{name}/main.rs")];
            if !TREE.files.iter().any(|file| target.iter().any(|it| file.path.ends_with(it))) {
                missing.push(format!("{option} {name}"));
            }
        }
    }
    missing
}

#[derive(PartialEq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// The code alone and the comments alone, all else blanked out.
fn split(mut rest: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    while !rest.is_empty() {
        let (kind, length) = token(rest);
        let (token, after) = rest.split_at(length);
        let blank = token.chars().map(|c| if c == '\n' { c } else { ' ' }).collect::<String>();
        code += if kind == Kind::Code { token } else { &blank };
        comments += if kind == Kind::Comment { token } else { &blank };
        rest = after;
    }
    (code, comments)
}

fn token(rest: &str) -> (Kind, usize) {
    let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
    let hashes = &after[..after.len() - after.trim_start_matches('#').len()];
    let through = |from: usize, end: &str| rest[from..].find(end).map(|at| from + at + end.len());
    let quote = rest.chars().next().unwrap_or_default();
    let is_char = rest[quote.len_utf8()..].starts_with('\\') || rest.chars().nth(2) == Some('\'');
    let (kind, end) = match quote {
        _ if ["r", "br", "cr"].contains(&word) && after[hashes.len()..].starts_with('"') => {
            let start = word.len() + hashes.len() + 1;
            (Kind::Text, through(start, &format!("\"{hashes}")))
        }
        _ if !word.is_empty() => (Kind::Code, Some(word.len())),
        '/' if rest.starts_with("//") => (Kind::Comment, through(0, "\n")),
        '/' if rest.starts_with("/*") => (Kind::Comment, through(2, "*/")),
        '\'' if !is_char => (Kind::Code, Some(1)),
        '"' | '\'' => {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let end = c == quote && !escaped;
                escaped = c == '\\' && !escaped;
                end
            });
            (Kind::Text, end.map(|at| at + 2))
        }
        _ => (Kind::Code, Some(quote.len_utf8())),
    };
    (kind, end.unwrap_or(rest.len()))
}
