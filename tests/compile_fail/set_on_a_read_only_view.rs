//! Whoever gets the view reads.
fn main() {
    let signal = isobar::signal(1);
    let view = signal.read_only();
    view.set(2);
}
