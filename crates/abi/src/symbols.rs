//! The table of runtime functions that generated code calls.
//!
//! Every row is `class fn name(arguments) -> result;`. Arguments fit the six integer and eight float registers.
//!
//! * `plain`: runs on the worker's stack and returns; it neither waits nor fails.
//! * `raise`: may end the calling coroutine with a panic. The result is at most one word.
//! * `park`: may also suspend the coroutine.
//! * `never`: a `raise` that never returns.
//!
//! Conventions: `value`, `out`, `place` and `key` point to memory of the caller, which stays in place during the call (also while
//! parked). *moved* means that ownership passes to the runtime in every case, also when the call fails. *borrowed*: the caller
//! keeps its ownership. An `out` is uninitialised before and owned by the caller after. Handles and strings passed by pointer are borrowed
//! unless said otherwise; results are owned by the caller. `position` is an index into `ModuleInfo::positions`. `desc` describes the
//! value's own type, `element` the element's.
//!
//! # Safety
//! All functions trust their caller: pointers are valid and of the described type, counts are right. That is what the compiler
//! guarantees, and what users of the C ABI promise.

/// Calls the macro `$callback` with the whole table.
#[macro_export]
macro_rules! for_each_symbol {
    ($callback:ident) => {
        $callback! {
            // ---- memory: blocks and generic walks over a TypeDesc
            /// A block of `size` bytes (header included) with count 1.
            plain fn echo_alloc(size: i64) -> ptr;
            /// Frees the memory of a block whose contents are already dropped.
            plain fn echo_free(block: ptr) -> void;
            /// Counts one more owner of a block; any state of the count.
            plain fn echo_retain(block: ptr) -> void;
            /// Gives up one owner of the block a value of type `desc` points to; drops what it holds when that was the last.
            plain fn echo_release(block: ptr, desc: ptr) -> void;
            /// Makes the value and all it reaches fit to be seen by several coroutines.
            plain fn echo_share(value: ptr, desc: ptr) -> void;
            /// One more owner for everything the value holds (a bitwise copy of `value` is then owned).
            plain fn echo_dup(value: ptr, desc: ptr) -> void;
            /// Gives up everything the value holds.
            plain fn echo_drop(value: ptr, desc: ptr) -> void;
            /// Structural equality.
            plain fn echo_equal(left: ptr, right: ptr, desc: ptr) -> bool;
            /// Structural order: negative, zero, positive.
            plain fn echo_compare(left: ptr, right: ptr, desc: ptr) -> i32;
            /// The string `print` would print.
            plain fn echo_format(value: ptr, desc: ptr) -> ptr;
            /// Prints value and newline in one atomic write.
            plain fn echo_print(value: ptr, desc: ptr) -> void;
            /// Prints without newline.
            plain fn echo_print_string(text: ptr) -> void;
            /// Prints without newline.
            plain fn echo_print_int(number: i64) -> void;
            /// `out` becomes a consistent snapshot of a global, behind whose value lies its lock, a byte.
            plain fn echo_global_load(global: ptr, out: ptr, desc: ptr) -> void;
            /// The global takes `value` (moved); what it held is dropped.
            plain fn echo_global_store(global: ptr, value: ptr, desc: ptr) -> void;
            /// Takes the lock of a global, at that address, which somebody else holds.
            plain fn echo_global_lock(lock: ptr) -> void;

            // ---- strings
            plain fn echo_string_concat(left: ptr, right: ptr) -> ptr;
            /// As `echo_string_concat`, but `left` is moved; in place where it has no other owner.
            plain fn echo_string_append(left: ptr, right: ptr) -> ptr;
            /// The string in `place` gets the text at its end; in place, unless it has other owners.
            plain fn echo_string_push(place: ptr, text: ptr) -> void;
            plain fn echo_string_equal(left: ptr, right: ptr) -> bool;
            plain fn echo_string_compare(left: ptr, right: ptr) -> i32;
            /// The character at `index`, counted in characters; panics when out of range.
            raise fn echo_string_char_at(text: ptr, index: i64, position: i32) -> i32;
            /// Characters `from..to`; panics unless `0 <= from <= to <= len`.
            raise fn echo_string_slice(text: ptr, from: i64, to: i64, position: i32) -> ptr;
            /// The character at byte `*offset`, which is moved behind it; -1 at the end.
            plain fn echo_string_next(text: ptr, offset: ptr) -> i32;
            /// `[string]`; an empty separator splits into characters.
            plain fn echo_string_split(text: ptr, separator: ptr) -> ptr;
            plain fn echo_string_contains(text: ptr, part: ptr) -> bool;
            plain fn echo_string_starts_with(text: ptr, part: ptr) -> bool;
            plain fn echo_string_ends_with(text: ptr, part: ptr) -> bool;
            plain fn echo_string_trim(text: ptr) -> ptr;
            plain fn echo_string_to_upper(text: ptr) -> ptr;
            plain fn echo_string_to_lower(text: ptr) -> ptr;
            plain fn echo_string_replace(text: ptr, from: ptr, to: ptr) -> ptr;
            /// `[char]`
            plain fn echo_string_chars(text: ptr) -> ptr;
            /// Parses a decimal integer; false and `*error` (an owned string) when it is none.
            plain fn echo_string_parse_int(text: ptr, out: ptr, error: ptr) -> bool;
            plain fn echo_string_parse_float(text: ptr, out: ptr, error: ptr) -> bool;
            plain fn echo_builder_new() -> ptr;
            plain fn echo_builder_write(builder: ptr, text: ptr) -> void;
            plain fn echo_builder_len(builder: ptr) -> i64;
            /// A copy of the text so far.
            plain fn echo_builder_text(builder: ptr) -> ptr;
            plain fn echo_builder_clear(builder: ptr) -> void;

            // ---- arrays (`place` is the variable that holds the array)
            /// Array of `len` uninitialised elements, which the caller must write.
            raise fn echo_array_alloc(element: ptr, len: i64, position: i32) -> ptr;
            /// `[value; len]`; `value` borrowed.
            raise fn echo_array_repeat(element: ptr, value: ptr, len: i64, position: i32) -> ptr;
            /// Makes the array in `place` the only owner of its block, by copying when needed.
            plain fn echo_array_unique(place: ptr, element: ptr) -> void;
            /// `value` moved.
            plain fn echo_array_push(place: ptr, element: ptr, value: ptr) -> void;
            raise fn echo_array_pop(place: ptr, element: ptr, out: ptr, position: i32) -> void;
            /// `value` moved.
            raise fn echo_array_insert(place: ptr, element: ptr, index: i64, value: ptr, position: i32) -> void;
            raise fn echo_array_remove(place: ptr, element: ptr, index: i64, position: i32) -> void;
            plain fn echo_array_clear(place: ptr, element: ptr) -> void;
            plain fn echo_array_contains(array: ptr, element: ptr, value: ptr) -> bool;
            /// Ascending, stable, in the order of `<` (structural for compound elements).
            plain fn echo_array_sort(place: ptr, element: ptr) -> void;
            raise fn echo_array_slice(array: ptr, element: ptr, from: i64, to: i64, position: i32) -> ptr;
            /// Elements as `print` shows them, `separator` between.
            plain fn echo_array_join(array: ptr, element: ptr, separator: ptr) -> ptr;

            // ---- maps (`desc` is the map's own TypeDesc)
            plain fn echo_map_len(map: ptr) -> i64;
            /// Address of the value, or null. Borrowed, valid until the map changes.
            plain fn echo_map_get(map: ptr, desc: ptr, key: ptr) -> ptr;
            /// Key and value moved; an existing entry keeps its place and its key.
            plain fn echo_map_insert(place: ptr, desc: ptr, key: ptr, value: ptr) -> void;
            /// Address of the value in a map made unique; a missing one is inserted as the zero value. Key borrowed.
            plain fn echo_map_entry(place: ptr, desc: ptr, key: ptr) -> ptr;
            plain fn echo_map_remove(place: ptr, desc: ptr, key: ptr) -> bool;
            plain fn echo_map_clear(place: ptr, desc: ptr) -> void;
            plain fn echo_map_keys(map: ptr, desc: ptr) -> ptr;
            plain fn echo_map_values(map: ptr, desc: ptr) -> ptr;
            /// Walks in insertion order: `cursor` 0 at first, then what was returned, which is -1 at the end. The addresses of key and value
            /// are stored in `*key` and `*value`, borrowed.
            plain fn echo_map_next(map: ptr, desc: ptr, cursor: i64, key: ptr, value: ptr) -> i64;

            // ---- floats that need libm
            plain fn echo_math_fmod(x: f64, y: f64) -> f64;
            plain fn echo_math_pow(x: f64, y: f64) -> f64;
            plain fn echo_math_exp(x: f64) -> f64;
            plain fn echo_math_log(x: f64) -> f64;
            plain fn echo_math_log2(x: f64) -> f64;
            plain fn echo_math_log10(x: f64) -> f64;
            plain fn echo_math_sin(x: f64) -> f64;
            plain fn echo_math_cos(x: f64) -> f64;
            plain fn echo_math_tan(x: f64) -> f64;
            plain fn echo_math_asin(x: f64) -> f64;
            plain fn echo_math_acos(x: f64) -> f64;
            plain fn echo_math_atan(x: f64) -> f64;
            plain fn echo_math_atan2(y: f64, x: f64) -> f64;
            plain fn echo_math_floor(x: f64) -> f64;
            plain fn echo_math_ceil(x: f64) -> f64;
            plain fn echo_math_round(x: f64) -> f64;
            plain fn echo_math_trunc(x: f64) -> f64;
            plain fn echo_math_cbrt(x: f64) -> f64;
            plain fn echo_math_hypot(x: f64, y: f64) -> f64;

            // ---- failure
            /// Panics with a message (moved).
            never fn echo_panic(message: ptr, position: i32) -> void;
            /// Panics with constant text of the program.
            never fn echo_panic_text(bytes: ptr, len: i64, position: i32) -> void;
            /// `index out of range: index I, length N`
            never fn echo_panic_index(index: i64, len: i64, position: i32) -> void;
            /// `integer overflow`
            never fn echo_panic_overflow(position: i32) -> void;
            /// `division by zero`
            never fn echo_panic_divide(position: i32) -> void;
            /// Ends the process at once, standard output flushed.
            plain fn echo_exit(code: i64) -> void;

            // ---- coroutines
            /// Starts `entry` as a coroutine with `args` (moved); the owned future of its result, plain.
            raise fn echo_spawn(entry: ptr, args: ptr, position: i32) -> ptr;
            /// As `echo_spawn`, for arguments that are two words, or less: then the rest may be anything.
            raise fn echo_spawn_words(entry: ptr, first: i64, second: i64, position: i32) -> ptr;
            /// As `echo_spawn`, for an entry without result whose future nobody wants.
            raise fn echo_spawn_detached(entry: ptr, args: ptr, position: i32) -> void;
            park fn echo_yield(position: i32) -> void;
            park fn echo_sleep(milliseconds: i64, position: i32) -> void;
            /// Called at a loop's back edge when the stack limit reads as all ones: a preemption request.
            park fn echo_poll() -> void;

            // ---- futures and promises (one kind of block)
            /// Waits; `out` gets a copy of the value, or the failure is raised again.
            park fn echo_await(future: ptr, out: ptr, position: i32) -> void;
            /// As `echo_await`, but that the value stays in the future, at `FUTURE_VALUE_OFFSET`.
            park fn echo_future_wait(future: ptr, position: i32) -> void;
            /// As `echo_future_wait`, where the value holds no counted references. True when it has given up the caller's reference, which was the last: then the value has
            /// to be read at once, before the next call.
            park fn echo_future_wait_last(future: ptr, position: i32) -> bool;
            /// Waits; 0 and the value in `out`, or 1 and the bare message (owned string) in `*error`.
            park fn echo_try_await(future: ptr, out: ptr, error: ptr, position: i32) -> i32;
            plain fn echo_future_is_done(future: ptr) -> bool;
            /// `promise[T]()`; `result` describes T, null for void. Plain, like all blocks: to be shared before others see it.
            plain fn echo_promise_new(result: ptr) -> ptr;
            /// `value` moved. False when already settled.
            plain fn echo_promise_resolve(promise: ptr, value: ptr) -> bool;
            plain fn echo_promise_reject(promise: ptr, message: ptr, position: i32) -> bool;
            /// Spawns `entry` with the future and the word at `arg` (moved) once the future is settled; never when it goes away unsettled.
            plain fn echo_future_on_done(future: ptr, entry: ptr, arg: ptr, position: i32) -> void;
            /// `all(futures)`: `futures` is a borrowed array of futures; `array` describes `[T]` (null: T is void).
            plain fn echo_all(futures: ptr, array: ptr, position: i32) -> ptr;
            /// `race(futures)`; `result` describes T.
            plain fn echo_race(futures: ptr, result: ptr, position: i32) -> ptr;

            // ---- channels (`element` may describe a type of size 0)
            raise fn echo_chan_new(element: ptr, capacity: i64, position: i32) -> ptr;
            /// `value` moved. Panics when the channel is closed.
            park fn echo_chan_send(channel: ptr, value: ptr, position: i32) -> void;
            /// As `echo_chan_send`, but false instead of a panic.
            park fn echo_chan_send_result(channel: ptr, value: ptr, position: i32) -> bool;
            /// True and a value; when closed and drained false and the zero value, or a panic where the type has none.
            park fn echo_chan_receive(channel: ptr, out: ptr, position: i32) -> bool;
            /// True and a value; false when closed and drained, `out` untouched.
            park fn echo_chan_receive_option(channel: ptr, out: ptr, position: i32) -> bool;
            /// `value` moved; false when it could not be sent at once, or the channel is closed.
            plain fn echo_chan_try_send(channel: ptr, value: ptr) -> bool;
            plain fn echo_chan_try_receive(channel: ptr, out: ptr) -> bool;
            raise fn echo_chan_close(channel: ptr, position: i32) -> void;
            plain fn echo_chan_is_closed(channel: ptr) -> bool;
            plain fn echo_chan_len(channel: ptr) -> i64;
            plain fn echo_chan_cap(channel: ptr) -> i64;
            /// `cases` points to `count` `SelectCase`; `timeout_ms` as in `layout`. The index of the case that took effect, or `SELECT_DEFAULT`/`SELECT_TIMEOUT`.
            park fn echo_select(cases: ptr, count: i64, timeout_ms: i64, position: i32) -> i64;

            // ---- locks and counters
            /// `value` (of type `desc`) moved.
            plain fn echo_mutex_new(desc: ptr, value: ptr) -> ptr;
            park fn echo_mutex_lock(mutex: ptr, position: i32) -> void;
            plain fn echo_mutex_try_lock(mutex: ptr) -> bool;
            raise fn echo_mutex_unlock(mutex: ptr, position: i32) -> void;
            raise fn echo_mutex_get(mutex: ptr, out: ptr, position: i32) -> void;
            /// `value` moved.
            raise fn echo_mutex_set(mutex: ptr, value: ptr, position: i32) -> void;
            plain fn echo_mutex_is_poisoned(mutex: ptr) -> bool;
            plain fn echo_rwlock_new(desc: ptr, value: ptr) -> ptr;
            park fn echo_rwlock_lock(lock: ptr, position: i32) -> void;
            plain fn echo_rwlock_try_lock(lock: ptr) -> bool;
            raise fn echo_rwlock_unlock(lock: ptr, position: i32) -> void;
            park fn echo_rwlock_read_lock(lock: ptr, position: i32) -> void;
            raise fn echo_rwlock_read_unlock(lock: ptr, position: i32) -> void;
            raise fn echo_rwlock_get(lock: ptr, out: ptr, position: i32) -> void;
            raise fn echo_rwlock_set(lock: ptr, value: ptr, position: i32) -> void;
            plain fn echo_rwlock_is_poisoned(lock: ptr) -> bool;
            /// Of either kind: who has gone with a plain store finds that others have come to wait.
            plain fn echo_lock_settle(lock: ptr) -> void;
            /// A writer or a first reader has entered, and goes again because the other may be in.
            plain fn echo_rwlock_give_way(lock: ptr, as_reader: i32) -> void;
            plain fn echo_atomic_new(value: i64) -> ptr;
            plain fn echo_atomic_load(atomic: ptr) -> i64;
            plain fn echo_atomic_store(atomic: ptr, value: i64) -> void;
            plain fn echo_atomic_swap(atomic: ptr, value: i64) -> i64;
            plain fn echo_atomic_compare_and_swap(atomic: ptr, old: i64, new: i64) -> bool;
            /// The new value; wraps.
            plain fn echo_atomic_add(atomic: ptr, value: i64) -> i64;
            plain fn echo_wait_group_new() -> ptr;
            raise fn echo_wait_group_add(group: ptr, count: i64, position: i32) -> void;
            park fn echo_wait_group_wait(group: ptr, position: i32) -> void;
            raise fn echo_semaphore_new(permits: i64, position: i32) -> ptr;
            park fn echo_semaphore_acquire(semaphore: ptr, position: i32) -> void;
            plain fn echo_semaphore_try_acquire(semaphore: ptr) -> bool;
            plain fn echo_semaphore_release(semaphore: ptr) -> void;
            plain fn echo_once_new() -> ptr;
            /// True: the caller runs the function, then calls `echo_once_end`. False: it has been run (waits while it runs).
            park fn echo_once_begin(once: ptr, position: i32) -> bool;
            plain fn echo_once_end(once: ptr) -> void;

            // ---- time
            /// Monotonic.
            plain fn echo_time_now_ns() -> i64;
            /// Nanoseconds since 1970 UTC.
            plain fn echo_time_unix_ns() -> i64;
            /// A channel of `int` that gets the tick number (from 1) every so many milliseconds while it has other owners; a slow receiver misses ticks.
            raise fn echo_time_ticker(milliseconds: i64, position: i32) -> ptr;
        }
    };
}

/// How a runtime function behaves; see the module docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Plain,
    Raise,
    Park,
    Never,
}

/// A machine type of an argument or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    Void,
    Bool,
    I32,
    I64,
    F64,
    Ptr,
}

/// One runtime function.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    pub name: &'static str,
    pub class: Class,
    /// Names and types in order.
    pub arguments: &'static [(&'static str, Machine)],
    pub result: Machine,
}

/// Rows as in [`for_each_symbol`] as data, in the order of their text.
#[macro_export]
macro_rules! symbol_table {
    (@type void) => { $crate::symbols::Machine::Void };
    (@type bool) => { $crate::symbols::Machine::Bool };
    (@type i32) => { $crate::symbols::Machine::I32 };
    (@type i64) => { $crate::symbols::Machine::I64 };
    (@type f64) => { $crate::symbols::Machine::F64 };
    (@type ptr) => { $crate::symbols::Machine::Ptr };
    (@class plain) => { $crate::symbols::Class::Plain };
    (@class raise) => { $crate::symbols::Class::Raise };
    (@class park) => { $crate::symbols::Class::Park };
    (@class never) => { $crate::symbols::Class::Never };
    ($($(#[$doc:meta])* $class:ident fn $name:ident($($arg:ident: $ty:tt),*) -> $result:tt;)*) => {
        &[$($crate::symbols::Symbol {
            name: stringify!($name),
            class: $crate::symbol_table!(@class $class),
            arguments: &[$((stringify!($arg), $crate::symbol_table!(@type $ty))),*],
            result: $crate::symbol_table!(@type $result),
        }),*]
    };
}

/// The table as data.
pub const SYMBOLS: &[Symbol] = for_each_symbol!(symbol_table);

/// Replaces `resume` at the end of a landing pad: `void echo_unwind_resume(ptr)`, never returns.
pub const UNWIND_RESUME: &str = "echo_unwind_resume";

/// The row of that name.
pub fn find(name: &str) -> Option<&'static Symbol> {
    SYMBOLS.iter().find(|symbol| symbol.name == name)
}
