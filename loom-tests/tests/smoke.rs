use isobar::Graph;
#[test]
fn s1() {
    let n = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let n2 = n.clone();
    loom::model(move || {
        n2.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        isobar::protocol::reset();
        let g = Graph::new();
        let (a, b) = (g.signal(0), g.signal(0));
        let n = g.computed({ let (a, b) = (a.clone(), b.clone()); move || { let (x, y) = (a.get(), b.get()); assert_eq!(x, y, "GLITCH"); x * 16 + y } });
        let t = loom::thread::spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || g.batch(|| { a.set(1); b.set(1) }) });
        let x = n.get();
        assert!(x == 0 || x == 17);
        t.join().unwrap();
        assert_eq!(n.get(), 17);
    });
    eprintln!("executions {}", n.load(std::sync::atomic::Ordering::Relaxed));
}
