//! A request to commit: what a writer asks the holder of the commit right for.

use super::node::{Node, NodeRef};
use crate::block::{Header, Shared};
use crate::participants::{self, ThreadNumber};
use crate::sync::{AtomicU8, UnsafeCell, thread};
use std::ptr::NonNull;

/// One signal's part of a request, or a condition alone.
#[derive(Debug)]
pub(crate) struct Write {
    /// Counted by whoever asks for the write, until it is answered.
    node: NonNull<Node>,
    /// The new version; taken when installed.
    pub(crate) block: Option<Shared>,
    pub(crate) condition: Condition,
    /// The block once it is a version of the signal; null before.
    pub(crate) installed: *mut Header,
    /// The new value equals that of this version: nothing to install while it is the head.
    pub(crate) equal_to: Option<u64>,
}

impl Write {
    /// # Safety
    /// The node must be counted for as long as this lives.
    pub(crate) unsafe fn new(node: &NodeRef, block: Option<Shared>, condition: Condition) -> Self {
        let node = node.as_ptr();
        Self { node, block, condition, installed: std::ptr::null_mut(), equal_to: None }
    }

    #[inline]
    pub(crate) fn node(&self) -> &Node {
        // SAFETY: counted, see `new`.
        unsafe { self.node.as_ref() }
    }
}

/// What must hold at the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    /// The newest version is this one.
    HeadIs(u64),
    /// The signal has not changed after this revision.
    NotAfter(u64),
    /// No commit after this revision concerns the computed.
    CleanSince(u64),
}

/// The committer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Committed; if no write changed anything, the revision is the one it was compared at.
    Committed { revision: u64, changed: bool },
    /// The write at this index did not meet its condition.
    Refused { index: usize },
}

/// Lives on the writer's stack until answered. Once it is queued, writer and committer both refer
/// to it: what either writes then is a cell or an atomic.
#[derive(Debug)]
pub(crate) struct Request {
    /// The writer's until it is queued, then the committer's; so are the other cells.
    pub(crate) next: UnsafeCell<*const Request>,
    pub(crate) writes: *mut [Write],
    /// How many runs of effects led to this request; 0: none.
    pub(crate) rounds: u32,
    /// The thread that asks.
    pub(crate) asker: ThreadNumber,
    pub(crate) answer: UnsafeCell<Option<Answer>>,
    pub(crate) state: AtomicU8,
    pub(crate) writer: UnsafeCell<Option<thread::Thread>>,
}

impl Request {
    /// The writes must outlive the request.
    pub(crate) fn new(writes: &mut [Write], rounds: u32) -> Self {
        Self {
            next: UnsafeCell::new(std::ptr::null()),
            writes,
            rounds,
            asker: participants::current().number(),
            answer: UnsafeCell::new(None),
            state: AtomicU8::new(state::WAITING),
            writer: UnsafeCell::new(None),
        }
    }
}

/// Values of `Request::state`.
pub(crate) mod state {
    pub(crate) const WAITING: u8 = 0;
    pub(crate) const PARKED: u8 = 1;
    pub(crate) const DONE: u8 = 2;
}
