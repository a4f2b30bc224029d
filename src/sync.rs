//! The one shim between the engine and the machine: std's primitives, or loom's under `cfg(loom)`.
//!
//! Everything whose interleavings are to be explored comes from here. Reference counts and
//! counters for statistics are plain std atomics in both worlds: they take no part in a protocol
//! that loom is asked to judge, and each of them would multiply the executions to explore.

/// Statics of a thread; without laziness where std allows it.
#[cfg(not(loom))]
macro_rules! per_thread {
    ($($(#[$meta:meta])* $vis:vis static $name:ident: $type:ty = $value:expr;)+) => {
        std::thread_local! { $($(#[$meta])* $vis static $name: $type = const { $value };)+ }
    };
}

#[cfg(loom)]
macro_rules! per_thread {
    ($($(#[$meta:meta])* $vis:vis static $name:ident: $type:ty = $value:expr;)+) => {
        loom::thread_local! { $($(#[$meta])* $vis static $name: $type = $value;)+ }
    };
}

pub(crate) use per_thread;

/// After a claim was taken by a SeqCst exchange. Loom orders SeqCst fences only, not accesses, so
/// there a fence stands in for what the exchange does by itself.
#[inline(always)]
pub(crate) fn fence_of_claim() {
    #[cfg(loom)]
    // Pairs with the fence of `Marker::is_still_dirty`.
    machine_fence();
}

/// A fence of the machine's, for `solo` alone: everybody else's is `solo::fence`.
#[inline(always)]
pub(crate) fn machine_fence() {
    // Pairs with the others': which, is said where it is asked for.
    #[cfg(not(loom))]
    std::sync::atomic::fence(SeqCst);
    // As above.
    #[cfg(loom)]
    loom::sync::atomic::fence(SeqCst);
}

/// Keeps the compiler in order; under loom the machine, too.
#[inline(always)]
pub(crate) fn compiler_fence() {
    // Pairs with `barrier::heavy`.
    #[cfg(not(loom))]
    std::sync::atomic::compiler_fence(SeqCst);
    #[cfg(loom)]
    machine_fence();
}

#[cfg(not(loom))]
mod machine {
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
    pub(crate) use std::thread;

    /// A cell whose accesses loom checks for races; here, nothing but the cell.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// One turn of a wait loop: spin first, then let others run.
    #[derive(Debug, Default)]
    pub(crate) struct Spin(crossbeam_utils::Backoff);

    impl Spin {
        pub(crate) fn turn(&self) {
            self.0.snooze();
        }

        /// True when it is time to park instead.
        pub(crate) fn is_over(&self) -> bool {
            self.0.is_completed()
        }
    }

    pub(crate) fn wait_for(
        condvar: &Condvar,
        guard: &mut MutexGuard<'_, ()>,
        deadline: Option<std::time::Instant>,
    ) {
        match deadline {
            Some(at) => {
                condvar.wait_until(guard, at);
            }
            None => condvar.wait(guard),
        }
    }
}

#[cfg(loom)]
mod machine {
    pub(crate) use loom::cell::UnsafeCell;
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::Ordering;

    /// Loom's threads; `park` returns for no reason every other time, as std's may.
    pub(crate) mod thread {
        pub(crate) use loom::thread::{Thread, current, yield_now};
        use std::cell::Cell;

        loom::thread_local! {
            static PARKED: Cell<bool> = Cell::new(true);
        }

        pub(crate) fn park() {
            if PARKED.with(|parked| parked.replace(!parked.get())) {
                return;
            }
            loom::thread::park();
        }
    }

    /// Second mode of exploration: loads and stores are read-modify-writes. Stock loom forgets a
    /// thread's load when the same thread later writes the same atomic, and with it
    /// interleavings. Stores too, because loom does not order a plain store against the
    /// read-modify-write of another thread, and then shows a value that was overwritten.
    fn loads_are_rmw() -> bool {
        static MODE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *MODE.get_or_init(|| std::env::var_os("ISOBAR_LOOM_RMW").is_some())
    }

    /// A third mode puts a second atomic beside each, which every load and store of the first
    /// touches with a read-modify-write: so loom explores both orders of any two accesses, which
    /// it would not where a thread first loads what it stores, and still shows a load every value
    /// that it may see.
    #[derive(Debug)]
    struct Shadow(Option<loom::sync::atomic::AtomicUsize>);

    impl Default for Shadow {
        fn default() -> Self {
            Self(std::env::var_os("ISOBAR_LOOM_SHADOW").is_some().then(Default::default))
        }
    }

    impl Shadow {
        #[track_caller]
        fn touch(&self) {
            if let Some(shadow) = &self.0 {
                shadow.fetch_add(0, Ordering::Relaxed);
            }
        }
    }

    macro_rules! integer {
        ($name:ident, $loom:ty, $int:ty) => {
            #[derive(Debug, Default)]
            pub(crate) struct $name($loom, Shadow);

            impl $name {
                pub(crate) fn new(value: $int) -> Self {
                    Self(<$loom>::new(value), Shadow::default())
                }

                #[track_caller]
                pub(crate) fn load(&self, order: Ordering) -> $int {
                    self.1.touch();
                    if loads_are_rmw() {
                        self.0.fetch_add(0, rmw(order))
                    } else {
                        self.0.load(order)
                    }
                }

                #[track_caller]
                pub(crate) fn store(&self, value: $int, order: Ordering) {
                    self.1.touch();
                    if loads_are_rmw() {
                        self.0.swap(value, order);
                    } else {
                        self.0.store(value, order);
                    }
                }
            }

            impl Deref for $name {
                type Target = $loom;
                fn deref(&self) -> &$loom {
                    &self.0
                }
            }
        };
    }

    fn rmw(order: Ordering) -> Ordering {
        match order {
            Ordering::Acquire => Ordering::Acquire,
            Ordering::SeqCst => Ordering::SeqCst,
            _ => Ordering::Relaxed,
        }
    }

    integer!(AtomicU8, loom::sync::atomic::AtomicU8, u8);
    integer!(AtomicU64, loom::sync::atomic::AtomicU64, u64);
    integer!(AtomicUsize, loom::sync::atomic::AtomicUsize, usize);

    #[derive(Debug, Default)]
    pub(crate) struct AtomicBool(loom::sync::atomic::AtomicBool, Shadow);

    impl AtomicBool {
        pub(crate) fn new(value: bool) -> Self {
            Self(loom::sync::atomic::AtomicBool::new(value), Shadow::default())
        }

        #[track_caller]
        pub(crate) fn load(&self, order: Ordering) -> bool {
            self.1.touch();
            if loads_are_rmw() { self.0.fetch_or(false, rmw(order)) } else { self.0.load(order) }
        }

        #[track_caller]
        pub(crate) fn store(&self, value: bool, order: Ordering) {
            self.1.touch();
            if loads_are_rmw() {
                self.0.swap(value, order);
            } else {
                self.0.store(value, order);
            }
        }
    }

    impl Deref for AtomicBool {
        type Target = loom::sync::atomic::AtomicBool;
        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    #[derive(Debug)]
    pub(crate) struct AtomicPtr<T>(loom::sync::atomic::AtomicPtr<T>, Shadow);

    impl<T> AtomicPtr<T> {
        pub(crate) fn new(value: *mut T) -> Self {
            Self(loom::sync::atomic::AtomicPtr::new(value), Shadow::default())
        }

        #[track_caller]
        pub(crate) fn load(&self, order: Ordering) -> *mut T {
            self.1.touch();
            if !loads_are_rmw() {
                return self.0.load(order);
            }
            let null = std::ptr::null_mut();
            match self.0.compare_exchange(null, null, rmw(order), rmw(order)) {
                Ok(found) | Err(found) => found,
            }
        }

        #[track_caller]
        pub(crate) fn store(&self, value: *mut T, order: Ordering) {
            self.1.touch();
            if loads_are_rmw() {
                self.0.swap(value, order);
            } else {
                self.0.store(value, order);
            }
        }
    }

    impl<T> Deref for AtomicPtr<T> {
        type Target = loom::sync::atomic::AtomicPtr<T>;
        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(|e| e.into_inner())))
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(|e| e.into_inner())
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.0.as_ref().expect("a guard outside of a wait holds its lock")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("a guard outside of a wait holds its lock")
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Spin;

    impl Spin {
        pub(crate) fn turn(&self) {
            loom::thread::yield_now();
        }

        pub(crate) fn is_over(&self) -> bool {
            true
        }
    }

    /// Loom knows no time: a wait with a deadline is a wait.
    pub(crate) fn wait_for(
        condvar: &Condvar,
        guard: &mut MutexGuard<'_, ()>,
        _deadline: Option<std::time::Instant>,
    ) {
        let inner = guard.0.take().expect("a guard outside of a wait holds its lock");
        guard.0 = Some(condvar.0.wait(inner).unwrap_or_else(|e| e.into_inner()));
    }
}

pub(crate) use machine::*;
pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Reference counts and statistics: std atomics in both worlds.
pub(crate) mod count {
    pub(crate) use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize};
}
