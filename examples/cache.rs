//! What each user may see, remembered by user. Notice that nothing is computed before it is asked
//! for, and that a change of one user's level computes that user's entry again and no other.
//!
//! Mended: the original claimed the latter and computed the whole map.

use isobar::{Graph, ReactiveMap, computed_by_key};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A title, and the level that its readers need.
type Content = (&'static str, u32);

const CAPACITY: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let users = ReactiveMap::<&str, &str>::new();
        let levels = ReactiveMap::<&str, u32>::new();
        let contents = ReactiveMap::<&str, Content>::new();
        let computed = Arc::new(AtomicU32::new(0));
        let seen_by = computed_by_key(CAPACITY, {
            let (users, levels) = (users.clone(), levels.clone());
            let (contents, computed) = (contents.clone(), computed.clone());
            move |user: &&str| {
                computed.fetch_add(1, Relaxed);
                let level = levels.get(user).unwrap_or(0);
                let contents = contents.load();
                let allowed = contents.values().filter(|(_, needs)| *needs <= level);
                let titles: Vec<_> = allowed.map(|(title, _)| *title).collect();
                format!("{}: {}", users.get(user).unwrap_or("nobody"), titles.join(", "))
            }
        });
        let show = move |when: &str| {
            let so_far = computed.load(Relaxed);
            let lines = ["user1", "user2"].map(|user| seen_by.get(&user));
            lines.into_iter().for_each(say);
            let computed = computed.load(Relaxed);
            say(format!("{when}: {so_far} computed before, {computed} after"));
        };

        users.insert_many([("user1", "Alice"), ("user2", "Bob")]);
        levels.insert_many([("user1", 5), ("user2", 2)]);
        contents.insert_many([("c1", ("Public Content", 1)), ("c2", ("Admin Content", 5))]);
        show("at first");
        show("nothing changed");
        levels.insert("user2", 5);
        show("a level");
        contents.insert("c3", ("News", 1));
        show("a content, for all");
    });
}
