//! Takes what the driver reports at any moment; gives it as an error at the next call, with what to do.
//!
//! It never panics: without these callbacks wgpu would.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

/// The first failure that a device has reported, if any.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Option<String>>>);

impl Faults {
    /// Listens to a device.
    pub fn watch(device: &wgpu::Device) -> Self {
        let faults = Self::default();
        let of_errors = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| of_errors.note(describe(&error))));
        let of_loss = faults.clone();
        device.set_device_lost_callback(move |_, message| of_loss.note(lost(&message)));
        faults
    }

    /// Fails if the device has reported a failure since it was opened.
    pub fn check(&self) -> Result<()> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(Error::device(message.clone())),
            None => Ok(()),
        }
    }

    /// Keeps a failure, unless there is an earlier one: later ones mostly follow from the first.
    fn note(&self, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }
}

/// The device, or a mapping of its memory, is gone. Whoever has another copy of the model can go on with that (see
/// [`crate::learner::failover`]), so the text says nothing of what is lost with the device.
pub(super) fn lost(message: &str) -> String {
    let cause = if message.is_empty() { "no reason given" } else { message };
    format!(
        "the GPU was lost: {cause}; see the system's log, update its driver, or run with --device cpu or on another \
         adapter (see `tidemill devices`)"
    )
}

fn describe(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => OUT_OF_MEMORY.into(),
        wgpu::Error::Validation { description, .. } => {
            format!("the GPU refused a command, which is a fault of this program; run with --device cpu: {description}")
        }
        wgpu::Error::Internal { description, .. } => {
            format!("the GPU driver failed: update it, or run with --device cpu: {description}")
        }
    }
}

/// A table takes 8 bytes a weight and another 16 or 24 for the sums of its gradients; the rest goes by the micro-batch.
const OUT_OF_MEMORY: &str = "the GPU is out of memory: lower --hash-bits (one less halves the table) or --batch, close \
                             what else uses the GPU, or run with --device cpu";

#[cfg(test)]
impl Faults {
    /// What a driver reports that has no more memory to give.
    pub fn run_out_of_memory(&self) {
        self.note(describe(&wgpu::Error::OutOfMemory { source: "made up".into() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told_with_what_to_do() {
        let faults = Faults::default();
        assert!(faults.check().is_ok());
        faults.run_out_of_memory();
        faults.note(lost(""));
        let message = faults.check().unwrap_err().to_string();
        for word in ["out of memory", "--hash-bits", "--batch", "--device cpu"] {
            assert!(message.contains(word), "{message}");
        }
        let message = lost("");
        assert!(message.contains("no reason given") && message.contains("--device cpu"), "{message}");
    }
}
