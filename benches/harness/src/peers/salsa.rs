//! salsa: a node is a tracked function over a number; its closure lies in a table on the side.
//! There are no effects: those of a shape are queries that are asked again at each settling.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use salsa::plumbing::AsId;
use salsa::{Setter, Storage};

use crate::engine::{Engine, Frees, OneThread, Read, ReadList, Source};

/// A root value.
#[salsa::input]
pub struct Root {
    /// The value.
    #[returns(copy)]
    pub value: u64,
}

/// The number of a node: its place in the table.
#[salsa::input]
pub struct Place {}

#[salsa::db]
trait Table: salsa::Database {
    fn number(&self, place: Place) -> u64;
    fn list(&self, place: Place) -> Arc<[u64]>;
}

#[salsa::tracked(returns(copy))]
fn evaluate(db: &dyn Table, place: Place) -> u64 {
    db.number(place)
}

#[salsa::tracked(returns(clone))]
fn gather(db: &dyn Table, place: Place) -> Arc<[u64]> {
    db.list(place)
}

enum Closure {
    Number(Box<dyn Fn() -> u64 + Send>),
    List(Box<dyn Fn() -> Arc<[u64]> + Send>),
}

#[salsa::db]
struct Closures {
    storage: Storage<Self>,
    closures: Vec<Option<Closure>>,
    effects: Vec<Option<Place>>,
}

#[salsa::db]
impl salsa::Database for Closures {}

#[salsa::db]
impl Table for Closures {
    fn number(&self, place: Place) -> u64 {
        match &self.closures[at(place)] {
            Some(Closure::Number(f)) => f(),
            _ => panic!("a number's place"),
        }
    }

    fn list(&self, place: Place) -> Arc<[u64]> {
        match &self.closures[at(place)] {
            Some(Closure::List(f)) => f(),
            _ => panic!("a list's place"),
        }
    }
}

fn at(place: Place) -> usize {
    place.as_id().index() as usize
}

thread_local! {
    /// The database of the graph that this thread has.
    static CURRENT: RefCell<Option<Closures>> = const { RefCell::new(None) };
}

/// Reads may nest: closures are called from within.
fn with<R>(f: impl FnOnce(&Closures) -> R) -> R {
    CURRENT.with(|current| f(current.borrow().as_ref().expect("a graph is there")))
}

fn with_mut<R>(f: impl FnOnce(&mut Closures) -> R) -> R {
    CURRENT.with(|current| f(current.borrow_mut().as_mut().expect("a graph is there")))
}

/// The thread's only database, until this is dropped.
#[derive(Debug)]
pub struct Salsa(());

impl Salsa {
    /// A database.
    #[allow(clippy::new_without_default, reason = "it becomes the thread's")]
    pub fn new() -> Self {
        let (storage, closures) = (Storage::default(), Vec::new());
        let empty = Closures { storage, closures, effects: Vec::new() };
        CURRENT.with(|current| *current.borrow_mut() = Some(empty));
        Self(())
    }
}

impl Drop for Salsa {
    fn drop(&mut self) {
        let database = CURRENT.with(|current| current.borrow_mut().take());
        // Closures may look at the thread's slot while they go.
        drop(database);
    }
}

fn place(closure: Closure) -> Place {
    with_mut(|db| {
        let place = Place::new(db);
        if db.closures.len() <= at(place) {
            db.closures.resize_with(at(place) + 1, || None);
        }
        db.closures[at(place)] = Some(closure);
        place
    })
}

impl Read for OneThread<Root> {
    #[inline]
    fn read(&self) -> u64 {
        with(|db| self.get().value(db))
    }
}

impl Read for OneThread<Place> {
    #[inline]
    fn read(&self) -> u64 {
        with(|db| evaluate(db, *self.get()))
    }
}

/// A list's place.
#[derive(Clone, Copy)]
pub struct ListPlace(OneThread<Place>);

impl fmt::Debug for ListPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListPlace").field(&at(*self.0.get())).finish()
    }
}

impl ReadList for ListPlace {
    fn at(&self, index: usize) -> u64 {
        with(|db| gather(db, *self.0.get())[index])
    }
}

fn one_thread<H>(handle: H) -> OneThread<H> {
    // SAFETY: `Salsa` is not `Threaded`, so the harness keeps to one thread.
    unsafe { OneThread::new(handle) }
}

/// Is asked no more when it is dropped.
#[derive(Debug)]
pub struct Asked(usize);

impl Drop for Asked {
    fn drop(&mut self) {
        CURRENT.with(|current| {
            if let Some(db) = current.borrow_mut().as_mut() {
                db.effects[self.0] = None;
                while db.effects.last().is_some_and(Option::is_none) {
                    db.effects.pop();
                }
            }
        });
    }
}

impl Engine for Salsa {
    type Signal = OneThread<Root>;
    type Computed = OneThread<Place>;
    type Effect = Asked;
    type List = ListPlace;

    const FREES: Frees = Frees::Graph;

    fn signal(&self, value: u64) -> Self::Signal {
        one_thread(with(|db| Root::new(db, value)))
    }

    fn computed(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        one_thread(place(Closure::Number(Box::new(f))))
    }

    fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        let place = place(Closure::Number(Box::new(move || {
            f();
            0
        })));
        let number = with_mut(|db| {
            db.effects.push(Some(place));
            db.effects.len() - 1
        });
        Asked(number)
    }

    fn list(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        ListPlace(one_thread(place(Closure::List(Box::new(f)))))
    }

    fn set(&self, signal: &Self::Signal, value: u64) {
        with_mut(|db| {
            signal.get().set_value(db).to(value);
        });
    }

    /// Nothing happens before it is asked.
    fn batch(&self, f: impl FnOnce()) {
        f();
    }

    fn settle(&self) {
        with(|db| {
            for place in db.effects.iter().flatten() {
                evaluate(db, *place);
            }
        });
    }
}
