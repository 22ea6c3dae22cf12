//! Stands for the GPU backend in a build without it: finds no adapter, and says which feature brings the backend.
//!
//! It has the names by which others know the backend. What needs an adapter is compiled and never reached, since nobody
//! is given one; so no caller has to know how the program was built.

#[path = "gpu/variant.rs"]
pub mod variant;

use super::{Learner, Model, Settings};
use crate::error::Result;
use crate::examples::{MicroBatch, Scored};
use adapter::missing;
pub use adapter::{Adapter, AdapterSummary, Wanted};
use variant::Variant;

pub mod adapter {
    //! Adapters, of which there are none.

    use super::variant::Abilities;
    use crate::error::{Error, Result};
    pub use crate::learner::adapters::{AdapterSummary, Wanted};

    /// What is said where no adapter is found.
    pub const NONE: &str = "this build has no GPU backend";

    /// What is needed to have one.
    pub const NEEDED: &str = "build with --features gpu";

    /// An adapter.
    #[derive(Debug)]
    pub struct Adapter(());

    /// No adapter.
    pub fn list() -> Vec<AdapterSummary> {
        Vec::new()
    }

    /// Finds none.
    ///
    /// # Errors
    /// Says which feature is missing.
    pub fn find(_: Wanted<'_>) -> Result<Adapter> {
        Err(missing())
    }

    /// What is said where an adapter is needed.
    pub(in crate::learner::gpu) fn missing() -> Error {
        Error::device(format!("{NONE}: {NEEDED}, or run with --device cpu"))
    }

    impl Adapter {
        /// Its name.
        pub fn name(&self) -> String {
            NONE.to_owned()
        }

        /// Whether it is the CPU in disguise.
        pub fn is_software(&self) -> bool {
            true
        }

        /// What it can do that not every adapter can.
        pub fn abilities(&self) -> Abilities {
            Abilities { mapped: false, shared_memory: false, subgroups: false }
        }
    }
}

pub mod many {
    //! Learners side by side.

    use super::adapter::{Adapter, missing};
    use crate::error::Result;
    use crate::learner::many::{Field, ManyLearners};

    /// Opens the learners of a sweep on an adapter.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &Adapter, _: &Field) -> Result<Box<dyn ManyLearners>> {
        Err(missing())
    }
}

pub mod probe {
    //! What a device can do at best.

    use super::adapter::{Adapter, missing};
    use crate::error::Result;

    /// An open device.
    #[derive(Debug)]
    pub struct Probe(());

    impl Probe {
        /// Opens a device.
        ///
        /// # Errors
        /// Always.
        pub fn open(_: &Adapter, _: usize) -> Result<Self> {
            Err(missing())
        }

        /// Bytes that go over at a time.
        pub fn bytes(&self) -> usize {
            0
        }

        /// Whether the host can write what kernels read.
        pub fn is_mappable(&self) -> bool {
            false
        }

        /// Writes by way of a copy.
        ///
        /// # Errors
        /// Always.
        pub fn upload(&mut self, _: &[u8]) -> Result<()> {
            Err(missing())
        }

        /// Writes without a copy.
        ///
        /// # Errors
        /// Always.
        pub fn write_mapped(&mut self, _: &[u8]) -> Result<()> {
            Err(missing())
        }

        /// Waits for nothing.
        ///
        /// # Errors
        /// Always.
        pub fn round_trip(&mut self) -> Result<()> {
            Err(missing())
        }
    }
}

/// Opens the GPU backend on a model.
///
/// # Errors
/// Always.
pub fn open(_: &Adapter, _: Model, _: Settings) -> Result<GpuLearner> {
    Err(missing())
}

/// Opens it to be run in a given way.
///
/// # Errors
/// Always.
pub fn open_as(_: &Adapter, _: Model, _: Settings, _: Variant) -> Result<GpuLearner> {
    Err(missing())
}

/// Opens all of it that can fail.
///
/// # Errors
/// Always.
pub fn prepare_in(_: &Adapter, _: &Model, _: Settings, _: Variant) -> Result<Prepared> {
    Err(missing())
}

/// The same for micro-batches whose hashed features are still to be crossed.
///
/// # Errors
/// Always.
pub fn prepare_to_cross(_: &Adapter, _: &Model, _: Settings) -> Result<Prepared> {
    Err(missing())
}

/// Whether the GPU can make the products of hashed features itself.
pub fn can_cross(_: &Settings) -> bool {
    false
}

/// A device that holds a model.
#[derive(Debug)]
pub struct Prepared(());

impl Prepared {
    /// The learner, on the model that it was prepared with.
    pub fn with(self, _: Model) -> GpuLearner {
        GpuLearner(())
    }
}

/// The learner on the GPU.
#[derive(Debug)]
pub struct GpuLearner(());

impl Learner for GpuLearner {
    fn learn(&mut self, _: MicroBatch) -> Result<()> {
        Err(missing())
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        Err(missing())
    }

    fn finish(&mut self) -> Result<()> {
        Err(missing())
    }

    fn model(&mut self) -> Result<Model> {
        Err(missing())
    }

    fn recycle(&mut self, _: Scored) {}
}
