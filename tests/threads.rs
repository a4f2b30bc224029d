//! Every public type may go to another thread, and is shown by `Debug`; errors are errors.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;

use isobar::{
    All, Computed, Context, Difference, Draft, DraftConflict, Effect, Failure, Graph, GraphDump,
    Linked, Loaded, Looping, Node, NodeKind, NotKept, Origin, PendingRun, ReadError, ReadSignal,
    Readable, Revision, RunOn, Scope, SettleError, Signal, Snapshot, Stats, Timeout, Why,
    WriteError,
};
use static_assertions::{assert_impl_all, assert_not_impl_any, assert_obj_safe};

/// As poor in traits as a value may be.
struct Bare;

// Handles: everything by identity, nothing asked of the value.
assert_impl_all!(Signal<Bare>: Send, Sync, Clone, Eq, Hash);
assert_impl_all!(ReadSignal<Bare>: Send, Sync, Clone, Eq, Hash);
assert_impl_all!(Computed<Bare>: Send, Sync, Clone, Eq, Hash);
assert_impl_all!(Linked<Bare>: Send, Sync, Clone, Eq, Hash);
assert_impl_all!(Loaded<Bare>: Send, Sync, Clone);
assert_impl_all!(Signal<i32>: Debug, Default, From<i32>);
assert_impl_all!(ReadSignal<i32>: Debug);
assert_impl_all!(Computed<i32>: Debug);
assert_impl_all!(Linked<i32>: Debug);
assert_impl_all!(Loaded<i32>: Debug, PartialEq);

// The world and its owners.
assert_impl_all!(Graph: Send, Sync, Clone, Debug);
assert_impl_all!(Effect: Send, Sync, Debug);
assert_impl_all!(Scope: Send, Sync, Debug);
assert_impl_all!(Context: Send, Sync, Debug);
assert_not_impl_any!(Effect: Clone);
assert_not_impl_any!(Scope: Clone);

// Readers and writers at a revision.
assert_impl_all!(Snapshot: Send, Sync, Debug);
assert_impl_all!(Draft: Send, Debug);
assert_impl_all!(DraftConflict: Send, Debug);
assert_impl_all!(Difference: Send, Debug);
assert_impl_all!(All<i32>: Send);
assert_impl_all!(Revision: Send, Sync, Copy, Ord, Hash, Debug, Display);

// What is told.
assert_impl_all!(Stats: Send, Sync, Clone, Debug);
assert_impl_all!(GraphDump: Send, Sync, Debug);
assert_impl_all!(Node: Send, Sync, Clone, Debug);
assert_impl_all!(NodeKind: Send, Sync, Copy, Eq, Debug);
assert_impl_all!(Why: Send, Sync, Debug, Display);
assert_impl_all!(Origin: Send, Sync, Debug);
assert_impl_all!(RunOn: Send, Sync, Debug);
assert_impl_all!(PendingRun: Send, Debug);

// Errors.
assert_impl_all!(ReadError: Error, Send, Sync, Clone, Eq);
assert_impl_all!(WriteError: Error, Send, Sync, Clone, Eq);
assert_impl_all!(SettleError: Error, Send, Sync);
assert_impl_all!(Looping: Error, Send, Sync);
assert_impl_all!(Timeout: Error, Send, Sync);
assert_impl_all!(NotKept: Error, Send, Sync);
assert_impl_all!(Failure: Send, Sync, Debug, Display);
assert_impl_all!(DraftConflict: Error);

assert_obj_safe!(Readable<Value = i32>);
