//! A spreadsheet. Notice that a cell's sources change with its formula, that only what depends on
//! an edit is computed again, that a cycle is an error with a path and heals when it is opened,
//! and that a what-if leaves the sheet alone.

use isobar::{Computed, Graph, ReadError, Signal, batch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Cells compare by identity, so formulas have an equality.
#[derive(Clone, PartialEq)]
enum Formula {
    Number(i64),
    Sum(Vec<Cell>),
    /// The second if the first is above zero, else the third.
    If(Cell, Cell, Cell),
}

#[derive(Clone, PartialEq)]
struct Cell {
    formula: Signal<Formula>,
    value: Computed<i64>,
}

struct Sheet {
    graph: Graph,
    computed: Arc<AtomicU32>,
    say: fn(String),
}

impl Sheet {
    fn cell(&self, name: &str, formula: Formula) -> Cell {
        let formula =
            Signal::builder(formula).name(format!("formula of {name}")).graph(&self.graph).build();
        let (source, computed) = (formula.clone(), self.computed.clone());
        let value = Computed::builder(move || {
            computed.fetch_add(1, Relaxed);
            source.with(|formula| match formula {
                Formula::Number(number) => *number,
                Formula::Sum(cells) => cells.iter().map(|cell| cell.value.get()).sum(),
                Formula::If(test, yes, _) if test.value.get() > 0 => yes.value.get(),
                Formula::If(_, _, no) => no.value.get(),
            })
        });
        Cell { value: value.name(name).graph(&self.graph).build(), formula }
    }

    /// Says what `edit` costs: how many cells are computed again when `shown` is read.
    fn edit(&self, what: &str, shown: &Cell, edit: impl FnOnce()) {
        edit();
        let before = self.computed.load(Relaxed);
        let value = shown.value.get();
        let computed = self.computed.load(Relaxed) - before;
        (self.say)(format!("{what}: {value}, {computed} cells computed"));
    }
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let sheet = Sheet { graph: Graph::new(), computed: Arc::default(), say };
    let a = sheet.cell("A1", Formula::Number(1));
    let b = sheet.cell("A2", Formula::Number(20));
    let c = sheet.cell("A3", Formula::Number(300));
    let sum = sheet.cell("B1", Formula::Sum(vec![a.clone(), b.clone()]));
    let choice = sheet.cell("B2", Formula::If(a.clone(), sum.clone(), c.clone()));

    sheet.edit("B2 at first", &choice, || {});
    sheet.edit("A3 = 301, which B2 does not read now", &choice, || {
        c.formula.set(Formula::Number(301))
    });
    sheet.edit("A1 = 2 and A2 = 19, so B1 stays", &choice, || {
        batch(|| {
            a.formula.set(Formula::Number(2));
            b.formula.set(Formula::Number(19));
        });
    });
    sheet.edit("A1 = 0, so B2 reads A3 instead of B1", &choice, || {
        a.formula.set(Formula::Number(0))
    });

    let draft = sheet.graph.draft();
    draft.set(&c.formula, Formula::Number(1000));
    say(format!(
        "what if A3 were 1000: {}, and still {}",
        draft.get(&choice.value),
        choice.value.get()
    ));
    drop(draft);

    a.formula.set(Formula::Sum(vec![choice.clone()]));
    match choice.value.try_get() {
        Err(ReadError::Cycle { path }) => say(format!("A1 = B2: a cycle, {}", path.join(" -> "))),
        other => say(format!("A1 = B2: {other:?}")),
    }
    sheet.edit("A1 = 5, the cycle is open again", &choice, || a.formula.set(Formula::Number(5)));
}
