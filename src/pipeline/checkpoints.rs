//! Checkpoints of a run: takes the engine's state when one is due, gives it to a thread that writes it beside the stream.
//!
//! ```text
//! engine --state, rejected--> writer --predictions--> keeper --file-->
//!    ^-------------------------- the same buffers ------'
//! ```
//!
//! The engine stands still only while it copies its state. There is one set of buffers: while it is being written, the
//! next checkpoint waits, and the stream does not.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::outlet::EngineSink;
use crate::checkpoint::{Checkpoint, Header, Store};
use crate::config::Every;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::output::Unsynced;
use crate::snapshot::State;

/// The engine's end: knows when a checkpoint is due, and takes it.
pub(super) struct Checkpoints {
    every: Every,
    /// What does not change from one to the next.
    header: Header,
    /// What learned at first.
    device: String,
    started: Instant,
    last: Last,
    states: Receiver<State>,
}

/// The last one that was taken.
struct Last {
    records: u64,
    at: Instant,
}

/// A checkpoint that still has to pass the outputs.
pub(super) struct Pending {
    /// What it holds.
    pub checkpoint: Checkpoint,
    /// Outputs that must be on the disk before it.
    pub outputs: Vec<Unsynced>,
}

/// The end that writes.
pub(super) struct Keeper {
    store: Store,
    pending: Receiver<Pending>,
    states: Sender<State>,
}

/// Both ends of a run's checkpoints, and the channel from the outputs to the second.
pub(super) fn connect(every: Every, header: Header, store: Store) -> (Checkpoints, Keeper, Sender<Pending>) {
    let (states_in, states) = bounded(1);
    let (to_keeper, pending) = bounded(1);
    let _ = states_in.try_send(State::default()); // there is room for exactly this one
    let now = Instant::now();
    let last = Last { records: header.records, at: now };
    let device = header.device.clone();
    let checkpoints = Checkpoints { every, header, device, started: now, last, states };
    (checkpoints, Keeper { store, pending, states: states_in }, to_keeper)
}

impl Checkpoints {
    /// Takes a checkpoint if one is due and the one before it has been written.
    pub fn take_if_due(&mut self, engine: &mut Engine, sink: &mut EngineSink) -> Result<()> {
        if !self.is_due(engine.counts().records) {
            return Ok(());
        }
        match self.states.try_recv() {
            Ok(state) => self.take(state, engine, sink),
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(keeper_gone()),
        }
    }

    /// Takes the last one of a run, after waiting for the one before it.
    pub fn take_last(&mut self, engine: &mut Engine, sink: &mut EngineSink) -> Result<()> {
        let state = self.states.recv().map_err(|_| keeper_gone())?;
        self.take(state, engine, sink)
    }

    fn is_due(&self, records: u64) -> bool {
        let new = records - self.last.records;
        match self.every {
            Every::Records(most) => new >= most,
            Every::Time(longest) => new > 0 && self.last.at.elapsed() >= longest,
        }
    }

    fn take(&mut self, mut state: State, engine: &mut Engine, sink: &mut EngineSink) -> Result<()> {
        engine.save(&mut state, sink)?;
        let records = engine.counts().records;
        if let Some(lost) = engine.lost_device() {
            self.header.device = format!("{}, then {}", self.device, lost.then);
        }
        let header = Header {
            records,
            log_loss: engine.metrics().total.log_loss.mean().filter(|loss| loss.is_finite()),
            elapsed_s: self.header.elapsed_s + self.started.elapsed().as_secs_f64(),
            ..self.header.clone()
        };
        self.last = Last { records, at: Instant::now() };
        sink.mark(Pending { checkpoint: Checkpoint { header, state }, outputs: Vec::new() })
    }
}

impl Keeper {
    /// Writes until the run has no more; gives the last one's file.
    pub fn run(self) -> Result<Option<PathBuf>> {
        let mut newest = None;
        for Pending { checkpoint, outputs } in &self.pending {
            // Else a power cut could leave a checkpoint that counts more of an output than there is.
            outputs.iter().try_for_each(Unsynced::sync)?;
            newest = Some(self.store.write(&checkpoint)?);
            // The engine may have ended.
            let _ = self.states.try_send(checkpoint.state);
        }
        Ok(newest)
    }
}

/// The error that a run under way ended with, and what its checkpoints have kept of it.
pub(super) fn with_what_is_kept(error: Error, folder: &Path) -> Error {
    let advice = match crate::checkpoint::store::newest_name(folder) {
        Some(newest) => format!(
            "nothing is lost up to the checkpoint {}: mend this, then go on with the same command and --resume",
            newest.display()
        ),
        None => "there is no checkpoint yet: mend this, then give the same command again, with --resume".into(),
    };
    Error::new(error.kind(), format!("{error}; {advice}"))
}

/// Stands in for the keeper's own error.
fn keeper_gone() -> Error {
    Error::new(ErrorKind::Output, "the checkpoint could not be written")
}
