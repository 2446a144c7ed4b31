// SPDX-License-Identifier: Apache-2.0
//! What follows the arrays in a Vortex file: type, layout, where each array lies, and how these are found. Written here after the format's
//! description (docs.vortex.dev/specs/file-format.html), whose numbers of slots stand beside the names: Vortex's own writer is
//! made for streams and brings an asynchronous runtime, threads, and a build that needs a C++ compiler and libclang.
use flatbuffers::{FlatBufferBuilder, Push, PushAlignment, UnionWIPOffset, WIPOffset};
use vortex_array::dtype::DType;
use vortex_array::flatbuffers::WriteFlatBufferExt;
use vortex_error::{VortexResult, vortex_bail};

pub const MAGIC: &[u8; 4] = b"VTXF";
const VERSION: u16 = 1;
const ALIGNMENT_EXPONENT: u8 = 3;

/// An array in the file.
pub struct Segment {
    pub offset: u64,
    pub length: u32,
    pub alignment_exponent: u8,
}

/// One array, or a struct of layouts: as many rows each.
pub enum Layout {
    Flat(u32),
    Struct(Vec<Layout>),
}

const FLAT: u16 = 0;
const STRUCT: u16 = 1;
const LAYOUTS: [&str; 2] = ["vortex.flat", "vortex.struct"];

/// The number of a field in its table, as its place in the vtable.
const fn slot(number: u16) -> u16 {
    4 + 2 * number
}

type Table = WIPOffset<UnionWIPOffset>;

fn put_layout(builder: &mut FlatBufferBuilder, layout: &Layout, rows: u64) -> Table {
    let (encoding, children, segments) = match layout {
        Layout::Flat(segment) => (FLAT, None, Some(builder.create_vector(&[*segment]))),
        Layout::Struct(parts) => {
            let parts: Vec<Table> = parts.iter().map(|part| put_layout(builder, part, rows)).collect();
            (STRUCT, (!parts.is_empty()).then(|| builder.create_vector(&parts)), None)
        }
    };
    let table = builder.start_table();
    builder.push_slot::<u16>(slot(0), encoding, 0);
    builder.push_slot::<u64>(slot(1), rows, 0);
    if let Some(children) = children {
        builder.push_slot_always(slot(3), children);
    }
    if let Some(segments) = segments {
        builder.push_slot_always(slot(4), segments);
    }
    WIPOffset::new(builder.end_table(table).value())
}

/// The struct SegmentSpec: offset, length, exponent, compression, encryption.
impl Push for &Segment {
    type Output = [u8; 16];

    unsafe fn push(&self, to: &mut [u8], _written: usize) {
        to[..8].copy_from_slice(&self.offset.to_le_bytes());
        to[8..12].copy_from_slice(&self.length.to_le_bytes());
        to[12..16].copy_from_slice(&[self.alignment_exponent, 0, 0, 0]);
    }

    fn size() -> usize {
        16
    }

    fn alignment() -> PushAlignment {
        PushAlignment::new(8)
    }
}

fn put_ids(builder: &mut FlatBufferBuilder, ids: &[&str]) -> Vec<Table> {
    ids.iter()
        .map(|id| {
            let id = builder.create_string(id);
            let table = builder.start_table();
            builder.push_slot_always(slot(0), id);
            WIPOffset::new(builder.end_table(table).value())
        })
        .collect()
}

fn put_footer(builder: &mut FlatBufferBuilder, encodings: &[&str], segments: &[Segment]) -> Table {
    let segments = builder.create_vector_from_iter(segments.iter());
    let arrays = put_ids(builder, encodings);
    let arrays = builder.create_vector(&arrays);
    let layouts = put_ids(builder, &LAYOUTS);
    let layouts = builder.create_vector(&layouts);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), arrays);
    builder.push_slot_always(slot(1), layouts);
    builder.push_slot_always(slot(2), segments);
    WIPOffset::new(builder.end_table(table).value())
}

/// A PostscriptSegment.
fn put_place(builder: &mut FlatBufferBuilder, place: (u64, u32)) -> Table {
    let table = builder.start_table();
    builder.push_slot::<u64>(slot(0), place.0, 0);
    builder.push_slot::<u32>(slot(1), place.1, 0);
    builder.push_slot::<u8>(slot(2), ALIGNMENT_EXPONENT, 0);
    WIPOffset::new(builder.end_table(table).value())
}

/// A buffer of its own, with what `put` makes as its root.
fn flatbuffer(put: impl FnOnce(&mut FlatBufferBuilder<'_>) -> Table) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let root = put(&mut builder);
    builder.finish_minimal(root);
    builder.finished_data().to_vec()
}

pub fn pad(out: &mut Vec<u8>, alignment: usize) {
    out.resize(out.len().next_multiple_of(alignment), 0);
}

/// Where it was put.
fn append(out: &mut Vec<u8>, bytes: &[u8]) -> (u64, u32) {
    pad(out, 1 << ALIGNMENT_EXPONENT);
    let offset = out.len() as u64;
    out.extend_from_slice(bytes);
    (offset, bytes.len() as u32)
}

/// The key under which readers find the table's name.
const TABLE: &str = "rhei:table";

/// Ends the file; where the postscript begins.
pub fn finish(
    out: &mut Vec<u8>,
    table: &[u8],
    dtype: &DType,
    layout: &Layout,
    rows: u64,
    encodings: &[&str],
    segments: &[Segment],
) -> VortexResult<usize> {
    let name = (!table.is_empty()).then(|| append(out, table));
    let dtype = append(out, &dtype.write_flatbuffer_bytes()?);
    let layout = append(out, &flatbuffer(|builder| put_layout(builder, layout, rows)));
    let footer = append(out, &flatbuffer(|builder| put_footer(builder, encodings, segments)));
    let postscript = flatbuffer(|builder| {
        let metadata = name.map(|name| {
            let key = builder.create_string(TABLE);
            let place = put_place(builder, name);
            let entry = builder.start_table();
            builder.push_slot_always(slot(0), key);
            builder.push_slot_always(slot(1), place);
            let entry: Table = WIPOffset::new(builder.end_table(entry).value());
            builder.create_vector(&[entry])
        });
        let (dtype, layout, footer) =
            (put_place(builder, dtype), put_place(builder, layout), put_place(builder, footer));
        let table = builder.start_table();
        builder.push_slot_always(slot(0), dtype);
        builder.push_slot_always(slot(1), layout);
        builder.push_slot_always(slot(3), footer);
        if let Some(metadata) = metadata {
            builder.push_slot_always(slot(4), metadata);
        }
        WIPOffset::new(builder.end_table(table).value())
    });
    pad(out, 1 << ALIGNMENT_EXPONENT);
    let tail = out.len();
    let Ok(length) = u16::try_from(postscript.len()) else {
        vortex_bail!("the postscript has {} bytes", postscript.len());
    };
    out.extend_from_slice(&postscript);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(MAGIC);
    Ok(tail)
}
