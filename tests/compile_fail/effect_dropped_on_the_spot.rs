//! An effect nobody keeps is disposed at once.
#![deny(unused_must_use)]

fn main() {
    let signal = isobar::signal(1);
    isobar::effect(move || println!("{}", signal.get()));
}
