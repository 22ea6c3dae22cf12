//! Takes nothing but the machine it runs on; gives its adapters: listed, found by number or name, opened as a device.
//!
//! It never chooses for the user between a GPU and the CPU; that is [`crate::learner::device`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::fault::{Faults, lost};
use super::variant::Abilities;
use crate::error::{Error, Result};
pub use crate::learner::adapters::{AdapterSummary, Wanted};

/// How long a submit may take before the device is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Features that are used where an adapter has them.
const WELCOME: wgpu::Features = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS.union(wgpu::Features::SUBGROUP);

/// What is said where no adapter is found.
pub const NONE: &str = "no GPU was found";

/// What a machine needs to have one.
pub const NEEDED: &str = "Vulkan (on Linux: a driver such as mesa-vulkan-drivers or the vendor's, and libvulkan1), Metal or \
                          DX12 is needed";

/// An adapter that was found and not opened yet.
#[derive(Debug)]
pub struct Adapter {
    adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

/// An open device.
#[derive(Debug)]
pub(super) struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub faults: Faults,
    pub limits: wgpu::Limits,
    /// The adapter's name, for messages.
    pub name: String,
    /// Whether it is the CPU in disguise.
    pub is_software: bool,
}

/// Every adapter of this machine, in the order of their numbers.
pub fn list() -> Vec<AdapterSummary> {
    all().iter().enumerate().map(|(index, adapter)| summary(index, adapter)).collect()
}

/// Finds an adapter.
///
/// # Errors
///
/// Says what to install where there is no adapter, and what there is where none of them is the one wanted.
pub fn find(wanted: Wanted<'_>) -> Result<Adapter> {
    let mut adapters = all();
    if adapters.is_empty() {
        return Err(Error::device(format!("{NONE}: {}; or run with --device cpu", advice())));
    }
    let place = match wanted {
        Wanted::Best => best(&adapters),
        Wanted::Named(name) => named(name, &adapters)?,
    };
    let adapter = adapters.swap_remove(place);
    Ok(Adapter { info: adapter.get_info(), adapter })
}

impl Adapter {
    /// Its name and the interface it is driven through, such as `NVIDIA H200 (Vulkan)`.
    pub fn name(&self) -> String {
        format!("{} ({:?})", self.info.name, self.info.backend)
    }

    /// Whether it is the CPU in disguise.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// What it can do that not every adapter can.
    pub fn abilities(&self) -> Abilities {
        let features = self.adapter.features();
        let mapped = features.contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let one_memory = matches!(self.info.device_type, wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::Cpu);
        Abilities {
            mapped,
            shared_memory: mapped && one_memory,
            // With fewer threads in step than share a row, a row's sum would be torn.
            subgroups: features.contains(wgpu::Features::SUBGROUP) && self.info.subgroup_min_size >= 8,
        }
    }

    /// Opens it with the largest buffers it has: how many features a micro-batch will hold is not known beforehand.
    pub(super) fn open(&self) -> Result<Device> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("tidemill"),
            required_features: self.adapter.features() & WELCOME,
            required_limits: limits(&self.adapter.limits()),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(self.adapter.request_device(&descriptor)).map_err(|cause| {
            let message = format!(
                "{} cannot be opened: update its driver, close what else uses it, or run with --device cpu",
                self.name()
            );
            Error::device(message).because(cause)
        })?;
        let (faults, limits) = (Faults::watch(&device), device.limits());
        Ok(Device { device, queue, faults, limits, name: self.name(), is_software: self.is_software() })
    }
}

impl Device {
    /// Waits for a submit.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) })
    }

    /// Lets the driver say what is done, without waiting.
    pub fn turn(&self) -> Result<()> {
        self.poll(wgpu::PollType::Poll)
    }

    fn poll(&self, how: wgpu::PollType) -> Result<()> {
        // A device that is known to be lost is not polled: wgpu 30 panics then.
        self.faults.check()?;
        // It also panics in the very poll that finds the device lost, which nobody can foresee: that panic is caught, and
        // its text is on standard error. No other call does so: submits, maps and new buffers report to `faults`.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(how)));
        if matches!(polled, Err(_) | Ok(Err(wgpu::PollError::Timeout))) {
            self.give_up();
        }
        self.faults.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(cause @ wgpu::PollError::Timeout)) => Err(Error::device(lost("it does not answer")).because(cause)),
            Ok(Err(cause)) => Err(Error::device(lost("it takes no more work")).because(cause)),
            Err(_) => Err(Error::device(lost("while it was polled"))),
        }
    }

    /// Keeps the queue for ever: dropping its last handle waits for the device without end, or panics where that
    /// fails in another way than expected. Its memory is returned when the process ends.
    fn give_up(&self) {
        std::mem::forget(self.queue.clone());
    }
}

/// The defaults, with the adapter's own sizes of buffers, and never more than it has.
fn limits(have: &wgpu::Limits) -> wgpu::Limits {
    let wanted = wgpu::Limits {
        max_buffer_size: have.max_buffer_size,
        max_storage_buffer_binding_size: have.max_storage_buffer_binding_size,
        ..wgpu::Limits::default()
    };
    wanted.or_worse_values_from(have)
}

fn all() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
}

/// The place of the most powerful kind, the first of equals.
fn best(adapters: &[wgpu::Adapter]) -> usize {
    let rank = |place: &usize| match adapters[*place].get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    (0..adapters.len()).min_by_key(rank).unwrap_or(0)
}

fn named(name: &str, adapters: &[wgpu::Adapter]) -> Result<usize> {
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let by_number = name.parse().ok().filter(|&number: &usize| number < names.len());
    let by_name = || names.iter().position(|have| have.to_lowercase().contains(&name.to_lowercase()));
    by_number.or_else(by_name).ok_or_else(|| {
        let numbered: Vec<String> = names.iter().enumerate().map(|(k, name)| format!("{k} {name}")).collect();
        Error::device(format!("no GPU is called or numbered {name:?}; there is: {}", numbered.join(", ")))
    })
}

/// What to install, for the system this runs on.
fn advice() -> &'static str {
    if cfg!(target_os = "linux") {
        "install a Vulkan driver and libvulkan1 (the vendor's driver; Debian and Ubuntu: mesa-vulkan-drivers)"
    } else if cfg!(windows) {
        "install the graphics driver of the vendor, with DirectX 12 or Vulkan"
    } else if cfg!(target_os = "macos") {
        "this needs a Mac with Metal"
    } else {
        "install a Vulkan driver"
    }
}

fn summary(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    AdapterSummary {
        index,
        backend: format!("{:?}", info.backend),
        kind: kind(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_buffer_size: limits.max_buffer_size,
        max_binding_size: limits.max_storage_buffer_binding_size,
        subgroup_sizes: [info.subgroup_min_size, info.subgroup_max_size],
        workgroup_storage: limits.max_compute_workgroup_storage_size,
        f16: features.contains(wgpu::Features::SHADER_F16),
        subgroup: features.contains(wgpu::Features::SUBGROUP),
        timestamp: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        mappable: features.contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
        name: info.name,
    }
}

fn kind(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}
