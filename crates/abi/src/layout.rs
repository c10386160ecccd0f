//! `repr(C)` layouts shared by generated code and the runtime.
//!
//! # Values
//! | Echo type | representation |
//! | --- | --- |
//! | integers, floats | themselves |
//! | `bool` | one byte, 0 or 1 (`i1` in registers) |
//! | `char` | `u32` scalar value |
//! | `void` | no bytes |
//! | `string` | pointer to a [`StringBlock`], never null |
//! | `[T]` | pointer to an [`ArrayBlock`], never null |
//! | `map[K]V` | pointer to a block private to the runtime, never null |
//! | struct, tuple | its fields in order, C layout |
//! | plain enum | `i32` tag |
//! | `Option[T]` | `{ i32 tag, T }`, `None` = 0, `Some` = 1 |
//! | `Result[T, E]` | `{ i32 tag, T, E }`, `Ok` = 0, `Err` = 1 |
//! | `func(…)` | pointer to a [`ClosureBlock`] |
//! | `chan`, `Future`, `Promise`, `Mutex`, … | pointer to a handle block private to the runtime |
//! | `*T` | address of a `T`, valid for the call |
//!
//! The empty string, array and map are all [`EMPTY_SYMBOL`], an immortal block, so no value
//! is ever a null pointer and headers can be read without a check.
//!
//! # Reference counts
//! Every block begins with a [`BlockHeader`]. `count > 0`: reachable from one coroutine only, plain arithmetic.
//! `count < 0`: shared between coroutines, `-count` owners, atomic arithmetic. `count == 0`: immortal, never counted or freed.
//! A value is made shared (with all it reaches) before another coroutine can see it, and never becomes unshared.
//! A block may be mutated in place only when `count == 1`, or `count == -1` observed with acquire ordering.

use core::ffi::c_void;

/// First word of every counted block.
#[repr(C)]
pub struct BlockHeader {
    /// See the module docs: positive plain, negative atomic, zero immortal.
    pub count: i32,
    /// Private to the runtime (zero in blocks emitted by the compiler).
    pub flags: u32,
}

/// A string: UTF-8 bytes follow the header. Immutable once it can be seen.
#[repr(C)]
pub struct StringBlock {
    pub header: BlockHeader,
    /// Bytes that follow.
    pub byte_len: i64,
    /// Characters (Unicode scalar values); equal to `byte_len` exactly when the text is ASCII.
    pub char_len: i64,
    // bytes follow at STRING_DATA_OFFSET
}

/// An array: elements follow the header, `size` of the element apart. Blocks are aligned to 16, and so is the first element: vector instructions
/// would cross cache lines otherwise.
#[repr(C)]
pub struct ArrayBlock {
    pub header: BlockHeader,
    /// Elements in use.
    pub len: i64,
    /// Elements there is room for.
    pub capacity: i64,
    pub reserved: i64,
    // elements follow at ARRAY_DATA_OFFSET
}

/// A function value. `code(self, args…)`; captured values follow.
#[repr(C)]
pub struct ClosureBlock {
    pub header: BlockHeader,
    pub code: *const c_void,
    /// How to drop and share the captures; null when there are none.
    pub captures: *const TypeDesc,
    // captures follow at CLOSURE_DATA_OFFSET
}

pub const STRING_DATA_OFFSET: usize = 24;
pub const ARRAY_DATA_OFFSET: usize = 32;
pub const CLOSURE_DATA_OFFSET: usize = 24;
const _: () = assert!(size_of::<StringBlock>() == STRING_DATA_OFFSET);
const _: () = assert!(size_of::<ArrayBlock>() == ARRAY_DATA_OFFSET);
const _: () = assert!(ARRAY_DATA_OFFSET.is_multiple_of(16));
const _: () = assert!(size_of::<ClosureBlock>() == CLOSURE_DATA_OFFSET);

/// The immortal block (64 zero bytes) every empty string, array and map points to.
pub const EMPTY_SYMBOL: &str = "echo_empty";

/// What a type is, for the runtime's generic walks (drop, share, equal, compare, hash, format).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Void = 0,
    Bool = 1,
    Char = 2,
    I8 = 3,
    I16 = 4,
    I32 = 5,
    I64 = 6,
    U8 = 7,
    U16 = 8,
    U32 = 9,
    U64 = 10,
    F32 = 11,
    F64 = 12,
    String = 13,
    /// `fields[0]` is the element.
    Array = 14,
    /// `fields[0]` is the key, `fields[1]` the value.
    Map = 15,
    /// `fields` are the fields in order, named.
    Struct = 16,
    /// `fields` are the elements in order.
    Tuple = 17,
    /// `i32` tag at offset 0; `fields[tag]` names the variant and, where `desc` is not null, describes its payload at `offset`.
    /// `Option` and `Result` are of this kind too.
    Enum = 18,
    /// `Func`: pointer to a [`ClosureBlock`].
    Func = 19,
    /// Handles below: `fields[0]` is the element type where there is one.
    Chan = 20,
    Future = 21,
    Promise = 22,
    Mutex = 23,
    RwLock = 24,
    Atomic = 25,
    WaitGroup = 26,
    Semaphore = 27,
    Once = 28,
    /// `string.builder()`
    StringBuilder = 29,
    /// A counted block of a foreign language with a destructor of its own; the descriptor is the `desc` of a [`ForeignDesc`].
    Foreign = 30,
}

/// Set in [`TypeDesc::flags`] when values of the type hold counted references.
pub const DESC_MANAGED: u8 = 1;

/// Describes one type; a constant emitted by the compiler (or written by a C or Rust user).
#[repr(C)]
pub struct TypeDesc {
    pub kind: Kind,
    pub flags: u8,
    pub align: u16,
    /// Bytes of a value of this type.
    pub size: u32,
    /// Name as the language prints it, UTF-8, not terminated.
    pub name: *const u8,
    pub name_len: u32,
    pub field_count: u32,
    pub fields: *const FieldDesc,
    /// `size` bytes of the zero value; null when the type has none.
    pub zero: *const u8,
}

/// Describes references to blocks of kind [`Kind::Foreign`]. Never emitted by the compiler.
#[repr(C)]
pub struct ForeignDesc {
    pub desc: TypeDesc,
    /// `void destroy(block)`: gives up what the block holds, when its last owner is gone; the runtime frees the block itself. Runs on any of
    /// the runtime's threads, outside coroutines; it may call functions that neither wait nor panic. May be null.
    pub destroy: *const c_void,
}

/// One field, element, variant, key or value of a [`TypeDesc`].
#[repr(C)]
pub struct FieldDesc {
    /// Null for a variant without payload.
    pub desc: *const TypeDesc,
    pub name: *const u8,
    pub name_len: u32,
    /// Bytes from the start of the value.
    pub offset: u32,
}

/// A function that can become a coroutine; emitted once per spawned function (not constant: the runtime learns in it).
#[repr(C)]
pub struct EntryDesc {
    /// `void code(args, result)`: takes ownership of what `args` points to, writes the result to `result`. On a segmented stack the arguments are gone
    /// after the first call of a runtime function that can wait.
    pub code: *const c_void,
    /// Name for reports.
    pub name: *const u8,
    pub name_len: u32,
    /// [`STACK_SEGMENTED`] or [`STACK_PAGES`].
    pub stack: u32,
    /// A tuple of the arguments; null when there are none.
    pub args: *const TypeDesc,
    /// The result; null for `void`.
    pub result: *const TypeDesc,
    /// Size class of the first segment, learned by the runtime. Zero at first.
    pub learned_class: u32,
    /// What the runtime has learned of the futures of these coroutines. Zero at first.
    pub learned_future: u32,
}

/// Echo code: growable split-stack segments.
pub const STACK_SEGMENTED: u32 = 0;
/// Foreign code: a page stack with a guard page.
pub const STACK_PAGES: u32 = 1;

/// A length-delimited UTF-8 constant.
#[repr(C)]
pub struct Text {
    pub bytes: *const u8,
    pub len: u64,
}

/// A source position; functions that can wait, spawn or fail are passed an index into the module's table. Index 0 is "unknown".
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Position {
    /// Index into [`ModuleInfo::files`].
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Index into [`ModuleInfo::functions`]: the function the position is in.
    pub function: u32,
}

/// One row of the side table that names return addresses, sorted by `offset`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineRow {
    /// Bytes from [`LineTable::base`]; the row holds up to the next row's offset.
    pub offset: u32,
    pub file: u32,
    pub line: u32,
    /// Index into [`ModuleInfo::functions`].
    pub function: u32,
}

/// Return addresses to source lines, made by the compiler from the finished object. Where functions were inlined, several rows have the same
/// offset: the function that was called first, the innermost one last. Emitted as the symbol [`LINE_TABLE_SYMBOL`].
#[repr(C)]
pub struct LineTable {
    pub base: *const c_void,
    pub rows: *const LineRow,
    pub count: u64,
    /// Bytes of machine code covered from `base`.
    pub code_size: u64,
}
pub const LINE_TABLE_SYMBOL: &str = "echo_line_table";

/// What a compiled program tells the runtime about itself. Emitted as the symbol [`MODULE_SYMBOL`].
#[repr(C)]
pub struct ModuleInfo {
    pub abi_version: u32,
    pub position_count: u32,
    pub positions: *const Position,
    pub files: *const Text,
    pub functions: *const Text,
    pub file_count: u32,
    pub function_count: u32,
    /// The main coroutine: top-level statements, then `main`. Its result is the exit code, an `i64`.
    pub main: *mut EntryDesc,
    /// Null until the side table is attached.
    pub lines: *const LineTable,
    /// Releases the globals after the program; `void drop()` without arguments, may be null.
    pub drop_globals: *const c_void,
}
pub const MODULE_SYMBOL: &str = "echo_module";

/// One `case` of a select, filled in by generated code on its stack.
#[repr(C)]
pub struct SelectCase {
    /// The channel.
    pub channel: *mut c_void,
    /// Send: the value to send (moved from only if this case is chosen; the caller drops it otherwise). Receive: where the value goes (uninitialised before).
    pub value: *mut c_void,
    /// [`CASE_SEND`], [`CASE_RECEIVE`] or [`CASE_SEND_RESULT`].
    pub kind: u32,
    /// Position of the case.
    pub position: u32,
    /// Receive: set to 1 when a value came, 0 when the channel is closed and drained (`value` then holds the zero value, if the type has one).
    /// [`CASE_SEND_RESULT`]: set to 1 when the value was sent, 0 when the channel is closed.
    pub ok: u32,
    pub reserved: u32,
}
pub const CASE_SEND: u32 = 0;
pub const CASE_RECEIVE: u32 = 1;
/// As [`CASE_SEND`], but a closed channel is no panic: the case takes effect, with `ok` 0 and the value not moved.
pub const CASE_SEND_RESULT: u32 = 2;
/// Returned by `echo_select` when no case was ready and there is a default.
pub const SELECT_DEFAULT: i64 = -1;
/// Returned by `echo_select` when the time was up.
pub const SELECT_TIMEOUT: i64 = -2;
/// `timeout_ms` of a select that waits for ever.
pub const SELECT_FOREVER: i64 = -1;
/// `timeout_ms` of a select with a `default`.
pub const SELECT_POLL: i64 = -2;

// Of handles, what generated code looks at itself before it calls the runtime, in bytes from the start of the block. Who may write there is
// said where the runtime defines the block; there it is also checked that the offsets are right.

/// Of an `Atomic[int]`: the value, an `i64`.
pub const ATOMIC_VALUE_OFFSET: usize = 8;
/// Of a channel: its spin lock, a byte that is 0 while nobody holds it.
pub const CHANNEL_LOCK_OFFSET: usize = 8;
/// The capacity, an `i32`; negative when the channel is closed.
pub const CHANNEL_STATE_OFFSET: usize = 12;
/// Index of the oldest value in the buffer, an `i32`.
pub const CHANNEL_HEAD_OFFSET: usize = 24;
/// Values in the buffer, an `i32`.
pub const CHANNEL_LEN_OFFSET: usize = 28;
/// Who waits to send; null when nobody does.
pub const CHANNEL_SENDERS_OFFSET: usize = 32;
/// Who waits to receive; null when nobody does.
pub const CHANNEL_RECEIVERS_OFFSET: usize = 40;
/// Where the buffer is, for ever; only of a channel that has a capacity.
pub const CHANNEL_BUFFER_OFFSET: usize = 48;
/// Of a `Mutex` or `RwLock`: who is in, shifted by [`LOCK_SHIFT`], and the flags below; an `i64`.
pub const LOCK_STATE_OFFSET: usize = 16;
pub const LOCK_QUEUED: u64 = 1;
pub const LOCK_WOKEN: u64 = 2;
pub const LOCK_HANDED: u64 = 4;
/// Who is in are readers; what is shifted is their number.
pub const LOCK_SHARED: u64 = 8;
pub const LOCK_SHIFT: u32 = 4;
/// Of an `RwLock`: the first reader, an `i64`: its id and one, 0 while there is none.
pub const LOCK_FIRST_READER_OFFSET: usize = 88;
/// Whether anybody has ever waited for it, a byte: as long as it is 0, a writer and the first reader go with a plain store.
pub const LOCK_CONTENDED_OFFSET: usize = 15;
/// The link of the writer or the first reader: the address of the one before in the list of what it holds.
pub const LOCK_HOLD_OFFSET: usize = 40;
/// Whose link it is, a byte: the first reader's while that is in.
pub const LOCK_PURPOSE_OFFSET: usize = 56;
pub const LOCK_HELD_TO_WRITE: u8 = 12;
pub const LOCK_HELD_TO_READ: u8 = 13;
pub const LOCK_VALUE_OFFSET: usize = 96;
/// Of a coroutine's control block: who it is for locks, an `i64`.
pub const COROUTINE_HOLDER_OFFSET: usize = 112;
/// Where the list of what it holds begins.
pub const COROUTINE_HELD_OFFSET: usize = 96;
/// Bytes from the thread pointer to the word with the address of the running coroutine's control block; an `i64`.
pub const TLS_OFFSET_SYMBOL: &str = "echo_tls_offset";
/// Of a `Semaphore` or `WaitGroup`: its spin lock, a byte that is 0 while nobody holds it.
pub const COUNTER_LOCK_OFFSET: usize = 8;
/// The permits that are left, or the counter, an `i64`.
pub const COUNTER_OFFSET: usize = 16;
/// Who waits; null when nobody does.
pub const COUNTER_WAITERS_OFFSET: usize = 24;
/// Of a `Once`: an `i32`, [`ONCE_DONE`] when the function has been run.
pub const ONCE_STATE_OFFSET: usize = 12;
pub const ONCE_DONE: u32 = 2;
/// Of a future: its spin lock, and who may start its coroutine; a byte each, side by side, 0 while nobody holds the lock, and the future is in no deque.
pub const FUTURE_LOCK_OFFSET: usize = 8;
pub const FUTURE_CLAIM_OFFSET: usize = FUTURE_LOCK_OFFSET + 1;
/// Its state, an `i32`; the outcome in the bits [`FUTURE_OUTCOME`], 0 while pending.
pub const FUTURE_STATE_OFFSET: usize = 12;
pub const FUTURE_OUTCOME: u32 = 3;
/// The outcome of a future that has a value.
pub const FUTURE_RESOLVED: u32 = 1;
/// Who waits for it; null when nobody does.
pub const FUTURE_WAITERS_OFFSET: usize = 24;
/// The value.
pub const FUTURE_VALUE_OFFSET: usize = 48;
/// Of the last one that waits for a future: the entry, if that is callbacks of one.
pub const CALLBACKS_ENTRY_OFFSET: usize = 32;
/// Of callbacks: where the next record goes, and where there is no room for one any more.
pub const CALLBACKS_NEXT_OFFSET: usize = 56;
pub const CALLBACKS_END_OFFSET: usize = 64;
/// Of a record: the position, an `i64`, and what the callback gets behind the future, a word.
pub const CALLBACK_ARG_OFFSET: usize = 8;
pub const CALLBACK_BYTES: usize = 16;

/// Offset from the thread pointer (`%fs`) of the word the split-stack prologue compares with.
pub const STACK_LIMIT_FS_OFFSET: usize = 0x70;
