// SPDX-License-Identifier: Apache-2.0
//! DataFusion behind the C boundary of `rhei_datafusion.h`; and beside it, in `vortex`, Vortex behind that of `rhei_vortex.h`.
mod abi;
mod aggregates;
mod arithmetic;
mod conditions;
mod engine;
mod error_text;
mod failure;
mod functions;
mod kept_texts;
mod membership;
mod placeholders;
mod planner;
mod refusals;
mod results;
mod rules;
mod statement;
mod tables;
mod text_range;
mod through;
mod unconstrained;
mod vortex;
mod watch;

use std::sync::Once;

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};

use abi::{Config, EngineStatus, ErrorText, Library, Query};
use engine::Engine;
use failure::guarded;
use results::Results;

/// The host's gives large pieces back at once and takes them anew for the next batch, zeroed page by page: a group of many keys takes twice
/// as long with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

unsafe extern "C" fn open(config: *const Config, out: *mut *mut Engine, error: *mut ErrorText) -> i32 {
    guarded(error, || unsafe {
        *out = Box::into_raw(Box::new(Engine::open(&*config)?));
        Ok(())
    })
}

unsafe extern "C" fn run(
    engine: *mut Engine,
    query: *const Query,
    out: *mut *mut Results,
    error: *mut ErrorText,
) -> i32 {
    guarded(error, || unsafe {
        *out = Box::into_raw(Box::new((*engine).run(&*query)?));
        Ok(())
    })
}

unsafe extern "C" fn check(engine: *mut Engine, query: *const Query, error: *mut ErrorText) -> i32 {
    guarded(error, || unsafe { (*engine).check(&*query) })
}

unsafe extern "C" fn schema(results: *mut Results, out: *mut FFI_ArrowSchema, error: *mut ErrorText) -> i32 {
    guarded(error, || unsafe {
        std::ptr::write(out, (*results).schema()?);
        Ok(())
    })
}

unsafe extern "C" fn next(results: *mut Results, out: *mut FFI_ArrowArray, error: *mut ErrorText) -> i32 {
    guarded(error, || unsafe {
        let batch = (*results).next()?;
        std::ptr::write(out, batch.unwrap_or_else(FFI_ArrowArray::empty));
        Ok(())
    })
}

unsafe extern "C" fn result_close(results: *mut Results) {
    guarded(std::ptr::null_mut(), || {
        drop(unsafe { Box::from_raw(results) });
        Ok(())
    });
}

unsafe extern "C" fn status(engine: *mut Engine, out: *mut EngineStatus) {
    guarded(std::ptr::null_mut(), || unsafe {
        *out = (*engine).status();
        Ok(())
    });
}

unsafe extern "C" fn close(engine: *mut Engine) {
    guarded(std::ptr::null_mut(), || {
        drop(unsafe { Box::from_raw(engine) });
        Ok(())
    });
}

static LIBRARY: Library = Library {
    size: size_of::<Library>(),
    abi: abi::ABI,
    version: c"DataFusion 55.2.0".as_ptr(),
    open,
    run,
    check,
    schema,
    next,
    result_close,
    status,
    close,
};

/// A panic is told to the host as an error of its call, not to the terminal.
fn quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| ())));
}

/// The one symbol of `rhei_datafusion.h`: NULL for an ABI that this isn't.
#[unsafe(no_mangle)]
pub extern "C" fn rhei_datafusion_library(abi: u32) -> *const Library {
    quiet();
    if abi == abi::ABI { &LIBRARY } else { std::ptr::null() }
}
