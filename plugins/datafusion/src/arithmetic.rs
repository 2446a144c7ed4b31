// SPDX-License-Identifier: Apache-2.0
//! Sums, differences and products, checked: an integer that overflows and a REAL that may not enter a plan are errors, which SQLite answers.
//! A whole array is computed at once, without a branch for each value; only where one of them is odd, Arrow's own kernel, which looks at
//! each, tells whether it counts: beneath a NULL it doesn't.
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Datum, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

use crate::functions::{is_barred, unbarred};

pub struct Arithmetic {
    integers: Whole<Int64Type>,
    reals: Whole<Float64Type>,
    checked: fn(&dyn Datum, &dyn Datum) -> std::result::Result<ArrayRef, ArrowError>,
}

type Whole<T> = fn(&Operand<T>, &Operand<T>, usize) -> Option<Vec<<T as ArrowPrimitiveType>::Native>>;

enum Operand<'a, T: ArrowPrimitiveType> {
    Many(&'a PrimitiveArray<T>),
    One(T::Native),
}

/// Every row's result.
fn each<T: ArrowPrimitiveType>(
    left: &Operand<T>,
    right: &Operand<T>,
    rows: usize,
    mut one: impl FnMut(T::Native, T::Native) -> T::Native,
) -> Vec<T::Native> {
    match (left, right) {
        (Operand::Many(a), Operand::Many(b)) => a.values().iter().zip(b.values()).map(|(&a, &b)| one(a, b)).collect(),
        (Operand::Many(a), &Operand::One(b)) => a.values().iter().map(|&a| one(a, b)).collect(),
        (&Operand::One(a), Operand::Many(b)) => b.values().iter().map(|&b| one(a, b)).collect(),
        (&Operand::One(a), &Operand::One(b)) => vec![one(a, b); rows],
    }
}

fn reals(
    left: &Operand<Float64Type>,
    right: &Operand<Float64Type>,
    rows: usize,
    of: impl Fn(f64, f64) -> f64,
) -> Option<Vec<f64>> {
    let mut odd = false;
    let all = each(left, right, rows, |a, b| {
        let value = of(a, b);
        odd |= is_barred(value);
        value
    });
    (!odd).then_some(all)
}

/// `of` gives the value, and a number that is negative where it overflowed.
fn integers(
    left: &Operand<Int64Type>,
    right: &Operand<Int64Type>,
    rows: usize,
    of: impl Fn(i64, i64) -> (i64, i64),
) -> Option<Vec<i64>> {
    let mut odd = 0;
    let all = each(left, right, rows, |a, b| {
        let (value, over) = of(a, b);
        odd |= over;
        value
    });
    (odd >= 0).then_some(all)
}

fn add(a: i64, b: i64) -> (i64, i64) {
    let sum = a.wrapping_add(b);
    (sum, (a ^ sum) & (b ^ sum))
}

fn subtract(a: i64, b: i64) -> (i64, i64) {
    let difference = a.wrapping_sub(b);
    (difference, (a ^ b) & (a ^ difference))
}

fn multiply(a: i64, b: i64) -> (i64, i64) {
    let (product, over) = a.overflowing_mul(b);
    (product, -i64::from(over))
}

pub const ADD: Arithmetic = Arithmetic {
    integers: |a, b, rows| integers(a, b, rows, add),
    reals: |a, b, rows| reals(a, b, rows, |a, b| a + b),
    checked: numeric::add,
};
pub const SUBTRACT: Arithmetic = Arithmetic {
    integers: |a, b, rows| integers(a, b, rows, subtract),
    reals: |a, b, rows| reals(a, b, rows, |a, b| a - b),
    checked: numeric::sub,
};
pub const MULTIPLY: Arithmetic = Arithmetic {
    integers: |a, b, rows| integers(a, b, rows, multiply),
    reals: |a, b, rows| reals(a, b, rows, |a, b| a * b),
    checked: numeric::mul,
};

/// None: a NULL.
fn operand<T: ArrowPrimitiveType>(value: &ColumnarValue, one: impl Fn(&ScalarValue) -> Option<T::Native>) -> Option<Operand<'_, T>> {
    match value {
        ColumnarValue::Array(array) => array.as_primitive_opt::<T>().map(Operand::Many),
        ColumnarValue::Scalar(scalar) => one(scalar).map(Operand::One),
    }
}

fn nulls(value: &ColumnarValue) -> Option<&NullBuffer> {
    match value {
        ColumnarValue::Array(array) => array.nulls(),
        ColumnarValue::Scalar(_) => None,
    }
}

fn at_once<T: ArrowPrimitiveType>(
    whole: Whole<T>,
    one: fn(&ScalarValue) -> Option<T::Native>,
    left: &ColumnarValue,
    right: &ColumnarValue,
) -> Option<ArrayRef> {
    let values = whole(&operand::<T>(left, one)?, &operand::<T>(right, one)?, 1)?;
    Some(Arc::new(PrimitiveArray::<T>::new(values.into(), NullBuffer::union(nulls(left), nulls(right)))))
}

fn datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(array.clone()),
        ColumnarValue::Scalar(scalar) => Box::new(scalar.to_scalar()?),
    })
}

impl Arithmetic {
    /// Of two constants it is an array of one row.
    pub fn compute(&self, left: &ColumnarValue, right: &ColumnarValue) -> Result<ArrayRef> {
        let integer = |value: &ScalarValue| if let ScalarValue::Int64(value) = value { *value } else { None };
        let real = |value: &ScalarValue| if let ScalarValue::Float64(value) = value { *value } else { None };
        let result = match left.data_type() {
            DataType::Int64 => at_once(self.integers, integer, left, right),
            _ => at_once(self.reals, real, left, right),
        };
        match result {
            Some(result) => Ok(result),
            None => unbarred((self.checked)(datum(left)?.as_ref(), datum(right)?.as_ref())?),
        }
    }
}
