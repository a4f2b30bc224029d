//! The `isobar` program: a metrics pipeline on real input, and the first real job of the engine.

mod account;
mod args;
#[cfg(feature = "bench")]
mod bench;
mod fault;
#[cfg(target_os = "linux")]
mod host;
#[cfg(not(target_os = "linux"))]
#[path = "host_absent.rs"]
mod host;
mod input;
mod pipeline;
mod present;
mod producers;
mod record;
mod report;
mod sampler;
mod series;
mod stop;
mod view;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Command};
use crate::fault::Fault;

fn main() -> ExitCode {
    let ended = match Cli::try_parse() {
        Ok(Cli { command: Command::Watch(args) }) => watch::watch(&args),
        Ok(Cli { command: Command::Record(args) }) => watch::record(&args),
        #[cfg(feature = "bench")]
        Ok(Cli { command: Command::Bench(options) }) => bench::bench(&options),
        Err(refusal) => refuse(&refusal),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Standard error may be closed; the exit code tells all the same.
            let _ = writeln!(std::io::stderr(), "isobar: {fault}");
            ExitCode::from(fault.exit_code())
        }
    }
}

/// Help goes out as it is, a usage error as one line.
fn refuse(refusal: &clap::Error) -> Result<(), Fault> {
    if !refusal.use_stderr() {
        return match refusal.print() {
            Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Fault::Output(cause))
            }
            _ => Ok(()),
        };
    }
    if refusal.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let more = if cfg!(feature = "bench") { " or bench" } else { "" };
        return Err(Fault::Usage(format!("name a command: watch or record{more}")));
    }
    let text = refusal.to_string();
    let message: Vec<&str> = text.lines().map_while(paragraph_line).collect();
    let message = message.join(" ");
    Err(Fault::Usage(message.strip_prefix("error: ").unwrap_or(&message).to_owned()))
}

/// None at the blank line after the first paragraph; what follows is tips and usage.
fn paragraph_line(line: &str) -> Option<&str> {
    Some(line.trim()).filter(|line| !line.is_empty())
}
