//! The program itself, by the system's clock.

use crate::client::Client;
use crate::site::in_time;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[test]
fn the_program_says_where_it_is_and_ends_on_an_interrupt() {
    in_time(|| async {
        let mut command = Command::new(env!("CARGO_BIN_EXE_job-server"));
        let started = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut program = started.expect("cargo has built the program");
        let stdout = program.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next_line().await.expect("readable").expect("it says something");
        let address = first.strip_prefix("jobs on http://").and_then(|rest| rest.split(',').next());
        let address: Option<SocketAddr> = address.and_then(|address| address.parse().ok());
        let mut client = Client::connect(address.expect("it says where it is")).await;
        let job = client.add_started("by the system's clock").await;
        client.progress(job, 2).await;

        let id = program.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "nothing interrupts here");
        while client.next().await.is_some() {}
        let last = lines.next_line().await.expect("readable");
        assert_eq!(last.as_deref(), Some("ended"));
        assert!(program.wait().await.is_ok_and(|status| status.success()));
    });
}
