//! Reading a copy out needs `Clone`; `with` and `load` do not.
#[derive(PartialEq)]
struct Unique;

fn main() {
    let signal = isobar::signal(Unique);
    signal.with(|_| ());
    signal.get();
}
