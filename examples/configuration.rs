//! Configuration in layers: an instance's settings over the global ones, a service's over the
//! global ones. Notice that a change shows up only where no layer above hides it.
//!
//! Mended: the original claimed to merge every service's block and merged that of one.

use isobar::{Computed, Graph, Join, Signal, effect, signal};
use std::collections::BTreeMap;
use std::fmt;

/// One layer; what it does not say, the layer below does.
#[derive(Clone, Copy, Default, PartialEq)]
struct Settings {
    log: Option<&'static str>,
    timeout: Option<u32>,
}

impl Settings {
    fn over(self, below: Self) -> Self {
        Self { log: self.log.or(below.log), timeout: self.timeout.or(below.timeout) }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.log.unwrap_or("-"), self.timeout.unwrap_or_default())
    }
}

type Services = BTreeMap<&'static str, Settings>;

fn service(
    name: &'static str,
    services: &Signal<Services>,
    global: &Signal<Settings>,
) -> Computed<Settings> {
    (services, global)
        .map(move |services, global| services.get(name).copied().unwrap_or_default().over(*global))
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let log = |level| Settings { log: Some(level), ..Settings::default() };
    let timeout = |seconds| Settings { timeout: Some(seconds), ..Settings::default() };
    Graph::new().enter(|| {
        let global = signal(timeout(30).over(log("INFO")));
        let services = signal(Services::from([("auth", timeout(10))]));
        let instance = signal(log("DEBUG"));
        let effective = (&instance, &global).map(|instance, global| instance.over(*global));
        let auth = service("auth", &services, &global);
        let database = service("database", &services, &global);
        let watch = effect!([effective, auth] {
            say(format!("effective {}, auth {}", effective.get(), auth.get()));
        });

        global.mutate(|global| global.timeout = Some(60));
        // Seen by the database only.
        services.mutate(move |services| services.extend([("database", timeout(5))]));
        instance.set(log("TRACE"));
        say(format!("database {}", database.get()));
        drop(watch);
    });
}
