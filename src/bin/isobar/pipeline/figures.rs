//! From the movement of host series to the figures of a machine. Pure functions.

use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::Arc;

use super::limit::Limit;
use super::meter::Motion;
use crate::series::Measure;
use crate::view::{CoreView, DiskView, InterfaceView, LoadView, MemoryView, ProcessView};

/// A core, disk, interface or process with all that is measured of it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: Arc<str>,
    pub(crate) motions: BTreeMap<Measure, Motion>,
}

impl Item {
    fn motion(&self, measure: Measure) -> Motion {
        self.motions.get(&measure).copied().unwrap_or_default()
    }

    fn busy(&self) -> Motion {
        self.motion(Measure::BusySeconds)
    }
}

pub(crate) fn cores(items: &[Item]) -> Vec<CoreView> {
    let core = |item: &Item| CoreView {
        core: item.name.clone(),
        percent: share(item.busy().rate),
        average_percent: share(item.busy().mean_rate),
    };
    items.iter().map(core).collect()
}

/// All cores together. Judged by its average: a core is allowed to be busy for a second.
pub(crate) fn load(cores: &[CoreView], limit: Limit) -> LoadView {
    let count = cores.len().max(1) as f64;
    let percent = cores.iter().map(|core| core.percent).sum::<f64>() / count;
    let average_percent = cores.iter().map(|core| core.average_percent).sum::<f64>() / count;
    LoadView { percent, average_percent, status: limit.judge(average_percent) }
}

pub(crate) fn memory(items: &[Item], limit: Limit) -> Option<MemoryView> {
    let item = items.first()?;
    let total = item.motion(Measure::TotalBytes).latest;
    let available = item.motion(Measure::AvailableBytes);
    let percent_used = |available: f64| {
        if total > 0.0 { share(1.0 - available / total) } else { 0.0 }
    };
    let percent = percent_used(available.latest);
    Some(MemoryView {
        used_bytes: total - available.latest,
        total_bytes: total,
        percent,
        average_percent: percent_used(available.mean),
        status: limit.judge(percent),
    })
}

pub(crate) fn disks(items: &[Item], limit: Limit) -> Vec<DiskView> {
    let disk = |item: &Item| {
        let read = item.motion(Measure::ReadBytes);
        let written = item.motion(Measure::WrittenBytes);
        DiskView {
            disk: item.name.clone(),
            read_bytes_per_second: read.rate,
            read_average: read.mean_rate,
            read_bytes: read.growth,
            written_bytes_per_second: written.rate,
            written_average: written.mean_rate,
            written_bytes: written.growth,
            busy_percent: share(item.busy().rate),
            status: limit.judge(share(item.busy().mean_rate)),
        }
    };
    items.iter().map(disk).collect()
}

pub(crate) fn disk_total(disks: &[DiskView]) -> DiskView {
    // `sum` of no disks at all would be -0.
    let sum = |figure: fn(&DiskView) -> f64| disks.iter().map(figure).fold(0.0, Add::add);
    DiskView {
        disk: "total".into(),
        read_bytes_per_second: sum(|disk| disk.read_bytes_per_second),
        read_average: sum(|disk| disk.read_average),
        read_bytes: sum(|disk| disk.read_bytes),
        written_bytes_per_second: sum(|disk| disk.written_bytes_per_second),
        written_average: sum(|disk| disk.written_average),
        written_bytes: sum(|disk| disk.written_bytes),
        busy_percent: disks.iter().map(|disk| disk.busy_percent).fold(0.0, f64::max),
        status: disks.iter().map(|disk| disk.status).max().unwrap_or_default(),
    }
}

pub(crate) fn network(items: &[Item]) -> Vec<InterfaceView> {
    let interface = |item: &Item| {
        let received = item.motion(Measure::ReceivedBytes);
        let sent = item.motion(Measure::SentBytes);
        InterfaceView {
            interface: item.name.clone(),
            received_bytes_per_second: received.rate,
            received_average: received.mean_rate,
            received_bytes: received.growth,
            sent_bytes_per_second: sent.rate,
            sent_average: sent.mean_rate,
            sent_bytes: sent.growth,
        }
    };
    items.iter().map(interface).collect()
}

pub(crate) fn network_total(network: &[InterfaceView]) -> InterfaceView {
    // As above.
    let sum = |figure: fn(&InterfaceView) -> f64| network.iter().map(figure).fold(0.0, Add::add);
    InterfaceView {
        interface: "total".into(),
        received_bytes_per_second: sum(|interface| interface.received_bytes_per_second),
        received_average: sum(|interface| interface.received_average),
        received_bytes: sum(|interface| interface.received_bytes),
        sent_bytes_per_second: sum(|interface| interface.sent_bytes_per_second),
        sent_average: sum(|interface| interface.sent_average),
        sent_bytes: sum(|interface| interface.sent_bytes),
    }
}

/// The `count` processes with the most processor time just now, then on average, then ever.
pub(crate) fn busiest(items: &[Item], count: usize) -> Vec<ProcessView> {
    let mut ranked: Vec<(&Item, Motion)> = items.iter().map(|item| (item, item.busy())).collect();
    ranked.sort_by(|(_, a), (_, b)| {
        let now = b.rate.total_cmp(&a.rate);
        now.then(b.mean_rate.total_cmp(&a.mean_rate)).then(b.latest.total_cmp(&a.latest))
    });
    let process = |(item, busy): &(&Item, Motion)| ProcessView {
        process: item.name.clone(),
        percent: busy.rate * 100.0,
        average_percent: busy.mean_rate * 100.0,
    };
    ranked.iter().take(count).map(process).collect()
}

fn share(fraction: f64) -> f64 {
    fraction.clamp(0.0, 1.0) * 100.0
}
