// SPDX-License-Identifier: Apache-2.0
//! The structs of `rhei_vortex.h`, field by field.
use std::ffi::{CStr, c_char, c_void};

pub const ABI: u32 = 1;

#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    Damaged = 1,
    Failed = 2,
    Panic = 3,
}

pub type ErrorText = crate::error_text::ErrorText<512>;

pub const NULLS: i32 = 0;
pub const INTEGERS: i32 = 1;
pub const REALS: i32 = 2;
pub const TEXTS: i32 = 3;
pub const BLOBS: i32 = 4;
pub const CLASSES: i32 = 5;

#[repr(C)]
pub struct Bytes {
    pub bytes: *mut u8,
    pub len: usize,
}

#[repr(C)]
pub struct Array {
    pub kind: i32,
    pub plain: i32,
    pub count: u32,
    pub heap_count: u32,
    pub valid: *mut u8,
    pub values: *mut u8,
    pub heaps: *mut Bytes,
    pub offset: u64,
    pub len: u64,
}

#[repr(C)]
pub struct Field {
    name: *const u8,
    name_len: usize,
    part_names: *const *const c_char,
    arrays: *mut Array,
    array_count: u32,
}

#[repr(C)]
pub struct File {
    pub rows: u32,
    field_count: u32,
    fields: *const Field,
    table: *const u8,
    table_len: usize,
}

#[repr(C)]
pub struct Packed {
    bytes: *const u8,
    len: usize,
    tail: usize,
    encodings: *const u8,
    encodings_len: usize,
    owner: *mut c_void,
}

#[repr(C)]
pub struct Library {
    pub size: usize,
    pub abi: u32,
    pub version: *const c_char,
    pub encode: unsafe extern "C" fn(*const File, *mut Packed, *mut ErrorText) -> i32,
    pub release: unsafe extern "C" fn(*mut Packed),
    pub decode: unsafe extern "C" fn(*const u8, usize, *const u8, usize, *mut Array, *mut ErrorText) -> i32,
}

unsafe impl Sync for Library {}

/// # Safety
/// The bytes are there for as long as the caller uses them; NULL is none.
pub unsafe fn slice<'a>(bytes: *const u8, len: usize) -> &'a [u8] {
    if bytes.is_null() || len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(bytes, len) } }
}

/// # Safety
/// The same, and nobody else looks at them.
pub unsafe fn slice_mut<'a>(bytes: *mut u8, len: usize) -> &'a mut [u8] {
    if bytes.is_null() || len == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(bytes, len) } }
}

impl Array {
    /// # Safety
    /// The array is as `rhei_vortex.h` says; so of what follows.
    pub unsafe fn heaps(&self) -> &[Bytes] {
        if self.heap_count == 0 {
            &[]
        } else {
            unsafe { std::slice::from_raw_parts(self.heaps, self.heap_count as usize) }
        }
    }
}

impl Field {
    pub unsafe fn name(&self) -> String {
        String::from_utf8_lossy(unsafe { slice(self.name, self.name_len) }).into_owned()
    }

    /// None: the field is its one array.
    pub unsafe fn part_names(&self) -> Option<Vec<String>> {
        (!self.part_names.is_null()).then(|| {
            (0..self.array_count as usize)
                .map(|i| unsafe { CStr::from_ptr(*self.part_names.add(i)) }.to_string_lossy().into_owned())
                .collect()
        })
    }

    pub unsafe fn arrays(&self) -> &mut [Array] {
        unsafe { std::slice::from_raw_parts_mut(self.arrays, self.array_count as usize) }
    }
}

impl File {
    pub unsafe fn table(&self) -> &[u8] {
        unsafe { slice(self.table, self.table_len) }
    }

    pub unsafe fn fields(&self) -> &[Field] {
        if self.field_count == 0 {
            &[]
        } else {
            unsafe { std::slice::from_raw_parts(self.fields, self.field_count as usize) }
        }
    }
}

/// What a `Packed` points into.
struct Owner {
    bytes: Vec<u8>,
    encodings: String,
}

impl Packed {
    pub fn new(bytes: Vec<u8>, tail: usize, encodings: String) -> Packed {
        let owner = Box::new(Owner { bytes, encodings });
        Packed {
            bytes: owner.bytes.as_ptr(),
            len: owner.bytes.len(),
            tail,
            encodings: owner.encodings.as_ptr(),
            encodings_len: owner.encodings.len(),
            owner: Box::into_raw(owner).cast(),
        }
    }

    /// # Safety
    /// It is one that `new` made, or was zeroed.
    pub unsafe fn release(&mut self) {
        if !self.owner.is_null() {
            drop(unsafe { Box::from_raw(self.owner.cast::<Owner>()) });
        }
        *self = Packed {
            bytes: std::ptr::null(),
            len: 0,
            tail: 0,
            encodings: std::ptr::null(),
            encodings_len: 0,
            owner: std::ptr::null_mut(),
        };
    }
}
