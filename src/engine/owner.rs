//! Who owns effects, scopes and cleanups, and takes them down: last first.

use crate::structure::world::World;
use crate::sync::{Mutex, Relaxed};
use std::sync::{Arc, Weak};

/// Something to take down.
pub(crate) enum Owned {
    Effect(super::react::EffectRef),
    Scope(Arc<Owner>),
    Cleanup(Box<dyn FnOnce() + Send>),
}

/// A run of an effect, or a scope.
pub(crate) struct Owner {
    pub(crate) world: Arc<World>,
    /// Owns what cleanups make.
    pub(crate) parent: Weak<Owner>,
    owned: Mutex<Vec<Owned>>,
    /// Spares runs that make nothing the lock. Relaxed: what was made by other threads is seen
    /// through whatever told this one of it.
    any: std::sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

impl Owner {
    pub(crate) fn new(world: &Arc<World>, parent: Weak<Owner>) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            parent,
            owned: Mutex::new(Vec::new()),
            any: Default::default(),
        })
    }

    pub(crate) fn own(&self, owned: Owned) {
        let mut gone = Vec::new();
        // Relaxed: see the field.
        self.any.store(true, Relaxed);
        let mut list = self.owned.lock();
        // Long-lived owners must not collect what was disposed long ago.
        if list.len() == list.capacity() {
            gone = list.extract_if(.., |owned| owned.is_gone()).collect();
        }
        list.push(owned);
        drop(list);
        // Outside of the lock: the last count of a node may end here.
        drop(gone);
    }

    /// Is there anything to take down?
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        // Relaxed: see the field.
        self.any.load(Relaxed)
    }

    /// Takes everything down, last first. Waits for no effect that runs elsewhere.
    pub(crate) fn take_down(&self) {
        if !self.has_any() {
            return;
        }
        loop {
            let last = self.owned.lock().pop();
            let Some(last) = last else { return };
            match last {
                Owned::Effect(effect) => effect.dispose(super::react::Waits::No),
                Owned::Scope(scope) => scope.take_down(),
                Owned::Cleanup(cleanup) => super::react::run_cleanup(self, cleanup),
            }
        }
    }
}

impl Owned {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Effect(effect) if effect.is_disposed())
    }
}
