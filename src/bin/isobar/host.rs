//! This machine, read from /proc: one frame of counters a look, a group at a time.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use procfs::prelude::*;
use procfs::process::all_processes_with_root;
use procfs::{CpuTime, DiskStats, KernelStats, Meminfo, ProcError, ProcResult};
use procfs::{current_system_info, ticks_per_second};

use crate::fault::Fault;
use crate::series::{Address, Frame, Group, Measure, Row};

/// Sectors are counted in this size, whatever the disk's own.
const SECTOR: f64 = 512.0;
/// Devices made of others, or of nothing: their bytes are counted elsewhere, or never reach a disk.
const VIRTUAL_DISKS: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];

#[derive(Clone, Debug)]
pub(crate) struct Host {
    proc: PathBuf,
}

impl Host {
    /// Takes one look at the group that every /proc has, so that its absence is told at once.
    pub(crate) fn open(proc: &Path) -> Result<Host, Fault> {
        let host = Host { proc: proc.to_owned() };
        host.look(Group::Cpu)?;
        Ok(host)
    }

    pub(crate) fn look(&self, group: Group) -> Result<Frame, Fault> {
        let rows = match group {
            Group::Cpu => self.cores(),
            Group::Memory => self.memory(),
            Group::Disk => absent_is_empty(self.disks()),
            Group::Network => absent_is_empty(self.network()),
            Group::Process => self.processes(),
        };
        let rows = rows.map_err(|cause| self.no_proc(&cause))?;
        Ok(Frame { at: Timestamp::now(), group: Some(group), rows })
    }

    fn cores(&self) -> ProcResult<Vec<Row>> {
        let stat = KernelStats::from_file(self.proc.join("stat"), current_system_info())?;
        let core = |(core, time): (usize, &CpuTime)| {
            let busy = time.user + time.nice + time.system;
            let interrupted = [time.irq, time.softirq, time.steal].into_iter().flatten();
            let ticks = busy + interrupted.sum::<u64>();
            row(Group::Cpu, &core.to_string(), Measure::BusySeconds, seconds(ticks))
        };
        Ok(stat.cpu_time.iter().enumerate().map(core).collect())
    }

    fn memory(&self) -> ProcResult<Vec<Row>> {
        let memory = Meminfo::from_file(self.proc.join("meminfo"))?;
        // Kernels before 3.14 do not say what is available.
        let available = memory.mem_available.unwrap_or(memory.mem_free + memory.cached);
        let row = |measure, bytes: u64| row(Group::Memory, "ram", measure, bytes as f64);
        Ok(vec![
            row(Measure::TotalBytes, memory.mem_total),
            row(Measure::AvailableBytes, available),
        ])
    }

    fn disks(&self) -> ProcResult<Vec<Row>> {
        let DiskStats(devices) = DiskStats::from_file(self.proc.join("diskstats"))?;
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        let disks = devices.iter().filter(|device| is_disk(&device.name, &names));
        let rows = disks.flat_map(|disk| {
            let row = |measure, figure| row(Group::Disk, &disk.name, measure, figure);
            [
                row(Measure::ReadBytes, disk.sectors_read as f64 * SECTOR),
                row(Measure::WrittenBytes, disk.sectors_written as f64 * SECTOR),
                row(Measure::BusySeconds, disk.time_in_progress as f64 / 1e3),
            ]
        });
        Ok(rows.collect())
    }

    fn network(&self) -> ProcResult<Vec<Row>> {
        let status = procfs::net::InterfaceDeviceStatus::from_file(self.proc.join("net/dev"))?;
        // What a machine sends itself is no traffic.
        let outward = status.0.into_values().filter(|interface| interface.name != "lo");
        let used = outward.filter(|interface| interface.recv_bytes + interface.sent_bytes > 0);
        let rows = used.flat_map(|interface| {
            let row =
                |measure, bytes: u64| row(Group::Network, &interface.name, measure, bytes as f64);
            [
                row(Measure::ReceivedBytes, interface.recv_bytes),
                row(Measure::SentBytes, interface.sent_bytes),
            ]
        });
        Ok(rows.collect())
    }

    fn processes(&self) -> ProcResult<Vec<Row>> {
        // A process that ends while it is looked at is no error, and in the next frame it is gone.
        let stats = all_processes_with_root(&self.proc)?
            .filter_map(|process| process.and_then(|process| process.stat()).ok());
        let rows = stats.map(|stat| {
            let item = format!("{}/{}", stat.pid, printable(&stat.comm));
            let busy = seconds(stat.utime + stat.stime);
            row(Group::Process, &item, Measure::BusySeconds, busy)
        });
        Ok(rows.collect())
    }

    fn no_proc(&self, cause: &ProcError) -> Fault {
        Fault::NoProc { proc: self.proc.clone(), cause: cause.to_string() }
    }
}

fn row(group: Group, item: &str, measure: Measure, value: f64) -> Row {
    Row { series: Address { group, item, measure }.to_string(), value }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / ticks_per_second() as f64
}

/// Some machines (containers, virtual ones) have no disks or no network to tell about.
fn absent_is_empty(rows: ProcResult<Vec<Row>>) -> ProcResult<Vec<Row>> {
    match rows {
        Err(ProcError::NotFound(_)) => Ok(Vec::new()),
        rows => rows,
    }
}

/// A whole disk: not a virtual one, and no partition of another (`sda1` of `sda`).
fn is_disk(name: &str, all: &[&str]) -> bool {
    let is_virtual = VIRTUAL_DISKS.iter().any(|prefix| name.starts_with(prefix));
    let is_partition = all.iter().any(|disk| {
        let number = name.strip_prefix(disk).map(|rest| rest.strip_prefix('p').unwrap_or(rest));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    });
    !is_virtual && !is_partition
}

/// A process may call itself anything, a line break included; a recording is one line a sample.
fn printable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_virtual_devices_are_no_disks() {
        let all = ["sda", "sda1", "nvme0n1", "nvme0n1p2", "loop0", "dm-0", "vda", "sdaa"];
        let disks: Vec<&str> = all.into_iter().filter(|name| is_disk(name, &all)).collect();
        assert_eq!(disks, ["sda", "nvme0n1", "vda", "sdaa"]);
    }
}
