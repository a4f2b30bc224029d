//! An update may be run again later, by another thread's commit.
fn main() {
    let step = 5;
    let signal = isobar::signal(1);
    signal.update(|old| old + step);
}
