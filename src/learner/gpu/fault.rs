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

/// The device, or a mapping of its memory, is gone.
pub(super) fn lost(message: &str) -> String {
    let cause = if message.is_empty() { "no reason given" } else { message };
    format!(
        "the GPU was lost ({cause}), and with it what this run has learned; a run cannot continue on the CPU yet: \
         run it again with --device cpu, or on another adapter (see `tidemill devices`)"
    )
}

fn describe(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => {
            "the GPU is out of memory: lower --hash-bits or --batch, or run with --device cpu".into()
        }
        wgpu::Error::Validation { description, .. } => {
            format!("the GPU refused a command, which is a fault of this program; run with --device cpu: {description}")
        }
        wgpu::Error::Internal { description, .. } => {
            format!("the GPU driver failed: update it, or run with --device cpu: {description}")
        }
    }
}
