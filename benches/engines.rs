//! The engines behind one trait: what a benchmark may ask of each. A rival is used as its own
//! documentation says, and each engine's handles are called directly: the trait costs nothing.

mod alien;
mod isobar;
mod leptos;

pub use alien::Alien;
pub use isobar::Isobar;
pub use leptos::Leptos;

/// A handle to a number, to be read inside closures and outside.
pub trait Read: Clone + Send + Sync + 'static {
    fn read(&self) -> u64;
}

/// What makes, writes and settles nodes.
pub trait Engine: 'static {
    type Signal: Read;
    type Computed: Read;
    type Effect: 'static;
    /// A computed list of numbers.
    type List: Clone + Send + Sync + 'static;

    fn signal(&self, value: u64) -> Self::Signal;
    fn computed(&self, f: impl Fn() -> u64 + Send + Sync + 'static) -> Self::Computed;
    fn effect(&self, f: impl Fn() + Send + Sync + 'static) -> Self::Effect;
    /// The values of all signals, as one computed.
    fn list(&self, of: Vec<Self::Signal>) -> Self::List;
    fn element(&self, list: &Self::List, index: usize) -> Self::Computed;
    fn set(&self, signal: &Self::Signal, value: u64);
    fn batch(&self, f: impl FnOnce());
    /// Effects have run when this returns.
    fn settle(&self) {}
}
