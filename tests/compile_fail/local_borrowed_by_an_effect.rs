//! An effect outlives the function that makes it.
fn main() {
    let words = String::from("local");
    let signal = isobar::signal(1);
    let _print = isobar::effect(|| println!("{words} {}", signal.get()));
}
