// SPDX-License-Identifier: Apache-2.0
//! SQLite's functions as DataFusion's: those of numbers are written out here, those of SQLite's own code ask the host's helpers.
//! NULL for an argument makes the result NULL; no other case is left to chance: what SQLite would do otherwise is an error.
use std::ffi::{CStr, c_void};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Float64Array, Float64Builder, Int64Array,
    Int64Builder, StringViewArray, StringViewBuilder,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::abi::{ErrorText, Helper, Host, Status, Value};
use crate::arithmetic::{self, Arithmetic};
use crate::failure::Failure;

enum Body {
    Arrays(Box<dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync>),
    /// Of two operands, either of which may be a constant.
    Pair(Arithmetic),
    /// Tried first: None where its arguments aren't of the usual kind.
    Usual(Usual, Box<dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync>),
}

type Usual = fn(&[ColumnarValue]) -> Result<Option<ArrayRef>>;

struct Function {
    name: String,
    signature: Signature,
    result: DataType,
    /// Not folded while planning: what it raises counts only where a row is.
    body: Body,
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        // Null: as the first argument.
        Ok(if self.result == DataType::Null { arguments[0].clone() } else { self.result.clone() })
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        if constant && call.number_rows == 0 {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(call.return_field.data_type())?));
        }
        let result = match &self.body {
            Body::Arrays(body) => body(&ColumnarValue::values_to_arrays(&call.args)?)?,
            Body::Pair(arithmetic) => arithmetic.compute(&call.args[0], &call.args[1])?,
            Body::Usual(usual, body) => match usual(&call.args)? {
                Some(result) => result,
                None => body(&ColumnarValue::values_to_arrays(&call.args)?)?,
            },
        };
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn failed(message: impl Into<String>) -> Failure {
    Failure::new(Status::Compute, message)
}

/// SQLite's integers are exact as doubles within this.
const SMALL: f64 = 9007199254740992.0;

// ---- Reading arguments --------------------------------------------------------------------------------------------------

fn reals(array: &ArrayRef) -> &Float64Array {
    array.as_primitive::<Float64Type>()
}

fn integers(array: &ArrayRef) -> &Int64Array {
    array.as_primitive::<Int64Type>()
}

fn texts(array: &ArrayRef) -> &StringViewArray {
    array.as_string_view()
}

fn truths(array: &ArrayRef) -> &BooleanArray {
    array.as_boolean()
}

fn has_null(arguments: &[ArrayRef], row: usize) -> bool {
    arguments.iter().any(|argument| argument.is_null(row))
}

fn rows(arguments: &[ArrayRef]) -> usize {
    arguments.first().map_or(0, |argument| argument.len())
}

fn make_real(arguments: &[ArrayRef], one: impl Fn(usize) -> Result<Option<f64>>) -> Result<ArrayRef> {
    let mut out = Float64Builder::with_capacity(rows(arguments));
    for row in 0..rows(arguments) {
        let value = if has_null(arguments, row) { None } else { one(row)? };
        if value.is_some_and(is_barred) {
            return Err(failed(BARRED).into());
        }
        out.append_option(value);
    }
    Ok(Arc::new(out.finish()))
}

/// Neither -0.0, another value than 0.0 to DataFusion, nor an infinity, below which its min() begins, may enter a plan.
pub fn is_barred(value: f64) -> bool {
    value.is_infinite() | (value.to_bits() == (-0.0f64).to_bits())
}

pub const BARRED: &str = "negative zero or infinity";

pub fn unbarred(array: ArrayRef) -> Result<ArrayRef> {
    // Without a branch for each: beneath a NULL there may be one, which is then looked for again.
    let any = |values: &Float64Array| values.values().iter().fold(false, |any, &value| any | is_barred(value));
    match array.as_primitive_opt::<Float64Type>() {
        Some(values) if any(values) && values.iter().flatten().any(is_barred) => Err(failed(BARRED).into()),
        _ => Ok(array),
    }
}

fn make_integer(arguments: &[ArrayRef], one: impl Fn(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
    let mut out = Int64Builder::with_capacity(rows(arguments));
    for row in 0..rows(arguments) {
        out.append_option(if has_null(arguments, row) { None } else { one(row)? });
    }
    Ok(Arc::new(out.finish()))
}

fn make_truth(arguments: &[ArrayRef], mut one: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
    let mut out = BooleanBuilder::with_capacity(rows(arguments));
    for row in 0..rows(arguments) {
        out.append_option(if has_null(arguments, row) { None } else { one(row)? });
    }
    Ok(Arc::new(out.finish()))
}

fn make_text(
    arguments: &[ArrayRef],
    mut one: impl FnMut(usize, &mut String) -> Result<bool>,
) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(rows(arguments));
    let mut text = String::new();
    for row in 0..rows(arguments) {
        text.clear();
        if !has_null(arguments, row) && one(row, &mut text)? {
            out.append_value(&text);
        } else {
            out.append_null();
        }
    }
    Ok(Arc::new(out.finish()))
}

// ---- Numbers ------------------------------------------------------------------------------------------------------------

fn divide_integers(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, b) = (integers(&arguments[0]), integers(&arguments[1]));
    make_integer(arguments, |row| match (a.value(row), b.value(row)) {
        (_, 0) => Ok(None),
        (left, right) => left.checked_div(right).map(Some).ok_or_else(|| failed("integer overflow").into()),
    })
}

fn remainder(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, b) = (integers(&arguments[0]), integers(&arguments[1]));
    make_integer(arguments, |row| match b.value(row) {
        0 => Ok(None),
        right => Ok(Some(a.value(row).wrapping_rem(right))),
    })
}

fn divide_reals(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, b) = (reals(&arguments[0]), reals(&arguments[1]));
    make_real(arguments, |row| Ok((b.value(row) != 0.0).then(|| a.value(row) / b.value(row))))
}

/// Of two numbers within 2^53: the integers' quotient where the flag says that both are integers.
fn divide_mixed(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, b, whole) = (reals(&arguments[0]), reals(&arguments[1]), truths(&arguments[2]));
    make_real(arguments, |row| {
        let quotient = a.value(row) / b.value(row);
        Ok((b.value(row) != 0.0).then(|| if whole.value(row) { quotient.trunc() } else { quotient }))
    })
}

fn small(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_real(arguments, |row| match a.value(row) {
        value if value.abs() < SMALL => Ok(Some(value)),
        _ => Err(failed("number beyond 2^53").into()),
    })
}

fn exact(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = integers(&arguments[0]);
    // What lies beneath a NULL may be beyond, which is then looked for again.
    let beyond = |any: bool, value: &i64| any | (value.wrapping_add(SMALL as i64) as u64 > 2 * SMALL as u64);
    if !a.values().iter().fold(false, beyond) {
        return Ok(Arc::new(a.unary::<_, Float64Type>(|value| value as f64)));
    }
    make_real(arguments, |row| match a.value(row) {
        value if value.unsigned_abs() <= SMALL as u64 => Ok(Some(value as f64)),
        _ => Err(failed("integer beyond 2^53").into()),
    })
}

fn no_negative_zero(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_real(arguments, |row| match a.value(row) {
        value if value == 0.0 && value.is_sign_negative() => Err(failed("negative zero").into()),
        value => Ok(Some(value)),
    })
}

fn is_whole(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_truth(arguments, |row| Ok(Some(a.value(row).trunc() == a.value(row) && a.value(row).abs() <= SMALL)))
}

fn not_nan(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_real(arguments, |row| Ok(Some(a.value(row)).filter(|value| !value.is_nan())))
}

fn unsigned_zero(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, integer) = (reals(&arguments[0]), truths(&arguments[1]));
    make_real(arguments, |row| Ok(Some(if integer.value(row) { a.value(row) + 0.0 } else { a.value(row) })))
}

fn abs(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_real(arguments, |row| Ok(Some(if a.value(row) < 0.0 { -a.value(row) } else { a.value(row) })))
}

fn truncate(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_integer(arguments, |row| match a.value(row).trunc() {
        value if (-9223372036854775808.0..9223372036854775808.0).contains(&value) => Ok(Some(value as i64)),
        _ => Err(failed("a REAL beyond the integers").into()),
    })
}

// ---- Texts --------------------------------------------------------------------------------------------------------------

fn change_case(arguments: &[ArrayRef], change: fn(&mut str)) -> Result<ArrayRef> {
    let a = texts(&arguments[0]);
    make_text(arguments, |row, out| {
        out.push_str(a.value(row));
        change(out);
        Ok(true)
    })
}

/// https://sqlite.org/lang_corefunc.html#substr: the first character is number 1, negative starts count from the right, a negative
/// length takes the characters before the start. Afterwards start counts from 0, and the length isn't negative.
fn substr_bounds(text: &str, start: i64, length: i64) -> (usize, usize) {
    let (mut start, mut length) = (start, length.max(-i64::MAX));
    if start < 0 {
        start += text.chars().count() as i64;
        if start < 0 {
            length = if length < 0 { 0 } else { length + start };
            start = 0;
        }
    } else if start > 0 {
        start -= 1;
    } else if length > 0 {
        length -= 1; // number 0 is a place before the first character
    }
    if length < 0 {
        length = start.min(-length);
        start -= length;
    }
    (start as usize, length as usize)
}

fn substr(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, start) = (texts(&arguments[0]), integers(&arguments[1]));
    let length = arguments.get(2).map(integers);
    make_text(arguments, |row, out| {
        let most = length.map_or(i64::MAX, |length| length.value(row));
        let (from, count) = substr_bounds(a.value(row), start.value(row), most);
        out.push_str(part(a.value(row), from, count));
        Ok(true)
    })
}

/// So many characters from one on.
fn part(text: &str, from: usize, count: usize) -> &str {
    let end = from.saturating_add(count).min(text.len());
    if text.as_bytes()[..end].is_ascii() {
        return &text[from.min(end)..end];
    }
    let begin = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let end = text[begin..].char_indices().nth(count).map_or(text.len(), |(at, _)| begin + at);
    &text[begin..end]
}

/// From the same place of every text, counted from its beginning.
fn usual_substr(arguments: &[ColumnarValue]) -> Result<Option<ArrayRef>> {
    let constant = |argument: &ColumnarValue| match argument {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(value))) => usize::try_from(*value).ok(),
        _ => None,
    };
    let (ColumnarValue::Array(array), Some(start)) = (&arguments[0], constant(&arguments[1])) else { return Ok(None) };
    let length = arguments.get(2).map_or(Some(usize::MAX), constant);
    let (Some(from), Some(count)) = (start.checked_sub(1), length) else { return Ok(None) };
    let mut out = StringViewBuilder::with_capacity(array.len());
    for text in texts(array) {
        out.append_option(text.map(|text| part(text, from, count)));
    }
    Ok(Some(Arc::new(out.finish())))
}

fn replace(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, from, to) = (texts(&arguments[0]), texts(&arguments[1]), texts(&arguments[2]));
    make_text(arguments, |row, out| {
        match from.value(row) {
            "" => out.push_str(a.value(row)),
            part => out.push_str(&a.value(row).replace(part, to.value(row))),
        }
        Ok(true)
    })
}

fn instr(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, b) = (texts(&arguments[0]), texts(&arguments[1]));
    make_integer(arguments, |row| {
        let text = a.value(row);
        Ok(Some(text.find(b.value(row)).map_or(0, |at| text[..at].chars().count() as i64 + 1)))
    })
}

fn trim(arguments: &[ArrayRef], left: bool, right: bool) -> Result<ArrayRef> {
    let (a, characters) = (texts(&arguments[0]), texts(&arguments[1]));
    make_text(arguments, |row, out| {
        let gone = |one: char| characters.value(row).contains(one);
        let mut text = a.value(row);
        text = if left { text.trim_start_matches(gone) } else { text };
        text = if right { text.trim_end_matches(gone) } else { text };
        out.push_str(text);
        Ok(true)
    })
}

fn unicode(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = texts(&arguments[0]);
    make_integer(arguments, |row| Ok(a.value(row).chars().next().map(|first| first as i64)))
}

fn length(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = texts(&arguments[0]);
    make_integer(arguments, |row| Ok(Some(a.value(row).chars().count() as i64)))
}

fn bytes_of(array: &ArrayRef, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => array.as_string_view().value(row).as_bytes(),
    }
}

fn octets(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    make_integer(arguments, |row| Ok(Some(bytes_of(&arguments[0], row).len() as i64)))
}

fn hex(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    make_text(arguments, |row, out| {
        for byte in bytes_of(&arguments[0], row) {
            out.push_str(&format!("{byte:02X}"));
        }
        Ok(true)
    })
}

/// The integer that a text begins with, as SQLite's CAST: blanks before it, a sign, digits; at the ends of the range where it is beyond.
fn text_integer(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = texts(&arguments[0]);
    make_integer(arguments, |row| {
        let text = a.value(row).trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = digits.bytes().take_while(u8::is_ascii_digit).count();
        let magnitude = digits[..end].bytes().fold(0i128, |sum, digit| {
            (sum * 10 + i128::from(digit - b'0')).min(i128::from(i64::MAX) + 1)
        });
        let value = if negative { -magnitude } else { magnitude };
        Ok(Some(value.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
    })
}

fn utf16(arguments: &[ArrayRef], bytes: fn(u16) -> [u8; 2]) -> Result<ArrayRef> {
    let a = texts(&arguments[0]);
    make_text(arguments, |row, out| {
        for byte in a.value(row).encode_utf16().flat_map(bytes) {
            out.push_str(&format!("{byte:02x}"));
        }
        Ok(true)
    })
}

fn raise(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    match rows(arguments) {
        0 => Ok(Arc::new(Float64Builder::new().finish())),
        _ => Err(failed(texts(&arguments[0]).value(0)).into()),
    }
}

// ---- The host's helpers -------------------------------------------------------------------------------------------------

/// SQLite's own limit for LIKE and GLOB.
const MAX_PATTERN: usize = 50_000;

fn terminated(text: &str, into: &mut Vec<u8>) -> *const i8 {
    into.clear();
    into.extend_from_slice(text.as_bytes());
    into.push(0);
    into.as_ptr().cast()
}

/// A LIKE pattern of literal parts with % between them, in lower case where they are of ASCII.
struct Parts(Vec<String>);

impl Parts {
    /// None: it has other signs, which SQLite's own code knows.
    fn of(pattern: &str) -> Option<Parts> {
        let simple = pattern.len() <= MAX_PATTERN && !pattern.contains(['_', '\0']);
        simple.then(|| Parts(pattern.to_ascii_lowercase().split('%').map(str::to_string).collect()))
    }

    /// Where the part is found first, without regard to the case of ASCII's letters; the part isn't empty.
    fn find(text: &[u8], part: &[u8]) -> Option<usize> {
        let last = text.len().checked_sub(part.len())?;
        let (lower, upper) = (part[0], part[0].to_ascii_uppercase());
        memchr::memchr2_iter(lower, upper, &text[..=last]).find(|&at| text[at..at + part.len()].eq_ignore_ascii_case(part))
    }

    /// Whatever follows a match matches, too.
    fn is_open(&self) -> bool {
        self.0.len() > 1 && self.0.last().is_some_and(String::is_empty)
    }

    /// By a view's first four bytes, which it has beside the length: false where the text can't match.
    fn may_match(&self, view: u128) -> bool {
        let first = self.0[0].as_bytes();
        let count = first.len().min(4);
        view as u32 as usize >= first.len() && (view >> 32).to_le_bytes()[..count].eq_ignore_ascii_case(&first[..count])
    }

    fn matches_all(&self, mut text: &[u8]) -> bool {
        let (first, last) = match self.0.as_slice() {
            [only] => return text.eq_ignore_ascii_case(only.as_bytes()),
            [first, .., last] => (first.as_bytes(), last.as_bytes()),
            [] => return false,
        };
        let ends = |all: &[u8], part: &[u8]| all[all.len() - part.len()..].eq_ignore_ascii_case(part);
        if text.len() < first.len() + last.len() || !text[..first.len()].eq_ignore_ascii_case(first) || !ends(text, last) {
            return false;
        }
        text = &text[first.len()..text.len() - last.len()];
        for part in self.0[1..self.0.len() - 1].iter().map(String::as_bytes).filter(|part| !part.is_empty()) {
            match Parts::find(text, part) {
                Some(at) => text = &text[at + part.len()..],
                None => return false,
            }
        }
        true
    }

    /// A text ends at a NUL, as SQLite's does.
    fn matches(&self, text: &[u8]) -> bool {
        let all = self.matches_all(text);
        if !all && self.is_open() {
            return false; // nor does its beginning
        }
        match memchr::memchr(0, text) {
            Some(end) => self.matches_all(&text[..end]),
            None => all,
        }
    }
}

/// By one pattern of literal parts.
fn usual_like(arguments: &[ColumnarValue]) -> Result<Option<ArrayRef>> {
    let [ColumnarValue::Scalar(ScalarValue::Utf8View(Some(pattern))), ColumnarValue::Array(array)] = arguments else {
        return Ok(None);
    };
    let (Some(parts), subjects) = (Parts::of(pattern), texts(array)) else { return Ok(None) };
    let matches = |row| parts.may_match(subjects.views()[row]) && parts.matches(subjects.value(row).as_bytes());
    let found = BooleanBuffer::collect_bool(subjects.len(), matches);
    Ok(Some(Arc::new(BooleanArray::new(found, subjects.nulls().cloned()))))
}

type Matcher = unsafe extern "C" fn(*const i8, *const i8, u32) -> bool;

fn matches(function: Matcher, arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (patterns, subjects) = (texts(&arguments[0]), texts(&arguments[1]));
    let escapes = arguments.get(2).map(texts);
    let (mut pattern, mut subject) = (Vec::new(), Vec::new());
    make_truth(arguments, |row| {
        if patterns.value(row).len() > MAX_PATTERN {
            return Err(failed("LIKE or GLOB pattern too complex").into());
        }
        let escape = escapes.and_then(|escapes| escapes.value(row).chars().next()).map_or(0, u32::from);
        let (pattern, subject) =
            (terminated(patterns.value(row), &mut pattern), terminated(subjects.value(row), &mut subject));
        Ok(Some(unsafe { function(pattern, subject, escape) }))
    })
}

const TEXT_BYTES: usize = 40;

type RealText = unsafe extern "C" fn(f64, *mut i8) -> u32;

fn push_real(function: RealText, value: f64, out: &mut String) {
    let mut buffer = [0i8; TEXT_BYTES];
    let length = unsafe { function(value, buffer.as_mut_ptr()) } as usize;
    out.extend(buffer[..length.min(TEXT_BYTES)].iter().map(|&byte| char::from(byte as u8)));
}

fn real_text(function: RealText, arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    make_text(arguments, |row, out| {
        push_real(function, a.value(row), out);
        Ok(true)
    })
}

/// As a text: an integer's, or a REAL's.
fn number_text(function: RealText, arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (a, integer) = (reals(&arguments[0]), truths(&arguments[1]));
    make_text(arguments, |row, out| {
        match integer.value(row) {
            true => out.push_str(&(a.value(row) as i64).to_string()),
            false => push_real(function, a.value(row), out),
        }
        Ok(true)
    })
}

fn real_real(function: unsafe extern "C" fn(f64, i64) -> f64, arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let a = reals(&arguments[0]);
    let digits = arguments.get(1).map(integers);
    make_real(arguments, |row| {
        Ok(Some(unsafe { function(a.value(row), digits.map_or(0, |digits| digits.value(row))) }))
    })
}

/// One of SQLite's evaluators for each thread that needs one at a time.
struct Evaluators {
    host: &'static Host,
    idle: Mutex<Vec<Evaluator>>,
}

struct Evaluator(*mut c_void, &'static Host);

unsafe impl Send for Evaluator {}

impl Drop for Evaluator {
    fn drop(&mut self) {
        if let Some(close) = self.1.evaluator_close {
            unsafe { close(self.0) }
        }
    }
}

impl Evaluators {
    fn take(&self) -> Result<Evaluator> {
        if let Some(idle) = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop() {
            return Ok(idle);
        }
        let open = self.host.evaluator_open.ok_or_else(|| failed("the host evaluates nothing"))?;
        let pointer = unsafe { open(self.host.context) };
        if pointer.is_null() {
            return Err(Failure::new(Status::Memory, "out of memory").into());
        }
        Ok(Evaluator(pointer, self.host))
    }

    fn give(&self, evaluator: Evaluator) {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(evaluator);
    }

    /// Row by row; `take` is told each result.
    fn each(
        &self,
        helper: u32,
        arguments: &[ArrayRef],
        mut take: impl FnMut(Option<&Value>) -> Result<()>,
    ) -> Result<()> {
        let evaluator = self.take()?;
        let evaluate = self.host.evaluate.ok_or_else(|| failed("the host evaluates nothing"))?;
        let mut values = Vec::with_capacity(arguments.len());
        for row in 0..rows(arguments) {
            if has_null(arguments, row) {
                take(None)?;
                continue;
            }
            values.clear();
            values.extend(arguments.iter().map(|argument| {
                let text = texts(argument).value(row);
                Value { kind: 3, length: text.len() as u32, integer: 0, real: 0.0, bytes: text.as_ptr().cast() }
            }));
            let mut result = Value { kind: 0, length: 0, integer: 0, real: 0.0, bytes: std::ptr::null() };
            let mut error = ErrorText::new();
            let code = unsafe {
                evaluate(evaluator.0, helper, values.as_ptr(), values.len() as u32, &mut result, &mut error)
            };
            if code != 0 {
                return Err(failed(error.text()).into());
            }
            take((result.kind != 0).then_some(&result))?;
        }
        self.give(evaluator);
        Ok(())
    }

    fn text(&self, helper: u32, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let mut out = StringViewBuilder::with_capacity(rows(arguments));
        self.each(helper, arguments, |value| {
            out.append_option(value.map(|value| {
                let bytes = match value.length {
                    0 => &[][..],
                    length => unsafe { std::slice::from_raw_parts(value.bytes.cast::<u8>(), length as usize) },
                };
                String::from_utf8_lossy(bytes)
            }));
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }

    fn real(&self, helper: u32, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let mut out = Float64Builder::with_capacity(rows(arguments));
        self.each(helper, arguments, |value| {
            out.append_option(value.map(|value| if value.kind == 1 { value.integer as f64 } else { value.real }));
            Ok(())
        })?;
        unbarred(Arc::new(out.finish()))
    }

    fn integer(&self, helper: u32, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let mut out = Int64Builder::with_capacity(rows(arguments));
        self.each(helper, arguments, |value| {
            out.append_option(value.map(|value| value.integer));
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }

    fn truth(&self, helper: u32, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let mut out = BooleanBuilder::with_capacity(rows(arguments));
        self.each(helper, arguments, |value| {
            out.append_option(value.map(|value| value.integer != 0));
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }
}

// ---- Registering --------------------------------------------------------------------------------------------------------

const TEXT: DataType = DataType::Utf8View;
const INTEGER: DataType = DataType::Int64;
const REAL: DataType = DataType::Float64;
const TRUTH: DataType = DataType::Boolean;

struct Register<'a> {
    state: &'a mut SessionState,
}

impl Register<'_> {
    /// `forms`: the argument types it may have.
    fn add(
        &mut self,
        name: &str,
        forms: &[&[DataType]],
        result: DataType,
        body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Result<()> {
        self.add_usual(name, forms, result, None, body)
    }

    fn add_usual(
        &mut self,
        name: &str,
        forms: &[&[DataType]],
        result: DataType,
        usual: Option<Usual>,
        body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Result<()> {
        let forms = forms.iter().map(|form| TypeSignature::Exact(form.to_vec())).collect();
        let volatility = if name == "error" { Volatility::Volatile } else { Volatility::Immutable };
        let signature = Signature::one_of(forms, volatility);
        let body = match usual {
            Some(usual) => Body::Usual(usual, Box::new(body)),
            None => Body::Arrays(Box::new(body)),
        };
        let function = Function { name: name.to_string(), signature, result, body };
        self.state.register_udf(Arc::new(ScalarUDF::new_from_impl(function)))?;
        Ok(())
    }

    /// Of two integers or two REALs.
    fn arithmetic(&mut self, name: &str, of: Arithmetic) -> Result<()> {
        let forms = vec![TypeSignature::Exact(vec![INTEGER, INTEGER]), TypeSignature::Exact(vec![REAL, REAL])];
        let signature = Signature::one_of(forms, Volatility::Immutable);
        let function = Function { name: name.to_string(), signature, result: DataType::Null, body: Body::Pair(of) };
        self.state.register_udf(Arc::new(ScalarUDF::new_from_impl(function)))?;
        Ok(())
    }

    fn numbers(&mut self) -> Result<()> {
        self.arithmetic("rhei_add", arithmetic::ADD)?;
        self.arithmetic("rhei_subtract", arithmetic::SUBTRACT)?;
        self.arithmetic("rhei_multiply", arithmetic::MULTIPLY)?;
        self.add("rhei_negate", &[&[INTEGER]], INTEGER, |a| Ok(numeric::neg(&a[0])?))?;
        self.add("rhei_divide_integer", &[&[INTEGER, INTEGER]], INTEGER, divide_integers)?;
        self.add("rhei_remainder", &[&[INTEGER, INTEGER]], INTEGER, remainder)?;
        self.add("rhei_divide_real", &[&[REAL, REAL]], REAL, divide_reals)?;
        self.add("rhei_divide", &[&[REAL, REAL, TRUTH]], REAL, divide_mixed)?;
        // No cast: DataFusion leaves casts out of names, so that count(x) and count() of x as a REAL would be two columns of one name.
        self.add("rhei_real", &[&[REAL], &[INTEGER]], REAL, |a| unbarred(cast(&a[0], &REAL)?))?;
        self.add("rhei_small", &[&[REAL]], REAL, small)?;
        self.add("rhei_exact", &[&[INTEGER]], REAL, exact)?;
        self.add("rhei_not_nan", &[&[REAL]], REAL, not_nan)?;
        self.add("rhei_unsigned_zero", &[&[REAL, TRUTH]], REAL, unsigned_zero)?;
        self.add("rhei_abs", &[&[REAL]], REAL, abs)?;
        self.add("rhei_no_negative_zero", &[&[REAL]], REAL, no_negative_zero)?;
        self.add("rhei_is_whole", &[&[REAL]], TRUTH, is_whole)?;
        self.add("rhei_truncate", &[&[REAL]], INTEGER, truncate)?;
        self.add("error", &[&[TEXT]], REAL, raise)?;
        // What a CASE or a subquery gives may be NULL: DataFusion concludes from its parts that it isn't, and is wrong at times.
        let same = Function {
            name: "rhei_same".to_string(),
            signature: Signature::any(1, Volatility::Immutable),
            result: DataType::Null,
            body: Body::Arrays(Box::new(|a| Ok(a[0].clone()))),
        };
        self.state.register_udf(Arc::new(ScalarUDF::new_from_impl(same)))?;
        Ok(())
    }

    fn texts(&mut self) -> Result<()> {
        let any: &[&[DataType]] = &[&[TEXT], &[DataType::BinaryView]];
        self.add("rhei_lower", &[&[TEXT]], TEXT, |a| change_case(a, str::make_ascii_lowercase))?;
        self.add("rhei_upper", &[&[TEXT]], TEXT, |a| change_case(a, str::make_ascii_uppercase))?;
        let places: &[&[DataType]] = &[&[TEXT, INTEGER], &[TEXT, INTEGER, INTEGER]];
        self.add_usual("rhei_substr", places, TEXT, Some(usual_substr), substr)?;
        self.add("rhei_replace", &[&[TEXT, TEXT, TEXT]], TEXT, replace)?;
        self.add("rhei_instr", &[&[TEXT, TEXT]], INTEGER, instr)?;
        self.add("rhei_ltrim", &[&[TEXT, TEXT]], TEXT, |a| trim(a, true, false))?;
        self.add("rhei_rtrim", &[&[TEXT, TEXT]], TEXT, |a| trim(a, false, true))?;
        self.add("rhei_trim", &[&[TEXT, TEXT]], TEXT, |a| trim(a, true, true))?;
        self.add("rhei_unicode", &[&[TEXT]], INTEGER, unicode)?;
        self.add("rhei_length", &[&[TEXT]], INTEGER, length)?;
        self.add("rhei_octets", any, INTEGER, octets)?;
        self.add("rhei_hex", any, TEXT, hex)?;
        self.add("rhei_text_integer", &[&[TEXT]], INTEGER, text_integer)?;
        // in hexadecimal digits, whose order is that of the bytes: windows take no order of BLOBs
        self.add("rhei_utf16le", &[&[TEXT]], TEXT, |a| utf16(a, u16::to_le_bytes))?;
        self.add("rhei_utf16be", &[&[TEXT]], TEXT, |a| utf16(a, u16::to_be_bytes))
    }

    /// By its form of `executor_form` (port/executor.h).
    fn helper(&mut self, helper: &Helper, number: u32, evaluators: &Arc<Evaluators>) -> Result<()> {
        let name = unsafe { CStr::from_ptr(helper.name) }.to_string_lossy().into_owned();
        let function = helper.function;
        let given = |all: &[DataType]| -> Vec<Vec<DataType>> {
            (helper.fewest..=helper.most).map(|count| all[..(count as usize).min(all.len())].to_vec()).collect()
        };
        let evaluated = vec![TEXT; helper.most as usize];
        let all = match helper.form {
            0 => given(&[TEXT, TEXT, TEXT]),
            1 => given(&[REAL]),
            2 => given(&[REAL, INTEGER]),
            _ => given(&evaluated),
        };
        let forms: Vec<&[DataType]> = all.iter().map(Vec::as_slice).collect();
        let needed = || function.ok_or_else(|| failed(format!("the host has no function for {name}")));
        let shared = evaluators.clone();
        // The form says what the pointer is.
        unsafe {
            match helper.form {
                0 => {
                    let function = std::mem::transmute::<_, Matcher>(needed()?);
                    let usual: Option<Usual> = if name == "rhei_like" { Some(usual_like) } else { None };
                    self.add_usual(&name, &forms, TRUTH, usual, move |a| matches(function, a))
                }
                1 => {
                    let function = std::mem::transmute::<_, RealText>(needed()?);
                    if name == "rhei_real_text" {
                        self.add("rhei_number_text", &[&[REAL, TRUTH]], TEXT, move |a| number_text(function, a))?;
                    }
                    self.add(&name, &forms, TEXT, move |a| real_text(function, a))
                }
                2 => {
                    let function = std::mem::transmute::<_, unsafe extern "C" fn(f64, i64) -> f64>(needed()?);
                    self.add(&name, &forms, REAL, move |a| real_real(function, a))
                }
                3 => self.add(&name, &forms, TEXT, move |a| shared.text(number, a)),
                4 => self.add(&name, &forms, REAL, move |a| shared.real(number, a)),
                5 => self.add(&name, &forms, INTEGER, move |a| shared.integer(number, a)),
                6 => self.add(&name, &forms, TRUTH, move |a| shared.truth(number, a)),
                other => Err(failed(format!("the host's helper {name} has a form {other} that isn't known")).into()),
            }
        }
    }
}

pub fn register(state: &mut SessionState, host: &'static Host) -> Result<(), Failure> {
    let mut register = Register { state };
    register.numbers()?;
    register.texts()?;
    let evaluators = Arc::new(Evaluators { host, idle: Mutex::new(Vec::new()) });
    let helpers = match host.helper_count {
        0 => &[][..],
        count => unsafe { std::slice::from_raw_parts(host.helpers, count as usize) },
    };
    for (number, helper) in helpers.iter().enumerate() {
        register.helper(helper, number as u32, &evaluators)?;
    }
    Ok(())
}
