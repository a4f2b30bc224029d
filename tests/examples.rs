//! The examples tell their stories word for word.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Includes an example, tells its story and compares the lines.
macro_rules! tells {
    ($example:ident, $path:literal, $($line:literal)*) => {
        #[allow(dead_code)]
        #[path = $path]
        mod $example;

        #[test]
        fn $example() {
            use std::sync::{Mutex, PoisonError};
            static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

            let say = |line| LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            until_it_ends($example::story, say);
            let told = LINES.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(*told, [$($line),*]);
        }
    };
}

/// On a thread of its own, so that a hang becomes a failure.
fn until_it_ends(story: fn(fn(String)), say: fn(String)) {
    let (done, ended) = channel::<()>();
    let teller = thread::spawn(move || {
        let _done = done;
        story(say);
    });
    let in_time = ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout);
    assert!(in_time, "the story did not end");
    teller.join().unwrap_or_else(|panic| resume_unwind(panic));
}

tells! { hello, "../examples/hello.rs",
    "the sum is 3"
    "the sum is 12"
    "the sum is 300"
}

tells! { spreadsheet, "../examples/spreadsheet.rs",
    "B2 at first: 21, 4 cells computed"
    "A3 = 301, which B2 does not read now: 21, 0 cells computed"
    "A1 = 2 and A2 = 19, so B1 stays: 21, 4 cells computed"
    "A1 = 0, so B2 reads A3 instead of B1: 301, 3 cells computed"
    "what if A3 were 1000: 1000, and still 301"
    "A1 = B2: a cycle, B2 -> A1 -> B2"
    "A1 = 5, the cycle is open again: 24, 3 cells computed"
}

tells! { build_graph, "../examples/build_graph.rs",
    "first build:       101 parsed, 100 compiled, 1 linked"
    "an edit:           1 parsed, 1 compiled, 1 linked"
    "a comment:         1 parsed, 0 compiled, 0 linked"
    "the header:        1 parsed, 10 compiled, 1 linked"
    "saved, unchanged:  0 parsed, 0 compiled, 0 linked"
    "all files at once: 100 parsed, 100 compiled, 1 linked"
}

tells! { dashboard, "../examples/dashboard.rs",
    "alarm: more than 5 % of the requests fail"
    "20000 requests, 2000 failed, 100 per mille"
    "0 of the watcher's views were torn"
}

tells! { first_steps, "../examples/first_steps.rs",
    "Hello, Alice!"
    "Hello, Bob!"
    "counted to 2"
    "total 120.0"
    "total 125.0"
    "the count is 0"
    "the count is 5"
    "doubled, 10"
}

tells! { feature_flags, "../examples/feature_flags.rs",
    "user1: new_dashboard, dark_mode, beta_feature"
    "user2: nobody by this name"
    "user1 has the beta feature"
    "user1 has the beta feature"
    "user2: new_dashboard, dark_mode"
}

#[cfg(feature = "collections")]
tells! { cache, "../examples/cache.rs",
    "Alice: Public Content, Admin Content"
    "Bob: Public Content"
    "at first: 0 computed before, 2 after"
    "Alice: Public Content, Admin Content"
    "Bob: Public Content"
    "nothing changed: 2 computed before, 2 after"
    "Alice: Public Content, Admin Content"
    "Bob: Public Content, Admin Content"
    "a level: 2 computed before, 3 after"
    "Alice: Public Content, Admin Content, News"
    "Bob: Public Content, Admin Content, News"
    "a content, for all: 3 computed before, 5 after"
}

tells! { rate_limit, "../examples/rate_limit.rs",
    "limit 10"
    "100 calls: limit 10"
    "110 calls: limit 11"
    "20000 calls: limit 1000"
    "a minute later: limit 10"
    r#"{"orders": Closed}"#
    r#"{"orders": Open}"#
    "after 29.9 s: Open"
    r#"{"orders": Closed}"#
    "after 30.0 s: Closed"
}

tells! { configuration, "../examples/configuration.rs",
    "effective DEBUG 30, auth INFO 10"
    "effective DEBUG 60, auth INFO 10"
    "effective TRACE 60, auth INFO 10"
    "database INFO 5"
}

tells! { connection_pool, "../examples/connection_pool.rs",
    "open 3"
    "open 1"
    "close 0 of 12"
    "close 0 of 12"
    "12 idle after 59 s"
    "close 10 of 12"
    "2 idle after 60 s"
}

tells! { pipeline, "../examples/pipeline.rs",
    "{}"
    r#"{"auth": 2}"#
    r#"{"auth": 5}"#
    r#"{"auth": 6}"#
    "alert: auth failed 6 times"
    r#"{"auth": 6, "unknown": 1}"#
    "alert: auth failed 6 times"
}

tells! { system_monitor, "../examples/system_monitor.rs",
    "normal 0 0"
    "normal 60 0"
    "normal 60 68"
    "normal 65 68"
    "warning 65 72"
    "warning 70 72"
    "warning 70 76"
    "warning 75 76"
    "warning 75 80"
    "warning 80 80"
    "warning 80 84"
    "warning 85 84"
    "warning 85 88"
    "in batches:"
    "normal 0 0"
    "normal 60 68"
    "warning 65 72"
    "warning 70 76"
    "warning 75 80"
    "warning 80 84"
    "warning 85 88"
    "critical 90 92"
}

#[cfg(feature = "collections")]
tells! { gateway, "../examples/gateway.rs",
    "at 100 requests 0 are limited"
    "limited: alice, after 101 requests"
    "limited: alice, after 102 requests"
    r#"{"alice": 101, "bob": 1}, {"/x": 101, "/y": 1}"#
    "after 61 s 0 are limited"
    r#"{"alice": 0, "bob": 1}"#
}

tells! { health, "../examples/health.rs",
    "0 healthy, 0 alert"
    "1 healthy, 1 alert"
    "look after server2"
    "1 healthy, 0 alert"
    "75 % is above nobody new"
    "0 healthy, 1 alert"
    "look after server1"
    "silent for 59.9 s"
    "0 healthy, 0 alert"
}

tells! { discount, "../examples/discount.rs",
    "at first: 100, computations: 1"
    "rate 50 %, off: 100, computations: 1"
    "on: 50, computations: 2"
    "rate 25 %: 75, computations: 3"
    "price 200: 150, computations: 4"
    "off: 200, computations: 5"
    "rate 10 %, off: 200, computations: 5"
}

tells! { thermometer, "../examples/thermometer.rs",
    "22.5 C"
    "25.0 C"
    "77.0 F"
    "32.0 F"
    "0.0 C"
}

tells! { job_system, "../examples/job_system/main.rs",
    "spy: Idle"
    "spy: Running"
    "start answers Running"
    "Idle 0"
    "Running 0"
    "Running 1"
    "Running 2"
    "Running 3"
    "Paused 3"
    "Running 3"
    "Running 4"
    "Dead 4"
    "left alone: Dead 100"
    "0 of 300 moved after they were paused"
}

tells! { tour, "../examples/tour.rs",
    "square 1"
    "logged 1"
    "logged 9"
    "adding up"
    "sum 499999500000"
    "sum 499999500000"
    "(0, 0)"
    "(1, 2)"
    "inside 1"
    "refused"
    "inside 2"
}

#[cfg(feature = "collections")]
tells! { containers, "../examples/containers.rs",
    "a = 1 again: "
    "a = 9: value of a, values"
    "b = 9: values"
    "new z: value of z, len, keys, values"
    "remove a: value of a, has a, len, keys, values"
    "remove b: len, keys, values"
    "clear: value of a, has a, len, keys, values"
    "[0] = 10 again: "
    "[0] = 9: [0], values, [0..2]"
    "push 40: [3], last, len, values, [1..]"
    "push 30: [3], len, values, [1..]"
    "insert 5 at 0: [0], [1], [3], len, values, [0..2], [1..], position of 30"
    "pop: last, len, values, [1..], position of 30"
    "remove [0]: [0], [1], len, values, [0..2], [1..], position of 30"
    "reverse: [0], last, values, [0..2], [1..], position of 30"
    "sort: "
    "insert 1 again: "
    "remove 5, which it has not: "
    "insert 9: len, elements, disjoint from 9"
    "remove 1: has 1, len, elements"
    "insert 3 and 4: len, elements"
    "clear: has 1, len, elements"
}

#[cfg(feature = "async")]
tells! { alerts, "../examples/alerts.rs",
    "set"
    "delivered 2: disk is full, fan stands still"
    "0 left"
    "delivered 1: door is open"
    "0 left"
}

#[cfg(feature = "async")]
tells! { async_tasks, "../examples/async_tasks.rs",
    "Hello, Bob!"
    "s = 1"
    "doubled 2"
    "s = 2"
    "doubled 4"
    "made"
    "tick"
    "is a task left? false"
}

#[cfg(feature = "store")]
tells! { store, "../examples/store.rs",
    "users: 1"
    "users: 2"
    r#"user 1 is "Alice" ("admin")"#
    "admins: 1"
    "users: 3"
    "admins: 2"
    r##"config: {"colors":{"primary":"#336699","secondary":"#993366"},"theme":"dark"}"##
    "volume 50, written: false"
    "volume 50, written: true"
    r#"written: [true, false, true], now {"at":3,"id":2}"#
    r#"user 1: none -> "A""#
    r#"user 1: "A" -> "B""#
    "basic /events/1"
    "stats"
    "new stats"
    "/a/b hears, because"
    "doubled Some(42)"
    "squared Some(9)"
    "an empty cart: 0"
    "the cart: 12"
    "comments a post: Some(1.5)"
    "comments a post: Some(2.0)"
    "(1, 1, public)"
    "(2, 1, public)"
    "(2, 2, public)"
    "(2, 2, private)"
    "(i1, 1)"
    "(i1, 10)"
    "(j1, 2)"
    "/api/v1 is idle"
    "/api/v2 is idle"
    "/api/v2 is busy"
}

#[cfg(feature = "store")]
tells! { store_files, "../examples/store_files.rs",
    r##"config/colors/primary.json: "#336699""##
    r##"config/colors/secondary.json: "#993366""##
    r#"config/theme.json: "dark""#
    r#"n/1.5.json: "a half more""#
    r#"n/1.7.json: "more than that""#
    r#""/../outside" has the segment `..`; write the path from the root"#
    r#"left: ["config/theme.json"]"#
    r#"the store: {"persistent":{"important":"on the disk"},"temporary":"in memory"}"#
    "in the backend, at /important: true"
    r#"the store without it: {"temporary":"in memory"}"#
    "before: 0 stored, /b is None"
    "flushed: 1 stored in 1 group"
    "deleted: None, or 50"
    "a default is not a value: false"
}

#[cfg(feature = "watch")]
tells! { live_config, "../examples/live_config.rs",
    "at first: info 1000 100"
    "the site's: info 2000 200"
    "/local is broken: info 2000 200"
    "a buffer of 9000 for requests of at most 2000: info 2000 200"
    "mended: debug 4000 400"
    "0 of the workers' views were torn"
}
