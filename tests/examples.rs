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
