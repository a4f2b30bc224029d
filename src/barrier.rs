//! A barrier that costs one side nothing: the frequent side only keeps the compiler in order, the
//! rare side interrupts every running thread of the process. Protocol: docs/protocols/solo.md.
//!
//! Linux's `membarrier(2)`; elsewhere, and where the system refuses it, there is none and nobody
//! is ever solo. Under loom two fences stand in for the two sides.

use crate::sync::compiler_fence;
#[cfg(loom)]
use crate::sync::machine_fence;

/// The frequent side: stores before it and loads after it are in the order of the program for
/// whoever calls [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    compiler_fence();
}

/// Is there a [`heavy`] side? Asked before anybody relies on it.
#[cfg(all(target_os = "linux", not(any(loom, miri, isobar_fences))))]
pub(crate) fn is_available() -> bool {
    static AVAILABLE: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
    *AVAILABLE
}

/// The rare side: every thread of the process has passed a full barrier since the call. False, if
/// the system refuses what it had registered, as in a process that shut itself in since.
#[cfg(all(target_os = "linux", not(any(loom, miri, isobar_fences))))]
pub(crate) fn heavy() -> bool {
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

#[cfg(all(target_os = "linux", not(any(loom, miri, isobar_fences))))]
fn membarrier(command: libc::membarrier_cmd) -> bool {
    // SAFETY: takes numbers only and writes no memory of ours; an unknown command is an error.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(all(not(loom), any(not(target_os = "linux"), miri, isobar_fences)))]
pub(crate) fn is_available() -> bool {
    false
}

#[cfg(all(not(loom), any(not(target_os = "linux"), miri, isobar_fences)))]
pub(crate) fn heavy() -> bool {
    false
}

#[cfg(loom)]
mod modelled {
    use crate::sync::Relaxed;
    use crate::sync::count::AtomicU32;

    static AVAILABLE: AtomicU32 = AtomicU32::new(0);

    /// From here on a thread that is alone is solo; off where a scenario does not ask for it, for
    /// it makes for many more executions.
    pub fn solo() {
        // Relaxed: set before the scenario starts.
        AVAILABLE.store(1, Relaxed);
    }

    pub(crate) fn is_available() -> bool {
        // Relaxed: as above.
        AVAILABLE.load(Relaxed) == 1
    }

    pub(crate) fn heavy() -> bool {
        // Pairs with the fence in `light`.
        super::machine_fence();
        true
    }
}

#[cfg(loom)]
pub use modelled::solo;
#[cfg(loom)]
pub(crate) use modelled::{heavy, is_available};
