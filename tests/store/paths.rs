//! Names of places, and patterns.

use crate::path;
use isobar::store::{Path, PathError, Pattern};

#[test]
fn slashes_at_the_ends_and_single_dots_make_no_difference() {
    for text in ["/users/1", "users/1", "users/1/", "/users/./1", "./users/1/."] {
        assert_eq!(path(text).to_string(), "/users/1", "{text}");
    }
    for text in ["", "/", ".", "/."] {
        assert_eq!((path(text).to_string(), path(text).is_root()), ("/".to_string(), true));
    }
}

#[test]
fn what_is_no_path_is_refused_by_name() {
    let refused = |text: &str| text.parse::<Path>().unwrap_err();
    assert!(matches!(refused("/users/../secrets"), PathError::Parent { .. }));
    assert!(matches!(refused("//users"), PathError::EmptySegment { .. }));
    assert!(matches!(refused("users//1"), PathError::EmptySegment { .. }));
    assert!(matches!(refused("users/*"), PathError::Wildcard { .. }));
    assert!(matches!(refused("a\0b"), PathError::Nul { .. }));
    assert_eq!(refused(&"/a".repeat(129)), PathError::TooDeep { depth: 129 });
    assert_eq!(path(&"/a".repeat(128)).depth(), 128);
    let below = path(&"/a".repeat(100));
    assert_eq!(below.join(&below), Err(PathError::TooDeep { depth: 200 }));
    for name in ["a/b", ".", "/", ""] {
        assert!(matches!(below.child(name), Err(PathError::NotOneSegment { .. })), "{name}");
    }
}

#[test]
fn a_parent_comes_before_what_is_below_and_that_before_the_next_sibling() {
    let order = ["/", "/a", "/a/b", "/a/b/c", "/a/c", "/a b", "/a!", "/a-b", "/a.b/c", "/aa", "/b"];
    let mut sorted: Vec<Path> = order.iter().rev().map(|text| path(text)).collect();
    sorted.sort();
    assert_eq!(sorted, order.map(path));
}

#[test]
fn a_path_is_not_below_one_whose_name_only_begins_its_own() {
    assert!(path("/ab/c").starts_with(&path("/ab")));
    assert!(!path("/abc").starts_with(&path("/ab")));
    assert!(path("/ab").starts_with(&path("/")));
    assert_eq!(path("/a/b/c").strip(&path("/a")), Some(path("/b/c")));
    assert_eq!(path("/a/b").name(), Some("b"));
    assert_eq!(path("/a").parent(), Some(path("/")));
    assert_eq!(path("/").parent(), None);
}

#[test]
fn a_path_is_a_value_its_text() {
    let text = serde_json::to_string(&path("users/1/")).unwrap();
    assert_eq!(text, r#""/users/1""#);
    assert_eq!(serde_json::from_str::<Path>(&text).unwrap(), path("/users/1"));
    let refused = serde_json::from_str::<Path>(r#""/users/..""#).unwrap_err().to_string();
    assert!(refused.contains("/users/.."), "{refused}");
}

#[test]
fn one_star_is_one_segment_and_two_are_any_number() {
    let cases = [
        ("/users/*/name", "/users/1/name", true),
        ("/users/*/name", "/users/name", false),
        ("/users/*/name", "/users/1/2/name", false),
        ("/users/*", "/users", false),
        ("/users/**", "/users", true),
        ("/users/**", "/users/1/name", true),
        ("/**/name", "/name", true),
        ("/**/name", "/a/b/name", true),
        ("/**/name", "/a/b/names", false),
        ("/a/**/b/**/c", "/a/x/b/y/z/c", true),
        ("/a/**/b/**/c", "/a/x/c", false),
        ("/**/**", "/", true),
        ("/", "/", true),
        ("/*/*", "/a/b", true),
        ("/exact", "/exact", true),
    ];
    for (pattern, of, matches) in cases {
        let pattern: Pattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(&path(of)), matches, "{pattern} and {of}");
    }
}
