//! A signal may be set from any thread, so its value must be able to go there.
use std::rc::Rc;

fn main() {
    let _shared = isobar::signal(Rc::new(1));
}
