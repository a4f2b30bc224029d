//! Feature flags for segments of users. Notice that flags and segments change on their own and the
//! features follow, and that the watch runs again for a user it does not report.
//!
//! Mended: an unknown user was one without access; here that is an answer of its own.

use isobar::{Computed, Graph, Join, Signal, effect, signal};
use std::collections::{BTreeMap, BTreeSet};

type Segments = BTreeMap<&'static str, BTreeSet<&'static str>>;

#[derive(Clone, PartialEq)]
struct Flag {
    name: &'static str,
    enabled: bool,
    /// Who has it; `None` is everybody.
    segment: Option<&'static str>,
}

#[derive(Clone, PartialEq)]
struct UnknownUser;

type Features = Result<Vec<&'static str>, UnknownUser>;

fn features(
    user: &'static str,
    flags: &Signal<Vec<Flag>>,
    users: &Signal<Segments>,
) -> Computed<Features> {
    (flags, users).map(move |flags, users| {
        let segments = users.get(user).ok_or(UnknownUser)?;
        let may = |segment| segments.contains(segment);
        let has = |flag: &&Flag| flag.enabled && flag.segment.is_none_or(may);
        Ok(flags.iter().filter(has).map(|flag| flag.name).collect())
    })
}

fn has_beta(features: &Features) -> bool {
    features.as_ref().is_ok_and(|names| names.contains(&"beta_feature"))
}

fn described(features: &Features) -> String {
    match features {
        Ok(names) => names.join(", "),
        Err(UnknownUser) => "nobody by this name".to_owned(),
    }
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let flag = |name, segment| Flag { name, enabled: true, segment };
    Graph::new().enter(|| {
        let users = signal(Segments::from([("user1", ["premium", "beta_tester"].into())]));
        let flags = signal(vec![
            flag("new_dashboard", Some("premium")),
            flag("dark_mode", None),
            flag("beta_feature", Some("beta_tester")),
        ]);
        let of_user1 = features("user1", &flags, &users);
        let of_user2 = features("user2", &flags, &users);
        say(format!("user1: {}", described(&of_user1.load())));
        say(format!("user2: {}", described(&of_user2.load())));

        let watch = effect!([users, of_user1, of_user2] {
            // The users are read, so it runs when they change, though the features may not.
            for (name, features) in [("user1", &of_user1), ("user2", &of_user2)] {
                if users.with(|users| users.contains_key(name)) && features.with(has_beta) {
                    say(format!("{name} has the beta feature"));
                }
            }
        });
        users.mutate(|users| users.extend([("user2", ["premium"].into())]));
        say(format!("user2: {}", described(&of_user2.load())));
        drop(watch);
    });
}
