//! Waiting until a write has been stored.

use super::failure::StoreError;
use super::keeper::Target;
use super::mount::{Shared, is_keeping};
use super::path::Path;
use crate::sync::Mutex;
use crate::waiting::Event;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Whether the mounts that a write concerns have stored it.
#[derive(Default)]
#[must_use = "who does not wait does not hear of a failure"]
pub(super) struct Ticket {
    slots: Vec<(Arc<Shared>, Arc<Slot>)>,
}

/// What a write may change.
#[derive(Clone)]
pub(super) enum Reach {
    /// One place.
    Place(Path),
    /// A place and what is below.
    Tree(Path),
}

impl Reach {
    pub(super) fn contains(&self, path: &Path) -> bool {
        match self {
            Self::Place(place) => place == path,
            Self::Tree(root) => path.starts_with(root),
        }
    }

    fn path(&self) -> &Path {
        let (Self::Place(path) | Self::Tree(path)) = self;
        path
    }
}

/// One mount's answer to one write.
pub(super) struct Slot {
    pub(super) reach: Reach,
    /// Does it wait until everything was tried anew? Then what was tried before is no answer.
    pub(super) is_flush: bool,
    state: Mutex<SlotState>,
    answered: Event,
}

struct SlotState {
    /// The number of the write; unknown until it has been committed.
    number: Option<u64>,
    /// What became of the path so far: the newest write that was tried, and why it failed.
    tries: Vec<(u64, Option<StoreError>)>,
    answer: Option<Result<(), StoreError>>,
    is_over: bool,
    waker: Option<Waker>,
}

impl Slot {
    pub(super) fn new(reach: Reach, is_flush: bool) -> Arc<Self> {
        let (number, tries, answer, waker) = (None, Vec::new(), None, None);
        let state = SlotState { number, tries, answer, is_over: false, waker };
        Arc::new(Self { reach, is_flush, state: Mutex::new(state), answered: Event::new() })
    }

    /// The write has been committed with this number. True: it was answered with that.
    pub(super) fn committed(&self, number: u64) -> bool {
        self.state.lock().number = Some(number);
        self.answer_if_known(None)
    }

    /// Writes up to `number` were tried; something of this one's path may have failed. True: this
    /// one is answered.
    pub(super) fn tried(&self, number: u64, failed: Option<&StoreError>) -> bool {
        let mut state = self.state.lock();
        if state.number.is_none_or(|own| own <= number) {
            state.tries.push((number, failed.cloned()));
        }
        drop(state);
        self.answer_if_known(None)
    }

    /// Is the number of the write unknown yet?
    pub(super) fn is_being_committed(&self) -> bool {
        self.state.lock().number.is_none()
    }

    /// When it is over: the failures before its write that it was told.
    pub(super) fn unheard(&self) -> Vec<StoreError> {
        let mut state = self.state.lock();
        let own = state.number.unwrap_or(u64::MAX);
        let before = std::mem::take(&mut state.tries).into_iter().filter(|(tried, _)| *tried < own);
        before.filter_map(|(_, failed)| failed).collect()
    }

    /// Nobody waits, or it will not be tried any more: then this is the answer.
    pub(super) fn end(&self, answer: Result<(), StoreError>) {
        self.answer_if_known(Some(answer));
    }

    fn answer_if_known(&self, otherwise: Option<Result<(), StoreError>>) -> bool {
        let mut state = self.state.lock();
        if state.is_over {
            return true;
        }
        let own = state.number.unwrap_or(u64::MAX);
        let known = state.tries.iter().find(|(tried, _)| *tried >= own);
        let answer = match (known, otherwise) {
            (Some((_, None)), _) => Ok(()),
            (Some((_, Some(failed))), _) => Err(failed.clone()),
            (None, Some(answer)) => answer,
            (None, None) => return false,
        };
        (state.answer, state.is_over) = (Some(answer), true);
        let waker = state.waker.take();
        drop(state);
        self.answered.notify();
        // Outside of the lock: it is the executor's.
        waker.into_iter().for_each(Waker::wake);
        true
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), StoreError> {
        // A mount's own thread waits for none.
        let deadline = if is_keeping() { Some(Instant::now()) } else { deadline };
        if !self.answered.wait(deadline, || self.state.lock().answer.is_some()) {
            return Err(StoreError::Timeout { path: self.reach.path().clone() });
        }
        self.state.lock().answer.take().unwrap_or(Ok(()))
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), StoreError>> {
        // Before the lock: cloning and dropping wakers is foreign code.
        let mine = cx.waker().clone();
        let mut state = self.state.lock();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        let before = state.waker.replace(mine);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Ticket {
    pub(super) fn of(slots: Vec<(Arc<Shared>, Arc<Slot>)>) -> Self {
        Self { slots }
    }

    /// The write has been committed: it made, or found, the state of this number.
    pub(super) fn committed(self, number: u64, newest: impl Fn() -> Target) -> Self {
        self.slots.iter().for_each(|(mount, slot)| mount.committed(slot, number, &newest));
        self
    }

    fn forget(&mut self) {
        for (mount, slot) in std::mem::take(&mut self.slots) {
            mount.forget(&slot);
        }
    }

    /// Blocks until all is stored.
    pub(super) fn wait(self) -> Result<(), StoreError> {
        self.slots.iter().try_for_each(|(mount, slot)| {
            slot.wait(mount.patience.and_then(|patience| Instant::now().checked_add(patience)))
        })
    }

    /// Resolves when all is stored.
    pub(super) async fn stored(self) -> Result<(), StoreError> {
        for (_, slot) in &self.slots {
            poll_fn(|cx| slot.poll(cx)).await?;
        }
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.forget();
    }
}
