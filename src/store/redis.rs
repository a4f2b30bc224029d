//! The backend that keeps values on a Redis server, for several processes at once.

mod feed;

use super::backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Expected, Notices, Stored,
    Version,
};
use super::path::Path;
use ::redis::{
    Client, Connection, FromRedisValue, ParsingError, RedisError, RedisResult, cmd, pipe,
};
use feed::Feed;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Stores changes and tells of them, all or none. Asked twice with the same turn it answers again
/// what it did, so that a call whose answer was lost can be repeated.
const APPLY: &str = include_str!("redis/apply.lua");

/// The script's keys, in its order, but for the last, which is the client's.
const KEYS: [&str; 4] = ["values", "versions", "version", "changes"];

/// Values on a [Redis](https://redis.io) server, version 5 or newer, shared by several processes.
///
/// Changes given together are stored all or none; each value has a version. What others store is
/// told by a stream on the server that is read on from where it was left when the connection broke:
/// nothing is missed. If the stream was cut short meanwhile, or the server has started anew,
/// everything is loaded again. How long the server keeps what it has answered is a matter of its
/// own configuration (`appendonly`, `appendfsync`).
///
/// A call takes one round trip. No call takes longer than four times the
/// [`timeout`](RedisBuilder::timeout), and what a resolver of names needs. A call that fails is
/// repeated once on a new connection; a change is not stored twice by that.
///
/// With the prefix `app`, the hash `app:values` has the values as JSON by path, `app:versions`
/// their versions, `app:version` the newest one, the stream `app:changes` who changed what, and
/// `app:answer:*` for ten minutes the last answer given to a client. Write to them by this alone,
/// and let the server evict none of them. In a cluster a prefix in braces (`{app}`) keeps them
/// together.
///
/// ```no_run
/// # use isobar::store::Redis;
/// let backend = Redis::builder("redis://:secret@localhost:6379").prefix("app").open()?;
/// # Ok::<(), isobar::store::BackendError>(())
/// ```
pub struct Redis {
    server: Server,
    /// None before the first call, and after one that failed.
    session: Option<Session>,
    /// Tells the server's clients apart, for ever.
    client: String,
    /// How many calls of apply there were.
    turn: u64,
    feed: Option<Feed>,
    /// Of the mount that watches.
    notices: Option<Notices>,
}

/// How to reach a [`Redis`].
pub struct RedisBuilder {
    url: String,
    prefix: String,
    timeout: Duration,
    kept: usize,
}

/// Where the server is, and the names of the keys there.
#[derive(Clone)]
struct Server {
    client: Client,
    prefix: String,
    timeout: Duration,
    kept: usize,
}

/// A connection that knows the script.
struct Session {
    connection: Connection,
    script: String,
}

impl RedisBuilder {
    /// What the keys' names begin with; `isobar` otherwise. Another one is another set of values.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long to wait for the server to be reached, and for each answer; two seconds otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// About how many calls' changes the stream keeps for those who are away; 10,000 otherwise.
    pub fn kept_changes(mut self, calls: usize) -> Self {
        self.kept = calls;
        self
    }

    /// Connects to the server.
    ///
    /// # Errors
    /// [`BackendError::Failed`] with the server's address, never with the password.
    pub fn open(self) -> Result<Redis, BackendError> {
        let client = Client::open(&*self.url)
            .map_err(|error| BackendError::failed("reading the URL of a Redis server", error))?;
        let server = Server { client, prefix: self.prefix, timeout: self.timeout, kept: self.kept };
        let session = server.session().map_err(|error| server.failed("connecting to", error))?;
        Ok(Redis {
            server,
            session: Some(session),
            client: format!("{:016x}", RandomState::new().build_hasher().finish()),
            turn: 0,
            feed: None,
            notices: None,
        })
    }
}

impl Server {
    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Ok(connection)
    }

    fn session(&self) -> RedisResult<Session> {
        let mut connection = self.connect()?;
        let script = cmd("SCRIPT").arg("LOAD").arg(APPLY).query(&mut connection)?;
        Ok(Session { connection, script })
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    fn failed(&self, doing: &str, error: RedisError) -> BackendError {
        let address = self.client.get_connection_info().addr();
        BackendError::failed(format!("{doing} the Redis server {address}"), error)
    }
}

impl Redis {
    /// On a server, by a URL: `redis://:password@host:port/database`, `redis+unix:///socket`. With
    /// a feature for TLS of the crate `redis`, also `rediss://`.
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder {
            url: url.into(),
            prefix: "isobar".into(),
            timeout: Duration::from_secs(2),
            kept: 10_000,
        }
    }

    /// Asks, and asks again on a new connection if that failed: the server may have closed the old
    /// one long ago, or forgotten the script.
    fn ask<R>(&mut self, question: impl Fn(&mut Session) -> RedisResult<R>) -> RedisResult<R> {
        if let Some(session) = &mut self.session {
            match question(session) {
                // A late answer must not be taken for that to another question.
                Err(_) => self.session = None,
                answer => return answer,
            }
        }
        let mut session = self.server.session()?;
        let answer = question(&mut session)?;
        self.session = Some(session);
        Ok(answer)
    }

    /// For the script: its keys, who asks, and four texts for each change.
    fn arguments(&self, changes: &[Change]) -> Vec<String> {
        let mut all: Vec<String> = KEYS.iter().map(|name| self.server.key(name)).collect();
        all.push(self.server.key(&format!("answer:{}", self.client)));
        all.extend([self.client.clone(), self.turn.to_string(), self.server.kept.to_string()]);
        for change in changes {
            all.push(change.path.as_str().to_string());
            all.push(match change.expected {
                Expected::Any => "any".to_string(),
                Expected::Missing => "missing".to_string(),
                Expected::At(version) => version.0.to_string(),
            });
            all.push(if change.value.is_some() { "put" } else { "remove" }.to_string());
            all.push(change.value.as_ref().map_or(String::new(), |value| value.to_string()));
        }
        all
    }

    fn no_path(
        &self,
        name: &[u8],
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> BackendError {
        let name = String::from_utf8_lossy(name);
        BackendError::failed(format!("reading {name:?} in {}", self.server.key("values")), error)
    }
}

impl Backend for Redis {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            versions: true,
            compare_and_set: true,
            watch: true,
            atomic: true,
            durable: true,
        }
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        let (values, versions) = (self.server.key("values"), self.server.key("versions"));
        type Hash = HashMap<Vec<u8>, Vec<u8>>;
        let answer = self.ask(|session| {
            let mut both = pipe();
            both.atomic().cmd("HGETALL").arg(&values).cmd("HGETALL").arg(&versions);
            both.query(&mut session.connection)
        });
        let (values, versions): (Hash, Hash) =
            answer.map_err(|error| self.server.failed("loading from", error))?;
        let mut contents = Contents::default();
        for (name, json) in values {
            let version = versions.get(&name).map(Vec::as_slice);
            match String::from_utf8_lossy(&name).parse() {
                Ok(path) => contents.add(stored(&path, &json, version)),
                Err(error) => contents.broken.push(self.no_path(&name, error)),
            }
        }
        Ok(contents)
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError> {
        let (values, versions) = (self.server.key("values"), self.server.key("versions"));
        let answer = self.ask(|session| {
            let mut both = pipe();
            both.atomic().cmd("HGET").arg(&values).arg(path.as_str());
            both.cmd("HGET").arg(&versions).arg(path.as_str());
            both.query(&mut session.connection)
        });
        let (json, version): (Option<Vec<u8>>, Option<Vec<u8>>) =
            answer.map_err(|error| self.server.failed("reading from", error))?;
        json.map(|json| stored(path, &json, version.as_deref())).transpose()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.turn += 1;
        let arguments = self.arguments(changes);
        let answer = self.ask(|session| {
            let mut call = cmd("EVALSHA");
            call.arg(&session.script).arg(KEYS.len() + 1).arg(&arguments);
            call.query(&mut session.connection)
        });
        match answer {
            Ok(Answer::Stored(first)) => Ok(versions(first, changes)),
            Ok(Answer::Conflict(at)) => {
                Err(ApplyError::Conflict { applied: 0, path: changes[at].path.clone() })
            }
            Err(error) => {
                // Nobody knows whether they were stored; the feed passes over one's own.
                if let Some(notices) = &self.notices {
                    notices.changed(changes.iter().map(|change| change.path.clone()));
                }
                let source = self.server.failed("writing to", error);
                Err(ApplyError::Backend { applied: 0, source })
            }
        }
    }

    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        // One that was read for a mount before ends with this.
        self.feed = None;
        let feed = Feed::start(self.server.clone(), self.client.clone(), notices.clone());
        self.feed = Some(feed?);
        self.notices = Some(notices);
        Ok(())
    }
}

/// What the script answers: the first version given, or which change was expecting another one.
enum Answer {
    Stored(u64),
    Conflict(usize),
}

impl FromRedisValue for Answer {
    fn from_redis_value(answer: ::redis::Value) -> Result<Self, ParsingError> {
        let (word, number): (String, u64) = FromRedisValue::from_redis_value(answer)?;
        match word.as_str() {
            "stored" => Ok(Self::Stored(number)),
            _ => Ok(Self::Conflict(usize::try_from(number).unwrap_or_default())),
        }
    }
}

fn versions(first: u64, changes: &[Change]) -> Vec<Option<Version>> {
    let each = (first..).zip(changes);
    each.map(|(version, change)| change.value.as_ref().map(|_| Version(version))).collect()
}

/// What was not stored by this has no version; it counts as the version 0.
fn stored(path: &Path, json: &[u8], version: Option<&[u8]>) -> Result<Stored, BackendError> {
    let value = serde_json::from_slice(json);
    let value = value.map_err(|error| BackendError::invalid(path.clone(), error))?;
    let version = version.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let version = Some(Version(version.unwrap_or_default()));
    Ok(Stored { path: path.clone(), value: Arc::new(value), version })
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.server.client.get_connection_info().addr().to_string();
        let mut debug = f.debug_struct("Redis");
        debug.field("address", &address).field("prefix", &self.server.prefix);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisBuilder {
    /// Without the URL, which may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
