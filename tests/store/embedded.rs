//! Values in a file of redb.

use super::conformance::{Place, conforms};
use super::{get, set, within_a_minute};
use isobar::store::{BackendError, Embedded};
use std::fs;

#[test]
fn embedded_conforms() {
    within_a_minute("embedded", || {
        let fresh = || -> Place {
            let directory = tempfile::tempdir().expect("a directory");
            Box::new(move || {
                let file = directory.path().join("values.redb");
                Box::new(Embedded::open(file).expect("nobody else has it"))
            })
        };
        conforms(fresh, 30);
    });
}

#[test]
fn a_killed_process_leaves_whole_transactions() {
    super::kills::survives_kills("embedded");
}

#[test]
fn a_file_in_use_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("values.redb");
    let mut first = Embedded::open(&file).expect("it is new");
    match Embedded::open(&file).expect_err("the first has it") {
        BackendError::InUse { what } => assert_eq!(what, file.display().to_string()),
        other => panic!("{other}"),
    }
    set(&mut first, "a", 1);
    drop(first);
    assert_eq!(get(&mut Embedded::open(&file).expect("it is free"), "a"), Some(1.into()));
}

#[test]
fn what_is_no_database_is_let_be() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("letter.txt");
    fs::write(&file, "Dear Ada").expect("it can be written");
    let error = Embedded::open(&file).expect_err("it is a letter");
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(fs::read(&file).expect("it is there"), b"Dear Ada");
    let missing = directory.path().join("missing/values.redb");
    let error = Embedded::open(&missing).expect_err("there is no directory");
    assert!(error.to_string().contains("missing"), "{error}");
}
