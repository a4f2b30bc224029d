//! Reading what may block for ever (standard input, a named pipe) in a way that a stop ends.
//!
//! A thread of its own opens and reads; it may stay blocked when the run is over, and as it never
//! touches the graph nobody has to wait for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::stop::Stop;

const CHUNK: usize = 64 * 1024;
/// Chunks read ahead.
const AHEAD: usize = 4;

#[derive(Debug)]
pub(crate) struct Piped {
    chunks: Receiver<io::Result<Vec<u8>>>,
    stop: Stop,
    chunk: io::Cursor<Vec<u8>>,
}

impl Piped {
    pub(crate) fn stdin(stop: Stop) -> io::Result<Piped> {
        Piped::start(stop, || Ok(io::stdin()))
    }

    pub(crate) fn open(file: &Path, stop: Stop) -> io::Result<Piped> {
        let file = file.to_owned();
        Piped::start(stop, move || File::open(file))
    }

    fn start<R: Read>(
        stop: Stop,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> io::Result<Piped> {
        let (sender, chunks) = bounded(AHEAD);
        let pump = move || match open() {
            Ok(source) => pump(source, &sender),
            Err(cause) => drop(sender.send(Err(cause))),
        };
        thread::Builder::new().name("pipe".to_owned()).spawn(pump)?;
        Ok(Piped { chunks, stop, chunk: io::Cursor::default() })
    }
}

fn pump(mut source: impl Read, chunks: &Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let next = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk)
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => Err(cause),
        };
        let failed = next.is_err();
        if chunks.send(next).is_err() || failed {
            return;
        }
    }
}

impl Read for Piped {
    /// A stop reads as the end of the input.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.chunk.read(buffer)?;
        if length > 0 || buffer.is_empty() {
            return Ok(length);
        }
        select! {
            recv(self.chunks) -> chunk => match chunk {
                Ok(chunk) => self.chunk = io::Cursor::new(chunk?),
                Err(_) => return Ok(0),
            },
            recv(self.stop.requested()) -> _ => return Ok(0),
            recv(self.stop.due()) -> _ => return Ok(0),
        }
        self.chunk.read(buffer)
    }
}
