//! Values: counted blocks and the generic walks over a [`TypeDesc`](echo_abi::layout::TypeDesc).
//!
//! ```text
//! block       memory, reference counts, the number of live blocks
//! walk        what parts a value has; dup, share, drop
//! hash        the hash function;  compare: equality, order, hashes of values
//! float       floats as text;     format: any value as text
//! string builder array map        one kind of block each
//! print       standard output;    global: globals that several coroutines see;    math: what needs libm
//! ```
//!
//! Rows of the symbol table are at the end of each module, under their own names, and listed here.

pub mod array;
pub mod block;
pub mod builder;
pub mod compare;
mod float;
pub mod format;
pub mod global;
mod hash;
pub mod map;
pub mod math;
pub mod print;
pub mod string;
pub mod walk;

use echo_abi::layout::{Kind, TypeDesc};
use std::ptr;

pub use array::{array_alloc, index_out_of_range};
pub use block::{alloc, empty, free, live_blocks};
pub use string::{drop_string, string, text as string_text};
pub use walk::{drop, dup, field_type, needs_sharing, release, share, type_name};

// The rows of the symbol table.
pub use array::{
    echo_array_alloc, echo_array_clear, echo_array_contains, echo_array_insert, echo_array_join,
    echo_array_pop, echo_array_push, echo_array_remove, echo_array_repeat, echo_array_slice,
    echo_array_sort, echo_array_unique,
};
pub use block::{echo_alloc, echo_free, echo_retain};
pub use builder::{
    echo_builder_clear, echo_builder_len, echo_builder_new, echo_builder_text, echo_builder_write,
};
pub use compare::{echo_compare, echo_equal};
pub use format::echo_format;
pub use global::{echo_global_load, echo_global_lock, echo_global_store};
pub use map::{
    echo_map_clear, echo_map_entry, echo_map_get, echo_map_insert, echo_map_keys, echo_map_len,
    echo_map_next, echo_map_remove, echo_map_values,
};
pub use math::{
    echo_math_acos, echo_math_asin, echo_math_atan, echo_math_atan2, echo_math_cbrt,
    echo_math_ceil, echo_math_cos, echo_math_exp, echo_math_floor, echo_math_fmod, echo_math_hypot,
    echo_math_log, echo_math_log2, echo_math_log10, echo_math_pow, echo_math_round, echo_math_sin,
    echo_math_tan, echo_math_trunc,
};
pub use print::{echo_print, echo_print_int, echo_print_string};
pub use string::{
    echo_string_append, echo_string_char_at, echo_string_chars, echo_string_compare,
    echo_string_concat, echo_string_contains, echo_string_ends_with, echo_string_equal,
    echo_string_next, echo_string_parse_float, echo_string_parse_int, echo_string_push,
    echo_string_replace, echo_string_slice, echo_string_split, echo_string_starts_with,
    echo_string_to_lower, echo_string_to_upper, echo_string_trim,
};
pub use walk::{echo_drop, echo_dup, echo_release, echo_share};

/// A descriptor that the runtime itself owns.
struct Constant(TypeDesc);

// SAFETY: descriptors are never written to, and neither is what they point to.
unsafe impl Sync for Constant {}

/// The descriptor of `int`.
pub fn int_desc() -> walk::Desc {
    static INT: Constant = Constant(TypeDesc {
        kind: Kind::I64,
        flags: 0,
        align: align_of::<i64>() as u16,
        size: size_of::<i64>() as u32,
        name: "int".as_ptr(),
        name_len: 3,
        field_count: 0,
        fields: ptr::null(),
        zero: (&raw const ZERO).cast(),
    });
    static ZERO: i64 = 0;
    &INT.0
}
