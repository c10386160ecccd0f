//! From position indexes and return addresses to functions and lines.
//!
//! The tables belong to the running module ([`ModuleInfo`]), which is attached once at start and lives as long as the process.

use echo_abi::layout::{LineRow, LineTable, ModuleInfo, Text};
use std::sync::atomic::{AtomicPtr, Ordering};

static MODULE: AtomicPtr<ModuleInfo> = AtomicPtr::new(std::ptr::null_mut());

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub function: &'static str,
    pub file: &'static str,
    pub line: u32,
}

/// Makes `module` the one that positions refer to; null for none.
///
/// # Safety
/// The module and its tables stay valid until another one is attached.
pub unsafe fn attach(module: *const ModuleInfo) {
    MODULE.store(module.cast_mut(), Ordering::Release);
}

/// The place behind a position index; `None` when unknown.
pub fn site(position: u32) -> Option<Site> {
    let module = module()?;
    if position == 0 || position >= module.position_count {
        return None;
    }
    // SAFETY: the index is in range of the attached table.
    let position = unsafe { &*module.positions.add(position as usize) };
    Some(Site {
        function: function(module, position.function),
        file: file(module, position.file),
        line: position.line,
    })
}

/// The places of the call that returns to `address`: more than one where functions were inlined, the innermost first; none outside the
/// program's own code.
pub fn of_address(address: usize) -> impl Iterator<Item = Site> {
    let rows = rows_of(address).unwrap_or_default();
    let known = rows.iter().rev().filter(|row| row.line != 0);
    known.filter_map(|row| {
        let module = module()?;
        Some(Site {
            function: function(module, row.function),
            file: file(module, row.file),
            line: row.line,
        })
    })
}

/// The rows of the table that hold for the call that returns to `address`.
fn rows_of(address: usize) -> Option<&'static [LineRow]> {
    // SAFETY: a non-null table is valid while the module is attached.
    let table: &LineTable = unsafe { module()?.lines.as_ref()? };
    let offset = address.checked_sub(1)?.checked_sub(table.base as usize)?;
    if offset as u64 >= table.code_size || table.count == 0 {
        return None;
    }
    // SAFETY: `rows` has `count` rows.
    let rows = unsafe { std::slice::from_raw_parts(table.rows, table.count as usize) };
    let end = rows.partition_point(|row| row.offset as usize <= offset);
    let last = rows[..end].last()?;
    let start = rows[..end].partition_point(|row| row.offset < last.offset);
    Some(&rows[start..end])
}

/// Whether a return address lies in the program's own code (or nothing is known about where that is).
pub fn is_program_code(address: usize) -> bool {
    // SAFETY: a non-null table is valid while the module is attached.
    match module().and_then(|module| unsafe { module.lines.as_ref() }) {
        Some(table) => {
            address.wrapping_sub(table.base as usize).wrapping_sub(1) < table.code_size as usize
        }
        None => false,
    }
}

fn module() -> Option<&'static ModuleInfo> {
    // SAFETY: `attach` promises validity.
    unsafe { MODULE.load(Ordering::Acquire).as_ref() }
}

fn function(module: &ModuleInfo, index: u32) -> &'static str {
    if index < module.function_count {
        // SAFETY: the index is in range.
        unsafe { text(module.functions.add(index as usize)) }
    } else {
        "?"
    }
}

fn file(module: &ModuleInfo, index: u32) -> &'static str {
    if index < module.file_count {
        // SAFETY: the index is in range.
        unsafe { text(module.files.add(index as usize)) }
    } else {
        "?"
    }
}

/// # Safety
/// `text` points to a valid constant of the module.
unsafe fn text(text: *const Text) -> &'static str {
    // SAFETY: promised by the caller.
    unsafe { str_from_raw((*text).bytes, (*text).len as usize) }
}

/// # Safety
/// `bytes` points to `len` bytes that live for ever; they are checked to be UTF-8.
pub unsafe fn str_from_raw(bytes: *const u8, len: usize) -> &'static str {
    if bytes.is_null() || len == 0 {
        return "";
    }
    // SAFETY: promised by the caller.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(bytes, len) }).unwrap_or("?")
}
