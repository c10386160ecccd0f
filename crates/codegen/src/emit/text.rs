//! Quoting: names and bytes as LLVM reads them.

use std::fmt::Write as _;

use crate::ir::{Function, FunctionKind};

/// A global symbol, quoted: any characters may stand in it.
pub fn symbol(name: &str) -> String {
    format!("@\"{}\"", escape(name.as_bytes()))
}

/// The name of a function of the program in the object.
pub fn linkage_name(function: &Function) -> String {
    format!("eo.{}", function.symbol)
}

/// The name of a function in debug information: wrappers have another than what they wrap.
pub fn debug_name(function: &Function) -> &str {
    match function.kind {
        FunctionKind::Normal => &function.name,
        FunctionKind::Closure | FunctionKind::Entry => &function.symbol,
    }
}

/// The symbol of a function of the program.
pub fn function_symbol(function: &Function) -> String {
    symbol(&linkage_name(function))
}

/// The inside of a quoted string.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\' {
            text.push(byte as char);
        } else {
            write!(text, "\\{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    text
}

/// A float constant of type `double`, or of `float` when `single`; exact.
pub fn float(value: f64, single: bool) -> String {
    let value = if single {
        f64::from(value as f32)
    } else {
        value
    };
    format!("0x{:016X}", value.to_bits())
}

/// One line of a comment: no line breaks get through.
pub fn comment(line: &str) -> String {
    line.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(100)
        .collect()
}
