//! Waiting until a write has been stored.

use super::failure::StoreError;
use super::mount::Shared;
use super::path::Path;
use crate::sync::{Event, Mutex};
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

/// One mount's answer to one write.
pub(super) struct Slot {
    /// The path that is written, with what is below.
    pub(super) path: Path,
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
    pub(super) fn new(path: Path) -> Arc<Self> {
        let (number, tries, answer, waker) = (None, Vec::new(), None, None);
        let state = SlotState { number, tries, answer, is_over: false, waker };
        Arc::new(Self { path, state: Mutex::new(state), answered: Event::new() })
    }

    /// The write has been committed with this number; it may be answered with that. Gives back
    /// what has failed meanwhile and is another write's.
    pub(super) fn committed(&self, number: u64) -> Vec<StoreError> {
        let mut state = self.state.lock();
        state.number = Some(number);
        let others = state.tries.extract_if(.., |(tried, _)| *tried < number);
        let others = others.filter_map(|(_, failed)| failed).collect();
        drop(state);
        self.answer();
        others
    }

    /// Writes up to `number` were tried; something of this one's path may have failed. False: its
    /// own write came later. True, perhaps, while that has no number; what turns out to be
    /// another's failure is given back by `committed`.
    pub(super) fn note(&self, number: u64, failed: Option<&StoreError>) -> bool {
        let mut state = self.state.lock();
        let notes = !state.is_over && state.number.is_none_or(|own| own <= number);
        if notes {
            state.tries.push((number, failed.cloned()));
        }
        notes
    }

    /// Answers with what was noted of its write; false if nothing was.
    pub(super) fn answer(&self) -> bool {
        self.answer_if_known(None)
    }

    /// Nobody waits, or it will not be tried any more: then this is the answer. Gives back what
    /// has failed and nobody was told.
    pub(super) fn end(&self, answer: Result<(), StoreError>) -> Vec<StoreError> {
        if self.answer_if_known(Some(answer)) {
            return Vec::new();
        }
        let tries = std::mem::take(&mut self.state.lock().tries);
        tries.into_iter().filter_map(|(_, failed)| failed).collect()
    }

    /// Is it answered with what became of it?
    fn answer_if_known(&self, otherwise: Option<Result<(), StoreError>>) -> bool {
        let mut state = self.state.lock();
        if state.is_over {
            return true;
        }
        let known = state.number.and_then(|_| state.tries.first());
        let (answer, known) = match (known, otherwise) {
            (Some((_, None)), _) => (Ok(()), true),
            (Some((_, Some(failed))), _) => (Err(failed.clone()), true),
            (None, Some(answer)) => (answer, false),
            (None, None) => return false,
        };
        (state.answer, state.is_over) = (Some(answer), true);
        let waker = state.waker.take();
        drop(state);
        self.answered.notify();
        // Outside of the lock: it is the executor's.
        waker.into_iter().for_each(Waker::wake);
        known
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), StoreError> {
        let timeout = StoreError::Timeout { path: self.path.clone() };
        if !self.answered.wait(deadline, || self.state.lock().answer.is_some()) {
            return Err(timeout);
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

    /// The write has been committed with this number; `None`: it changed nothing.
    pub(super) fn committed(mut self, number: Option<u64>) -> Self {
        match number {
            Some(number) => {
                self.slots.iter().for_each(|(mount, slot)| mount.committed(slot, number))
            }
            None => self.forget(),
        }
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
