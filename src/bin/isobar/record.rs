//! Writing samples down as they are taken. Signals conflate; a recording must not, so frames come
//! here through a channel of their own.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use csv::Writer;

use crate::fault::Fault;
use crate::input::RECORDING_HEADER;
use crate::series::Frame;
use crate::stop::StopSwitch;

pub(crate) struct Recorder {
    file: PathBuf,
    frames: Sender<Frame>,
    thread: JoinHandle<io::Result<u64>>,
}

impl Recorder {
    /// Creates the file at once, so that one that cannot be written is told before sampling.
    pub(crate) fn start(file: &Path, force: bool, switch: StopSwitch) -> Result<Recorder, Fault> {
        let fault = |cause| Fault::Record { file: file.to_owned(), cause };
        if !force && fs::metadata(file).is_ok_and(|file| file.is_file() && file.len() > 0) {
            return Err(Fault::Occupied(file.to_owned()));
        }
        let target = OpenOptions::new().write(true).create(true).truncate(true).open(file);
        let mut writer = Writer::from_writer(target.map_err(fault)?);
        let (frames, received) = unbounded();
        let write = move || {
            let written = write(&mut writer, &received);
            if written.is_err() {
                switch.throw();
            }
            written
        };
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(write);
        Ok(Recorder { file: file.to_owned(), frames, thread: thread.map_err(Fault::Thread)? })
    }

    pub(crate) fn frames(&self) -> Sender<Frame> {
        self.frames.clone()
    }

    /// The rows written. To be called when all other senders of frames are gone.
    pub(crate) fn finish(self) -> Result<u64, Fault> {
        let Recorder { file, frames, thread } = self;
        drop(frames);
        match thread.join() {
            Ok(written) => written.map_err(|cause| Fault::Record { file, cause }),
            Err(_) => Err(Fault::Died("recorder".to_owned())),
        }
    }
}

fn write(writer: &mut Writer<fs::File>, frames: &Receiver<Frame>) -> io::Result<u64> {
    let mut rows = 0;
    writer.write_record(RECORDING_HEADER)?;
    for frame in frames {
        let at = frame.at.to_string();
        for row in &frame.rows {
            writer.write_record([at.as_str(), &row.series, &row.value.to_string()])?;
            rows += 1;
        }
        // A run may be ended by force; what was sampled should be there then.
        if frames.is_empty() {
            writer.flush()?;
        }
    }
    writer.flush()?;
    Ok(rows)
}
