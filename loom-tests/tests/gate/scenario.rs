//! A scenario: a tiny graph, two or three threads, and what must hold in every interleaving.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How an exploration looks at the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Loads as they are, reclamation oracle on.
    Loads,
    /// Loads as they are, oracle off: its fences cannot stand in for one the code lacks.
    LoadsBare,
    /// Loads as read-modify-writes, oracle on: the interleavings that stock loom skips.
    Rmw,
    /// Loads as read-modify-writes, oracle off.
    RmwBare,
    /// Loads as they are, each beside a read-modify-write of a second atomic: all interleavings
    /// and all values that a load may see; oracle off. Explodes soon, so for small scenarios.
    Shadow,
}

impl Mode {
    pub const ALL: [Mode; 5] =
        [Mode::Loads, Mode::LoadsBare, Mode::Rmw, Mode::RmwBare, Mode::Shadow];

    pub fn name(self) -> &'static str {
        match self {
            Self::Loads => "loads",
            Self::LoadsBare => "loads-bare",
            Self::Rmw => "rmw",
            Self::RmwBare => "rmw-bare",
            Self::Shadow => "shadow",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The variables that src/sync.rs and src/reclaim.rs look at.
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Loads => &[],
            Self::LoadsBare => &["ISOBAR_LOOM_NO_ORACLE"],
            Self::Rmw => &["ISOBAR_LOOM_RMW"],
            Self::RmwBare => &["ISOBAR_LOOM_RMW", "ISOBAR_LOOM_NO_ORACLE"],
            Self::Shadow => &["ISOBAR_LOOM_SHADOW", "ISOBAR_LOOM_NO_ORACLE"],
        }
    }
}

#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// One execution.
    pub run: fn(),
    /// Is it small enough for the mode `Shadow`?
    pub shadow: bool,
    /// The preemptions explored with loads as they are, where 2 would take minutes.
    pub loads_bound: Option<usize>,
    /// The seeded bugs it must catch, and in which mode it does.
    pub kills: &'static [(&'static str, Mode)],
}

impl Scenario {
    pub const fn new(name: &'static str, run: fn()) -> Self {
        Self { name, run, shadow: false, loads_bound: None, kills: &[] }
    }

    pub const fn shadow(self) -> Self {
        Self { shadow: true, ..self }
    }

    pub const fn loads_bound(self, preemptions: usize) -> Self {
        Self { loads_bound: Some(preemptions), ..self }
    }

    pub const fn kills(self, kills: &'static [(&'static str, Mode)]) -> Self {
        Self { kills, ..self }
    }
}

static EXECUTIONS: AtomicU64 = AtomicU64::new(0);

/// Prefixes of what a child tells the gate.
pub const EXPLORED: &str = "explored: ";
pub const FAILED: &str = "failed: ";

/// Ends the process at the first broken claim: no unwinding, which code under test may catch.
pub fn fail(claim: &str) -> ! {
    println!("{FAILED}{claim}");
    println!("{EXPLORED}{}", EXECUTIONS.load(Relaxed));
    std::process::exit(1);
}

macro_rules! claim {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            $crate::scenario::fail(&format!($($text)+));
        }
    };
}
pub(crate) use claim;

/// Panics that a scenario wants, and the engine catches, say this.
pub const EXPECTED: &str = "expected by the scenario";

/// Explores a scenario in this process and ends it.
pub fn explore(scenario: &Scenario, mode: Mode) -> ! {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("a panic that is no text");
        if text != EXPECTED {
            // Loom's own, a deadlock for one, or the oracle's. Unwinding from here would run code
            // of the model outside of it.
            hook(info);
            fail(text.trim().lines().next().unwrap_or_default());
        }
    }));
    let run = scenario.run;
    let model = move || {
        EXECUTIONS.fetch_add(1, Relaxed);
        isobar::protocol::reset();
        run();
    };
    let mut builder = loom::model::Builder::new();
    if let (Mode::Loads | Mode::LoadsBare, Some(bound)) = (mode, scenario.loads_bound) {
        builder.preemption_bound = builder.preemption_bound.map(|asked| asked.min(bound));
    }
    if std::env::var_os("LOOM_LOG").is_some() {
        loom::model(model);
    } else {
        builder.check(model);
    }
    println!("{EXPLORED}{}", EXECUTIONS.load(Relaxed));
    std::process::exit(0);
}
