//! What the machine does at best, learning off: memory copied, bytes handed to each GPU, text parsed.
//!
//! Medians over some repetitions. Figures that cannot be had are left out with their reason, and nothing else ends early.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::contestants::Device;
use super::matrix::{Extent, SHAPES, cases};
use super::result::{GpuRoofline, ParseRoofline, Rooflines};
use super::text::Text;
use crate::encoder::Encoder;
use crate::encoder::label::LabelRule;
use crate::error::Result;
use crate::examples::Examples;
use crate::learner::gpu::adapter::Adapter;
use crate::learner::gpu::probe::Probe;
use crate::parser::Parser;
use crate::record::{Chunk, Records};

/// Bytes of a copy in memory: more than any cache holds.
const COPIED: usize = 128 << 20;
/// Bytes of an upload: a few micro-batches.
const UPLOADED: usize = 16 << 20;
/// Repetitions behind the first one, at least.
const LEAST: usize = 3;

/// Measures all of them in about `time`.
pub fn measure(devices: &[Device], extent: Extent, time: Duration) -> Rooflines {
    let gpus = devices.iter().filter_map(|device| Some((device, device.adapter.as_ref()?)));
    let texts = texts(extent);
    let each = time.div_f64((1 + texts.len() + 3 * gpus.clone().count()) as f64);
    Rooflines {
        memory_copy_gb_per_s: memory(each),
        gpus: gpus.map(|(device, adapter)| gpu(&device.info.id, adapter, each)).collect(),
        parse: texts.into_iter().filter_map(|(shapes, text)| parse(shapes, &text, each)).collect(),
    }
}

/// The texts of the shapes of an extent; shapes of the same records share one.
fn texts(extent: Extent) -> Vec<(Vec<&'static str>, Text)> {
    let mut seen: Vec<(usize, usize, Vec<&'static str>)> = Vec::new();
    let cases = cases(extent);
    for (name, kind) in SHAPES.into_iter().filter(|(name, _)| cases.iter().any(|case| case.name == *name)) {
        let (numeric, features) = (kind.shape.numeric, kind.features);
        match seen.iter_mut().find(|(n, f, _)| (*n, *f) == (numeric, features)) {
            Some((_, _, names)) => names.push(name),
            None => seen.push((numeric, features, vec![name])),
        }
    }
    let text = |(numeric, features, names)| match features {
        0 => (names, Text::numbers(numeric)),
        _ => (names, Text::categories(features)),
    };
    seen.into_iter().map(text).collect()
}

/// Bytes read and bytes written both count: memory has to carry both.
fn memory(time: Duration) -> Option<f64> {
    let (from, mut to) = (vec![1_u8; COPIED], vec![0_u8; COPIED]);
    let copy = || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        Ok(())
    };
    median(time, copy).ok().map(|taken| 2.0 * COPIED as f64 / taken / 1e9)
}

fn gpu(id: &str, adapter: &Adapter, time: Duration) -> GpuRoofline {
    let mut found = GpuRoofline {
        device: id.to_owned(),
        upload_gb_per_s: None,
        mapped_gb_per_s: None,
        round_trip_us: None,
        failed: None,
    };
    found.failed = fill(&mut found, adapter, time).err().map(|error| error.to_string());
    found
}

/// Measures one after the other; what was found before a failure stays.
fn fill(found: &mut GpuRoofline, adapter: &Adapter, time: Duration) -> Result<()> {
    let mut probe = Probe::open(adapter, UPLOADED)?;
    let bytes = vec![1; probe.bytes()];
    let per_s = |taken: f64| bytes.len() as f64 / taken / 1e9;
    found.round_trip_us = Some(1e6 * median(time, || probe.round_trip())?);
    found.upload_gb_per_s = Some(per_s(median(time, || probe.upload(&bytes))?));
    if probe.is_mappable() {
        found.mapped_gb_per_s = Some(per_s(median(time, || probe.write_mapped(&bytes))?));
    }
    Ok(())
}

/// Parser and encoder, as a run's ingest thread has them; the text is put in its place before the clock starts.
fn parse(shapes: Vec<&'static str>, text: &Text, time: Duration) -> Option<ParseRoofline> {
    let (mut parser, mut encoder) = (Parser::new(text.schema.clone()), Encoder::new(&text.schema, LabelRule::Inferred));
    let (mut records, mut examples) = (Records::default(), Examples::default());
    let mut lap = || {
        let mut chunk = std::mem::take(&mut records.chunk);
        refill(&mut chunk, &text.chunk);
        timed(|| {
            parser.parse(chunk, &mut records)?;
            encoder.encode(&mut records, &mut examples);
            Ok(())
        })
    };
    let taken = repeated(time, &mut lap).ok()?;
    let (rows, bytes) = (examples.rows as f64, text.chunk.len as f64);
    Some(ParseRoofline { text: text.name.clone(), shapes, records_per_s: rows / taken, gb_per_s: bytes / taken / 1e9 })
}

fn refill(into: &mut Chunk, from: &Chunk) {
    into.bytes.clone_from(&from.bytes);
    (into.len, into.first, into.quoted) = (from.len, from.first, from.quoted);
}

/// The median time of `work` in seconds.
fn median(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    repeated(time, &mut || timed(&mut work))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// The median of the times that `lap` tells, in seconds; the first one does not count.
fn repeated(time: Duration, lap: &mut dyn FnMut() -> Result<Duration>) -> Result<f64> {
    lap()?;
    let (started, mut laps) = (Instant::now(), Vec::new());
    while laps.len() < LEAST || started.elapsed() < time {
        laps.push(lap()?.as_secs_f64().max(1e-9));
    }
    laps.sort_by(f64::total_cmp);
    Ok(laps[laps.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_a_text_of_which_every_record_is_an_example() {
        let texts = texts(Extent::Full);
        assert_eq!(texts.iter().map(|(shapes, _)| shapes.len()).sum::<usize>(), SHAPES.len());
        for (shapes, text) in texts {
            let (_, kind) = SHAPES.into_iter().find(|(name, _)| *name == shapes[0]).unwrap();
            let (mut records, mut examples) = (Records::default(), Examples::default());
            let mut chunk = Chunk::default();
            refill(&mut chunk, &text.chunk);
            Parser::new(text.schema.clone()).parse(chunk, &mut records).unwrap();
            Encoder::new(&text.schema, LabelRule::Inferred).encode(&mut records, &mut examples);
            let lines = text.chunk.text().iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!((examples.rows, examples.rejected.len()), (lines, 0), "{}", text.name);
            assert_eq!(examples.hash.len(), lines * kind.features);
            assert_eq!(examples.dense.len(), lines * crate::examples::stride(kind.shape.numeric));
        }
    }
}
