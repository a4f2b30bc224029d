//! A temperature in two units. Notice that the effect reads the unit itself and through the
//! computed, and still runs once for each write, never with the one new and the other old.

use isobar::{Graph, computed, effect, signal};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Unit {
    C,
    F,
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let (celsius, unit) = (signal(22.5), signal(Unit::C));
        let shown = computed!([celsius, unit] match unit.get() {
            Unit::C => celsius.get(),
            Unit::F => celsius.get() * 9.0 / 5.0 + 32.0,
        });
        let display = effect!([shown, unit] say(format!("{:.1} {:?}", shown.get(), unit.get())));
        celsius.set(25.0);
        unit.set(Unit::F);
        celsius.set(0.0);
        unit.set(Unit::C);
        drop(display);
    });
}
