//! Status words and the thresholds that lead to them.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    #[default]
    Ok,
    Warn,
    Critical,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Critical => "critical",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) warn: f64,
    pub(crate) critical: f64,
}

impl Limit {
    pub(crate) fn judge(self, figure: f64) -> Status {
        if figure >= self.critical {
            Status::Critical
        } else if figure >= self.warn {
            Status::Warn
        } else {
            Status::Ok
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitName {
    Cpu,
    Memory,
    Disk,
    Errors,
    Deviation,
}

impl LimitName {
    pub(crate) const LIST: &str = "cpu, memory, disk, errors and deviation";

    pub(crate) fn parse(name: &str) -> Option<LimitName> {
        Some(match name {
            "cpu" => LimitName::Cpu,
            "memory" => LimitName::Memory,
            "disk" => LimitName::Disk,
            "errors" => LimitName::Errors,
            "deviation" => LimitName::Deviation,
            _ => return None,
        })
    }
}

/// One limit for each name: percent, but for `deviation`, which counts standard deviations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) cpu: Limit,
    pub(crate) memory: Limit,
    pub(crate) disk: Limit,
    pub(crate) errors: Limit,
    pub(crate) deviation: Limit,
}

impl Limits {
    pub(crate) fn with(chosen: &[(LimitName, Limit)]) -> Limits {
        let busy = Limit { warn: 80.0, critical: 95.0 };
        let mut limits = Limits {
            cpu: busy,
            memory: busy,
            disk: busy,
            errors: Limit { warn: 1.0, critical: 5.0 },
            deviation: Limit { warn: 4.0, critical: 8.0 },
        };
        for (name, limit) in chosen {
            *limits.of(*name) = *limit;
        }
        limits
    }

    fn of(&mut self, name: LimitName) -> &mut Limit {
        match name {
            LimitName::Cpu => &mut self.cpu,
            LimitName::Memory => &mut self.memory,
            LimitName::Disk => &mut self.disk,
            LimitName::Errors => &mut self.errors,
            LimitName::Deviation => &mut self.deviation,
        }
    }
}
