//! Serves the jobs on the given address, by default on a free port of this machine alone:
//! `cargo run --release -p job-server [ADDRESS]`.

use isobar::Clock;
use job_server::Server;
use std::error::Error;
use std::{env, io};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let bound = Server::bind(&address, &Clock::system()).await;
    let server = bound.map_err(|error| format!("no server on {address}: {error}"))?;
    println!("jobs on http://{}, until Ctrl-C", server.address());
    server.run_until(interrupted()).await?;
    println!("ended");
    Ok(())
}

async fn interrupted() {
    let caught: io::Result<()> = tokio::signal::ctrl_c().await;
    if let Err(error) = caught {
        eprintln!("Ctrl-C cannot be caught, so the server ends now: {error}");
    }
}
