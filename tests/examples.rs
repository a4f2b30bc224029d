//! The examples tell their stories word for word.

use std::cell::RefCell;

/// Includes an example, tells its story and compares the lines.
macro_rules! tells {
    ($example:ident, $path:literal, $($line:literal)*) => {
        #[allow(dead_code)]
        #[path = $path]
        mod $example;

        #[test]
        fn $example() {
            $example::story(note);
            assert_eq!(noted(), [$($line),*]);
        }
    };
}

thread_local! {
    /// What was said; effects run on the thread that writes, which is the test's.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(line: String) {
    LINES.with_borrow_mut(|lines| lines.push(line));
}

fn noted() -> Vec<String> {
    LINES.take()
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
    "close what is old: 0 of 12"
    "close what is old: 0 of 12"
    "12 idle after 59 s"
    "close what is old: 12 of 12"
    "open 2"
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
    "limited: alice"
    "limited: alice"
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

tells! { job_system, "../examples/job_system.rs",
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
