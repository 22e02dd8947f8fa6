//! Lists of numbers in and out.

use crate::error::FunctionError;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float64Array, ListArray, NullBufferBuilder},
        buffer::{OffsetBuffer, ScalarBuffer},
        datatypes::{DataType, Field, Float64Type},
    },
    error::Result,
};
use std::sync::Arc;

/// Calls `each` with every row's values, NaN for NULL; `None` for a NULL list.
pub(crate) fn for_each_series(
    lists: &ArrayRef,
    mut each: impl FnMut(Option<&[f64]>) -> Result<(), FunctionError>,
) -> Result<()> {
    let lists = lists.as_list::<i32>();
    let numbers = lists.values().as_primitive::<Float64Type>();
    let mut filled = Vec::new();
    for row in 0..lists.len() {
        if lists.is_null(row) {
            each(None)?;
            continue;
        }
        let bounds = lists.value_offsets();
        // Offsets of a valid list array are never negative and never fall.
        let (from, to) = (bounds[row].cast_unsigned() as usize, bounds[row + 1].cast_unsigned() as usize);
        if numbers.null_count() == 0 {
            each(Some(&numbers.values()[from..to]))?;
        } else {
            filled.clear();
            filled.extend((from..to).map(|i| if numbers.is_null(i) { f64::NAN } else { numbers.value(i) }));
            each(Some(&filled))?;
        }
    }
    Ok(())
}

/// Where the lists of a column end, and which of them are NULL.
pub(crate) struct Ends {
    function: &'static str,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Ends {
    pub(crate) fn with_capacity(function: &'static str, rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { function, offsets, nulls: NullBufferBuilder::new(rows) }
    }

    /// A list that ends before value `end` of all values.
    pub(crate) fn push(&mut self, end: usize) -> Result<(), FunctionError> {
        let end = i32::try_from(end).map_err(|_| FunctionError::TooMany { function: self.function })?;
        self.offsets.push(end);
        self.nulls.append_non_null();
        Ok(())
    }

    /// A NULL.
    pub(crate) fn push_null(&mut self) {
        self.offsets.push(self.offsets.last().copied().unwrap_or(0));
        self.nulls.append_null();
    }

    /// One column of lists for each column of values, and which rows are NULL.
    pub(crate) fn finish<const N: usize>(
        mut self,
        values: [Float64Array; N],
    ) -> ([ListArray; N], Option<datafusion::arrow::buffer::NullBuffer>) {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let nulls = self.nulls.finish();
        let field = Arc::new(Field::new_list_field(DataType::Float64, true));
        let lists =
            values.map(|v| ListArray::new(Arc::clone(&field), offsets.clone(), Arc::new(v), nulls.clone()));
        (lists, nulls)
    }
}
