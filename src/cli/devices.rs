//! `tidemill devices`: list what can learn, and its limits.

use std::io::Write;

use crate::error::{Error, Result};
use crate::learner::device;
use crate::learner::gpu::adapter::{AdapterSummary, NEEDED, NONE};

/// Carries the command out.
pub(super) fn run() -> Result<()> {
    let adapters = device::list();
    let mut text = String::from("cpu     always there; record and batch updates\n");
    adapters.iter().for_each(|adapter| describe(adapter, &mut text));
    if adapters.is_empty() {
        text.push_str(&format!("{NONE}: {NEEDED}\n"));
    }
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|cause| Error::output("standard output", cause))
}

fn describe(adapter: &AdapterSummary, text: &mut String) {
    const MIB: u64 = 1 << 20;
    let AdapterSummary { index, name, backend, kind, driver, .. } = adapter;
    let features: Vec<&str> = [
        (adapter.f16, "f16"),
        (adapter.subgroup, "subgroups"),
        (adapter.timestamp, "timestamps"),
        (adapter.mappable, "mappable buffers"),
    ]
    .into_iter()
    .filter_map(|(has, name)| has.then_some(name))
    .collect();
    let [smallest, largest] = adapter.subgroup_sizes;
    text.push_str(&format!(
        "gpu:{index}   {name} ({backend}, {kind}; {driver}); record and batch updates\n        \
         buffers to {} MiB, bindings to {} MiB, workgroup storage {} KiB, subgroups of {smallest} to {largest}; {}\n",
        adapter.max_buffer_size / MIB,
        adapter.max_binding_size / MIB,
        adapter.workgroup_storage / 1024,
        features.join(", "),
    ));
}
