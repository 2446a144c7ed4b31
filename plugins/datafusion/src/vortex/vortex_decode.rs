// SPDX-License-Identifier: Apache-2.0
//! One array of a file into buffers of the host's, in the form in which the host has them: values of NULLs are 0, and strings lie in
//! their heaps in the order of rows.
use vortex_array::arrays::varbinview::BinaryView;
use vortex_array::arrays::{PrimitiveArray, VarBinViewArray};
use vortex_array::dtype::{DType, NativePType, Nullability, PType};
use vortex_array::serde::SerializedArray;
use vortex_array::validity::Validity;
use vortex_array::{ArrayRef, ExecutionCtx, VortexSessionExecute};
use vortex_buffer::ByteBuffer;
use vortex_error::{VortexResult, vortex_bail, vortex_ensure};
use vortex_mask::{AllOr, Mask};
use vortex_session::VortexSession;
use vortex_session::registry::{Id, ReadContext};

use super::vortex_abi::{self as abi, Array, slice_mut};

const VIEW: usize = size_of::<BinaryView>();

fn dtype_of(kind: i32) -> VortexResult<DType> {
    let there = Nullability::Nullable;
    Ok(match kind {
        abi::NULLS => DType::Null,
        abi::INTEGERS => DType::Primitive(PType::I64, there),
        abi::REALS => DType::Primitive(PType::F64, there),
        abi::CLASSES => DType::Primitive(PType::U8, there),
        abi::TEXTS => DType::Utf8(there),
        abi::BLOBS => DType::Binary(there),
        kind => vortex_bail!("there is no kind {kind} of arrays"),
    })
}

/// Which rows aren't NULL, for the host too where it asks.
unsafe fn put_valid(validity: Validity, array: &Array, execution: &mut ExecutionCtx) -> VortexResult<Mask> {
    let count = array.count as usize;
    let mask = validity.execute_mask(count, execution)?;
    vortex_ensure!(mask.len() == count, "{} rows instead of {count}", mask.len());
    let bits = unsafe { slice_mut(array.valid, count.div_ceil(8)) };
    if bits.is_empty() {
        return Ok(mask);
    }
    bits.fill(0);
    match mask.bit_buffer() {
        AllOr::All => set_each(bits, 0..count),
        AllOr::None => {}
        AllOr::Some(some) => set_each(bits, some.set_indices()),
    }
    Ok(mask)
}

fn set_each(bits: &mut [u8], places: impl Iterator<Item = usize>) {
    for place in places {
        bits[place / 8] |= 1 << (place % 8);
    }
}

fn for_each_null(mask: &Mask, mut visit: impl FnMut(usize)) {
    match mask.bit_buffer() {
        AllOr::All => {}
        AllOr::None => (0..mask.len()).for_each(visit),
        AllOr::Some(some) => (0..mask.len()).filter(|&place| !some.value(place)).for_each(&mut visit),
    }
}

unsafe fn put_numbers<T: NativePType>(
    unpacked: ArrayRef,
    array: &Array,
    execution: &mut ExecutionCtx,
) -> VortexResult<()> {
    let numbers: PrimitiveArray = unpacked.execute(execution)?;
    let mask = unsafe { put_valid(numbers.as_ref().validity()?, array, execution) }?;
    let values = numbers.as_slice::<T>();
    vortex_ensure!(values.len() == array.count as usize, "{} rows instead of {}", values.len(), array.count);
    let width = size_of::<T>();
    let out = unsafe { slice_mut(array.values, values.len() * width) };
    if !out.is_empty() {
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), values.len() * width) };
        out.copy_from_slice(bytes);
        for_each_null(&mask, |place| out[place * width..(place + 1) * width].fill(0));
    }
    Ok(())
}

/// The heap that is being filled.
struct Heaps<'a> {
    heaps: &'a [abi::Bytes],
    at: usize,
    used: usize,
}

impl Heaps<'_> {
    /// Puts a long string behind the one before; its heap and offset.
    unsafe fn put(&mut self, bytes: &[u8]) -> VortexResult<(u32, u32)> {
        if self.at < self.heaps.len() && self.used == self.heaps[self.at].len {
            self.at += 1;
            self.used = 0;
        }
        vortex_ensure!(
            self.at < self.heaps.len() && bytes.len() <= self.heaps[self.at].len - self.used,
            "its strings are longer than they were"
        );
        let heap = unsafe { slice_mut(self.heaps[self.at].bytes, self.heaps[self.at].len) };
        heap[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        let place = (self.at as u32, self.used as u32);
        self.used += bytes.len();
        Ok(place)
    }

    fn are_full(&self) -> bool {
        self.heaps.is_empty() || (self.at == self.heaps.len() - 1 && self.used == self.heaps[self.at].len)
    }
}

unsafe fn put_strings(unpacked: ArrayRef, array: &Array, execution: &mut ExecutionCtx) -> VortexResult<()> {
    let strings: VarBinViewArray = unpacked.execute(execution)?;
    let mask = unsafe { put_valid(strings.as_ref().validity()?, array, execution) }?;
    let views = strings.views();
    vortex_ensure!(views.len() == array.count as usize, "{} rows instead of {}", views.len(), array.count);
    let out = unsafe { slice_mut(array.values, views.len() * VIEW) };
    if out.is_empty() {
        return Ok(());
    }
    let mut heaps = Heaps { heaps: unsafe { array.heaps() }, at: 0, used: 0 };
    let some = match mask.bit_buffer() {
        AllOr::All => None,
        AllOr::None => {
            out.fill(0);
            vortex_ensure!(heaps.are_full(), "its strings are shorter than they were");
            return Ok(());
        }
        AllOr::Some(some) => Some(some),
    };
    for (place, (view, out)) in views.iter().zip(out.chunks_exact_mut(VIEW)).enumerate() {
        if some.is_some_and(|some| !some.value(place)) {
            out.fill(0);
        } else if view.is_inlined() {
            let bytes = view.as_inlined().value();
            out.fill(0);
            out[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            out[4..4 + bytes.len()].copy_from_slice(bytes);
        } else {
            let far = view.as_view();
            let buffer = strings.buffer(far.buffer_index as usize);
            let from = far.offset as usize;
            let Some(bytes) = buffer.as_slice().get(from..from + far.size as usize) else {
                vortex_bail!("a string lies outside its buffer");
            };
            let (heap, offset) = unsafe { heaps.put(bytes) }?;
            out[..4].copy_from_slice(&far.size.to_le_bytes());
            out[4..8].copy_from_slice(&bytes[..4]);
            out[8..12].copy_from_slice(&heap.to_le_bytes());
            out[12..16].copy_from_slice(&offset.to_le_bytes());
        }
    }
    vortex_ensure!(heaps.are_full(), "its strings are shorter than they were");
    Ok(())
}

/// # Safety
/// The array is as `rhei_vortex.h` says.
pub unsafe fn array(session: &VortexSession, bytes: &[u8], encodings: &[u8], array: &mut Array) -> VortexResult<()> {
    let ids: Vec<Id> = std::str::from_utf8(encodings)
        .map_err(|_| vortex_error::vortex_err!("the encodings have no names"))?
        .split('\n')
        .map(Id::new)
        .collect();
    let mut execution = session.create_execution_ctx();
    let packed = SerializedArray::try_from(ByteBuffer::copy_from(bytes))?;
    let dtype = dtype_of(array.kind)?;
    let unpacked = packed.decode(&dtype, array.count as usize, &ReadContext::new(ids), session)?;
    unsafe {
        match array.kind {
            abi::NULLS => Ok(()),
            abi::INTEGERS => put_numbers::<i64>(unpacked, array, &mut execution),
            abi::REALS => put_numbers::<f64>(unpacked, array, &mut execution),
            abi::CLASSES => put_numbers::<u8>(unpacked, array, &mut execution),
            _ => put_strings(unpacked, array, &mut execution),
        }
    }
}
