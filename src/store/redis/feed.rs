//! Tells what other clients of the server store.
//!
//! Each entry of the stream names what one call has changed. The entry that was seen last is read
//! again together with what follows it: if it is there, nothing behind it can be missing, since
//! streams are cut from their beginning.

use super::Server;
use crate::store::backend::{BackendError, Notices};
use crate::store::path::Path;
use ::redis::{Connection, RedisError, RedisResult, Value, cmd};
use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How long the server may keep us waiting for something new, in milliseconds.
const BLOCK: u64 = 500;
/// How many entries are read at once.
const BATCH: usize = 512;
/// The first and the longest pause between two attempts to reach the server.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// Reads until it is dropped.
pub(super) struct Feed {
    /// Closed by the drop; nothing is ever sent.
    _stop: Sender<()>,
}

struct Reading {
    server: Server,
    /// Whose changes need not be told.
    client: String,
    notices: Notices,
    stop: Receiver<()>,
    /// The entry that was seen last.
    last: String,
    /// The server's name for its present life.
    run: String,
    /// Before the next attempt to reach the server.
    pause: Duration,
}

type Entry = (String, HashMap<String, String>);

impl Feed {
    /// Whatever is stored after this returned will be told.
    pub(super) fn start(
        server: Server,
        client: String,
        notices: Notices,
    ) -> Result<Self, BackendError> {
        let (sender, stop) = mpsc::channel();
        let (last, run) = (String::new(), String::new());
        let pause = PAUSES[0];
        let mut reading = Reading { server, client, notices, stop, last, run, pause };
        let connection = reading.connect().and_then(|mut connection| {
            reading.run = run_of(&mut connection)?;
            reading.last = reading.newest(&mut connection)?;
            Ok(connection)
        });
        let connection = connection.map_err(|error| reading.failed(error))?;
        let thread = thread::Builder::new().name("isobar-redis".into());
        let spawned = thread.spawn(move || reading.follow(connection));
        spawned.map_err(|error| BackendError::failed("starting a thread", error))?;
        Ok(Self { _stop: sender })
    }
}

impl Reading {
    fn follow(mut self, mut connection: Connection) {
        loop {
            match self.read_on(&mut connection) {
                Ok(()) => return,
                Err(error) => self.notices.failed(self.failed(error)),
            }
            match self.reconnect() {
                Some(new) => connection = new,
                None => return,
            }
        }
    }

    /// Until it is over.
    fn read_on(&mut self, connection: &mut Connection) -> RedisResult<()> {
        while !self.is_over(Duration::ZERO) {
            let mut wait = cmd("XREAD");
            wait.arg("COUNT").arg(1).arg("BLOCK").arg(BLOCK);
            wait.arg("STREAMS").arg(self.server.key("changes")).arg(&self.last);
            wait.query::<Value>(connection)?;
            let mut range = cmd("XRANGE");
            range.arg(self.server.key("changes")).arg(&self.last).arg("+");
            let entries: Vec<Entry> = range.arg("COUNT").arg(BATCH).query(connection)?;
            match entries.split_first() {
                Some(((seen, _), new)) if *seen == self.last => self.tell(new),
                _ => self.begin_anew(connection)?,
            }
            self.pause = PAUSES[0];
        }
        Ok(())
    }

    fn tell(&mut self, entries: &[Entry]) {
        let Some((last, _)) = entries.last() else { return };
        self.last.clone_from(last);
        let mut paths = BTreeSet::new();
        for (_, fields) in entries {
            if fields.get("client") == Some(&self.client) {
                continue;
            }
            match paths_of(fields) {
                Some(found) => paths.extend(found),
                // Written by somebody else; it may mean anything.
                None => return self.notices.missed(),
            }
        }
        if !paths.is_empty() {
            self.notices.changed(paths);
        }
    }

    /// Everything has to be loaded again, and read on from before that.
    fn begin_anew(&mut self, connection: &mut Connection) -> RedisResult<()> {
        self.last = self.newest(connection)?;
        self.notices.missed();
        Ok(())
    }

    /// The newest entry, or one that is made to be it.
    fn newest(&self, connection: &mut Connection) -> RedisResult<String> {
        let key = self.server.key("changes");
        let mut range = cmd("XREVRANGE");
        range.arg(&key).arg("+").arg("-").arg("COUNT").arg(1);
        let entries: Vec<Entry> = range.query(connection)?;
        match entries.into_iter().next() {
            Some((id, _)) => Ok(id),
            None => {
                let mut add = cmd("XADD");
                add.arg(&key).arg("*").arg("client").arg(&self.client).arg("paths").arg("[]");
                add.query(connection)
            }
        }
    }

    /// Tries until it succeeds; none if it is over.
    fn reconnect(&mut self) -> Option<Connection> {
        while !self.is_over(self.pause) {
            self.pause = (self.pause * 2).min(PAUSES[1]);
            if let Ok(connection) = self.resume() {
                return Some(connection);
            }
        }
        None
    }

    /// A server that has begun a new life may have lost what it answered at the end of the last.
    fn resume(&mut self) -> RedisResult<Connection> {
        let mut connection = self.connect()?;
        let run = run_of(&mut connection)?;
        if run != self.run {
            self.begin_anew(&mut connection)?;
            self.run = run;
        }
        Ok(connection)
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.server.connect()?;
        let wait = self.server.timeout + Duration::from_millis(BLOCK);
        connection.set_read_timeout(Some(wait))?;
        Ok(connection)
    }

    /// Is it over, or within so long? The drop of the backend is noticed at once.
    fn is_over(&self, wait: Duration) -> bool {
        let told = self.stop.recv_timeout(wait);
        told != Err(RecvTimeoutError::Timeout) || self.notices.is_over()
    }

    fn failed(&self, error: RedisError) -> BackendError {
        self.server.failed("reading the changes of", error)
    }
}

fn paths_of(fields: &HashMap<String, String>) -> Option<Vec<Path>> {
    let texts: Vec<String> = serde_json::from_str(fields.get("paths")?).ok()?;
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn run_of(connection: &mut Connection) -> RedisResult<String> {
    let text: String = cmd("INFO").arg("server").query(connection)?;
    let run = text.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(run.unwrap_or_default().to_string())
}
