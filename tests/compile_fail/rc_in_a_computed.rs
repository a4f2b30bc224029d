//! A computed runs on whichever thread reads it.
use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    let _double = isobar::computed(move || *local * 2);
}
