//! The engine behind a small trait: what the harness asks of each. An engine is used as its own
//! documentation says, and its handles are called directly: the trait costs nothing.

use std::sync::Arc;

/// A handle to a number, read inside closures (tracked) and outside.
pub trait Read: Clone + Send + Sync + 'static {
    /// The value, brought up to date if need be.
    fn read(&self) -> u64;
}

/// A handle to a computed list of numbers.
pub trait ReadList: Clone + Send + Sync + 'static {
    /// The element `index` of the list, brought up to date if need be.
    fn at(&self, index: usize) -> u64;
}

/// What a node may read, told before it does: for engines whose edges are declared.
#[derive(Debug)]
pub enum Source<'a, E: Engine> {
    /// A root value.
    Signal(&'a E::Signal),
    /// A derived value.
    Computed(&'a E::Computed),
    /// The derived list.
    List(&'a E::List),
}

/// What gives the memory of nodes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frees {
    /// Dropping the last handle of a node.
    Handles,
    /// Dropping the graph.
    Graph,
    /// The end of the process.
    Nothing,
}

/// Makes, writes and settles nodes. One value of the type is one graph, or stands for the only one.
///
/// A graph is built, stepped and dropped by the same thread, unless the engine is [`Threaded`] too.
/// Where the engine finds its edges by itself, `sources` is to be ignored.
pub trait Engine: Sized + 'static {
    /// A root value.
    type Signal: Read;
    /// A cached, derived value. Equal values must cut propagation off.
    type Computed: Read;
    /// An action that is repeated when what it read has changed, until this is dropped.
    type Effect: 'static;
    /// A cached, derived list.
    type List: ReadList;

    /// Whether a computed may read other sources than at its last run.
    const DYNAMIC: bool = true;
    /// What gives memory back: drops that free nothing are not timed.
    const FREES: Frees = Frees::Handles;

    /// Makes a root value.
    fn signal(&self, value: u64) -> Self::Signal;

    /// Makes a derived value; whether it runs at once or at its first read is the engine's choice.
    fn computed(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed;

    /// Makes an action, which has run once when [`Engine::settle`] has returned.
    fn effect(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() + Send + Sync + 'static,
    ) -> Self::Effect;

    /// Makes a derived list; two lists of the same elements are equal.
    fn list(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List;

    /// Writes a root value.
    fn set(&self, signal: &Self::Signal, value: u64);

    /// Writes that belong together.
    fn batch(&self, f: impl FnOnce());

    /// When this returns, every effect has seen the last value.
    fn settle(&self) {}

    /// Reads a computed from outside of all closures.
    fn pull(&self, computed: &Self::Computed) -> u64 {
        computed.read()
    }
}

/// An engine whose graph several threads use at the same time.
pub trait Threaded: Engine + Send + Sync {
    /// Adds 1 atomically.
    fn increment(&self, signal: &Self::Signal);

    /// Once no thread writes any more: when this returns, every effect has seen the last value.
    fn rest(&self) {
        self.settle();
    }
}

/// A handle of an engine that is for one thread only, let through the bounds of [`Read`].
#[derive(Clone, Copy, Debug)]
pub struct OneThread<H>(H);

impl<H> OneThread<H> {
    /// Wraps a handle.
    ///
    /// # Safety
    ///
    /// The value, its clones and whatever owns them are used and dropped on one thread only. The
    /// harness does so with every engine that is not [`Threaded`].
    pub unsafe fn new(handle: H) -> Self {
        Self(handle)
    }

    /// The handle.
    #[inline]
    pub fn get(&self) -> &H {
        &self.0
    }
}

// SAFETY: whoever made it has promised to stay on one thread.
unsafe impl<H> Send for OneThread<H> {}
// SAFETY: whoever made it has promised to stay on one thread.
unsafe impl<H> Sync for OneThread<H> {}
