//! Values in memory.

use super::conformance::{Place, conforms};
use super::{PATIENCE, get, path, set, within_a_minute};
use isobar::store::{Backend, Memory, Notice, Notices};

#[test]
fn memory_conforms() {
    within_a_minute("memory", || {
        let fresh = || -> Place {
            let memory = Memory::new();
            Box::new(move || Box::new(memory.clone()))
        };
        conforms(fresh, 200);
    });
}

#[test]
fn clones_are_told_of_what_others_store() {
    let (mut one, mut other) = (Memory::new(), Memory::new().clone());
    assert_eq!(get(&mut other, "a"), None);
    other = one.clone();
    let (notices, heard) = Notices::channel();
    other.watch(notices).expect("it can be watched");
    set(&mut other, "own", 1);
    set(&mut one, "a", 2);
    match heard.next(PATIENCE) {
        Some(Notice::Changed(paths)) => assert_eq!(paths, [path("a")], "and not of one's own"),
        unexpected => panic!("{unexpected:?}"),
    }
    assert_eq!(get(&mut other, "a"), Some(2.into()));
    assert_eq!(get(&mut one, "own"), Some(1.into()));
}

#[test]
fn who_has_ended_is_not_told() {
    let mut one = Memory::new();
    let mut other = one.clone();
    let (notices, heard) = Notices::channel();
    other.watch(notices.clone()).expect("it can be watched");
    assert!(!notices.is_over());
    drop(heard);
    assert!(notices.is_over());
    set(&mut one, "a", 1);
}
