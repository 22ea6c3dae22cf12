//! Open windows as a checkpoint holds them: all of their cells one behind the other, in the order of kinds, windows and
//! segments, behind the totals of segments.

use std::collections::BTreeMap;

use super::{Counts, Every, Kind, Window, Windowed};
use crate::error::Result;
use crate::metric::cell::{self, Cell};
use crate::snapshot::{Restoring, Saving, Snapshot};

impl Snapshot for Windowed {
    const PART: &'static str = "metric_windows";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { horizon, threshold: _, kinds, totals, latest, counts, predicted, bytes: _ } = self;
        let Counts { late, early, without_time, told } = *counts;
        to.put("counts", &[late, early, without_time, told, *predicted]);
        to.put("times", &[*latest as u64, *horizon as u64]);
        let kind = |kind: &Kind| {
            let Kind { every, open, next, late } = kind;
            [word_of(*every)[0], word_of(*every)[1], open.len() as u64, *next as u64, *late]
        };
        to.put("kinds", &kinds.iter().flat_map(kind).collect::<Vec<_>>());
        let open = || kinds.iter().flat_map(|kind| &kind.open);
        let window = |(index, window): (&i64, &Window)| {
            let Window { first, last, all: _, segments } = window;
            [*index as u64, *first, *last, segments.len() as u64]
        };
        to.put("open", &open().flat_map(window).collect::<Vec<_>>());
        let segments = open().flat_map(|(_, window)| window.segments.keys().copied());
        to.put("segments", &segments.collect::<Vec<u32>>());
        to.put("totals", &totals.keys().copied().collect::<Vec<u32>>());
        let of_windows = open().flat_map(|(_, window)| std::iter::once(&window.all).chain(window.segments.values()));
        cell::save("cells", totals.values().chain(of_windows), to);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { horizon, threshold: _, kinds, totals, latest, counts, predicted, bytes } = self;
        let Counts { late, early, without_time, told } = counts;
        [*late, *early, *without_time, *told, *predicted] = from.counts("counts")?;
        let [time, waited] = from.numbers::<u64, 2>("times")?;
        *latest = time as i64;
        from.check("times", waited == *horizon as u64)?;
        let mut cells = cell::restore("cells", from)?.into_iter();
        let known: Vec<u32> = from.get("totals")?;
        *totals = cells_of(&known, &mut cells).ok_or_else(|| from.broken("totals"))?;
        let saved: Vec<u64> = from.exactly("kinds", 5 * kinds.len())?;
        let (windows, segments): (Vec<u64>, Vec<u32>) = (from.get("open")?, from.get("segments")?);
        let (mut windows, mut segments) = (windows.as_chunks::<4>().0.iter(), &segments[..]);
        for (kind, &[what, span, open, next, late]) in kinds.iter_mut().zip(saved.as_chunks::<5>().0) {
            from.check("kinds", word_of(kind.every) == [what, span])?;
            (kind.next, kind.late) = (next as i64, late);
            kind.open.clear();
            for _ in 0..open {
                let opened = opened(&mut windows, &mut segments, &mut cells).ok_or_else(|| from.broken("open"))?;
                kind.open.extend([opened]);
            }
        }
        from.check("open", windows.next().is_none() && segments.is_empty() && cells.next().is_none())?;
        *bytes = kinds.iter().flat_map(|kind| kind.open.values()).map(Window::bytes).sum();
        Ok(())
    }
}

/// What a window spans, as two numbers.
fn word_of(every: Every) -> [u64; 2] {
    match every {
        Every::Time(step) => [0, step as u64],
        Every::Records(records) => [1, records],
    }
}

/// The next window of the arrays.
fn opened<'a>(
    windows: &mut impl Iterator<Item = &'a [u64; 4]>,
    segments: &mut &[u32],
    cells: &mut impl Iterator<Item = Cell>,
) -> Option<(i64, Window)> {
    let &[index, first, last, len] = windows.next()?;
    let all = cells.next()?;
    let (own, rest) = segments.split_at_checked(usize::try_from(len).ok()?)?;
    *segments = rest;
    Some((index as i64, Window { first, last, all, segments: cells_of(own, cells)? }))
}

fn cells_of(segments: &[u32], cells: &mut impl Iterator<Item = Cell>) -> Option<BTreeMap<u32, Cell>> {
    segments.iter().map(|&segment| Some((segment, cells.next()?))).collect()
}
