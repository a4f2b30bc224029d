//! An effect runs on whichever thread wrote.
use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    let _print = isobar::effect(move || println!("{local}"));
}
