//! A gateway that limits each user to 100 requests a minute. Notice that a request costs the same
//! however many came before it, and that a user is let in again without anybody writing.
//!
//! Mended: a name error kept the original from running at all; every request rebuilt the whole
//! list, which was never pruned; users stayed limited until the next request came.

use isobar::{Clock, Graph, ReactiveMap, batch, computed, effect};
use std::collections::BTreeMap;
use std::time::Duration;

const STEP: Duration = Duration::from_secs(1);
const WINDOW: u64 = 60;
const LIMIT: usize = 100;

/// Requests by second: never more entries than seconds in the window.
#[derive(Clone, Default, PartialEq)]
struct Recent(BTreeMap<u64, usize>);

impl Recent {
    fn with_one(mut self, now: u64) -> Self {
        self.0.retain(|second, _| second + WINDOW > now);
        *self.0.entry(now).or_default() += 1;
        self
    }

    fn count(&self, now: u64) -> usize {
        self.0.iter().filter(|(second, _)| **second + WINDOW > now).map(|(_, count)| count).sum()
    }
}

type Counts = BTreeMap<&'static str, usize>;

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let clock = Clock::manual();
    Graph::new().enter(|| {
        let by_user = ReactiveMap::<&str, Recent>::new();
        let by_endpoint = ReactiveMap::<&str, Recent>::new();
        let request = |user: &'static str, endpoint: &'static str| {
            let now = clock.time().as_secs();
            let one_more = move |recent: Option<&Recent>| {
                Some(recent.cloned().unwrap_or_default().with_one(now))
            };
            batch(|| {
                by_user.alter(user, one_more);
                by_endpoint.alter(endpoint, one_more);
            });
        };
        let now = clock.now(STEP).map(Duration::as_secs);
        let counts = |of: &ReactiveMap<&'static str, Recent>| {
            let of = of.read_only();
            computed!([of, now] {
                let (now, of) = (now.get(), of.load());
                of.iter().map(|(key, recent)| (*key, recent.count(now))).collect::<Counts>()
            })
        };
        let (users, endpoints) = (counts(&by_user), counts(&by_endpoint));
        let limited = users.map(|users| {
            let above = users.iter().filter(|(_, count)| **count > LIMIT);
            above.map(|(user, _)| *user).collect::<Vec<_>>()
        });
        let watch = effect!([users, limited] {
            let (limited, all) = (limited.get(), users.with(|users| users.values().sum::<usize>()));
            if !limited.is_empty() {
                say(format!("limited: {}, after {all} requests", limited.join(", ")));
            }
        });

        (0..100).for_each(|_| request("alice", "/x"));
        say(format!("at 100 requests {} are limited", limited.with(Vec::len)));
        request("alice", "/x");
        request("bob", "/y");
        say(format!("{:?}, {:?}", users.get(), endpoints.get()));
        clock.advance(Duration::from_secs(61));
        say(format!("after 61 s {} are limited", limited.with(Vec::len)));
        request("bob", "/y");
        say(format!("{:?}", users.get()));
        drop(watch);
    });
}
