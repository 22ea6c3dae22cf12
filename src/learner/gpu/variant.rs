//! The ways in which a job can be run on an adapter. They differ in speed alone: every one gives the same bits.
//!
//! It never measures; that is for whoever chooses.

use super::adapter::Adapter;

/// How a job is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// How the steps of micro-batches follow each other.
    pub steps: Steps,
    /// How records come to the device.
    pub upload: Upload,
    /// How the products of a row are added.
    pub sums: Sums,
    /// Rows that the persistent kernel solves at once.
    pub block: Block,
}

/// How the steps of micro-batches follow each other. Record-by-record updates and many learners are always
/// [`Steps::Persistent`]; micro-batches with hashed features of one learner always [`Steps::Dispatched`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// One dispatch for many micro-batches, one workgroup a learner: for few columns and small micro-batches.
    Persistent,
    /// Two to four dispatches a micro-batch over the whole device: for many columns, hashed features, large micro-batches.
    Dispatched,
}

/// How records come to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// Kernels read what the host has written, where it was written.
    Mapped,
    /// The host writes to memory of its own, and a command copies that.
    Copied,
}

/// How the products of a row are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// By exchanging values between threads that run in step.
    Subgroups,
    /// Through memory that the workgroup shares.
    Memory,
}

/// Rows that the persistent kernel solves at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// 32.
    Of32,
    /// 64.
    Of64,
}

impl Block {
    /// The number of rows.
    pub fn rows(self) -> u32 {
        match self {
            Self::Of32 => 32,
            Self::Of64 => 64,
        }
    }
}

impl Variant {
    /// What every adapter can do.
    pub const PLAIN: Self =
        Self { steps: Steps::Persistent, upload: Upload::Copied, sums: Sums::Memory, block: Block::Of32 };

    /// What is likely the best on an adapter without measuring.
    pub fn likely(adapter: &Adapter) -> Self {
        let has = adapter.abilities();
        Self {
            upload: if has.shared_memory { Upload::Mapped } else { Upload::Copied },
            sums: if has.subgroups { Sums::Subgroups } else { Sums::Memory },
            ..Self::PLAIN
        }
    }

    /// All that an adapter can do.
    pub fn all(adapter: &Adapter) -> Vec<Self> {
        let has = adapter.abilities();
        let mut all = Vec::new();
        for steps in [Steps::Persistent, Steps::Dispatched] {
            for upload in [Upload::Copied, Upload::Mapped] {
                for sums in [Sums::Memory, Sums::Subgroups] {
                    for block in [Block::Of32, Block::Of64] {
                        all.push(Self { steps, upload, sums, block });
                    }
                }
            }
        }
        all.retain(|variant| has.can(variant));
        all
    }
}

/// What an adapter can do that not every one can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Kernels can read memory that the host writes.
    pub mapped: bool,
    /// That memory is the device's own, or the device has no other.
    pub shared_memory: bool,
    /// At least 8 threads run in step, and can exchange values.
    pub subgroups: bool,
}

impl Abilities {
    /// Whether it can run a variant.
    pub fn can(self, variant: &Variant) -> bool {
        (self.mapped || variant.upload == Upload::Copied) && (self.subgroups || variant.sums == Sums::Memory)
    }
}
