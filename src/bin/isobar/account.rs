//! What came of all samples: the producers' own counts against the graph's.

use isobar::Stats;

use crate::fault::Fault;
use crate::input::NamedLine;
use crate::producers::Outcome;
use crate::report::{End, Report};

#[derive(Debug, Default)]
pub(crate) struct Account {
    handed_in: u64,
    malformed: u64,
    first_malformed: Vec<NamedLine>,
    recorded: Option<u64>,
    pub(crate) faults: Vec<Fault>,
}

impl Account {
    pub(crate) fn of(outcomes: Vec<Outcome>, recorded: Option<Result<u64, Fault>>) -> Account {
        let mut account = Account::default();
        match recorded {
            Some(Ok(rows)) => account.recorded = Some(rows),
            Some(Err(fault)) => account.faults.push(fault),
            None => {}
        }
        outcomes.into_iter().for_each(|outcome| account.add(outcome));
        account
    }

    fn add(&mut self, outcome: Outcome) {
        let Outcome { handed_in, malformed, fault } = outcome;
        self.handed_in += handed_in;
        self.malformed += malformed.count;
        self.first_malformed.extend(malformed.first);
        self.faults.extend(fault);
    }

    /// In equals counted, and equals recorded where there is a recording.
    pub(crate) fn agrees_with(&self, report: &Report) -> Result<(), Fault> {
        check(report)?;
        let counted = report.view.samples;
        // What a dead thread had handed in is not known.
        if counted == self.handed_in || self.faults.iter().any(|f| matches!(f, Fault::Died(_))) {
            return Ok(());
        }
        Err(Fault::Miscounted { handed_in: self.handed_in, counted })
    }

    pub(crate) fn end(&self, report: &Report, stats: &Stats) -> End {
        let samples_in = self.handed_in;
        let is_over = report.seconds > 0.0;
        End {
            samples_in,
            counted: report.view.samples,
            commits: stats.commits,
            recomputes: stats.recomputes,
            effect_runs: stats.effect_runs,
            samples_per_second: if is_over { samples_in as f64 / report.seconds } else { 0.0 },
            malformed: self.malformed,
            first_malformed: self.first_malformed.clone(),
            recorded: self.recorded,
        }
    }
}

/// Every commit adds to a feed's count and to the total, so no revision shows them apart.
pub(crate) fn check(report: &Report) -> Result<(), Fault> {
    let total = report.view.samples;
    let feeds = report.view.feeds.iter().map(|feed| feed.samples).sum();
    if total == feeds {
        return Ok(());
    }
    Err(Fault::Torn { revision: report.revision, total, feeds })
}
