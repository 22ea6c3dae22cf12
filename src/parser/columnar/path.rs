//! Names of columns: takes the columns of a source, gives their names with what each is for, and finds one by its name.
//!
//! What is inside a struct is named by its path, with points between; a column whose own name has a point comes first.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{is_null, nullif};
use arrow::datatypes::{DataType, Field, Fields, SchemaRef};

use super::failed;
use crate::error::{Error, Result};
use crate::record::Part;
use crate::schema::Role;

/// Where a column is: its place among the columns, then among those inside it, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<usize>);

impl Path {
    /// The place of the outermost column.
    pub fn root(&self) -> usize {
        self.0[0]
    }

    /// The column, as far as the part goes. What is inside a null is null.
    pub fn of(&self, part: &Part) -> Result<ArrayRef> {
        let mut array = part.column(self.root())?;
        for &at in &self.0[1..] {
            let missing = || Error::input("a struct lacks a column that its schema has");
            let outer = array.as_struct_opt().ok_or_else(missing)?;
            let inner = outer.columns().get(at).cloned().ok_or_else(missing)?;
            array = match outer.null_count() {
                0 => inner,
                _ => nullif(&inner, &is_null(&array).map_err(failed)?).map_err(failed)?,
            };
        }
        Ok(array)
    }
}

/// The columns with what their types say they are for, those inside structs by their paths.
pub fn named(schema: &SchemaRef) -> Vec<(String, Role)> {
    let mut found = Vec::new();
    schema.fields().iter().for_each(|field| add(field, "", &mut found));
    found
}

fn add(field: &Field, outer: &str, found: &mut Vec<(String, Role)>) {
    let name = format!("{outer}{}", field.name());
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|field| add(field, &format!("{name}."), found)),
        kind => found.push((name, role(kind))),
    }
}

fn role(kind: &DataType) -> Role {
    match kind {
        DataType::Dictionary(_, values) => role(values),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Role::Time,
        kind if kind.is_numeric() => Role::Numeric,
        kind if kind.is_string() || kind.is_binary() || *kind == DataType::Boolean => Role::Categorical,
        _ => Role::Ignored,
    }
}

/// Where the column of this name is.
pub(super) fn find(schema: &SchemaRef, name: &str) -> Option<Path> {
    within(schema.fields(), name).map(Path)
}

fn within(fields: &Fields, name: &str) -> Option<Vec<usize>> {
    if let Some(at) = fields.iter().position(|field| field.name() == name) {
        return Some(vec![at]);
    }
    fields.iter().enumerate().find_map(|(at, field)| {
        let DataType::Struct(inner) = field.data_type() else { return None };
        let rest = name.strip_prefix(field.name().as_str())?.strip_prefix('.')?;
        Some([vec![at], within(inner, rest)?].concat())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, RecordBatch, StructArray};
    use arrow::buffer::NullBuffer;

    use super::*;

    fn nested() -> RecordBatch {
        let fields = Fields::from(vec![Field::new("b", DataType::Int32, true)]);
        let inner: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None]));
        let nulls = NullBuffer::from(vec![true, false, true]);
        let outer: ArrayRef = Arc::new(StructArray::new(fields, vec![inner], Some(nulls)));
        let plain: ArrayRef = Arc::new(Int32Array::from(vec![7, 8, 9]));
        RecordBatch::try_from_iter_with_nullable([("a", outer, true), ("a.c", plain, true)]).unwrap()
    }

    #[test]
    fn what_is_inside_a_struct_is_named_by_its_path_and_null_where_the_struct_is() {
        let batch = nested();
        let names: Vec<_> = named(batch.schema_ref()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.b", "a.c"]);
        let inner = find(batch.schema_ref(), "a.b").unwrap().of(&Part::whole(batch)).unwrap();
        assert_eq!((inner.is_null(0), inner.is_null(1), inner.is_null(2)), (false, true, true));
    }

    #[test]
    fn a_name_with_a_point_is_found_before_a_path() {
        assert_eq!(find(nested().schema_ref(), "a.c"), Some(Path(vec![1])));
        assert_eq!(find(nested().schema_ref(), "a.d"), None);
    }
}
