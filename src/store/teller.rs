//! Tells the listeners what each commit has changed, in the order of the commits.

use super::Core;
use super::event::{Event, EventKind, Told};
use super::listeners::{Listener as Subscribed, Listeners};
use super::path::Path;
use super::state::{Entries, Logged, State, Voice, different};
use crate::engine::frame::Frame;
use crate::engine::react;
use crate::error::{Failure, Looping, panic_message};
use crate::handle::versions::Listener;
use crate::revision::Revision;
use crate::structure::world::World;
use crate::sync::{Acquire, AtomicBool};
use crate::{Computed, Loaded};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One effect of a store, while anybody listens.
pub(super) struct Teller {
    world: Arc<World>,
    listeners: Arc<Listeners>,
    /// Before it is the only one, it looks and does not tell.
    speaks: Arc<AtomicBool>,
    /// The version that was told last.
    before: Option<Loaded<State>>,
    /// All derived values, and those that were told last.
    derived: Computed<Entries>,
    derived_before: Option<Entries>,
}

impl Teller {
    pub(super) fn new(core: &Core, speaks: Arc<AtomicBool>) -> Self {
        Self {
            speaks,
            world: core.world().clone(),
            listeners: core.listeners.clone(),
            before: None,
            derived: core.all_derived(),
            derived_before: None,
        }
    }

    fn speaks(&self) -> bool {
        // Acquire: pairs with the Release in `start_telling`.
        self.speaks.load(Acquire)
    }

    fn tell_version(&self, before: &State, now: &Loaded<State>, revision: Revision) {
        for (path, logged) in changes(before, now) {
            let (previous, value) = (before.entries.get(&path), now.entries.get(&path));
            let voice = logged.as_ref().map(|logged| logged.voice);
            let kind = match (previous == value, value) {
                (true, _) if voice != Some(Voice::Always) => continue,
                (true, _) => EventKind::Ping,
                (false, None) => EventKind::Deleted,
                (false, Some(_)) => EventKind::Set,
            };
            if voice == Some(Voice::Quiet) {
                continue;
            }
            let payload = logged.and_then(|logged| logged.payload.clone());
            let (previous, value) = (previous.cloned(), value.cloned());
            self.tell(&Told { kind, path, previous, value, payload, revision, state: now.clone() });
        }
    }

    fn tell_derived(&self, before: &Entries, now: &Entries, state: &Loaded<State>) {
        let revision = Frame::current().fixed_view().map_or(0, |view| view.revision);
        for path in different(before, now) {
            self.tell(&Told {
                kind: EventKind::Derived,
                path: path.clone(),
                previous: before.get(path).cloned(),
                value: now.get(path).cloned(),
                payload: None,
                revision: Revision(revision),
                state: state.clone(),
            });
        }
    }

    fn tell(&self, told: &Told) {
        let heard = self.listeners.of(&told.path);
        if heard.is_empty() {
            return;
        }
        if react::rounds_here() >= self.world.config.max_rounds {
            let names = vec![told.path.to_string()];
            return self.world.report(&Failure::Looping(Looping { names }));
        }
        let stopped = Cell::new(false);
        let mut level = None;
        for (current, listener) in &heard {
            if stopped.get() && level != Some(current) {
                break;
            }
            level = Some(current);
            let (matches, current) = (listener.pattern.stands_for(current), current.clone());
            self.call(listener, Event { told, matches, current, stopped: &stopped });
        }
        // Who has unsubscribed meanwhile is dropped with this.
        self.world.contain_drop(|| drop(heard));
    }

    fn call(&self, listener: &Subscribed, event: Event<'_>) {
        let Some(callback) = self.listeners.callback(listener) else { return };
        if let Err(payload) = crate::untracked(|| callback.call(&event)) {
            let node = format!("callback of {} at {}", listener.pattern, event.path()).into();
            self.world.report(&Failure::Effect { node, message: panic_message(&*payload) });
        }
        self.world.contain_drop(|| drop(callback));
    }
}

/// The paths that one commit wrote, in the order in which it did so first, and how it was written
/// last.
fn changes(before: &State, now: &State) -> Vec<(Path, Option<Arc<Logged>>)> {
    let mut order: Vec<(Path, Option<Arc<Logged>>)> = Vec::new();
    let mut places: HashMap<Path, usize> = HashMap::new();
    let logged: Vec<_> = now.logged_since(before.number).collect();
    if (logged.len() as u64) < now.number - before.number {
        // The first ones were written before anybody listened.
        let known: HashSet<&Path> = logged.iter().map(|write| &write.path).collect();
        let rest = different(&before.entries, &now.entries);
        let rest = rest.filter(|path| !known.contains(path));
        order.extend(rest.map(|path| (path.clone(), None)));
    }
    for write in logged {
        let place = *places.entry(write.path.clone()).or_insert(order.len());
        match order.get_mut(place) {
            Some(there) => there.1 = there.1.take().map(|last| louder(&last, write)),
            None => order.push((write.path.clone(), Some(Arc::clone(write)))),
        }
    }
    order
}

/// Of two writes to one path, the last that is not quiet.
fn louder(last: &Arc<Logged>, new: &Arc<Logged>) -> Arc<Logged> {
    match (last.voice, new.voice) {
        (Voice::Changed | Voice::Always, Voice::Quiet) => last.clone(),
        (Voice::Always, Voice::Changed) => Arc::new(Logged {
            path: new.path.clone(),
            payload: new.payload.clone(),
            voice: Voice::Always,
        }),
        _ => new.clone(),
    }
}

impl Listener<State> for Teller {
    fn hear(&mut self, version: Loaded<State>, changed_at: Revision) {
        let before = self.before.replace(version.clone());
        if !self.speaks() {
            return;
        }
        if let Some(before) = before {
            self.tell_version(&before, &version, changed_at);
        }
        self.listeners.told(version.number);
    }

    fn pause(&mut self) {
        let now = self.derived.get();
        let before = self.derived_before.replace(now.clone());
        let before = before.filter(|_| self.speaks());
        if let (Some(before), Some(state)) = (before, &self.before) {
            self.tell_derived(&before, &now, state);
        }
    }
}
