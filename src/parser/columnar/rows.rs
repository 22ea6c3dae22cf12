//! Turns columns round: takes numbers column by column, gives them row by row.
//!
//! In tiles of sixteen rows, since sixteen numbers of a column are a line of the cache, and so are sixteen of a row.

use arrow::buffer::ScalarBuffer;

use crate::parser::number::MISSING;

/// Rows, and columns, of a tile.
const TILE: usize = 16;

/// Fills `out` with `rows` rows of `stride` numbers; what no column fills is missing.
pub(super) fn turn(columns: &[ScalarBuffer<f32>], rows: usize, stride: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(rows * stride, MISSING);
    if stride == 0 {
        return;
    }
    for (tile, target) in out.chunks_mut(TILE * stride).enumerate() {
        for (group, columns) in columns.chunks(TILE).enumerate() {
            turn_tile(columns, tile * TILE, stride, &mut target[group * TILE..]);
        }
    }
}

/// One tile; `out` begins with its first number.
#[inline(always)]
fn turn_tile(columns: &[ScalarBuffer<f32>], first: usize, stride: usize, out: &mut [f32]) {
    for (at, column) in columns.iter().enumerate() {
        let numbers = &column[first..column.len().min(first + TILE)];
        for (&number, cell) in numbers.iter().zip(out[at..].iter_mut().step_by(stride)) {
            *cell = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::examples::stride;

    proptest! {
        #[test]
        fn every_number_lands_in_its_row(rows in 0usize..70, count in 0usize..40) {
            let number = |row: usize, column: usize| (row * 100 + column) as f32;
            let column = |column| (0..rows).map(|row| number(row, column)).collect::<Vec<_>>().into();
            let columns: Vec<ScalarBuffer<f32>> = (0..count).map(column).collect();
            let mut out = vec![5.0; 7];
            turn(&columns, rows, stride(count), &mut out);
            prop_assert_eq!(out.len(), rows * stride(count));
            for (at, &found) in out.iter().enumerate() {
                let (row, column) = (at / stride(count), at % stride(count));
                let is_right = if column < count { found == number(row, column) } else { found.is_nan() };
                prop_assert!(is_right);
            }
        }
    }
}
