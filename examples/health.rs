//! The health of a few servers. Notice that a change of a threshold that moves nobody across is
//! not shown, and that a silent server goes offline although nobody writes that.
//!
//! Mended: time was not followed, so nobody ever went offline; the last change was announced as one
//! of the alerts and could not change any, so here is one that does.

use isobar::{Clock, Graph, computed, effect, signal};
use std::collections::BTreeMap;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(100);
const SILENCE: Duration = Duration::from_secs(60);

/// Of processor, memory and disk, in percent.
type Load = [u32; 3];

#[derive(Clone, PartialEq)]
struct Server {
    load: Load,
    seen: Duration,
    in_maintenance: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Health {
    Healthy,
    Alert,
    Maintenance,
    Offline,
}

fn judge(server: &Server, thresholds: Load, now: Duration) -> Health {
    let is_above = server.load.iter().zip(thresholds).any(|(load, threshold)| *load > threshold);
    match server {
        Server { in_maintenance: true, .. } => Health::Maintenance,
        Server { seen, .. } if now.saturating_sub(*seen) >= SILENCE => Health::Offline,
        _ if is_above => Health::Alert,
        _ => Health::Healthy,
    }
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let clock = Clock::manual();
    Graph::new().enter(|| {
        let (thresholds, now) = (signal([80, 90, 95]), clock.now(STEP));
        let servers = signal(BTreeMap::<&str, Server>::new());
        let health = computed!([servers, thresholds, now] {
            let (servers, thresholds, now) = (servers.load(), thresholds.get(), now.get());
            let judged = servers.iter().map(|(name, it)| (*name, judge(it, thresholds, now)));
            judged.collect::<BTreeMap<_, _>>()
        });
        let with = |wanted| {
            health.map(move |health| {
                let found = health.iter().filter(|(_, health)| **health == wanted);
                found.map(|(name, _)| *name).collect::<Vec<_>>()
            })
        };
        let (healthy, alert) = (with(Health::Healthy), with(Health::Alert));
        let summary = effect!([healthy, alert] {
            let (healthy, alert) = (healthy.with(Vec::len), alert.with(Vec::len));
            say(format!("{healthy} healthy, {alert} alert"));
        });
        let alarm = effect!([alert] if alert.with(|names| !names.is_empty()) {
            say(format!("look after {}", alert.get().join(", ")));
        });

        let seen = clock.time();
        let server = |load| Server { load, seen, in_maintenance: false };
        let two = [("server1", server([70, 65, 80])), ("server2", server([85, 50, 70]))];
        servers.set(two.into());
        servers.mutate(|servers| {
            servers.entry("server2").and_modify(|server| server.in_maintenance = true);
        });
        thresholds.set([75, 90, 95]);
        say("75 % is above nobody new".to_owned());
        thresholds.set([65, 90, 95]);
        clock.advance(SILENCE - STEP);
        say("silent for 59.9 s".to_owned());
        clock.advance(STEP);
        drop((summary, alarm));
    });
}
