//! An open row: a record that has been predicted and not been learned yet, as numbers and as bytes.
//!
//! Takes a row of a micro-batch, gives the same row to another one. The bytes are what is kept of it in between: zeros at
//! the end of the dense numbers and feature values that are all 1 take no room. It knows no file and no order.

use bytemuck::{Pod, Zeroable};

use crate::examples::{MicroBatch, Stage};

/// A row that was taken out of a micro-batch. Its id is left behind.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct OpenRow {
    /// Its number among the open rows, from 0.
    pub sequence: u64,
    /// When something is to be done with it, in microseconds of event time.
    pub due: i64,
    /// The label that it was put in with; NaN for none.
    pub label: f32,
    /// Example weight.
    pub weight: f32,
    /// Record number in the run, from 1.
    pub record: u64,
    /// Event time in microseconds since 1970, `i64::MIN` where it is missing.
    pub time: i64,
    /// Its segments, by their numbers in the engine's list.
    pub segment: Vec<u32>,
    /// Standardised numbers, padding included.
    pub dense: Vec<f32>,
    /// Full 32-bit feature hashes.
    pub hash: Vec<u32>,
    /// Feature values, one a hash.
    pub value: Vec<f32>,
    /// What else whoever put it in wants back.
    pub keys: Vec<u64>,
    /// Which columns its micro-batch had.
    had: Had,
}

/// Columns that not every micro-batch has.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Had {
    id: bool,
    time: bool,
}

/// What stands in front of a row's numbers.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Head {
    record: u64,
    time: i64,
    /// Dense numbers.
    width: u32,
    /// Those of them that follow; the others are 0.
    dense: u32,
    features: u32,
    keys: u32,
    segments: u32,
    label: f32,
    weight: f32,
    flags: u32,
}

/// The feature values follow: not all of them are 1.
const VALUES: u32 = 1;
const ID: u32 = 2;
const TIME: u32 = 4;

/// Puts the bytes of a row behind `to`.
pub(super) fn encode(batch: &MicroBatch, row: usize, label: f32, keys: &[u64], to: &mut Vec<u8>) {
    let width = batch.dense.len().checked_div(batch.rows).unwrap_or(0);
    let dense = &batch.dense[row * width..(row + 1) * width];
    let used = dense.iter().rposition(|number| number.to_bits() != 0).map_or(0, |last| last + 1);
    let (hash, value) = batch.features(row);
    let segments = batch.segment.len().checked_div(batch.rows).unwrap_or(0);
    let segment = &batch.segment[row * segments..(row + 1) * segments];
    let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
    let head = Head {
        record: batch.record[row],
        time: batch.time.get(row).copied().unwrap_or(i64::MIN),
        width: width as u32,
        dense: used as u32,
        features: hash.len() as u32,
        keys: keys.len() as u32,
        segments: segment.len() as u32,
        label,
        weight: batch.weight[row],
        flags: flag(value.iter().any(|value| value.to_bits() != 1.0_f32.to_bits()), VALUES)
            | flag(!batch.id_end.is_empty(), ID)
            | flag(!batch.time.is_empty(), TIME),
    };
    to.extend_from_slice(bytemuck::bytes_of(&head));
    to.extend_from_slice(bytemuck::cast_slice(keys));
    to.extend_from_slice(bytemuck::cast_slice(segment));
    to.extend_from_slice(bytemuck::cast_slice(&dense[..used]));
    to.extend_from_slice(bytemuck::cast_slice(hash));
    if head.flags & VALUES != 0 {
        to.extend_from_slice(bytemuck::cast_slice(value));
    }
}

impl OpenRow {
    /// Becomes the row whose bytes `bytes` begin with, and says how many these are; `None` where they are no row's.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        let head: Head = bytemuck::pod_read_unaligned(next(&mut rest, 1, size_of::<Head>())?);
        let Head { record, time, width, dense, features, keys, segments, label, weight, flags } = head;
        let unused = (width as usize).checked_sub(dense as usize)?;
        fill(&mut self.keys, next(&mut rest, keys as usize, 8)?, u64::from_ne_bytes);
        fill(&mut self.segment, next(&mut rest, segments as usize, 4)?, u32::from_ne_bytes);
        fill(&mut self.dense, next(&mut rest, dense as usize, 4)?, f32::from_ne_bytes);
        self.dense.resize(dense as usize + unused, 0.0);
        fill(&mut self.hash, next(&mut rest, features as usize, 4)?, u32::from_ne_bytes);
        if flags & VALUES == 0 {
            self.value.clear();
            self.value.resize(features as usize, 1.0);
        } else {
            fill(&mut self.value, next(&mut rest, features as usize, 4)?, f32::from_ne_bytes);
        }
        (self.record, self.time) = (record, time);
        (self.label, self.weight) = (label, weight);
        self.had = Had { id: flags & ID != 0, time: flags & TIME != 0 };
        Some(bytes.len() - rest.len())
    }

    /// Puts it behind the rows of a micro-batch that learns it with `label`. It has the columns that the one it came from
    /// had, an empty id among them, and its place as an open row.
    ///
    /// ```
    /// use tidemill::examples::{MicroBatch, Stage};
    /// use tidemill::join::OpenRow;
    /// let mut row = OpenRow::default();
    /// (row.sequence, row.record, row.dense) = (7, 3, vec![1.5; 16]);
    /// let mut batch = MicroBatch::default();
    /// batch.clear();
    /// row.push_to(&mut batch, 1.0, Stage::Learned);
    /// assert_eq!((batch.rows, batch.record, batch.open, batch.row_start), (1, vec![3], vec![7], vec![0, 0]));
    /// ```
    pub fn push_to(&self, batch: &mut MicroBatch, label: f32, stage: Stage) {
        batch.rows += 1;
        batch.dense.extend_from_slice(&self.dense);
        batch.hash.extend_from_slice(&self.hash);
        batch.value.extend_from_slice(&self.value);
        batch.row_start.push(batch.hash.len() as u32);
        batch.label.push(label);
        batch.weight.push(self.weight);
        batch.record.push(self.record);
        if self.had.id {
            batch.id_end.push(batch.id.len() as u32);
        }
        if self.had.time {
            batch.time.push(self.time);
        }
        batch.segment.extend_from_slice(&self.segment);
        batch.stage.push(stage);
        batch.truth.push(f32::NAN);
        batch.open.push(self.sequence);
    }
}

/// Takes `count` things of `size` bytes from the front.
fn next<'a>(rest: &mut &'a [u8], count: usize, size: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count.checked_mul(size)?)?;
    *rest = behind;
    Some(taken)
}

fn fill<T, const N: usize>(to: &mut Vec<T>, bytes: &[u8], of: fn([u8; N]) -> T) {
    to.clear();
    to.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| of(*bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> MicroBatch {
        let mut dense = vec![0.0; 32];
        (dense[0], dense[3], dense[17]) = (1.5, -0.0, f32::MIN_POSITIVE);
        MicroBatch {
            rows: 2,
            dense,
            row_start: vec![0, 1, 3],
            hash: vec![7, 8, 9],
            value: vec![1.0, 1.0, 0.5],
            label: vec![f32::NAN, 1.0],
            weight: vec![2.0, 1.0],
            record: vec![4, 5],
            time: vec![-6, i64::MIN],
            segment: vec![3, 1],
            id: b"ab".to_vec(),
            id_end: vec![1, 2],
            ..MicroBatch::default()
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was_but_for_its_id() {
        let (batch, mut row, mut back) = (batch(), OpenRow::default(), MicroBatch::default());
        back.clear();
        for at in 0..2 {
            let mut bytes = Vec::new();
            encode(&batch, at, 0.0, &[11, at as u64], &mut bytes);
            let length = bytes.len();
            bytes.extend([255; 9]);
            assert_eq!(row.decode(&bytes), Some(length));
            assert_eq!((row.label, &row.keys[..]), (0.0, &[11, at as u64][..]));
            row.push_to(&mut back, batch.label[at], Stage::Learned);
        }
        let bits = |of: &[f32]| of.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.dense), bits(&batch.dense));
        assert_eq!(bits(&back.label), bits(&batch.label));
        assert_eq!((back.id.len(), &back.id_end[..]), (0, &[0, 0][..]));
        (back.dense, back.label) = (batch.dense.clone(), batch.label.clone());
        assert_eq!((&back.stage[..], &back.open[..]), (&[Stage::Learned; 2][..], &[0, 0][..]));
        (back.stage, back.open, back.truth) = Default::default();
        (back.id, back.id_end) = (batch.id.clone(), batch.id_end.clone());
        let label = vec![0.0; 2];
        assert_eq!(MicroBatch { label: label.clone(), ..back }, MicroBatch { label, ..batch });
    }

    #[test]
    fn zeros_at_the_end_and_values_of_1_take_no_room() {
        let mut sizes = [0; 2];
        for (at, size) in sizes.iter_mut().enumerate() {
            let mut bytes = Vec::new();
            encode(&batch(), at, 0.0, &[], &mut bytes);
            *size = bytes.len() - size_of::<Head>();
        }
        assert_eq!(sizes, [4 * (1 + 4 + 1), 4 * (1 + 2 + 2 + 2)]); // a segment each; the -0 is one that is kept
    }

    #[test]
    fn bytes_that_are_no_row_are_none() {
        let (mut bytes, mut row) = (Vec::new(), OpenRow::default());
        encode(&batch(), 1, 0.0, &[1], &mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(row.decode(&bytes[..length]), None, "{length} bytes");
        }
        bytes[16..20].copy_from_slice(&1_u32.to_ne_bytes()); // fewer numbers than follow
        assert_eq!(row.decode(&bytes), None);
    }
}
