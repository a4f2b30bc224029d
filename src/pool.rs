//! The worker pool: the only file that names rayon. Under loom a level runs on two loom threads.
//!
//! One pool serves all graphs of the process. It is entered once per wave, and a level is cut
//! into chunks, never into single nodes.

#[cfg(not(loom))]
mod workers {
    use crate::participants;
    use rayon::prelude::*;
    use rayon::{ThreadPool, ThreadPoolBuilder};
    use std::sync::LazyLock;

    static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
        ThreadPoolBuilder::new().thread_name(|index| format!("isobar-{index}")).build().ok()
    });

    /// Runs `f` on the pool and waits; in place if there is no pool.
    pub(crate) fn enter<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        match &*POOL {
            Some(pool) => pool.install(|| participants::at_work(f)),
            None => f(),
        }
    }

    /// Calls `f` with the items, `size` at a time; from inside `enter`, in parallel.
    pub(crate) fn each_chunk<T: Sync>(items: &[T], size: usize, f: impl Fn(&[T]) + Sync + Send) {
        if size >= items.len() || POOL.is_none() {
            return f(items);
        }
        items.par_chunks(size).for_each(|chunk| participants::at_work(|| f(chunk)));
    }

    /// Leaves `f` to a worker; false, and `f` dropped, if there is none.
    pub(crate) fn spawn(f: impl FnOnce() + Send + 'static) -> bool {
        let Some(pool) = &*POOL else { return false };
        pool.spawn(|| participants::at_work(f));
        true
    }
}

#[cfg(loom)]
mod workers {
    /// Runs `f` in place.
    pub(crate) fn enter<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        f()
    }

    /// One half here, the other half on a loom thread.
    pub(crate) fn each_chunk<T: Sync>(items: &[T], _size: usize, f: impl Fn(&[T]) + Sync + Send) {
        if items.len() < 2 {
            return f(items);
        }
        let (here, there) = items.split_at(items.len() / 2);
        let work: Box<dyn Fn() + '_> = Box::new(|| f(there));
        // SAFETY: only the lifetime is changed; the thread is joined before the borrow ends.
        let work: Box<dyn Fn() + 'static> = unsafe { std::mem::transmute(work) };
        struct AssertSend(Box<dyn Fn()>);
        // SAFETY: `f` is `Sync` and the items are.
        unsafe impl Send for AssertSend {}
        let work = AssertSend(work);
        let other = loom::thread::spawn(move || {
            let work = work;
            (work.0)();
        });
        f(here);
        other.join().expect("a worker does not panic");
    }

    /// There is no pool to leave things to.
    pub(crate) fn spawn(_f: impl FnOnce() + Send + 'static) -> bool {
        false
    }
}

pub(crate) use workers::*;
