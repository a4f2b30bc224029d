//! Names of series. A host series is `group/item/measure`, such as `disk/vda/read_bytes`; the
//! sampler writes these names and a replayed recording is understood by them alone.

use std::fmt;

use jiff::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Group {
    Cpu,
    Memory,
    Disk,
    Network,
    Process,
}

impl Group {
    /// In the order of their discriminants, so that an array by group can be indexed by one.
    pub(crate) const ALL: [Group; 5] =
        [Group::Cpu, Group::Memory, Group::Disk, Group::Network, Group::Process];

    /// None: not a host series, so it is shown by itself.
    pub(crate) fn of(series: &str) -> Option<Group> {
        Address::parse(series).map(|address| address.group)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Group::Cpu => "cpu",
            Group::Memory => "memory",
            Group::Disk => "disk",
            Group::Network => "network",
            Group::Process => "process",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Measure {
    BusySeconds,
    TotalBytes,
    AvailableBytes,
    ReadBytes,
    WrittenBytes,
    ReceivedBytes,
    SentBytes,
}

impl Measure {
    fn word(self) -> &'static str {
        match self {
            Measure::BusySeconds => "busy_seconds",
            Measure::TotalBytes => "total_bytes",
            Measure::AvailableBytes => "available_bytes",
            Measure::ReadBytes => "read_bytes",
            Measure::WrittenBytes => "written_bytes",
            Measure::ReceivedBytes => "received_bytes",
            Measure::SentBytes => "sent_bytes",
        }
    }
}

const KNOWN: [(Group, Measure); 9] = [
    (Group::Cpu, Measure::BusySeconds),
    (Group::Memory, Measure::TotalBytes),
    (Group::Memory, Measure::AvailableBytes),
    (Group::Disk, Measure::ReadBytes),
    (Group::Disk, Measure::WrittenBytes),
    (Group::Disk, Measure::BusySeconds),
    (Group::Network, Measure::ReceivedBytes),
    (Group::Network, Measure::SentBytes),
    (Group::Process, Measure::BusySeconds),
];

/// A host series' name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) group: Group,
    pub(crate) item: &'a str,
    pub(crate) measure: Measure,
}

impl<'a> Address<'a> {
    pub(crate) fn parse(series: &'a str) -> Option<Address<'a>> {
        let (group_word, rest) = series.split_once('/')?;
        let (item, measure_word) = rest.rsplit_once('/')?;
        let named = |(group, measure): &&(Group, Measure)| {
            group.word() == group_word && measure.word() == measure_word
        };
        let (group, measure) = *KNOWN.iter().find(named)?;
        (!item.is_empty()).then_some(Address { group, item, measure })
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group.word(), self.item, self.measure.word())
    }
}

/// What one look at a group of series gave: rows of one time, committed together.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) at: Timestamp,
    pub(crate) group: Option<Group>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) series: String,
    pub(crate) value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_survives_printing_and_parsing() {
        for (group, measure) in KNOWN {
            let address = Address { group, item: "7/kworker/0:1", measure };
            assert_eq!(Address::parse(&address.to_string()), Some(address));
        }
    }

    #[test]
    fn what_is_not_exactly_a_host_name_is_another_series() {
        for name in ["", "cpu", "cpu/0", "cpu//busy_seconds", "cpu/0/sent_bytes", "a/b/c"] {
            assert_eq!(Group::of(name), None, "{name}");
        }
    }
}
