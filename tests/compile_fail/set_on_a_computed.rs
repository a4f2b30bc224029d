//! A computed follows its sources; `linked` makes one that may also be set.
fn main() {
    let signal = isobar::signal(1);
    let double = isobar::computed(move || signal.get() * 2);
    double.set(5);
}
