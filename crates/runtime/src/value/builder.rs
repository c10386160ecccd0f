//! String builders: handles to a text that grows.
//!
//! A builder that only its coroutine can see (plain count) is used without locking; one that is shared (negative count) is locked for each
//! call. The count is made negative before another coroutine can see the builder, so both kinds of access never meet.

use super::block::{alloc, free, is_shared};
use super::string::{char_len, text, with_chars};
use crate::lock::SpinLock;
use echo_abi::layout::BlockHeader;
use std::ptr;

#[repr(C)]
struct Builder {
    header: BlockHeader,
    lock: SpinLock,
    /// Guarded by the lock while the builder is shared.
    content: Content,
}

#[derive(Default)]
struct Content {
    text: String,
    /// Characters of the text.
    chars: usize,
}

/// Frees a builder without owners.
pub unsafe fn dispose(block: *mut u8) {
    // SAFETY: nobody refers to the builder.
    unsafe {
        ptr::drop_in_place(&raw mut (*block.cast::<Builder>()).content);
        free(block);
    }
}

/// Calls `action` with the builder's content, alone.
unsafe fn with_content<T>(block: *mut u8, action: impl FnOnce(&mut Content) -> T) -> T {
    // SAFETY: the caller owns a reference; see the module's comment for who may touch the content.
    unsafe {
        let builder = block.cast::<Builder>();
        let lock = is_shared(block).then(|| &(*builder).lock);
        if let Some(lock) = lock {
            lock.lock();
        }
        let result = action(&mut (*builder).content);
        if let Some(lock) = lock {
            lock.unlock();
        }
        result
    }
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_builder_new() -> *mut u8 {
    let block = alloc(size_of::<Builder>());
    // SAFETY: fresh memory of that size, aligned to 16.
    unsafe {
        block.cast::<Builder>().write(Builder {
            header: block.cast::<BlockHeader>().read(),
            lock: SpinLock::new(),
            content: Content::default(),
        })
    };
    block
}

pub unsafe extern "C" fn echo_builder_write(builder: *mut u8, block: *mut u8) {
    // SAFETY: the contract of the table, here and below.
    unsafe {
        let (text, chars) = (text(block), char_len(block));
        with_content(builder, |content| {
            content.text.push_str(text);
            content.chars += chars;
        });
    }
}

pub unsafe extern "C" fn echo_builder_len(builder: *mut u8) -> i64 {
    // SAFETY: see above.
    unsafe { with_content(builder, |content| content.chars as i64) }
}

pub unsafe extern "C" fn echo_builder_text(builder: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe { with_content(builder, |content| with_chars(&content.text, content.chars)) }
}

pub unsafe extern "C" fn echo_builder_clear(builder: *mut u8) {
    // SAFETY: see above.
    unsafe {
        with_content(builder, |content| {
            content.text.clear();
            content.chars = 0;
        });
    }
}
