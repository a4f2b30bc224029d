//! `dump`, `why`, `stats`, names: what the graph tells about itself without being disturbed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use isobar::{
    Computed, Effect, Graph, Node, NodeKind, Signal, batch, computed, effect, linked, signal,
};

use crate::stage::{Count, Trace, collects_to, in_graph, in_this, says};

/// price, rate → total → receipt
fn shop(runs: &Count) -> (Signal<i32>, Signal<i32>, Computed<i32>, Effect) {
    let price = Signal::builder(100).name("price").build();
    let rate = Signal::builder(20).name("rate").build();
    let (p, r, ran) = (price.clone(), rate.clone(), runs.clone());
    let add = move || {
        ran.tick();
        p.get() + p.get() * r.get() / 100
    };
    let total = Computed::builder(add).name("total").build();
    let shown = total.clone();
    let receipt = Effect::builder(move || _ = shown.get()).name("receipt").build();
    (price, rate, total, receipt)
}

#[test]
fn a_dump_names_every_node_and_edge() {
    in_graph(|g| {
        let _shop = shop(&Count::new());
        let dump = g.dump();
        let dot = dump.to_dot();
        assert!(dot.trim_start().starts_with("digraph"), "{dot}");
        says(&dot, &["price", "rate", "total", "receipt", "->"]);
        let mermaid = dump.to_mermaid();
        says(&mermaid, &["price", "rate", "total", "receipt", "-->"]);
        assert_eq!((dump.nodes.len(), dump.edges.len()), (4, 3));
        assert_eq!(dot.matches("->").count(), 3, "{dot}");
        assert_eq!(mermaid.matches("-->").count(), 3, "{mermaid}");
    });
}

#[test]
fn a_dump_is_json_that_a_program_can_read_whatever_the_names() {
    in_graph(|g| {
        let odd = "quote \" backslash \\ line\nend <&>";
        let s = Signal::builder(1).name(odd).build();
        let source = s.clone();
        let _watch = Effect::builder(move || _ = source.get()).name("é").build();
        let json: serde_json::Value = serde_json::from_str(&g.dump().to_json()).unwrap();
        let names: HashSet<_> = json["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, HashSet::from([odd.to_owned(), "é".to_owned()]));
        assert_eq!(json["edges"].as_array().unwrap().len(), 1);
        assert!(!g.dump().to_dot().contains("quote \" backslash"), "the quote is escaped");
    });
}

#[test]
fn a_dump_neither_evaluates_nor_subscribes() {
    in_graph(|g| {
        let (runs, effects) = (Count::new(), Count::new());
        let s = signal(0);
        let c = computed!([s, runs] { runs.tick(); s.get() });
        let world = g.clone();
        let _watch = effect!([world, effects] { _ = world.dump(); effects.tick(); });
        g.dump();
        assert_eq!(runs.take(), 0);
        c.get();
        s.set(1);
        g.dump();
        assert_eq!((runs.take(), effects.take()), (1, 1));
    });
}

#[test]
fn a_dump_shows_the_edges_of_the_last_run_only() {
    in_graph(|g| {
        let (sw, a, b) = (
            Signal::builder(true).name("switch").build(),
            Signal::builder(1).name("a").build(),
            Signal::builder(2).name("b").build(),
        );
        let _watch = effect!([sw, a, b] _ = if sw.get() { a.get() } else { b.get() });
        sw.set(false);
        assert_eq!(g.dump().edges.len(), 2);
        drop(a);
        assert_eq!(g.dump().nodes.len(), 4, "the closure still holds it");
    });
}

#[test]
fn why_tells_which_signal_made_a_node_change() {
    in_graph(|g| {
        let (price, rate, total, _receipt) = shop(&Count::new());
        rate.set(50);
        let why = total.why();
        assert_eq!(why.revision, g.revision());
        says(why.path.join(" "), &["rate"]);
        assert!(!why.path.join(" ").contains("price"), "{:?}", why.path);
        says(why.to_string(), &["total", "rate"]);
        price.set(200);
        says(total.why().path.join(" "), &["price"]);
    });
}

#[test]
fn why_follows_the_path_through_what_lies_between() {
    in_graph(|_| {
        let s = Signal::builder(1).name("source").build();
        let source = s.clone();
        let middle = Computed::builder(move || source.get() + 1).name("middle").build();
        let below = middle.clone();
        let end = Computed::builder(move || below.get() + 1).name("end").build();
        end.get();
        s.set(2);
        end.get();
        let path = end.why().path.join(" ");
        says(&path, &["source", "middle"]);
        assert!(path.find("source") < path.find("middle"), "from the write to the node: {path}");
    });
}

#[test]
fn the_counters_count_what_ran() {
    in_graph(|g| {
        let runs = Count::new();
        let (price, rate, total, _receipt) = shop(&runs);
        runs.take();
        let before = g.stats();
        price.set(200);
        price.set(200);
        batch(|| {
            price.set(300);
            rate.set(10);
        });
        total.get();
        let after = g.stats();
        assert_eq!(after.commits - before.commits, 2);
        assert_eq!(after.recomputes - before.recomputes, runs.take() as u64);
        assert_eq!(after.effect_runs - before.effect_runs, 2);
        let waves = |s: &isobar::Stats| s.waves_sequential + s.waves_parallel;
        assert_eq!(waves(&after) - waves(&before), 2);
        assert_eq!(after.cutoffs, before.cutoffs);
        batch(|| {
            price.set(330);
            rate.set(0);
        });
        let cut = g.stats();
        assert_eq!(total.get(), 330);
        assert_eq!((cut.cutoffs, cut.effect_runs), (after.cutoffs + 1, after.effect_runs));
    });
}

#[test]
fn private_runs_are_counted_apart() {
    in_graph(|g| {
        let runs = Count::new();
        let (price, _rate, total, _receipt) = shop(&runs);
        let then = g.snapshot();
        price.set(200);
        runs.take();
        let before = g.stats();
        then.get(&total);
        let after = g.stats();
        assert_eq!((runs.take(), after.private_runs - before.private_runs), (1, 1));
        assert_eq!(after.recomputes, before.recomputes);
    });
}

#[test]
fn live_counts_follow_what_is_alive() {
    in_graph(|g| {
        let empty = g.stats();
        let shop = shop(&Count::new());
        let full = g.stats();
        assert_eq!(full.live_effects - empty.live_effects, 1);
        assert_eq!(full.live_edges - empty.live_edges, 3);
        assert!(full.live_nodes - empty.live_nodes >= 3);
        drop(shop);
        let live = |now: isobar::Stats| (now.live_nodes, now.live_edges, now.live_effects);
        collects_to(g, live(empty), || live(g.stats()));
    });
}

#[test]
fn nodes_of_all_kinds_may_be_kept_in_one_list() {
    in_graph(|_| {
        let (price, rate, total, _receipt) = shop(&Count::new());
        let all: Vec<Node> = [price.node(), rate.node(), total.node()].map(Node::clone).to_vec();
        let names: Vec<_> = all.iter().map(|n| n.name().to_string()).collect();
        assert_eq!(names, ["price", "rate", "total"]);
        let kinds: Vec<_> = all.iter().map(Node::kind).collect();
        assert_eq!(kinds, [NodeKind::Signal, NodeKind::Signal, NodeKind::Computed]);
        let ids: HashSet<_> = all.iter().map(Node::id).collect();
        assert_eq!(ids.len(), 3);
        price.set(1);
        assert_eq!(all[0].revision(), Some(price.revision()));
        assert_eq!(price.clone().node().id(), all[0].id());
    });
}

#[test]
fn two_nodes_without_names_can_be_told_apart() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(1));
        assert_ne!(a.name(), b.name());
        assert_eq!(a.name(), a.clone().name());
    });
}

#[test]
fn a_graph_may_be_dumped_while_others_write_to_it() {
    in_graph(|g: &Graph| {
        let s = signal(0);
        let c = computed!([s] s.get());
        let _watch = effect!([c] _ = c.get());
        std::thread::scope(|scope| {
            scope.spawn(|| (1..=500).for_each(|v| s.set(v)));
            for _ in 0..50 {
                let dump = g.dump();
                // What is being evaluated at the moment may show no edges.
                assert_eq!(dump.nodes.len(), 3);
                assert!(dump.edges.len() <= 2);
            }
        });
        assert_eq!(g.dump().edges.len(), 2);
    });
}

#[test]
fn a_dump_on_another_thread_keeps_no_effect_from_running() {
    in_graph(|g: &Graph| {
        let seen = Trace::new();
        let done = AtomicBool::new(false);
        let s = signal(0);
        let _watch = effect!([s, seen] seen.note(s.get()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    g.dump();
                }
            });
            seen.take();
            let late = (1..=3_000).filter(|value| {
                s.set(*value);
                seen.take() != [*value]
            });
            let late = late.count();
            done.store(true, SeqCst);
            assert_eq!(late, 0, "sets returned without their effect having run");
        });
    });
}

#[test]
fn a_dump_of_a_failing_node_is_still_a_dump() {
    in_graph(|g| {
        let seen = Trace::new();
        let s = signal(0);
        let source = s.clone();
        let c = Computed::builder(move || 10 / source.get()).name("broken").build();
        let _watch = effect!([c, seen] seen.note(c.try_get().is_ok()));
        says(g.dump().to_dot(), &["broken"]);
        assert_eq!(seen.take(), [false]);
    });
}

#[test]
fn with_a_history_why_names_the_thread_and_the_place_of_the_write() {
    in_this(
        || Graph::builder().history(10).build(),
        |_| {
            let s = Signal::builder(1).name("s").build();
            let c = s.map(|v| v * 10);
            c.get();
            let writer = std::thread::Builder::new().name("the writer".to_owned());
            let source = s.clone();
            let line = line!() + 1;
            writer.spawn(move || source.set(2)).unwrap().join().unwrap();
            let origin = c.why().origin.expect("the history reaches back to the write");
            assert_eq!(origin.thread, "the writer");
            says(origin.location, &["introspection.rs", &line.to_string()]);
        },
    );
}

#[test]
fn an_origin_is_a_place_in_the_code_of_whoever_wrote() {
    in_this(
        || Graph::builder().history(10).build(),
        |g| {
            let (s, from) = (signal(1), signal(1));
            let l = linked(&s, |v, _| *v);
            let shown = l.map(|v| *v);
            let line_of = |why: isobar::Why| {
                let place = why.origin.expect("the history reaches back to the write").location;
                assert!(place.contains("introspection.rs"), "{place}");
                place.split(':').nth(1).unwrap().parse::<u32>().unwrap()
            };
            g.batch(|| s.set(2));
            assert_eq!(line_of(s.why()), line!() - 1);
            let line = line!() + 1;
            let done = g.transaction(|| {
                s.set(3);
                Ok::<(), ()>(())
            });
            assert_eq!((done, line_of(s.why())), (Ok(()), line));
            l.set(7);
            assert_eq!(line_of(shown.why()), line!() - 1);
            l.update(|v| v + 1);
            assert_eq!(line_of(shown.why()), line!() - 1);
            let _copy = effect!([s, from] s.set(from.get() + 10));
            assert_eq!(line_of(s.why()), line!() - 1);
        },
    );
}

#[test]
fn a_subscription_is_named_after_its_place() {
    in_graph(|g| {
        let s = signal(1);
        let log = s.subscribe(|_| ());
        assert!(log.name().contains("introspection.rs"), "{}", log.name());
        drop((g, log));
    });
}
