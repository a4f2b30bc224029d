//! A machine in the graph: a signal for each host series, computeds from there up to its view.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use isobar::{Computed, Effect, Graph, Signal};
use jiff::Timestamp;

use super::Settings;
use super::alarm::Alarms;
use super::figures::{self, Item};
use super::gauge::Gauge;
use super::limit::Status;
use super::meter::{Meter, Motion};
use super::track::Sample;
use super::turnstile::Turnstile;
use crate::series::{Address, Frame, Group, Measure, Row};
use crate::view::{CoreView, DiskView, InterfaceView, LoadView, MachineView, MemoryView};
use crate::view::{ProcessView, SeriesView};

type Key = (Arc<str>, Measure);
type Listing = BTreeMap<Key, Arc<Meter>>;
type GaugeListing = BTreeMap<Arc<str>, Arc<Gauge>>;

#[derive(Debug)]
pub(crate) struct Machine {
    graph: Graph,
    settings: Settings,
    alarms: Alarms,
    /// When the latest frame was taken.
    clock: Signal<Option<Timestamp>>,
    /// By group. A signal of signals: what is listed changes as processes come and go.
    listings: [Signal<Listing>; 5],
    gauges: Signal<GaugeListing>,
    pub(crate) view: Computed<MachineView>,
    _alarms: Vec<Effect>,
}

impl Machine {
    pub(crate) fn new(
        graph: &Graph,
        name: &Arc<str>,
        settings: Settings,
        alarms: &Alarms,
    ) -> Machine {
        let listings = Group::ALL.map(|group| listing(graph, group.word()));
        let gauges = listing(graph, "series");
        let clock = Signal::builder(None).name("clock").graph(graph).build();
        let figures = Figures::new(graph, &listings, &gauges, settings);
        let statuses: [(&str, Computed<Status>); 3] = figures.statuses(graph);
        let watch = |(of, status): &(&str, Computed<Status>)| {
            let clock = clock.clone();
            alarms.watch(graph, &format!("{name} {of}").into(), status, move || clock.peek())
        };
        let effects = statuses.iter().map(watch).collect();
        let view = figures.view(graph, name.clone());
        Machine {
            graph: graph.clone(),
            settings,
            alarms: alarms.clone(),
            clock,
            listings,
            gauges,
            view,
            _alarms: effects,
        }
    }
}

fn listing<K, V>(graph: &Graph, name: &str) -> Signal<BTreeMap<K, V>>
where
    K: Ord + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    Signal::builder(BTreeMap::new()).always().name(name).graph(graph).build()
}

/// The derived half of a machine.
struct Figures {
    cores: Computed<Vec<CoreView>>,
    cpu: Computed<LoadView>,
    memory: Computed<Option<MemoryView>>,
    disks: Computed<Vec<DiskView>>,
    disk_total: Computed<DiskView>,
    network: Computed<Vec<InterfaceView>>,
    busiest: Computed<Vec<ProcessView>>,
    series: Computed<Vec<SeriesView>>,
}

impl Figures {
    fn new(
        graph: &Graph,
        listings: &[Signal<Listing>; 5],
        gauges: &Signal<GaugeListing>,
        settings: Settings,
    ) -> Figures {
        let [cpu_items, memory_items, disk_items, network_items, process_items] = listings.clone();
        let limits = settings.limits;
        let cores = computed(graph, "cores", move || figures::cores(&items(&cpu_items)));
        let of = cores.clone();
        let cpu = computed(graph, "load", move || of.with(|c| figures::load(c, limits.cpu)));
        let body = move || figures::memory(&items(&memory_items), limits.memory);
        let memory = computed(graph, "memory use", body);
        let body = move || figures::disks(&items(&disk_items), limits.disk);
        let disks = computed(graph, "disks", body);
        let of = disks.clone();
        let disk_total = computed(graph, "disk total", move || of.with(|d| figures::disk_total(d)));
        let network =
            computed(graph, "interfaces", move || figures::network(&items(&network_items)));
        let body = move || figures::busiest(&items(&process_items), settings.busiest);
        let busiest = computed(graph, "busiest", body);
        let listed = gauges.clone();
        let body = move || listed.with(|all| all.values().map(|gauge| gauge.view.get()).collect());
        let series = computed(graph, "other series", body);
        Figures { cores, cpu, memory, disks, disk_total, network, busiest, series }
    }

    fn statuses(&self, graph: &Graph) -> [(&'static str, Computed<Status>); 3] {
        let (cpu, memory, disk) = (self.cpu.clone(), self.memory.clone(), self.disk_total.clone());
        let of_memory = |memory: &Option<MemoryView>| memory.as_ref().map(|memory| memory.status);
        let memory_status = move || memory.with(of_memory).unwrap_or_default();
        [
            ("cpu", computed(graph, "cpu status", move || cpu.with(|cpu| cpu.status))),
            ("memory", computed(graph, "memory status", memory_status)),
            ("disk", computed(graph, "disk status", move || disk.with(|disk| disk.status))),
        ]
    }

    fn view(self, graph: &Graph, machine: Arc<str>) -> Computed<MachineView> {
        let body = move || {
            let (cpu, memory, disk_total) =
                (self.cpu.get(), self.memory.get(), self.disk_total.get());
            let series = self.series.get();
            let network = self.network.get();
            let statuses = [cpu.status, disk_total.status]
                .into_iter()
                .chain(memory.as_ref().map(|memory| memory.status))
                .chain(series.iter().map(|series| series.status));
            MachineView {
                machine: machine.clone(),
                status: statuses.max().unwrap_or_default(),
                cpu,
                cores: self.cores.get(),
                memory,
                disk_total,
                disks: self.disks.get(),
                network_total: figures::network_total(&network),
                network,
                busiest: self.busiest.get(),
                series,
            }
        };
        computed(graph, "machine", body)
    }
}

fn computed<T: PartialEq + Send + Sync + 'static>(
    graph: &Graph,
    name: &str,
    body: impl Fn() -> T + Send + Sync + 'static,
) -> Computed<T> {
    Computed::builder(body).name(name).graph(graph).build()
}

/// Reads every meter listed, and the list itself.
fn items(listing: &Signal<Listing>) -> Vec<Item> {
    let listing = listing.load();
    let mut items: Vec<Item> = Vec::new();
    for ((name, measure), meter) in listing.iter() {
        let motion: Motion = meter.motion.get();
        match items.last_mut().filter(|item| item.name == *name) {
            Some(item) => drop(item.motions.insert(*measure, motion)),
            None => items
                .push(Item { name: name.clone(), motions: BTreeMap::from([(*measure, motion)]) }),
        }
    }
    // So that core 10 comes after core 9.
    items.sort_by_key(|item| (item.name.len(), item.name.clone()));
    items
}

/// A producer thread's entrance to a machine.
#[derive(Debug)]
pub(crate) struct MachineFeed {
    turnstile: Turnstile,
    shelf: Shelf,
}

impl MachineFeed {
    pub(crate) fn new(machine: Arc<Machine>, turnstile: Turnstile) -> MachineFeed {
        let meters = Group::ALL.map(|_| HashMap::new());
        MachineFeed { turnstile, shelf: Shelf { machine, meters, gauges: HashMap::new() } }
    }

    pub(crate) fn take(&mut self, frame: &Frame) {
        let MachineFeed { turnstile, shelf } = self;
        turnstile.pass(frame.rows.len() as u64, || shelf.put(frame));
    }
}

/// The series this thread has met, so that a known one costs one look-up.
#[derive(Debug)]
struct Shelf {
    machine: Arc<Machine>,
    meters: [HashMap<String, Arc<Meter>>; 5],
    gauges: HashMap<String, Arc<Gauge>>,
}

impl Shelf {
    fn put(&mut self, frame: &Frame) {
        let at = frame.at;
        self.machine.clock.set(Some(at));
        let Some(group) = frame.group else {
            frame.rows.iter().for_each(|row| self.put_gauge(at, row));
            return;
        };
        frame.rows.iter().for_each(|row| self.put_meter(at, row, group));
        self.drop_absent(frame, group);
    }

    fn put_gauge(&mut self, at: Timestamp, row: &Row) {
        let sample = Sample { at, value: row.value };
        if let Some(gauge) = self.gauges.get(&row.series) {
            return gauge.push(sample);
        }
        let Machine { graph, settings, alarms, gauges, .. } = &*self.machine;
        let name: Arc<str> = row.series.as_str().into();
        let gauge = Arc::new(Gauge::new(graph, &name, *settings, alarms));
        gauge.push(sample);
        self.gauges.insert(row.series.clone(), gauge.clone());
        gauges.mutate(move |listing| drop(listing.insert(name.clone(), gauge.clone())));
    }

    fn put_meter(&mut self, at: Timestamp, row: &Row, group: Group) {
        let sample = Sample { at, value: row.value };
        let meters = &mut self.meters[group as usize];
        if let Some(meter) = meters.get(&row.series) {
            return meter.push(sample);
        }
        let Some(key) = key(&row.series) else { return };
        let Machine { graph, settings, listings, .. } = &*self.machine;
        let meter = Arc::new(Meter::new(graph, &row.series, settings.window, sample));
        meters.insert(row.series.clone(), meter.clone());
        let list = move |listing: &mut Listing| drop(listing.insert(key.clone(), meter.clone()));
        listings[group as usize].mutate(list);
    }

    /// A frame names all there is of its group: what it does not name (a process that ended, a
    /// disk that was pulled) leaves the graph.
    fn drop_absent(&mut self, frame: &Frame, group: Group) {
        let present: HashSet<&str> = frame.rows.iter().map(|row| row.series.as_str()).collect();
        let meters = &mut self.meters[group as usize];
        let absent = meters.extract_if(|series, _| !present.contains(series.as_str()));
        let keys: Vec<Key> = absent.filter_map(|(series, _)| key(&series)).collect();
        if keys.is_empty() {
            return;
        }
        self.machine.listings[group as usize].mutate(move |listing| {
            for key in &keys {
                listing.remove(key);
            }
        });
    }
}

fn key(series: &str) -> Option<Key> {
    Address::parse(series).map(|address| (address.item.into(), address.measure))
}
