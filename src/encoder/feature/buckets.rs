//! Buckets: takes a number, gives the category between whose boundaries it lies; a bucket includes its lower end.

use super::{Row, Sink, Space};

/// A column with its boundaries.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    place: usize,
    boundaries: Vec<f32>,
    /// What each bucket is called, and its hash; the first lies below the first boundary.
    buckets: Vec<(String, u32)>,
}

impl Buckets {
    pub(super) fn new(place: usize, column: &str, boundaries: &[f64], space: &Space) -> Self {
        let ends = [&[f64::NEG_INFINITY], boundaries, &[f64::INFINITY]].concat();
        let bucket = |ends: &[f64]| {
            let name = format!("{column}[{},{})", ends[0], ends[1]);
            let hash = space.hash(name.as_bytes());
            (name, hash)
        };
        // Numbers are read as 32-bit floats: 0.7 lies on the boundary 0.7.
        let boundaries = boundaries.iter().map(|&end| end as f32).collect();
        Self { place, boundaries, buckets: ends.windows(2).map(bucket).collect() }
    }

    #[inline(always)]
    pub(super) fn extract(&self, row: &Row<'_>, sink: &mut impl Sink) {
        let number = row.numbers[self.place];
        if !number.is_nan() {
            let (name, hash) = &self.buckets[self.boundaries.partition_point(|&end| end <= number)];
            sink.put(*hash, 1.0, || name.clone());
        }
    }
}
