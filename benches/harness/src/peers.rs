//! The other engines, each used as its own documentation says.

mod alien;
mod leptos;

pub use alien::Alien;
pub use leptos::{Leptos, LeptosThreaded};
