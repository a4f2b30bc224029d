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
    /// Of the marker and the type behind the header: one comparison for both.
    of: TypeId,
    memory: memory::Class,
    /// Is there nothing to do for a value but to give its memory back?
    plain: bool,
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

impl<S: Shaped + 'static, T: 'static> KindOf<S, T> {
    const KIND: &'static BlockKind = &BlockKind {
        shape: S::SHAPE,
        of: TypeId::of::<S>(),
        memory: memory::Class::of(Layout::new::<Block<T>>()),
        plain: !std::mem::needs_drop::<T>(),
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

#[inline]
fn allocate<S: Shaped + 'static, T: 'static>(value: T) -> Shared {
    let kind = KindOf::<S, T>::KIND;
    let block = memory::take(kind.memory).cast::<Block<T>>();
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
    #[inline]
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
        if kind.plain {
            // SAFETY: the last count is gone, so the block is ours.
            drop(unsafe { memory::Returned::new(self.0.cast(), kind.memory) });
        } else {
            // SAFETY: as above.
            unsafe { drop_last(self.0) };
        }
    }
}

/// # Safety
/// The last count must be gone, and be the caller's.
#[cold]
unsafe fn drop_last(block: NonNull<Header>) {
    // SAFETY: the caller's duty.
    let kind = unsafe { block.as_ref() }.kind;
    // The memory comes back even when the value's own drop unwinds.
    // SAFETY: as above.
    let _memory = unsafe { memory::Returned::new(block.cast(), kind.memory) };
    // SAFETY: as above; dropped once.
    unsafe { (kind.drop_value)(block) };
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
        match self.plain_value() {
            Some(value) => Ok(value),
            None => self.resolved_outcome(),
        }
    }

    /// The value, of a block that is neither a failure nor an alias; `None` tells nothing else.
    #[inline]
    pub(crate) fn plain_value<T: 'static>(&self) -> Option<&T> {
        // SAFETY: the kind says so.
        (self.kind.of == TypeId::of::<OfValue<T>>()).then(|| unsafe { self.value_unchecked() })
    }

    #[cold]
    fn resolved_outcome<T: 'static>(&self) -> Result<&T, &ReadError> {
        let block = self.resolved();
        if block.kind.shape == Shape::Value {
            return Ok(block.plain_value().expect("a handle has its node's value type"));
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

    /// Is dropping it sure to run no code of the user's?
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.kind.plain
    }

    /// Is it a value itself, and neither a failure nor an alias?
    #[inline]
    pub(crate) fn is_value(&self) -> bool {
        self.kind.shape == Shape::Value
    }

    /// The error, of a resolved block that holds one.
    pub(crate) fn failure(&self) -> Option<&ReadError> {
        // SAFETY: the shape says so.
        (self.kind.shape == Shape::Failure).then(|| unsafe { self.value_unchecked() })
    }
}

/// Memory of freed blocks and nodes, kept by the thread that freed it, by size.
pub(crate) mod memory {
    use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
    use std::ptr::NonNull;

    const STEP: usize = 8;
    const CLASSES: usize = 65;
    /// Of blocks that are not kept.
    const NONE: u8 = CLASSES as u8;
    /// How many free blocks of one size a thread keeps.
    #[cfg(not(loom))]
    const KEPT: u32 = 1 << 16;

    /// Of which size a block is, decided once for each type.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Class {
        layout: Layout,
        /// In steps; `NONE`: not kept.
        index: u8,
    }

    impl Class {
        pub(crate) const fn of(layout: Layout) -> Self {
            let index = layout.size().div_ceil(STEP);
            let kept = index < CLASSES && layout.align() <= STEP;
            Self { layout, index: if kept { index as u8 } else { NONE } }
        }

        /// As it is asked of the system.
        fn layout(self) -> Layout {
            if self.index == NONE { self.layout } else { class_layout(self.index) }
        }
    }

    fn class_layout(class: u8) -> Layout {
        Layout::from_size_align(usize::from(class) * STEP, STEP).expect("small and aligned")
    }

    #[cold]
    fn system(class: Class) -> NonNull<u8> {
        let layout = class.layout();
        // SAFETY: a block's layout is never empty, it contains a header.
        let memory = unsafe { alloc(layout) };
        NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// Free blocks are linked through their first word.
    #[cfg(not(loom))]
    mod cache {
        use super::{CLASSES, KEPT, NONE, class_layout};
        use std::alloc::dealloc;
        use std::cell::Cell;
        use std::ptr::{NonNull, null_mut};

        struct Free {
            first: Cell<*mut u8>,
            length: Cell<u32>,
        }

        impl Free {
            #[expect(clippy::declare_interior_mutable_const, reason = "what each list begins as")]
            const NOTHING: Self = Self { first: Cell::new(null_mut()), length: Cell::new(0) };
        }

        /// Before the thread's first block, as long as it runs, and after its end.
        #[derive(Clone, Copy, PartialEq, Eq)]
        enum Stage {
            New,
            Keeping,
            Over,
        }

        thread_local! {
            // Not dropped, so that it costs no flag; `END` gives the memory back.
            static FREE: [Free; CLASSES] = const { [Free::NOTHING; CLASSES] };
            static STAGE: Cell<Stage> = const { Cell::new(Stage::New) };
            static END: End = const { End };
        }

        struct End;

        impl Drop for End {
            fn drop(&mut self) {
                STAGE.set(Stage::Over);
                for class in 0..NONE {
                    while let Some(memory) = pop(class) {
                        // SAFETY: allocated with this class's layout, and nobody's now.
                        unsafe { dealloc(memory.as_ptr(), class_layout(class)) }
                    }
                }
            }
        }

        #[inline(always)]
        pub(super) fn pop(class: u8) -> Option<NonNull<u8>> {
            FREE.with(|free| {
                let free = free.get(usize::from(class))?;
                let memory = NonNull::new(free.first.get())?;
                // SAFETY: a free block's first word is the link; blocks are aligned for it.
                free.first.set(unsafe { memory.cast::<*mut u8>().read() });
                free.length.set(free.length.get() - 1);
                Some(memory)
            })
        }

        /// False when the thread keeps enough of this size, or is ending.
        #[inline(always)]
        pub(super) fn push(class: u8, memory: NonNull<u8>) -> bool {
            if STAGE.get() != Stage::Keeping && !begin() {
                return false;
            }
            FREE.with(|free| {
                let Some(free) = free.get(usize::from(class)) else { return false };
                let length = free.length.get();
                if length == KEPT {
                    return false;
                }
                // SAFETY: nobody's memory, large enough for a link and aligned for it.
                unsafe { memory.cast::<*mut u8>().write(free.first.get()) };
                free.first.set(memory.as_ptr());
                free.length.set(length + 1);
                true
            })
        }

        #[cold]
        fn begin() -> bool {
            if STAGE.get() == Stage::New && END.try_with(|_| ()).is_ok() {
                STAGE.set(Stage::Keeping);
            }
            STAGE.get() == Stage::Keeping
        }
    }

    #[cfg(loom)]
    mod cache {
        use std::ptr::NonNull;

        pub(super) fn pop(_class: u8) -> Option<NonNull<u8>> {
            None
        }

        pub(super) fn push(_class: u8, _memory: NonNull<u8>) -> bool {
            false
        }
    }

    /// Memory of the class's layout, which must not be empty.
    #[inline(always)]
    pub(crate) fn take(class: Class) -> NonNull<u8> {
        cache::pop(class.index).unwrap_or_else(|| system(class))
    }

    /// Memory on its way back.
    pub(crate) struct Returned(NonNull<u8>, Class);

    impl Returned {
        /// # Safety
        /// The memory is of this class, from `take`, and nobody else's.
        pub(crate) unsafe fn new(memory: NonNull<u8>, class: Class) -> Self {
            Self(memory, class)
        }
    }

    impl Drop for Returned {
        #[inline]
        fn drop(&mut self) {
            // Under loom never reused, so that the oracle can tell who looks at what is dropped.
            if !cfg!(loom) && !cache::push(self.1.index, self.0) {
                give_back(self.0, self.1);
            }
        }
    }

    #[cold]
    fn give_back(memory: NonNull<u8>, class: Class) {
        // SAFETY: `system` allocated it with this layout.
        unsafe { dealloc(memory.as_ptr(), class.layout()) }
    }
}
