// SPDX-License-Identifier: Apache-2.0
//! Sums as both engines have them: of integers in 128 bits, of REALs exactly, by the host's accumulator, whatever the order.
use std::ffi::c_void;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BinaryBuilder, BooleanArray, Float64Array, Float64Builder,
    Int64Array, PrimitiveBuilder,
};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use crate::abi::{Host, Status, Sum};
use crate::failure::Failure;
use crate::functions::{BARRED, is_barred};

fn no_memory() -> Failure {
    Failure::new(Status::Memory, "out of memory for a sum")
}

/// The rows that count: not NULL, and let through by the filter.
fn counts(array: &dyn Array, filter: Option<&BooleanArray>, row: usize) -> bool {
    array.is_valid(row) && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

// ---- Exact sums of REALs ------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Shown {
    Sum,
    Average,
    Total,
}

/// States of the host's, one behind another; eight bytes are their alignment, and they may be moved.
struct States {
    sum: Sum,
    words: usize,
    memory: Vec<u64>,
}

// The host's functions may be called from any thread, for different states.
unsafe impl Send for States {}
unsafe impl Sync for States {}

impl fmt::Debug for States {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} sums", self.len())
    }
}

impl Drop for States {
    fn drop(&mut self) {
        self.reset(self.len());
    }
}

impl States {
    fn new(sum: Sum, count: usize) -> States {
        let words = sum.size.div_ceil(8);
        States { sum, words, memory: vec![0; words * count] }
    }

    fn len(&self) -> usize {
        self.memory.len() / self.words
    }

    fn grow(&mut self, count: usize) {
        self.memory.resize(self.words * count.max(self.len()), 0);
    }

    fn at(&self, index: usize) -> *mut c_void {
        self.memory[index * self.words..].as_ptr().cast_mut().cast()
    }

    fn add_run(&mut self, index: usize, values: &[f64]) -> Result<()> {
        match unsafe { (self.sum.add_run)(self.at(index), values.as_ptr(), values.len()) } {
            0 => Err(no_memory().into()),
            _ => Ok(()),
        }
    }

    fn add_each(&mut self, states: &[*mut c_void], values: &[f64]) -> Result<()> {
        match unsafe { (self.sum.add_each)(states.as_ptr(), values.as_ptr(), values.len()) } {
            0 => Err(no_memory().into()),
            _ => Ok(()),
        }
    }

    fn shown(&self, index: usize, shown: Shown) -> Result<Option<f64>> {
        let count = unsafe { (self.sum.count)(self.at(index)) };
        if count == 0 {
            return Ok((shown == Shown::Total).then_some(0.0));
        }
        let mut result = 0.0;
        if unsafe { (self.sum.result)(self.at(index), &mut result) } == 0 {
            return Err(no_memory().into());
        }
        let result = if shown == Shown::Average { result / count as f64 } else { result };
        if is_barred(result) {
            return Err(Failure::new(Status::Compute, BARRED).into());
        }
        Ok((!result.is_nan()).then_some(result)) // infinities of both signs
    }

    /// How many values are in it, then doubles of which it is the exact sum.
    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let mut parts = vec![0.0; self.sum.most_parts as usize];
        let used = unsafe { (self.sum.parts)(self.at(index), parts.as_mut_ptr()) };
        if used == u32::MAX {
            return Err(no_memory().into());
        }
        let count = unsafe { (self.sum.count)(self.at(index)) };
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend(parts[..used as usize].iter().flat_map(|part| part.to_le_bytes()));
        Ok(bytes)
    }

    fn merge(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        let word = |chunk: &[u8]| <[u8; 8]>::try_from(chunk).unwrap_or_default();
        let (count, parts) = bytes.split_at(bytes.len().min(8));
        let values: Vec<f64> = parts.chunks_exact(8).map(|chunk| f64::from_le_bytes(word(chunk))).collect();
        self.add_run(index, &values)?;
        let counted = i64::from_le_bytes(word(count)) - values.len() as i64;
        unsafe { (self.sum.recount)(self.at(index), counted) };
        Ok(())
    }

    fn reset(&mut self, count: usize) {
        for index in 0..count {
            unsafe { (self.sum.reset)(self.at(index)) }
        }
    }

    /// Lets go of the first ones.
    fn drop_first(&mut self, count: usize) {
        self.reset(count);
        self.memory.drain(..count * self.words);
    }
}

/// Bits of the values that were met, where each counts once.
#[derive(Debug, Default)]
struct Distinct(std::collections::HashSet<u64>);

impl Distinct {
    fn is_new(&mut self, bits: u64) -> bool {
        self.0.insert(bits)
    }

    /// All of them, for another part to be merged with.
    fn state(&self) -> ScalarValue {
        ScalarValue::Binary(Some(self.0.iter().flat_map(|bits| bits.to_le_bytes()).collect()))
    }

    fn of(state: &[u8]) -> impl Iterator<Item = u64> + '_ {
        state.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()))
    }

    fn size(&self) -> usize {
        self.0.capacity() * 16
    }
}

struct ExactSum {
    name: &'static str,
    shown: Shown,
    sum: Sum,
    signature: Signature,
}

impl fmt::Debug for ExactSum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for ExactSum {
    fn eq(&self, other: &ExactSum) -> bool {
        self.name == other.name
    }
}

impl Eq for ExactSum {}

impl Hash for ExactSum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[parts]", arguments.name), DataType::Binary, false))])
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let distinct = arguments.is_distinct.then(Distinct::default);
        Ok(Box::new(OneSum { states: States::new(self.sum, 1), shown: self.shown, distinct }))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !arguments.is_distinct
    }

    fn create_groups_accumulator(&self, _arguments: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(GroupedSums { states: States::new(self.sum, 0), shown: self.shown }))
    }
}

fn real_values(array: &Float64Array) -> std::borrow::Cow<'_, [f64]> {
    match array.null_count() {
        0 => array.values().as_ref().into(),
        _ => array.iter().flatten().collect::<Vec<_>>().into(),
    }
}

#[derive(Debug)]
struct OneSum {
    states: States,
    shown: Shown,
    distinct: Option<Distinct>,
}

impl Accumulator for OneSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = real_values(values[0].as_primitive::<Float64Type>());
        match self.distinct.as_mut() {
            None => self.states.add_run(0, &values),
            Some(met) => {
                // 0.0 and -0.0 are one value.
                let new: Vec<f64> = values.iter().copied().filter(|value| met.is_new((value + 0.0).to_bits())).collect();
                self.states.add_run(0, &new)
            }
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.states.shown(0, self.shown)?))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.states.memory.capacity() * 8 + self.distinct.as_ref().map_or(0, Distinct::size)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        match &self.distinct {
            Some(met) => Ok(vec![met.state()]),
            None => Ok(vec![ScalarValue::Binary(Some(self.states.bytes(0)?))]),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i32>().iter().flatten() {
            match self.distinct.as_mut() {
                None => self.states.merge(0, bytes)?,
                Some(met) => {
                    let new: Vec<f64> = Distinct::of(bytes).filter(|&bits| met.is_new(bits)).map(f64::from_bits).collect();
                    self.states.add_run(0, &new)?;
                }
            }
        }
        Ok(())
    }
}

struct GroupedSums {
    states: States,
    shown: Shown,
}

impl GroupedSums {
    fn emitted(&self, emit: EmitTo) -> usize {
        match emit {
            EmitTo::All => self.states.len(),
            EmitTo::First(count) => count,
        }
    }
}

impl GroupsAccumulator for GroupedSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.states.grow(total);
        let array = values[0].as_primitive::<Float64Type>();
        if array.null_count() == 0 && filter.is_none() {
            let states: Vec<*mut c_void> = groups.iter().map(|&group| self.states.at(group)).collect();
            return self.states.add_each(&states, array.values());
        }
        let (mut states, mut numbers) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
        for (row, &group) in groups.iter().enumerate() {
            if counts(array, filter, row) {
                states.push(self.states.at(group));
                numbers.push(array.value(row));
            }
        }
        self.states.add_each(&states, &numbers)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let count = self.emitted(emit);
        let mut out = Float64Builder::with_capacity(count);
        for index in 0..count {
            out.append_option(self.states.shown(index, self.shown)?);
        }
        self.states.drop_first(count);
        Ok(Arc::new(out.finish()))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let count = self.emitted(emit);
        let mut out = BinaryBuilder::new();
        for index in 0..count {
            out.append_value(self.states.bytes(index)?);
        }
        self.states.drop_first(count);
        Ok(vec![Arc::new(out.finish())])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.states.grow(total);
        let states = values[0].as_binary::<i32>();
        for (row, &group) in groups.iter().enumerate() {
            if states.is_valid(row) {
                self.states.merge(group, states.value(row))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let array = values[0].as_primitive::<Float64Type>();
        let mut out = BinaryBuilder::new();
        for row in 0..array.len() {
            let (mut bytes, counted) = (Vec::with_capacity(16), counts(array, filter, row) && !array.value(row).is_nan());
            bytes.extend(i64::from(counted).to_le_bytes());
            if counted {
                bytes.extend(array.value(row).to_le_bytes());
            }
            out.append_value(bytes);
        }
        Ok(vec![Arc::new(out.finish())])
    }

    fn size(&self) -> usize {
        self.states.memory.capacity() * 8
    }
}

// ---- Sums of integers ---------------------------------------------------------------------------------------------------

const WIDE: DataType = DataType::Decimal128(38, 0);

/// Of integers: their sum in 128 bits, which no table's can exceed. Of REALs whose every partial sum is exact: the plain one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PlainSum {
    signature: Signature,
}

impl AggregateUDFImpl for PlainSum {
    fn name(&self) -> &str {
        "rhei_plain_sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(if arguments[0] == DataType::Float64 { DataType::Float64 } else { WIDE })
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let kind = match arguments.is_distinct {
            true => DataType::Binary, // the values: a part's sum doesn't tell which ones another part has, too
            false => arguments.return_field.data_type().clone(),
        };
        Ok(vec![Arc::new(Field::new(format!("{}[sum]", arguments.name), kind, true))])
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let real = arguments.return_field.data_type() == &DataType::Float64;
        let distinct = arguments.is_distinct.then(Distinct::default);
        Ok(Box::new(OneWide { real, sum: None, real_sum: None, distinct }))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !arguments.is_distinct
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(match arguments.return_field.data_type() {
            DataType::Float64 => Box::new(GroupedPlain::<Reals>::new()),
            _ => Box::new(GroupedPlain::<Integers>::new()),
        })
    }
}

#[derive(Debug)]
struct OneWide {
    real: bool,
    sum: Option<i128>,
    real_sum: Option<f64>,
    distinct: Option<Distinct>,
}

/// Of fewer than 2^31 integers: their halves are added up in 64 bits.
fn sum_of(values: &[i64]) -> i128 {
    let (high, low) = values.iter().fold((0i64, 0i64), |(high, low), &value| (high + (value >> 32), low + (value & 0xffff_ffff)));
    (i128::from(high) << 32) + i128::from(low)
}

impl OneWide {
    fn add_integers(&mut self, array: &Int64Array) {
        if array.null_count() == 0 && self.distinct.is_none() && !array.is_empty() {
            *self.sum.get_or_insert(0) += sum_of(array.values());
            return;
        }
        for value in array.iter().flatten() {
            if self.distinct.as_mut().is_none_or(|met| met.is_new(value as u64)) {
                *self.sum.get_or_insert(0) += i128::from(value);
            }
        }
    }

    fn add_reals(&mut self, array: &Float64Array) {
        for value in array.iter().flatten() {
            if self.distinct.as_mut().is_none_or(|met| met.is_new((value + 0.0).to_bits())) {
                *self.real_sum.get_or_insert(0.0) += value;
            }
        }
    }
}

impl Accumulator for OneWide {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match self.real {
            true => self.add_reals(values[0].as_primitive::<Float64Type>()),
            false => self.add_integers(values[0].as_primitive::<Int64Type>()),
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(match self.real {
            true => ScalarValue::Float64(self.real_sum),
            false => ScalarValue::Decimal128(self.sum, 38, 0),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.distinct.as_ref().map_or(0, Distinct::size)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        match &self.distinct {
            Some(met) => Ok(vec![met.state()]),
            None => Ok(vec![self.evaluate()?]),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        if self.distinct.is_some() {
            for bytes in states[0].as_binary::<i32>().iter().flatten() {
                match self.real {
                    true => self.add_reals(&Distinct::of(bytes).map(f64::from_bits).collect::<Vec<_>>().into()),
                    false => self.add_integers(&Distinct::of(bytes).map(|bits| bits as i64).collect::<Vec<_>>().into()),
                }
            }
            return Ok(());
        }
        match self.real {
            true => {
                for value in states[0].as_primitive::<Float64Type>().iter().flatten() {
                    *self.real_sum.get_or_insert(0.0) += value;
                }
            }
            false => {
                for value in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
                    *self.sum.get_or_insert(0) += value;
                }
            }
        }
        Ok(())
    }
}

/// A column's type, and the type of its sums.
trait Plain: Send + 'static {
    type Value: ArrowPrimitiveType;
    type Sum: ArrowPrimitiveType;
    const SUM: DataType;
    fn widen(value: <Self::Value as ArrowPrimitiveType>::Native) -> <Self::Sum as ArrowPrimitiveType>::Native;
}

struct Integers;

impl Plain for Integers {
    type Value = Int64Type;
    type Sum = Decimal128Type;
    const SUM: DataType = WIDE;
    fn widen(value: i64) -> i128 {
        i128::from(value)
    }
}

struct Reals;

impl Plain for Reals {
    type Value = Float64Type;
    type Sum = Float64Type;
    const SUM: DataType = DataType::Float64;
    fn widen(value: f64) -> f64 {
        value
    }
}

type SumOf<P> = <<P as Plain>::Sum as ArrowPrimitiveType>::Native;

struct GroupedPlain<P: Plain> {
    sums: Vec<SumOf<P>>,
    met: Vec<bool>,
}

impl<P: Plain> GroupedPlain<P> {
    fn new() -> GroupedPlain<P> {
        GroupedPlain { sums: Vec::new(), met: Vec::new() }
    }

    fn grow(&mut self, total: usize) {
        self.sums.resize(total.max(self.sums.len()), Default::default());
        self.met.resize(total.max(self.met.len()), false);
    }

    fn add(&mut self, group: usize, value: SumOf<P>) {
        self.sums[group] = self.sums[group].add_wrapping(value);
        self.met[group] = true;
    }
}

impl<P: Plain> GroupsAccumulator for GroupedPlain<P> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        let array = values[0].as_primitive::<P::Value>();
        if array.null_count() == 0 && filter.is_none() {
            groups.iter().zip(array.values()).for_each(|(&group, &value)| self.add(group, P::widen(value)));
            return Ok(());
        }
        for (row, &group) in groups.iter().enumerate() {
            if counts(array, filter, row) {
                self.add(group, P::widen(array.value(row)));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (sums, met) = (emit.take_needed(&mut self.sums), emit.take_needed(&mut self.met));
        let mut out = PrimitiveBuilder::<P::Sum>::with_capacity(sums.len()).with_data_type(P::SUM);
        for (sum, met) in sums.into_iter().zip(met) {
            out.append_option(met.then_some(sum));
        }
        Ok(Arc::new(out.finish()))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let sums = values[0].as_primitive::<P::Sum>();
        for (row, &group) in groups.iter().enumerate() {
            if sums.is_valid(row) {
                self.add(group, sums.value(row));
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let array = values[0].as_primitive::<P::Value>();
        let mut out = PrimitiveBuilder::<P::Sum>::with_capacity(array.len()).with_data_type(P::SUM);
        for row in 0..array.len() {
            out.append_option(counts(array, filter, row).then(|| P::widen(array.value(row))));
        }
        Ok(vec![Arc::new(out.finish())])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<SumOf<P>>() + self.met.capacity()
    }
}

pub fn register(state: &mut SessionState, host: &'static Host) -> Result<(), Failure> {
    for (name, shown) in
        [("rhei_sum", Shown::Sum), ("rhei_avg", Shown::Average), ("rhei_total", Shown::Total)]
    {
        let signature = Signature::exact(vec![DataType::Float64], Volatility::Immutable);
        let sum = ExactSum { name, shown, sum: host.sum, signature };
        state.register_udaf(Arc::new(AggregateUDF::new_from_impl(sum)))?;
    }
    let forms = vec![DataType::Int64, DataType::Float64];
    let plain = PlainSum { signature: Signature::uniform(1, forms, Volatility::Immutable) };
    state.register_udaf(Arc::new(AggregateUDF::new_from_impl(plain)))?;
    Ok(())
}
