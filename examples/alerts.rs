//! Alerts that are delivered by an async effect. Notice that nothing runs before the executor does,
//! so the empty list is never seen, and that what was delivered is taken off the list.
//!
//! Mended: the original said that the alerts were cleared, and kept them.

use async_executor::Executor;
use futures::executor::block_on;
use isobar::{AsyncEffect, Graph, WhenChanged, signal};
use std::sync::Arc;

async fn deliver(alerts: &[&str], say: fn(String)) {
    say(format!("delivered {}: {}", alerts.len(), alerts.join(", ")));
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let executor = Arc::new(Executor::new());
    let spawner = executor.clone();
    Graph::new().enter(|| {
        let alerts = signal(Vec::<&str>::new());
        let deliveries = AsyncEffect::builder(move |task| spawner.spawn(task).detach(), {
            let alerts = alerts.clone();
            move || {
                let alerts = alerts.clone();
                async move {
                    let waiting = alerts.get();
                    if waiting.is_empty() {
                        return;
                    }
                    deliver(&waiting, say).await;
                    // And not all there are: others may have come meanwhile.
                    alerts.mutate(move |alerts| drop(alerts.drain(..waiting.len())));
                }
            }
        });
        // A delivery that has begun is not broken off for an alert that comes in between.
        let deliveries = deliveries.when_changed(WhenChanged::Finish).build();

        alerts.set(vec!["disk is full", "fan stands still"]);
        say("set".to_owned());
        block_on(executor.run(deliveries.idle()));
        say(format!("{} left", alerts.with(Vec::len)));
        alerts.mutate(|alerts| alerts.push("door is open"));
        block_on(executor.run(deliveries.idle()));
        say(format!("{} left", alerts.with(Vec::len)));
    });
}
