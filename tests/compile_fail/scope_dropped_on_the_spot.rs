//! A scope nobody keeps is disposed at once.
#![deny(unused_must_use)]

fn main() {
    isobar::scope(|| ());
}
