//! The graph of a run: sources (machines, series, access logs), the feeds that fill them, and one
//! view derived from all. Everything a reader sees comes from `view` at one revision.

pub(crate) mod alarm;
mod figures;
mod gauge;
pub(crate) mod limit;
mod machine;
mod meter;
mod track;
mod traffic;
mod turnstile;

use std::sync::Arc;

use isobar::{Computed, Graph, Signal};

pub(crate) use self::gauge::Gauge;
pub(crate) use self::machine::{Machine, MachineFeed};
pub(crate) use self::track::Sample;
pub(crate) use self::traffic::{Request, Traffic};
pub(crate) use self::turnstile::Turnstile;

use self::alarm::Alarms;
use self::limit::Limits;
use crate::view::{FeedView, View};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) window: usize,
    pub(crate) busiest: usize,
    pub(crate) limits: Limits,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) graph: Graph,
    pub(crate) alarms: Alarms,
    settings: Settings,
    total: Signal<u64>,
    feeds: Vec<(Arc<str>, Signal<u64>)>,
    machines: Vec<Arc<Machine>>,
    gauges: Vec<Arc<Gauge>>,
    logs: Vec<Arc<Traffic>>,
}

impl Pipeline {
    pub(crate) fn new(settings: Settings) -> Pipeline {
        let graph = Graph::new();
        let total = Signal::builder(0).name("total").graph(&graph).build();
        Pipeline {
            graph,
            alarms: Alarms::default(),
            settings,
            total,
            feeds: Vec::new(),
            machines: Vec::new(),
            gauges: Vec::new(),
            logs: Vec::new(),
        }
    }

    pub(crate) fn add_machine(&mut self, name: &Arc<str>) -> Arc<Machine> {
        let machine = Machine::new(&self.graph, name, self.settings, &self.alarms);
        self.machines.push(Arc::new(machine));
        self.machines[self.machines.len() - 1].clone()
    }

    pub(crate) fn add_gauge(&mut self, name: &Arc<str>) -> Arc<Gauge> {
        let gauge = Gauge::new(&self.graph, name, self.settings, &self.alarms);
        self.gauges.push(Arc::new(gauge));
        self.gauges[self.gauges.len() - 1].clone()
    }

    pub(crate) fn add_traffic(&mut self, name: &Arc<str>) -> Arc<Traffic> {
        let traffic = Traffic::new(&self.graph, name, self.settings, &self.alarms);
        self.logs.push(Arc::new(traffic));
        self.logs[self.logs.len() - 1].clone()
    }

    pub(crate) fn add_feed(&mut self, name: &Arc<str>) -> Turnstile {
        let passed = Signal::builder(0).name(format!("passed {name}")).graph(&self.graph).build();
        self.feeds.push((name.clone(), passed.clone()));
        Turnstile::new(&self.graph, &passed, &self.total)
    }

    /// Derives the view from what was added so far.
    pub(crate) fn view(&self) -> Computed<View> {
        let (total, feeds) = (self.total.clone(), self.feeds.clone());
        let machines: Vec<_> = self.machines.iter().map(|source| source.view.clone()).collect();
        let gauges: Vec<_> = self.gauges.iter().map(|source| source.view.clone()).collect();
        let logs: Vec<_> = self.logs.iter().map(|source| source.view.clone()).collect();
        let body = move || {
            let machines: Vec<_> = machines.iter().map(Computed::get).collect();
            let series: Vec<_> = gauges.iter().map(Computed::get).collect();
            let logs: Vec<_> = logs.iter().map(Computed::get).collect();
            let statuses = (machines.iter().map(|machine| machine.status))
                .chain(series.iter().map(|series| series.status))
                .chain(logs.iter().map(|log| log.status));
            let feed = |(name, passed): &(Arc<str>, Signal<u64>)| FeedView {
                feed: name.clone(),
                samples: passed.get(),
            };
            View {
                status: statuses.max().unwrap_or_default(),
                samples: total.get(),
                feeds: feeds.iter().map(feed).collect(),
                machines,
                series,
                logs,
            }
        };
        Computed::builder(body).name("view").graph(&self.graph).build()
    }
}
