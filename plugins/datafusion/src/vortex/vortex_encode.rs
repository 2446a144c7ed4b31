// SPDX-License-Identifier: Apache-2.0
//! Arrays of the host's as a file: each compressed as a whole, in the order of the fields.
use std::sync::Arc;

use vortex_array::arrays::varbinview::BinaryView;
use vortex_array::arrays::{NullArray, PrimitiveArray, VarBinViewArray};
use vortex_array::dtype::{DType, FieldNames, NativePType, Nullability, StructFields};
use vortex_array::serde::SerializeOptions;
use vortex_array::validity::Validity;
use vortex_array::{ArrayContext, ArrayRef, ExecutionCtx, IntoArray, VortexSessionExecute};
use vortex_btrblocks::BtrBlocksCompressor;
use vortex_buffer::{Alignment, BitBuffer, Buffer, ByteBuffer};
use vortex_error::{VortexResult, vortex_bail};
use vortex_session::VortexSession;

use super::vortex_abi::{self as abi, Array, Field, File, Packed, slice};
use super::vortex_footer::{self as footer, Layout, Segment};

struct Writer<'a> {
    session: &'a VortexSession,
    context: ArrayContext,
    execution: ExecutionCtx,
    compressor: BtrBlocksCompressor,
    out: Vec<u8>,
    segments: Vec<Segment>,
}

unsafe fn validity(array: &Array) -> Validity {
    if array.valid.is_null() {
        return Validity::AllValid;
    }
    let count = array.count as usize;
    let bits = ByteBuffer::copy_from(unsafe { slice(array.valid, count.div_ceil(8)) });
    Validity::from_bit_buffer(BitBuffer::new(bits, count), Nullability::Nullable)
}

unsafe fn numbers<T: NativePType>(array: &Array) -> VortexResult<ArrayRef> {
    let bytes = unsafe { slice(array.values, array.count as usize * size_of::<T>()) };
    let values = Buffer::<T>::from_byte_buffer(ByteBuffer::copy_from_aligned(bytes, Alignment::of::<T>()));
    Ok(PrimitiveArray::try_new(values, unsafe { validity(array) })?.into_array())
}

/// Each view and all text is looked at, for other readers believe them.
unsafe fn strings(array: &Array, text: bool, execution: &mut ExecutionCtx) -> VortexResult<ArrayRef> {
    let bytes = unsafe { slice(array.values, array.count as usize * size_of::<BinaryView>()) };
    let views =
        Buffer::<BinaryView>::from_byte_buffer(ByteBuffer::copy_from_aligned(bytes, Alignment::of::<BinaryView>()));
    let heaps: Arc<[ByteBuffer]> = unsafe { array.heaps() }
        .iter()
        .map(|heap| ByteBuffer::copy_from(unsafe { slice(heap.bytes, heap.len) }))
        .collect();
    let dtype = if text { DType::Utf8(Nullability::Nullable) } else { DType::Binary(Nullability::Nullable) };
    Ok(VarBinViewArray::try_new(views, heaps, dtype, unsafe { validity(array) }, execution)?.into_array())
}

impl Writer<'_> {
    unsafe fn take(&mut self, array: &Array) -> VortexResult<ArrayRef> {
        unsafe {
            match array.kind {
                abi::NULLS => Ok(NullArray::new(array.count as usize).into_array()),
                abi::INTEGERS => numbers::<i64>(array),
                abi::REALS => numbers::<f64>(array),
                abi::CLASSES => numbers::<u8>(array),
                abi::TEXTS => strings(array, true, &mut self.execution),
                abi::BLOBS => strings(array, false, &mut self.execution),
                kind => vortex_bail!("there is no kind {kind} of arrays"),
            }
        }
    }

    /// Packs it, and notes where it lies.
    unsafe fn put(&mut self, array: &mut Array) -> VortexResult<(Layout, DType)> {
        let taken = unsafe { self.take(array) }?;
        let dtype = taken.dtype().clone();
        let packed = if array.plain != 0 { taken } else { self.compressor.compress(&taken, &mut self.execution)? };
        let options = SerializeOptions { offset: 0, include_padding: true };
        let buffers = packed.serialize(&self.context, self.session, &options)?;
        let alignment = buffers.first().map_or(Alignment::none(), ByteBuffer::alignment);
        footer::pad(&mut self.out, alignment.as_usize().max(8));
        let offset = self.out.len();
        for buffer in buffers {
            self.out.extend_from_slice(&buffer);
        }
        let Ok(length) = u32::try_from(self.out.len() - offset) else {
            vortex_bail!("an array takes more than 4 GB");
        };
        array.offset = offset as u64;
        array.len = u64::from(length);
        self.segments.push(Segment { offset: offset as u64, length, alignment_exponent: alignment.exponent() });
        Ok((Layout::Flat(self.segments.len() as u32 - 1), dtype))
    }

    unsafe fn put_field(&mut self, field: &Field) -> VortexResult<(Layout, DType)> {
        let arrays = unsafe { field.arrays() };
        let Some(names) = (unsafe { field.part_names() }) else {
            return unsafe { self.put(&mut arrays[0]) };
        };
        let mut layouts = Vec::new();
        let mut dtypes = Vec::new();
        for array in arrays {
            let (layout, dtype) = unsafe { self.put(array) }?;
            layouts.push(layout);
            dtypes.push(dtype);
        }
        let fields = StructFields::new(FieldNames::from_iter(names), dtypes);
        Ok((Layout::Struct(layouts), DType::Struct(fields, Nullability::NonNullable)))
    }
}

/// # Safety
/// The file is as `rhei_vortex.h` says.
pub unsafe fn file(session: &VortexSession, file: &File) -> VortexResult<Packed> {
    let mut writer = Writer {
        session,
        context: ArrayContext::empty(),
        execution: session.create_execution_ctx(),
        compressor: BtrBlocksCompressor::from_session(session),
        out: footer::MAGIC.to_vec(),
        segments: Vec::new(),
    };
    let mut names = Vec::new();
    let mut layouts = Vec::new();
    let mut dtypes = Vec::new();
    for field in unsafe { file.fields() } {
        let (layout, dtype) = unsafe { writer.put_field(field) }?;
        names.push(unsafe { field.name() });
        layouts.push(layout);
        dtypes.push(dtype);
    }
    let dtype = DType::Struct(StructFields::new(FieldNames::from_iter(names), dtypes), Nullability::NonNullable);
    let table = unsafe { file.table() };
    let Writer { mut out, segments, context, .. } = writer;
    let ids = context.to_ids();
    let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    let tail =
        footer::finish(&mut out, table, &dtype, &Layout::Struct(layouts), u64::from(file.rows), &ids, &segments)?;
    Ok(Packed::new(out, tail, ids.join("\n")))
}
