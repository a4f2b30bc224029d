//! A computed is a function of what it reads; it may run more than once and keeps no state.
fn main() {
    let mut runs = 0;
    let _count = isobar::computed(move || {
        runs += 1;
        runs
    });
}
