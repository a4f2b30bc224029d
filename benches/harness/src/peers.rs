//! The other engines, each used as its own documentation says.

mod alien;
mod incremental;
mod leptos;
mod salsa;
mod sycamore;

pub use alien::Alien;
pub use incremental::Incremental;
pub use leptos::{Leptos, LeptosThreaded};
pub use salsa::Salsa;
pub use sycamore::Sycamore;
