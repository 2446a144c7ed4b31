// SPDX-License-Identifier: Apache-2.0
//! Columns in Vortex files behind the C boundary of `rhei_vortex.h`. Independent of DataFusion, which is in the same library only so
//! that there is one to build.
mod vortex_abi;
mod vortex_decode;
mod vortex_encode;
mod vortex_footer;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use vortex_array::array_session;
use vortex_btrblocks::CompressionSession;
use vortex_edition::declarations::core::CORE_2025_10_0;
use vortex_edition::{EDITION_DECLARATIONS, EDITION_FAMILIES, EditionSessionExt};
use vortex_error::VortexError;
use vortex_session::VortexSession;

use vortex_abi::{Array, ErrorText, File, Library, Packed, Status};

/// What an array may be packed as. Of the edition, every reader since Vortex 0.54 knows all; the newest wouldn't be smaller by much.
static SESSION: LazyLock<VortexSession> = LazyLock::new(|| {
    let session = array_session().with::<CompressionSession>();
    for family in EDITION_FAMILIES {
        session.editions().declare_family(family).expect("a family of Vortex's own");
    }
    for declaration in EDITION_DECLARATIONS {
        session.register_edition(declaration).expect("an edition of Vortex's own");
    }
    session.enable_edition(CORE_2025_10_0).expect("an edition of Vortex's own");
    vortex_alp::initialize(&session);
    vortex_fastlanes::initialize(&session);
    vortex_fsst::initialize(&session);
    vortex_runend::initialize(&session);
    vortex_sequence::initialize(&session);
    vortex_sparse::initialize(&session);
    vortex_zigzag::initialize(&session);
    session
});

struct Failure {
    status: Status,
    message: String,
}

impl Failure {
    fn new(status: Status, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into() }
    }
}

fn panic_text(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast::<&str>().map_or_else(|_| "no message".to_string(), |text| text.to_string()),
    }
}

/// Runs what may fail or panic; the status, and the message in `error`. What Vortex itself says is of `status`.
fn guarded(error: *mut ErrorText, status: Status, body: impl FnOnce() -> Result<(), VortexError>) -> i32 {
    let outcome = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::Ok as i32,
        Ok(Err(failure)) => Failure::new(status, failure.to_string()),
        Err(payload) => Failure::new(Status::Panic, panic_text(payload)),
    };
    if let Some(error) = unsafe { error.as_mut() } {
        error.set(outcome.status as i32, &outcome.message);
    }
    outcome.status as i32
}

unsafe extern "C" fn encode(file: *const File, packed: *mut Packed, error: *mut ErrorText) -> i32 {
    guarded(error, Status::Failed, || unsafe {
        let made = vortex_encode::file(&SESSION, &*file)?;
        std::ptr::write(packed, made);
        Ok(())
    })
}

unsafe extern "C" fn release(packed: *mut Packed) {
    guarded(std::ptr::null_mut(), Status::Failed, || {
        unsafe { (*packed).release() };
        Ok(())
    });
}

unsafe extern "C" fn decode(
    bytes: *const u8,
    len: usize,
    encodings: *const u8,
    encodings_len: usize,
    array: *mut Array,
    error: *mut ErrorText,
) -> i32 {
    guarded(error, Status::Damaged, || unsafe {
        vortex_decode::array(
            &SESSION,
            vortex_abi::slice(bytes, len),
            vortex_abi::slice(encodings, encodings_len),
            &mut *array,
        )
    })
}

static LIBRARY: Library = Library {
    size: size_of::<Library>(),
    abi: vortex_abi::ABI,
    version: c"Vortex 0.90.0".as_ptr(),
    encode,
    release,
    decode,
};

/// The one symbol of `rhei_vortex.h`: NULL for an ABI that this isn't.
#[unsafe(no_mangle)]
pub extern "C" fn rhei_vortex_library(abi: u32) -> *const Library {
    crate::quiet();
    if abi == vortex_abi::ABI { &LIBRARY } else { std::ptr::null() }
}
