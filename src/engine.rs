//! Layer 3, what moves: commits, evaluations, waves. Values are erased here; a room a file.

pub(crate) mod commit;
pub(crate) mod evaluate;
pub(crate) mod frame;
pub(crate) mod mark;
pub(crate) mod overlay;
pub(crate) mod owner;
pub(crate) mod private;
pub(crate) mod react;
pub(crate) mod read;
pub(crate) mod trim;
pub(crate) mod wave;
pub(crate) mod write;
