//! The dense row: takes the numbers and times of a record, gives the row that the learner gets, where it is not the
//! parsed one: numbers left out, products, coordinates of times.

use super::{Row, time};
use crate::encoder::Fault;
use crate::examples::stride;
use crate::record::Reason;
use crate::schema::feature::Part;
use crate::schema::{Made, Schema};

/// What stands in the row, place by place.
#[derive(Debug, Clone)]
pub(super) struct DenseRow {
    places: Vec<(From, String)>,
    /// Numbers of a parsed row, its padding left out.
    parsed: usize,
    stride: usize,
}

/// As [`Made`], with times by their places among those of a record.
#[derive(Debug, Clone, Copy)]
enum From {
    Column(usize),
    Product(usize, usize),
    Cycle(usize, Part, bool),
    /// Filled in where records stand in order.
    Later,
}

impl DenseRow {
    /// `None` where the row is the parsed one. `times` are the columns that have been read as times.
    pub(super) fn new(schema: &Schema, times: &[(usize, String)]) -> Option<Self> {
        let row = schema.dense_row();
        let parsed = schema.numeric();
        let is_parsed = row.iter().enumerate().all(|(at, dense)| dense.from == Made::Column(at));
        if is_parsed && row.len() == parsed {
            return None;
        }
        let from = |made| match made {
            Made::Column(place) => Some(From::Column(place)),
            Made::Product(a, b) => Some(From::Product(a, b)),
            Made::Cycle { column, part, is_cosine } => {
                let time = times.iter().position(|time| time.0 == column)?;
                Some(From::Cycle(time, part, is_cosine))
            }
            Made::Window => Some(From::Later),
        };
        let places: Vec<_> = row.into_iter().filter_map(|dense| Some((from(dense.from)?, dense.name))).collect();
        Some(Self { stride: stride(places.len()), parsed, places })
    }

    /// Adds the row of a record to `dense`.
    pub(super) fn push(&self, row: &Row<'_>, numbers: &mut Vec<f32>, dense: &mut Vec<f32>) -> Result<(), Fault<'_>> {
        let end = dense.len() + self.stride;
        numbers.clear();
        numbers.extend_from_slice(&row.numbers[..self.parsed]);
        for (from, name) in &self.places {
            dense.push(match *from {
                From::Column(place) => row.numbers[place],
                From::Product(a, b) => {
                    let product = numbers[a] * numbers[b];
                    if product.is_infinite() {
                        return Err((Reason::OutOfRange, Some(name)));
                    }
                    numbers.push(product);
                    product
                }
                From::Cycle(at, part, is_cosine) => {
                    row.times[at].map_or(f32::NAN, |parts| time::coordinate(part, &parts, is_cosine))
                }
                From::Later => f32::NAN,
            });
        }
        dense.resize(end, f32::NAN);
        Ok(())
    }
}
