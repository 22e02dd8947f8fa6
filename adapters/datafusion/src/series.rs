//! `eco_series(t, v)`: rows to a list in the order of time.
//!
//! Instead of one scalar object per value, as `array_agg(v ORDER BY t)` keeps it, an accumulator for all groups keeps 16 bytes,
//! and sorts only what did not come in order.

use crate::{argument::list_of_numbers, list::Ends};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray},
        buffer::{NullBuffer, OffsetBuffer},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type},
    },
    common::{ScalarValue, not_impl_err, plan_err},
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};
use std::sync::Arc;

const NAME: &str = "eco_series";

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Collect {
    signature: Signature,
}

impl Collect {
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Collect {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [time, value] = given else {
            return plan_err!("{NAME} takes a time and a value, not {} arguments", given.len());
        };
        let time = match time {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => time.clone(),
            t if t.is_integer() || t.is_null() => DataType::Int64,
            other => {
                return plan_err!("{NAME}: the time is {other}: expected a timestamp, a date or an integer");
            }
        };
        if !(value.is_numeric() || value.is_null()) {
            return plan_err!("{NAME}: the value is {value}: expected a number");
        }
        Ok(vec![time, DataType::Float64])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(list_of_numbers())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let list = |name, of| {
            let item = Field::new_list_field(of, true);
            Arc::new(Field::new_list(format_state_name(args.name, name), item, true))
        };
        Ok(vec![list("times", DataType::Int64), list("values", DataType::Float64)])
    }

    /// The time is an argument: no other order is needed.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(&args)?;
        Ok(Box::new(One::default()))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        refuse_distinct(&args)?;
        Ok(Box::new(Groups::default()))
    }
}

fn refuse_distinct(args: &AccumulatorArgs<'_>) -> Result<()> {
    if args.is_distinct {
        return not_impl_err!("{NAME}(DISTINCT …): remove doubled rows before, by SELECT DISTINCT");
    }
    Ok(())
}

/// The samples of one series, in the order in which they came. A missing value is NaN.
#[derive(Clone, Debug, Default)]
struct Samples(Vec<(i64, f64)>);

impl Samples {
    /// By time, equal times by value: the answer does not depend on the order in which rows came.
    fn sort(&mut self) {
        let order = |a: &(i64, f64), b: &(i64, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
        if !self.0.is_sorted_by(|a, b| order(a, b).is_le()) {
            self.0.sort_unstable_by(order);
        }
    }

    const fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i64, f64)>()
    }
}

/// Columns of times and values as they come in.
struct Columns<'a> {
    times: &'a [i64],
    values: &'a [f64],
    no_time: Option<NullBuffer>,
    no_value: Option<NullBuffer>,
}

impl<'a> Columns<'a> {
    fn new(times: &'a Int64Array, values: &'a Float64Array) -> Self {
        let nulls = |array: &dyn Array| array.nulls().filter(|n| n.null_count() > 0).cloned();
        Self {
            times: times.values(),
            values: values.values(),
            no_time: nulls(times),
            no_value: nulls(values),
        }
    }

    /// Appends rows `from..to`; those without a time are no samples.
    fn append(&self, from: usize, to: usize, samples: &mut Samples) {
        if self.no_time.is_none() && self.no_value.is_none() {
            let rows = self.times[from..to].iter().copied().zip(self.values[from..to].iter().copied());
            samples.0.extend(rows);
            return;
        }
        for row in from..to {
            if self.no_time.as_ref().is_none_or(|n| n.is_valid(row)) {
                let known = self.no_value.as_ref().is_none_or(|n| n.is_valid(row));
                samples.0.push((self.times[row], if known { self.values[row] } else { f64::NAN }));
            }
        }
    }
}

/// Times as integers; the unit is the same in all rows of a column, so the order stays.
fn integers(times: &ArrayRef) -> Result<ArrayRef> {
    let times = if times.data_type() == &DataType::Date32 {
        cast(times, &DataType::Int32)?
    } else {
        Arc::clone(times)
    };
    Ok(cast(&times, &DataType::Int64)?)
}

/// Two lists per series: times and values, as one accumulator hands them to another.
fn to_state(series: &[Samples]) -> Result<Vec<ArrayRef>> {
    let mut ends = Ends::with_capacity(NAME, series.len());
    let mut count = 0;
    for samples in series {
        count += samples.0.len();
        ends.push(count)?;
    }
    let values = Float64Array::from_iter_values(series.iter().flat_map(|s| &s.0).map(|s| s.1));
    let times = Int64Array::from_iter_values(series.iter().flat_map(|s| &s.0).map(|s| s.0));
    let ([values], _) = ends.finish([values]);
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    let times = ListArray::new(item, values.offsets().clone(), Arc::new(times), None);
    Ok(vec![Arc::new(times), Arc::new(values)])
}

/// The finished lists; a series without samples is NULL.
fn to_lists(mut series: Vec<Samples>) -> Result<ArrayRef> {
    let mut ends = Ends::with_capacity(NAME, series.len());
    let mut values = Vec::with_capacity(series.iter().map(|s| s.0.len()).sum());
    for samples in &mut series {
        if samples.0.is_empty() {
            ends.push_null();
            continue;
        }
        samples.sort();
        values.extend(samples.0.iter().map(|s| s.1));
        ends.push(values.len())?;
        // What has been copied is not needed beside its copy.
        samples.0 = Vec::new();
    }
    let ([lists], _) = ends.finish([Float64Array::from(values)]);
    Ok(Arc::new(lists))
}

/// Calls `each` with the rows of a state: its first and last sample, in the columns given along.
fn for_each_state(state: &[ArrayRef], mut each: impl FnMut(usize, &Columns<'_>, usize, usize)) {
    let (times, values) = (state[0].as_list::<i32>(), state[1].as_list::<i32>());
    let columns = Columns::new(
        times.values().as_primitive::<Int64Type>(),
        values.values().as_primitive::<Float64Type>(),
    );
    for row in 0..times.len() {
        if times.is_valid(row) {
            let at = |end: usize| times.value_offsets()[end].cast_unsigned() as usize;
            each(row, &columns, at(row), at(row + 1));
        }
    }
}

/// All groups of an aggregation.
#[derive(Debug, Default)]
struct Groups {
    series: Vec<Samples>,
    bytes: usize,
}

impl Groups {
    fn append(&mut self, group: usize, columns: &Columns<'_>, from: usize, to: usize) {
        let samples = &mut self.series[group];
        let before = samples.bytes();
        columns.append(from, to, samples);
        self.bytes += samples.bytes() - before;
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Samples> {
        let taken = emit_to.take_needed(&mut self.series);
        self.bytes -= taken.iter().map(Samples::bytes).sum::<usize>();
        taken
    }

    fn grow(&mut self, groups: usize) {
        if groups > self.series.len() {
            self.series.resize_with(groups, Samples::default);
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let times = integers(&values[0])?;
        let columns =
            Columns::new(times.as_primitive::<Int64Type>(), values[1].as_primitive::<Float64Type>());
        let wanted = |row: usize| opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        let mut from = 0;
        // Files usually have a series in one piece: runs of rows of one group are copied at once.
        while from < group_indices.len() {
            let group = group_indices[from];
            let mut to = from + 1;
            if wanted(from) {
                while to < group_indices.len() && group_indices[to] == group && wanted(to) {
                    to += 1;
                }
                self.append(group, &columns, from, to);
            }
            from = to;
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        for_each_state(values, |row, columns, from, to| self.append(group_indices[row], columns, from, to));
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        to_lists(self.take(emit_to))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        to_state(&self.take(emit_to))
    }

    /// Every row a list of one sample; a row that is filtered out, or without a time, is NULL.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let times = integers(&values[0])?;
        let rows = times.len();
        let kept: Vec<bool> = (0..rows)
            .map(|row| times.is_valid(row) && opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row)))
            .collect();
        let offsets = OffsetBuffer::<i32>::from_repeated_length(1, rows);
        let nulls = NullBuffer::from(kept);
        let list = |values: ArrayRef| -> ArrayRef {
            let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Arc::new(ListArray::new(item, offsets.clone(), values, Some(nulls.clone())))
        };
        Ok(vec![list(times), list(Arc::clone(&values[1]))])
    }

    fn size(&self) -> usize {
        self.bytes + self.series.capacity() * size_of::<Samples>()
    }
}

/// One group: a query without GROUP BY.
#[derive(Debug, Default)]
struct One(Samples);

impl One {
    fn scalar(list: &ArrayRef) -> Result<ScalarValue> {
        ScalarValue::try_from_array(list, 0)
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let times = integers(&values[0])?;
        Columns::new(times.as_primitive::<Int64Type>(), values[1].as_primitive::<Float64Type>()).append(
            0,
            times.len(),
            &mut self.0,
        );
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for_each_state(states, |_, columns, from, to| columns.append(from, to, &mut self.0));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        to_state(std::slice::from_ref(&self.0))?.iter().map(Self::scalar).collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Self::scalar(&to_lists(vec![std::mem::take(&mut self.0)])?)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[(Option<i64>, Option<f64>)]) -> Vec<ArrayRef> {
        let times: Int64Array = rows.iter().map(|r| r.0).collect();
        let values: Float64Array = rows.iter().map(|r| r.1).collect();
        vec![Arc::new(times), Arc::new(values)]
    }

    fn lists(array: &ArrayRef) -> Vec<Option<Vec<f64>>> {
        let numbers = |list: ArrayRef| list.as_primitive::<Float64Type>().values().to_vec();
        array.as_list::<i32>().iter().map(|list| list.map(numbers)).collect()
    }

    #[test]
    fn parts_merged_in_any_order_are_the_series_in_the_order_of_time() {
        let (mut early, mut late) = (Groups::default(), Groups::default());
        early.update_batch(&batch(&[(Some(2), Some(2.0)), (Some(1), Some(1.0))]), &[0, 0], None, 2).unwrap();
        late.update_batch(&batch(&[(Some(5), Some(50.0)), (Some(3), Some(3.0))]), &[1, 0], None, 2).unwrap();
        let mut whole = Groups::default();
        whole.merge_batch(&late.state(EmitTo::All).unwrap(), &[0, 1], 2).unwrap();
        whole.merge_batch(&early.state(EmitTo::All).unwrap(), &[0, 1], 2).unwrap();
        let found = whole.evaluate(EmitTo::All).unwrap();
        assert_eq!(lists(&found), [Some(vec![1.0, 2.0, 3.0]), Some(vec![50.0])]);
    }

    #[test]
    fn rows_without_a_time_and_filtered_rows_are_no_samples_and_a_group_of_none_is_null() {
        let rows =
            batch(&[(None, Some(9.0)), (Some(1), Some(1.0)), (Some(2), Some(2.0)), (Some(0), Some(0.0))]);
        let filter = BooleanArray::from(vec![Some(true), Some(true), Some(false), None]);
        let mut groups = Groups::default();
        groups.update_batch(&rows, &[0, 1, 1, 2], Some(&filter), 3).unwrap();
        assert_eq!(lists(&groups.evaluate(EmitTo::All).unwrap()), [None, Some(vec![1.0]), None]);
        // The way around the first phase of an aggregation says the same.
        let state = groups.convert_to_state(&rows, Some(&filter)).unwrap();
        groups.merge_batch(&state, &[0, 1, 1, 2], 3).unwrap();
        assert_eq!(lists(&groups.evaluate(EmitTo::All).unwrap()), [None, Some(vec![1.0]), None]);
    }

    #[test]
    fn a_missing_value_is_nan_at_its_place() {
        let mut one = One::default();
        one.update_batch(&batch(&[(Some(3), Some(3.0)), (Some(2), None), (Some(1), Some(1.0))])).unwrap();
        let state: Vec<ArrayRef> = one.state().unwrap().iter().map(|s| s.to_array().unwrap()).collect();
        let mut other = One::default();
        other.merge_batch(&state).unwrap();
        let found = lists(&other.evaluate().unwrap().to_array().unwrap()).remove(0).unwrap();
        let bits: Vec<u64> = found.iter().map(|v| v.to_bits()).collect();
        assert!(found[1].is_nan() && [bits[0], bits[2]] == [1.0_f64, 3.0].map(f64::to_bits), "{found:?}");
    }

    #[test]
    fn memory_is_counted_and_given_back_with_the_first_groups() {
        let mut groups = Groups::default();
        let rows: Vec<_> = (0..100).map(|i| (Some(i), Some(0.0))).collect();
        let owners: Vec<usize> = (0..100).map(|i| i / 50).collect();
        groups.update_batch(&batch(&rows), &owners, None, 2).unwrap();
        assert!(groups.size() >= 1600, "{}", groups.size());
        groups.evaluate(EmitTo::First(1)).unwrap();
        assert!(groups.bytes >= 800 && groups.bytes < 1600, "{}", groups.bytes);
        assert_eq!(lists(&groups.evaluate(EmitTo::All).unwrap())[0].as_ref().map(Vec::len), Some(50));
        assert_eq!(groups.bytes, 0);
    }
}
