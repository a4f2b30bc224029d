//! Counted records for values: versions of signals, memos of computeds, errors.
//!
//! A block is one allocation: a header the engine understands and a value only the typed handles
//! understand. The graph owns one count of a published block; every kept value (`Loaded`, a
//! private result) owns another. Memory of freed blocks is kept per thread for the next ones, so
//! that a recompute in steady state allocates nothing.

use crate::error::ReadError;
use crate::sync::count::AtomicU32;
use crate::sync::{AcqRel, Acquire, AtomicPtr, AtomicU64, Relaxed, UnsafeCell};
use std::alloc::Layout;
use std::any::TypeId;
use std::ptr::{NonNull, null_mut};

/// What stands behind the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// The node's value type.
    Value,
    /// A `ReadError`: the computed failed.
    Failure,
    /// A count on another block: the version made by `touch`, whose value is the older one's.
    Alias,
}

#[derive(Debug)]
struct BlockKind {
    shape: Shape,
    /// The type behind the header.
    value: TypeId,
    layout: Layout,
    drop_value: unsafe fn(NonNull<Header>),
}

/// The part of a block that is the same for every value type.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    kind: &'static BlockKind,
    count: AtomicU32,
    /// Memo: for how many revisions after `from` it is needed once retired, `u32::MAX`: all.
    /// Written by the claim's owner at retirement.
    span: UnsafeCell<u32>,
    /// Version: `revision << 1 | visible`, written by the committer. Memo: the revision at which
    /// the value last changed, written before publication.
    pub(crate) stamp: AtomicU64,
    /// Version: the next older one, written by the committer and by the trimmer.
    pub(crate) older: AtomicPtr<Header>,
    /// The record's place in a list of retired ones; owned by whoever owns the list.
    pub(crate) next: UnsafeCell<*mut Header>,
    /// Memo: the first revision it is exact for. Written before publication.
    from: UnsafeCell<u64>,
}

// SAFETY: shared fields are atomics; the cells are written by the one owner their docs name, and
// values are `Send + Sync` by the bounds of `new`.
unsafe impl Send for Header {}
// SAFETY: as above.
unsafe impl Sync for Header {}

#[repr(C)]
struct Block<T> {
    header: Header,
    value: T,
}

trait Shaped {
    const SHAPE: Shape;
}

/// Marks a value type of a node, which may itself be any type.
struct OfValue<T>(std::marker::PhantomData<T>);
struct OfFailure;
struct OfAlias;

impl<T> Shaped for OfValue<T> {
    const SHAPE: Shape = Shape::Value;
}
impl Shaped for OfFailure {
    const SHAPE: Shape = Shape::Failure;
}
impl Shaped for OfAlias {
    const SHAPE: Shape = Shape::Alias;
}

struct KindOf<S, T>(std::marker::PhantomData<(S, T)>);

impl<S: Shaped, T: 'static> KindOf<S, T> {
    const KIND: &'static BlockKind = &BlockKind {
        shape: S::SHAPE,
        value: TypeId::of::<T>(),
        layout: Layout::new::<Block<T>>(),
        drop_value: drop_value::<T>,
    };
}

/// # Safety
/// `header` must head a `Block<T>` whose value was not dropped yet.
unsafe fn drop_value<T>(header: NonNull<Header>) {
    let block = header.as_ptr().cast::<Block<T>>();
    // SAFETY: the caller's duty; the field is valid and dropped once.
    unsafe { std::ptr::drop_in_place(&raw mut (*block).value) }
}

fn allocate<S: Shaped, T: 'static>(value: T) -> Shared {
    let kind = KindOf::<S, T>::KIND;
    let block = memory::take(kind.layout).cast::<Block<T>>();
    let header = Header {
        kind,
        count: AtomicU32::new(1),
        span: UnsafeCell::new(0),
        stamp: AtomicU64::new(0),
        older: AtomicPtr::new(null_mut()),
        next: UnsafeCell::new(null_mut()),
        from: UnsafeCell::new(0),
    };
    // SAFETY: `take` returned unshared memory of exactly this layout.
    unsafe { block.write(Block { header, value }) };
    // For `Header::as_ptr`.
    block.expose_provenance();
    Shared(block.cast())
}

/// One count on a block.
#[derive(Debug)]
pub(crate) struct Shared(NonNull<Header>);

// SAFETY: blocks hold `Send + Sync` values only, see `Header`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn value<T: Send + Sync + 'static>(value: T) -> Self {
        allocate::<OfValue<T>, T>(value)
    }

    pub(crate) fn failure(error: ReadError) -> Self {
        allocate::<OfFailure, ReadError>(error)
    }

    /// A block that stands for the same value as `target`.
    pub(crate) fn alias(target: Shared) -> Self {
        allocate::<OfAlias, Shared>(target)
    }

    /// A further count.
    ///
    /// # Safety
    /// The block must be alive now: the caller owns or protects a count.
    pub(crate) unsafe fn retain(block: NonNull<Header>) -> Self {
        // SAFETY: the caller's duty.
        let header = unsafe { block.as_ref() };
        // Relaxed: a new count is made from an existing one, as in std's Arc.
        let before = header.count.fetch_add(1, Relaxed);
        assert!(before < u32::MAX / 2, "fewer than 2^31 counts on one value");
        Self(block)
    }

    /// Takes over a count that `into_raw` gave away.
    ///
    /// # Safety
    /// Each `into_raw` may be undone once.
    pub(crate) unsafe fn from_raw(block: NonNull<Header>) -> Self {
        Self(block)
    }

    pub(crate) fn into_raw(self) -> NonNull<Header> {
        let block = self.0;
        std::mem::forget(self);
        block
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: this count keeps the block alive.
        unsafe { self.0.as_ref() }
    }

    /// A count on the block that carries the value or the error.
    pub(crate) fn resolved(&self) -> Self {
        // SAFETY: this count keeps it alive.
        unsafe { Self::retain(self.header().resolved().as_ptr()) }
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        // SAFETY: `self` owns a count.
        unsafe { Self::retain(self.0) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let header = self.header();
        // Acquire: the last owner sees what the others did with the value. A count of one is this
        // one, and only an owner could make another: no need for the exchange.
        let last = header.count.load(Acquire) == 1
            // AcqRel: pairs with itself and with the load above.
            || header.count.fetch_sub(1, AcqRel) == 1;
        if !last {
            return;
        }
        let kind = header.kind;
        // The memory comes back even when the value's own drop unwinds.
        let _memory = memory::Returned(self.0.cast(), kind.layout);
        // SAFETY: the last count is gone, so the value is ours and dropped once.
        unsafe { (kind.drop_value)(self.0) };
    }
}

impl Header {
    /// The block as it was allocated. Whoever counts it may have to drop and reuse it, and a
    /// pointer made from a reference may not: it reaches no further than the header, and may
    /// write the header's cells only.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<Header> {
        NonNull::with_exposed_provenance(NonNull::from(self).addr())
    }

    /// # Safety
    /// Before publication, by the claim's owner.
    pub(crate) unsafe fn set_from(&self, revision: u64) {
        // SAFETY: the caller's duty.
        self.from.with_mut(|from| unsafe { *from = revision });
    }

    /// The revisions a retired memo is needed for: from the first to before the last.
    ///
    /// # Safety
    /// After retirement, by whoever owns the list it is in.
    pub(crate) unsafe fn needed_for(&self) -> (u64, u64) {
        // SAFETY: the caller's duty.
        let from = self.from.with(|from| unsafe { *from });
        // SAFETY: the caller's duty.
        let span = self.span.with(|span| unsafe { *span });
        let until = if span == u32::MAX { u64::MAX } else { from + u64::from(span) };
        (from, until)
    }

    /// # Safety
    /// At retirement, by the claim's owner.
    pub(crate) unsafe fn set_until(&self, until: u64) {
        // SAFETY: the caller's duty.
        let from = self.from.with(|from| unsafe { *from });
        let span = u32::try_from(until.saturating_sub(from)).unwrap_or(u32::MAX);
        // SAFETY: the caller's duty.
        self.span.with_mut(|cell| unsafe { *cell = span });
    }

    /// The block that carries the value or the error.
    #[inline]
    pub(crate) fn resolved(&self) -> &Header {
        let mut header = self;
        while header.kind.shape == Shape::Alias {
            // SAFETY: the shape says that the value is a `Shared`, which keeps its block alive for
            // as long as this one.
            header = unsafe { header.value_unchecked::<Shared>() }.header();
        }
        header
    }

    /// # Safety
    /// The block must have been made with a value of type `T`.
    #[inline]
    unsafe fn value_unchecked<T>(&self) -> &T {
        let block = std::ptr::from_ref(self).cast::<Block<T>>();
        // SAFETY: the caller's duty; `Block` is `repr(C)` with the header first.
        unsafe { &(*block).value }
    }

    /// The value, or the error the computed failed with.
    ///
    /// # Panics
    /// If the value is of another type than `T`.
    #[inline]
    pub(crate) fn outcome<T: 'static>(&self) -> Result<&T, &ReadError> {
        let block = self.resolved();
        if block.kind.shape == Shape::Value {
            assert!(block.kind.value == TypeId::of::<T>(), "a handle has its node's value type");
            // SAFETY: the kind says so.
            return Ok(unsafe { block.value_unchecked() });
        }
        Err(block.failure().expect("a resolved block holds a value or a failure"))
    }

    /// The value, of a block that holds one.
    ///
    /// # Panics
    /// If it holds a failure, or a value of another type.
    #[inline]
    pub(crate) fn value<T: 'static>(&self) -> &T {
        self.outcome().expect("asked of values only")
    }

    /// The error, of a resolved block that holds one.
    pub(crate) fn failure(&self) -> Option<&ReadError> {
        // SAFETY: the shape says so.
        (self.kind.shape == Shape::Failure).then(|| unsafe { self.value_unchecked() })
    }
}

/// Freed blocks, kept by the thread that freed them, by size.
mod memory {
    use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
    use std::ptr::NonNull;

    const STEP: usize = 8;
    const CLASSES: usize = 33;
    /// How many free blocks of one size a thread keeps.
    #[cfg(not(loom))]
    const KEPT: usize = 1 << 16;

    fn class_of(layout: Layout) -> Option<usize> {
        let class = layout.size().div_ceil(STEP);
        (class < CLASSES && layout.align() <= STEP).then_some(class)
    }

    fn class_layout(class: usize) -> Layout {
        Layout::from_size_align(class * STEP, STEP).expect("small and aligned")
    }

    fn system(layout: Layout) -> NonNull<u8> {
        // SAFETY: a block's layout is never empty, it contains a header.
        let memory = unsafe { alloc(layout) };
        NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
    }

    #[cfg(not(loom))]
    mod cache {
        use super::{CLASSES, KEPT, class_layout};
        use std::alloc::dealloc;
        use std::cell::UnsafeCell;
        use std::ptr::NonNull;

        struct Cache([Vec<NonNull<u8>>; CLASSES]);

        impl Drop for Cache {
            fn drop(&mut self) {
                for (class, free) in self.0.iter_mut().enumerate() {
                    for memory in free.drain(..) {
                        // SAFETY: allocated with this class's layout, and nobody's now.
                        unsafe { dealloc(memory.as_ptr(), class_layout(class)) }
                    }
                }
            }
        }

        thread_local! {
            static CACHE: UnsafeCell<Cache> =
                const { UnsafeCell::new(Cache([const { Vec::new() }; CLASSES])) };
        }

        pub(super) fn pop(class: usize) -> Option<NonNull<u8>> {
            // SAFETY: the thread's own cell; neither closure here calls anything that comes back.
            CACHE.try_with(|cache| unsafe { (*cache.get()).0[class].pop() }).ok().flatten()
        }

        /// False when the thread keeps enough of this size, or is ending.
        pub(super) fn push(class: usize, memory: NonNull<u8>) -> bool {
            CACHE
                .try_with(|cache| {
                    // SAFETY: as in `pop`.
                    let free = unsafe { &mut (*cache.get()).0[class] };
                    let keep = free.len() < KEPT;
                    if keep {
                        free.push(memory);
                    }
                    keep
                })
                .unwrap_or(false)
        }
    }

    #[cfg(loom)]
    mod cache {
        use std::ptr::NonNull;

        pub(super) fn pop(_class: usize) -> Option<NonNull<u8>> {
            None
        }

        pub(super) fn push(_class: usize, _memory: NonNull<u8>) -> bool {
            false
        }
    }

    pub(super) fn take(layout: Layout) -> NonNull<u8> {
        match class_of(layout) {
            Some(class) => cache::pop(class).unwrap_or_else(|| system(class_layout(class))),
            None => system(layout),
        }
    }

    /// Memory on its way back.
    pub(super) struct Returned(pub(super) NonNull<u8>, pub(super) Layout);

    impl Drop for Returned {
        fn drop(&mut self) {
            if cfg!(loom) {
                // Never reused, so that the oracle can tell who looks at what is dropped.
                return;
            }
            let layout = match class_of(self.1) {
                Some(class) if cache::push(class, self.0) => return,
                Some(class) => class_layout(class),
                None => self.1,
            };
            // SAFETY: `take` allocated it with this layout.
            unsafe { dealloc(self.0.as_ptr(), layout) }
        }
    }
}
