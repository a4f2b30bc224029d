//! Values in files: how they lie there, what is refused, and what others edit.

use super::conformance::{Place, conforms};
use super::{all, get, path, put, remove, set, within_a_minute};
use isobar::store::{ApplyError, Backend, BackendError, Change, Files, Format, Value};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn open(base: &FilePath) -> Files {
    Files::open(base).expect("nobody else has it")
}

/// The files and empty directories below a directory, hidden ones left out.
fn tree(base: &FilePath) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![base.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("it can be read") {
            let file = entry.expect("it can be read").path();
            let name = file.strip_prefix(base).expect("it is below").display().to_string();
            let is_hidden = entry_name(&file).starts_with('.');
            let is_empty = || fs::read_dir(&file).expect("it can be read").next().is_none();
            if file.is_dir() && is_empty() {
                found.insert(name + "/");
            } else if file.is_dir() {
                open.push(file);
            } else if !is_hidden {
                found.insert(name);
            }
        }
    }
    found
}

fn entry_name(file: &FilePath) -> String {
    file.file_name().expect("entries have names").to_string_lossy().into_owned()
}

fn write(file: PathBuf, text: &str) {
    fs::write(file, text).expect("it can be written");
}

#[test]
fn files_conform() {
    within_a_minute("files", || {
        let fresh = || -> Place {
            let directory = directory();
            Box::new(move || Box::new(open(directory.path())))
        };
        conforms(fresh, 30);
    });
}

#[test]
fn a_killed_process_leaves_whole_files() {
    super::kills::survives_kills("files");
}

#[test]
fn each_value_has_a_file_that_people_can_read() {
    let base = directory();
    let mut files = open(base.path());
    set(&mut files, "/", 0);
    set(&mut files, "theme", json!({ "dark": true }));
    set(&mut files, "theme/accent", "blue");
    set(&mut files, "users/1/name", "Ada");
    set(&mut files, "users/1.5", 1.5);
    set(&mut files, "users/größe", 7);
    let expected = [
        "%root.json",
        "theme.json",
        "theme/accent.json",
        "users/1.5.json",
        "users/1/name.json",
        "users/größe.json",
    ];
    assert_eq!(tree(base.path()), expected.map(String::from).into());
    let text = fs::read_to_string(base.path().join("theme.json")).expect("it is text");
    assert_eq!(text, "{\n  \"dark\": true\n}\n");
}

#[test]
fn removing_takes_empty_directories_away_and_keeps_the_base() {
    let base = directory();
    let mut files = open(&base.path().join("values"));
    set(&mut files, "a/b/c", 1);
    set(&mut files, "a/x", 2);
    files.apply(&[remove("a/b/c")]).expect("it can be removed");
    assert_eq!(tree(base.path()), ["values/a/x.json".to_string()].into());
    files.apply(&[remove("a/x")]).expect("it can be removed");
    assert_eq!(tree(&base.path().join("values")), BTreeSet::new());
    set(&mut files, "a/b/c", 3);
    assert_eq!(get(&mut files, "a/b/c"), Some(3.into()));
}

#[test]
fn one_broken_file_hides_no_other() {
    let base = directory();
    let mut files = open(base.path());
    set(&mut files, "a/good", 1);
    set(&mut files, "a/bad", 2);
    write(base.path().join("a/bad.json"), "{ \"half\": ");
    write(base.path().join("A:B.json"), "1");
    write(base.path().join("README.md"), "not for us");
    write(base.path().join(".hidden.json"), "nor this");
    let contents = files.load().expect("the others are fine");
    assert_eq!(contents.stored.len(), 1);
    assert_eq!(contents.stored[0].path, path("a/good"));
    let told: Vec<String> = contents.broken.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(contents.broken.iter().any(|error| match error {
        BackendError::Invalid { path: at, .. } => *at == path("a/bad"),
        _ => false,
    }));
    assert!(told.iter().any(|text| text.contains("a/bad.json") && text.contains("line 1")));
    assert!(told.iter().any(|text| text.contains("A:B.json")));
    match files.read(&path("a/bad")).expect_err("it is broken") {
        BackendError::Invalid { path: at, .. } => assert_eq!(at, path("a/bad")),
        other => panic!("{other}"),
    }
    // Mended by what is stored there.
    set(&mut files, "a/bad", 3);
    assert_eq!(get(&mut files, "a/bad"), Some(3.into()));
}

#[test]
fn a_segment_too_long_for_a_file_is_refused_by_name() {
    let base = directory();
    let mut files = open(base.path());
    let (fits, long) = ("x".repeat(250), "ü".repeat(128));
    let mut changes: Vec<_> = (0..100).map(|it| put(&format!("{fits}/{it}"), it)).collect();
    changes.push(put(&format!("{long}/a"), 2));
    changes.push(put("b", 3));
    match files.apply(&changes).expect_err("a segment is too long") {
        ApplyError::Backend { applied, source } => {
            assert_eq!(applied, 100);
            let told = source.to_string();
            assert!(told.contains(&long) && told.contains("256 bytes"), "{told}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(all(&mut files).len(), 100);
}

#[test]
fn a_directory_in_use_is_named() {
    let base = directory();
    let files = open(base.path());
    match Files::open(base.path()).expect_err("the first has it") {
        BackendError::InUse { what } => {
            let real = fs::canonicalize(base.path()).expect("it is there");
            assert_eq!(what, real.display().to_string());
        }
        other => panic!("{other}"),
    }
    drop(files);
    open(base.path());
}

#[test]
fn what_a_kill_leaves_is_cleaned_up_on_opening() {
    let base = directory();
    set(&mut open(base.path()), "a/b", 1);
    fs::create_dir_all(base.path().join("x/y")).expect("directories");
    write(base.path().join("a/.isobar-unfinished-0"), "{ \"ha");
    write(base.path().join("x/y/.isobar-unfinished-7"), "");
    let mut files = open(base.path());
    assert_eq!(tree(base.path()), ["a/b.json".to_string()].into());
    assert!(!base.path().join("a/.isobar-unfinished-0").exists());
    assert_eq!(all(&mut files).len(), 1);
}

#[cfg(unix)]
#[test]
fn links_lead_nobody_outside() {
    let (base, outside) = (directory(), directory());
    write(outside.path().join("secret.json"), "1");
    std::os::unix::fs::symlink(outside.path(), base.path().join("a")).expect("a link");
    let mut files = open(base.path());
    assert!(all(&mut files).is_empty());
    assert_eq!(get(&mut files, "a/secret"), None);
    files.apply(&[remove("a/secret")]).expect("it is not there");
    let error = files.apply(&[put("a/secret", 2)]).expect_err("a link is in the way").to_string();
    assert!(error.contains("in the way"), "{error}");
    let text = fs::read_to_string(outside.path().join("secret.json")).expect("it is there");
    assert_eq!(text, "1");
    assert_eq!(tree(outside.path()).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let base = directory();
    let mut files = open(base.path());
    set(&mut files, "password", "x");
    let file = base.path().join("password.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    set(&mut files, "password", "y");
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[test]
fn what_is_no_plain_file_keeps_nobody_waiting() {
    let base = directory();
    let mut files = open(base.path());
    let pipe = base.path().join("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
    assert!(made.success());
    within_a_minute("a pipe", || {
        assert_eq!(files.load().expect("the others can be read").broken.len(), 1);
        files.read(&path("pipe")).expect_err("it is a pipe");
    });
}

struct Toml;

impl Format for Toml {
    fn extension(&self) -> &str {
        "toml"
    }

    fn write(&self, value: &Value) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(toml::to_string_pretty(value)?.into_bytes())
    }

    fn read(&self, text: &[u8]) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(toml::from_slice(text)?)
    }
}

struct Yaml;

impl Format for Yaml {
    fn extension(&self) -> &str {
        "yaml"
    }

    fn write(&self, value: &Value) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(serde_norway::to_string(value)?.into_bytes())
    }

    fn read(&self, text: &[u8]) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(serde_norway::from_slice(text)?)
    }
}

#[test]
fn other_formats_can_be_plugged_in() {
    let base = directory();
    let limits = json!({ "limits": { "rate": 2.5, "burst": 10 }, "names": ["a", "b"] });
    {
        let mut files = Files::builder(base.path()).format(Toml).open().expect("it is free");
        set(&mut files, "server", limits.clone());
        assert_eq!(get(&mut files, "server"), Some(limits.clone()));
    }
    let text = fs::read_to_string(base.path().join("server.toml")).expect("it is there");
    assert!(text.contains("[limits]\n"), "{text}");
    let mut files = Files::builder(base.path()).format(Yaml).open().expect("it is free");
    assert!(all(&mut files).is_empty(), "the file of another format is let be");
    set(&mut files, "server", limits.clone());
    assert_eq!(get(&mut files, "server"), Some(limits));
    assert_eq!(tree(base.path()), ["server.toml", "server.yaml"].map(String::from).into());
}

#[test]
fn what_a_format_cannot_express_is_refused_and_what_came_before_is_stored() {
    let base = directory();
    let mut files = Files::builder(base.path()).format(Toml).open().expect("it is free");
    let table = json!({ "a": 1 });
    set(&mut files, "b", json!({ "old": true }));
    let changes = [put("a", table.clone()), put("b", json!([1, null])), put("c", table)];
    match files.apply(&changes).expect_err("TOML has no null") {
        ApplyError::Backend { applied, source } => {
            assert_eq!(applied, 1);
            assert!(source.to_string().contains("b.toml"), "{source}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(tree(base.path()), ["a.toml", "b.toml"].map(String::from).into());
    assert_eq!(get(&mut files, "b"), Some(json!({ "old": true })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn no_two_paths_share_a_file_and_none_leaves_the_base(
        texts in prop::collection::btree_set("([aA.%/ :]|json|%2F|\\.\\.|[^*\0]){1,8}", 1..12)
    ) {
        let outside = directory();
        let mut files = open(&outside.path().join("base"));
        let paths: BTreeSet<_> = texts.iter().filter_map(|it| it.parse().ok()).collect();
        for (number, path) in (0..).zip(&paths) {
            let path: &isobar::store::Path = path;
            let value = Some(Arc::new(Value::from(number)));
            let change = Change { path: path.clone(), value, expected: <_>::default() };
            files.apply(&[change]).expect("it can be stored");
        }
        let found = tree(outside.path());
        prop_assert_eq!(found.iter().filter(|it| it.ends_with(".json")).count(), paths.len());
        prop_assert!(paths.is_empty() || found.iter().all(|it| it.starts_with("base/")));
        for (number, path) in (0..).zip(&paths) {
            let stored = files.read(path).expect("it can be read").expect("it is there");
            prop_assert_eq!(&*stored.value, &Value::from(number));
        }
    }
}

#[cfg(feature = "watch")]
mod edits {
    use super::*;
    use crate::{PATIENCE, Watchdog};
    use isobar::store::{Heard, Notice, Notices, Path};
    use std::time::Duration;

    struct Watched {
        base: TempDir,
        files: Files,
        heard: Heard,
        _watchdog: Watchdog,
    }

    /// Files that are watched, with values at these paths.
    fn watched(paths: &[&str]) -> Watched {
        let base = directory();
        let quiet = Duration::from_millis(20);
        let mut files = Files::builder(base.path()).debounce(quiet).open().expect("it is free");
        for at in paths {
            set(&mut files, at, 0);
        }
        let (notices, heard) = Notices::channel();
        files.watch(notices).expect("it can be watched");
        let _watchdog = Watchdog::of("edits of files");
        Watched { base, files, heard, _watchdog }
    }

    impl Watched {
        fn at(&self, name: &str) -> PathBuf {
            self.base.path().join(name)
        }

        fn next(&self) -> Notice {
            self.heard.next(PATIENCE).expect("it is told")
        }

        /// Waits until all of these were told, and answers what else was.
        fn hear(&self, paths: &[&str]) -> BTreeSet<Path> {
            let mut told = BTreeSet::new();
            while !paths.iter().all(|it| told.contains(&path(it))) {
                match self.next() {
                    Notice::Changed(paths) => told.extend(paths),
                    other => panic!("{other:?}"),
                }
            }
            told.retain(|it| !paths.contains(&it.as_str().trim_start_matches('/')));
            told
        }
    }

    #[test]
    fn edits_in_place_and_by_renaming_are_told() {
        let mut it = watched(&["a", "d/b"]);
        write(it.at("a.json"), "1");
        assert_eq!(it.hear(&["a"]), [].into());
        assert_eq!(get(&mut it.files, "a"), Some(1.into()));
        // As many editors do it, with files of their own beside.
        write(it.at("d/4913"), "");
        fs::remove_file(it.at("d/4913")).expect("it is there");
        write(it.at("d/.b.json.swp"), "2");
        fs::rename(it.at("d/b.json"), it.at("d/b.json~")).expect("it is there");
        fs::rename(it.at("d/.b.json.swp"), it.at("d/b.json")).expect("it is there");
        assert_eq!(it.hear(&["d/b"]), [].into());
        assert_eq!(get(&mut it.files, "d/b"), Some(2.into()));
        fs::remove_file(it.at("a.json")).expect("it is there");
        assert_eq!(it.hear(&["a"]), [].into());
        assert_eq!(get(&mut it.files, "a"), None);
    }

    #[test]
    fn a_broken_edit_is_an_error_until_it_is_mended() {
        let mut it = watched(&["a"]);
        write(it.at("a.json"), "{ half");
        it.hear(&["a"]);
        match it.files.read(&path("a")).expect_err("it is broken") {
            BackendError::Invalid { path: at, .. } => assert_eq!(at, path("a")),
            other => panic!("{other}"),
        }
        write(it.at("a.json"), "7");
        it.hear(&["a"]);
        assert_eq!(get(&mut it.files, "a"), Some(7.into()));
    }

    #[test]
    fn directories_that_come_and_go_tell_what_was_in_them() {
        let mut it = watched(&["a", "d/b", "d/e/c"]);
        let prepared = directory();
        fs::create_dir_all(prepared.path().join("new/deep")).expect("directories");
        write(prepared.path().join("new/x.json"), "1");
        write(prepared.path().join("new/deep/y.json"), "2");
        fs::rename(prepared.path().join("new"), it.at("new")).expect("on one file system");
        assert_eq!(it.hear(&["new/x", "new/deep/y"]), [].into());
        assert_eq!(get(&mut it.files, "new/deep/y"), Some(2.into()));
        // What has appeared is watched as well.
        write(it.at("new/deep/y.json"), "3");
        it.hear(&["new/deep/y"]);
        fs::rename(it.at("d"), it.at("f")).expect("it is there");
        assert_eq!(it.hear(&["d/b", "d/e/c", "f/b", "f/e/c"]), [].into());
        fs::rename(it.at("f"), prepared.path().join("f")).expect("on one file system");
        assert_eq!(it.hear(&["f/b", "f/e/c"]), [].into());
        fs::remove_dir_all(it.at("new")).expect("it is there");
        assert_eq!(it.hear(&["new/x", "new/deep/y"]), [].into());
        assert_eq!(all(&mut it.files).len(), 1);
    }

    #[test]
    fn what_is_written_step_by_step_is_told_as_a_whole() {
        let mut it = watched(&[]);
        let base = it.base.path().to_path_buf();
        let mut hear_until = |found: Option<Value>| loop {
            assert_eq!(it.hear(&["a/b/c/d"]), [].into());
            if get(&mut it.files, "a/b/c/d") == found {
                return;
            }
        };
        for round in 0..20 {
            fs::create_dir_all(base.join("a/b/c")).expect("directories");
            write(base.join("a/b/c/d.json"), &round.to_string());
            hear_until(Some(round.into()));
            fs::remove_dir_all(base.join("a")).expect("it is there");
            hear_until(None);
        }
    }

    #[test]
    fn ones_own_changes_are_told_and_are_there_to_be_read() {
        let mut it = watched(&["a"]);
        set(&mut it.files, "n/ew", 1);
        it.files.apply(&[remove("a")]).expect("it can be removed");
        assert_eq!(it.hear(&["a", "n/ew"]), [].into());
        assert_eq!(all(&mut it.files).len(), 1);
    }

    #[test]
    fn more_edits_than_are_worth_telling_are_one_notice() {
        let it = watched(&[]);
        let prepared = directory();
        fs::create_dir(prepared.path().join("many")).expect("a directory");
        for number in 0..1001 {
            write(prepared.path().join(format!("many/{number}.json")), "1");
        }
        fs::rename(prepared.path().join("many"), it.at("many")).expect("on one file system");
        assert!(matches!(it.next(), Notice::Missed));
        // And it goes on watching.
        write(it.at("after.json"), "1");
        loop {
            match it.next() {
                Notice::Changed(paths) if paths.contains(&path("after")) => return,
                Notice::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_directory_that_is_taken_away_is_reported() {
        let mut it = watched(&["a"]);
        fs::rename(it.base.path(), it.base.path().with_extension("gone")).expect("it is there");
        loop {
            match it.next() {
                Notice::Failed(error) => {
                    assert!(error.to_string().contains("gone"), "{error}");
                    break;
                }
                Notice::Changed(_) => {}
                Notice::Missed => panic!("there is nothing to be read"),
            }
        }
        it.files.load().expect_err("there is nothing to be read");
        fs::rename(it.base.path().with_extension("gone"), it.base.path()).expect("it is there");
        assert_eq!(get(&mut it.files, "a"), Some(0.into()));
    }

    #[test]
    fn who_watches_again_is_told_alone() {
        let mut it = watched(&["a"]);
        let (notices, heard) = Notices::channel();
        it.files.watch(notices).expect("it can be watched again");
        write(it.at("a.json"), "1");
        assert!(matches!(heard.next(PATIENCE), Some(Notice::Changed(_))));
        // The first one's thread has ended, so nobody is left to tell.
        assert!(it.heard.next(PATIENCE).is_none());
    }
}
