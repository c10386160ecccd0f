//! The C ABI beside the symbol table: what `include/echo.h` offers to C and to other compilers.
//!
//! C functions run as coroutines on page stacks. They call the same stubs as generated code; the functions here are those that C needs
//! besides: creating a coroutine in two steps, sizes instead of type descriptors, failures as return values, running a program.
//!
//! # Ownership
//! An `echo_coroutine` ([`Handle`]) is counted: one reference is the C caller's, one the started coroutine's. It owns a reference to the
//! coroutine's future, so its state can be read after the end. Channels, futures and locks are handle blocks like everywhere.

use crate::coroutine::{Completion, Coroutine, Ended, State};
use crate::failure::Failure;
use crate::future::{self, Future};
use crate::handle;
use crate::in_place;
use crate::outcome::{self, Outcome};
use crate::panic::{self, Exception};
use crate::program::{self, Options};
use crate::sanitize::sync::Mutex;
use crate::scheduler;
use crate::stubs::{guarded_rows, stub_rows};
use crate::sync::lock;
use crate::value::block;
use crate::{channel, unwind};
use echo_abi::layout::{EntryDesc, Kind, ModuleInfo, STACK_PAGES, TypeDesc};
use echo_abi::symbols::Symbol;
use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// Calls the macro `$callback` with the functions of this module, as rows like those of the symbol table. `include/echo.h` documents them.
macro_rules! for_each_function {
    ($callback:ident) => {
        $callback! {
            plain fn echo_run(main: ptr, argument: ptr, options: ptr) -> i32;
            plain fn echo_is_running() -> bool;
            plain fn echo_external_begin() -> void;
            plain fn echo_external_end() -> void;

            plain fn create_coroutine() -> ptr;
            plain fn echo_coroutine_set_entry(coroutine: ptr, entry: ptr) -> void;
            plain fn echo_coroutine_set_argument(coroutine: ptr, argument: ptr) -> void;
            plain fn echo_coroutine_set_result_size(coroutine: ptr, size: i64) -> void;
            plain fn echo_coroutine_set_result_type(coroutine: ptr, desc: ptr) -> void;
            plain fn echo_coroutine_set_name(coroutine: ptr, name: ptr) -> void;
            plain fn start_coroutine(coroutine: ptr) -> ptr;
            plain fn echo_coroutine_spawn(entry: ptr, argument: ptr, result_size: i64) -> ptr;
            plain fn echo_coroutine_state(coroutine: ptr) -> i32;
            plain fn echo_coroutine_id(coroutine: ptr) -> i64;
            plain fn echo_coroutine_current_id() -> i64;
            plain fn echo_coroutine_release(coroutine: ptr) -> void;
            park fn yield_coroutine() -> void;
            never fn echo_panic_message(message: ptr) -> void;

            park fn await_future(future: ptr, out: ptr) -> i32;
            plain fn echo_future_state(future: ptr) -> i32;
            plain fn echo_future_error(future: ptr, buffer: ptr, size: i64) -> i64;
            plain fn echo_future_then(future: ptr, callback: ptr, data: ptr) -> bool;
            plain fn echo_promise_create(size: i64) -> ptr;
            plain fn echo_promise_create_typed(desc: ptr) -> ptr;
            plain fn echo_promise_fail(promise: ptr, message: ptr) -> bool;

            plain fn echo_channel_create(element_size: i64, capacity: i64) -> ptr;
            plain fn echo_channel_create_typed(element: ptr, capacity: i64) -> ptr;
            plain fn echo_channel_close(channel: ptr) -> bool;
            plain fn echo_mutex_create() -> ptr;
            plain fn echo_handle_release(handle: ptr, kind: i32) -> void;
        }
    };
}

/// The functions as data; the test of the header reads it.
pub const FUNCTIONS: &[Symbol] = for_each_function!(symbols);
use echo_abi::symbol_table as symbols;

/// Those that may suspend or fail, with Rust panics caught.
mod guarded {
    use super::{exports, guarded_rows};
    for_each_function!(guarded_rows);
}

for_each_function!(stub_rows);

/// `void entry(void *argument, void *result)`
type Function = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void);
/// `void callback(void *data)`
type Callback = unsafe extern "C-unwind" fn(*mut c_void);

/// `echo_options` of the header.
#[repr(C)]
pub struct COptions {
    /// 0: as many as there are cores.
    pub workers: u32,
    /// Of [`OPTION_STATS`] and so on.
    pub flags: u32,
    /// Maximum stack of a coroutine that runs Echo code, in bytes; 0: the default.
    pub max_stack: u64,
}
pub const OPTION_STATS: u32 = 1;
pub const OPTION_LEAKS: u32 = 2;
pub const OPTION_MAIN_EXIT: u32 = 4;
pub const OPTION_CHECK_LEAKS: u32 = 8;
pub const OPTION_ONE_NODE: u32 = 16;

/// What [`echo_run`] returns when it cannot run anything.
pub const NOT_RUN: i32 = -1;

/// `echo_coroutine` of the header.
pub struct Handle {
    references: AtomicU32,
    entry: EntryDesc,
    function: Option<Function>,
    argument: *mut c_void,
    name: Box<str>,
    coroutine: *mut Coroutine,
    id: u64,
    /// Null until it is started; then owned.
    future: AtomicPtr<Future>,
}

/// An entry descriptor or a type descriptor that lives as long as the process.
#[repr(transparent)]
struct Static<T>(UnsafeCell<T>);

// SAFETY: nothing is written to them; what is learned belongs to segmented stacks, which C functions have not.
unsafe impl<T> Sync for Static<T> {}
// SAFETY: the pointers in descriptors point to constants.
unsafe impl<T> Send for Static<T> {}

impl<T> Static<T> {
    const fn new(value: T) -> Static<T> {
        Static(UnsafeCell::new(value))
    }
}

/// A value of so many bytes that mean nothing to the runtime.
const fn bytes_desc(size: u32) -> TypeDesc {
    TypeDesc {
        kind: Kind::Struct,
        flags: 0,
        align: 16,
        size,
        name: "bytes".as_ptr(),
        name_len: 5,
        field_count: 0,
        fields: ptr::null(),
        zero: ptr::null(),
    }
}

/// The arguments of [`run_function`] and of [`run_callback`].
static HANDLE_ARGS: Static<TypeDesc> = Static::new(bytes_desc(size_of::<*mut Handle>() as u32));
static CALLBACK_ARGS: Static<TypeDesc> = Static::new(bytes_desc(size_of::<CallbackArgs>() as u32));
static MAIN_RESULT: Static<TypeDesc> = Static::new(bytes_desc(size_of::<i64>() as u32));
static CALLBACK_ENTRY: Static<EntryDesc> = Static::new(entry_desc(
    run_callback as *const c_void,
    "callback",
    CALLBACK_ARGS.0.get(),
    ptr::null(),
));
static MAIN_ENTRY: Static<EntryDesc> = Static::new(entry_desc(
    run_main as *const c_void,
    "main",
    ptr::null(),
    MAIN_RESULT.0.get(),
));

/// The module of a program whose main function is C.
static MODULE: Static<ModuleInfo> = Static::new(ModuleInfo {
    abi_version: echo_abi::ABI_VERSION,
    position_count: 0,
    positions: ptr::null(),
    files: ptr::null(),
    functions: ptr::null(),
    file_count: 0,
    function_count: 0,
    main: MAIN_ENTRY.0.get(),
    lines: ptr::null(),
    drop_globals: ptr::null(),
});

const fn entry_desc(
    code: *const c_void,
    name: &str,
    args: *const TypeDesc,
    result: *const TypeDesc,
) -> EntryDesc {
    EntryDesc {
        code,
        name: name.as_ptr(),
        name_len: name.len() as u32,
        stack: STACK_PAGES,
        args,
        result,
        learned_class: 0,
        learned_future: 0,
    }
}

/// The main function while a program runs.
struct Main {
    function: Option<Function>,
    argument: *mut c_void,
}
static MAIN: Static<Main> = Static::new(Main {
    function: None,
    argument: ptr::null_mut(),
});
/// Guards [`MAIN`]: set by the one who runs a program.
static BUSY: AtomicBool = AtomicBool::new(false);

/// A descriptor for values of `size` bytes; `None` when that is too much.
fn sized(size: i64) -> Option<*const TypeDesc> {
    static KNOWN: Mutex<BTreeMap<u32, &'static Static<TypeDesc>>> = Mutex::new(BTreeMap::new());
    let size = u32::try_from(size)
        .ok()
        .filter(|&size| size < i32::MAX as u32)?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let desc = known
        .entry(size)
        .or_insert_with(|| Box::leak(Box::new(Static::new(bytes_desc(size)))));
    Some(desc.0.get())
}

/// As [`sized`]; void for no bytes.
fn sized_result(size: i64) -> Option<*const TypeDesc> {
    match size {
        0 => Some(ptr::null()),
        _ => sized(size),
    }
}

/// Code of every C coroutine. No Rust value lives in this frame: it may be unwound.
unsafe extern "C-unwind" fn run_function(args: *const *mut Handle, result: *mut c_void) {
    // SAFETY: the coroutine owns a reference to its handle, which is complete since it was started.
    unsafe {
        let handle = *args;
        let (function, argument) = ((*handle).function, (*handle).argument);
        if let Some(desc) = (*handle).entry.result.as_ref() {
            ptr::write_bytes(result.cast::<u8>(), 0, desc.size as usize);
        }
        if let Some(function) = function {
            function(argument, result);
        }
    }
}

/// As `run_function`, for the main coroutine.
unsafe extern "C-unwind" fn run_main(_args: *const c_void, result: *mut c_void) {
    // SAFETY: `MAIN` was written before the program started.
    unsafe {
        let main = MAIN.0.get();
        result.cast::<i64>().write(0);
        if let Some(function) = (*main).function {
            function((*main).argument, result);
        }
    }
}

#[repr(C)]
struct CallbackArgs {
    callback: Callback,
    data: *mut c_void,
}

/// As `run_function`, for the callback of a future.
unsafe extern "C-unwind" fn run_callback(args: *const CallbackArgs, _result: *mut c_void) {
    // SAFETY: `echo_future_then` made the arguments.
    unsafe { ((*args).callback)((*args).data) }
}

impl Handle {
    /// Null when there is no memory.
    fn new() -> *mut Handle {
        let Ok(coroutine) = scheduler::create(0) else {
            return ptr::null_mut();
        };
        // SAFETY: the coroutine is ours until it is started.
        let id = unsafe { (*coroutine).id() };
        let code = run_function as *const c_void;
        Box::into_raw(Box::new(Handle {
            references: AtomicU32::new(1),
            entry: entry_desc(code, "C function", HANDLE_ARGS.0.get(), ptr::null()),
            function: None,
            argument: ptr::null_mut(),
            name: Box::default(),
            coroutine,
            id,
            future: AtomicPtr::new(ptr::null_mut()),
        }))
    }

    /// The owned future, or null when it cannot be started (again), or there is no memory for a future.
    unsafe fn start(this: *mut Handle) -> *mut Future {
        // SAFETY: the caller owns a reference and nobody else starts the coroutine at the same time.
        unsafe {
            let started = !(*this).future.load(Ordering::Acquire).is_null();
            if started || (*this).function.is_none() || !scheduler::is_running() {
                return ptr::null_mut();
            }
            // One reference for the handle, one for the caller.
            let Some(future) = future::of_coroutine((*this).entry.result, (*this).id) else {
                return ptr::null_mut();
            };
            let future = shared(future);
            handle::retain(future);
            (*this).future.store(future, Ordering::Release);
            (*this).references.fetch_add(1, Ordering::Relaxed);
            let args = this;
            let completion = Completion {
                data: this.cast(),
                finish: Handle::ended,
            };
            let started = scheduler::start(
                (*this).coroutine,
                &raw mut (*this).entry,
                (&raw const args).cast(),
                future::result_slot(future),
                completion,
            );
            if started.is_err() {
                let ended = scheduler::cannot_start(&in_place::identity(&*(*this).coroutine));
                scheduler::discard((*this).coroutine);
                Handle::ended(this.cast(), ended);
            }
            future
        }
    }

    /// The coroutine has ended.
    unsafe fn ended(this: *mut c_void, ended: Ended) {
        let this: *mut Handle = this.cast();
        // SAFETY: the coroutine's reference to the handle is given up here.
        unsafe {
            let completion = future::completion((*this).future.load(Ordering::Acquire));
            completion.tell(ended);
            Handle::release(this);
        }
    }

    unsafe fn state(this: *const Handle) -> State {
        // SAFETY: the caller owns a reference. Control blocks stay readable for ever; what this one says counts only while the future is pending.
        unsafe {
            let future = (*this).future.load(Ordering::Acquire);
            if future.is_null() {
                return State::Ready;
            }
            let running = match (*(*this).coroutine).state() {
                // It has just ended, and its future is about to be settled.
                State::Free | State::Completed | State::Failed => State::Running,
                state => state,
            };
            match future::state(future) {
                future::RESOLVED => State::Completed,
                future::REJECTED => State::Failed,
                _ => running,
            }
        }
    }

    unsafe fn release(this: *mut Handle) {
        // SAFETY: the caller gives up its reference; the last one frees.
        unsafe {
            if (*this).references.fetch_sub(1, Ordering::AcqRel) != 1 {
                return;
            }
            let handle = Box::from_raw(this);
            let future = handle.future.load(Ordering::Relaxed);
            if future.is_null() {
                scheduler::discard(handle.coroutine);
            } else {
                handle::release_with(future, future::destroy);
            }
        }
    }
}

/// A fresh future for C, which may show it to anybody at once.
unsafe fn shared(future: *mut Future) -> *mut Future {
    // SAFETY: nobody else knows it.
    unsafe { block::make_shared(future.cast()) };
    future
}

/// Text of a C string; what is not UTF-8 is replaced.
unsafe fn text(message: *const u8) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: the caller passes a C string.
    let text = unsafe { CStr::from_ptr(message.cast::<c_char>()) };
    text.to_string_lossy().into_owned()
}

/// A function pointer from C.
unsafe fn function<T: Copy>(pointer: *mut u8) -> Option<T> {
    const { assert!(size_of::<T>() == size_of::<*mut u8>()) };
    // SAFETY: the caller passes a pointer to a function of that type, or null.
    (!pointer.is_null()).then(|| unsafe { std::mem::transmute_copy(&pointer) })
}

/// The pointer a function returned, or null when it raised, which C is told by that.
fn pointer_or_null(outcome: Outcome) -> *mut u8 {
    if outcome.status == outcome::RAISE {
        forget(outcome);
        return ptr::null_mut();
    }
    outcome.value as usize as *mut u8
}

/// Frees the exception of an outcome that is not acted on.
fn forget(outcome: Outcome) {
    // SAFETY: the status says that the value is an exception, which is owned by the outcome.
    drop(unsafe { Box::from_raw(outcome.value as usize as *mut Exception) });
}

/// The functions behind the stubs. Their contracts are in the header.
mod exports {
    use super::*;

    pub unsafe extern "C" fn echo_run(main: *mut u8, argument: *mut u8, options: *mut u8) -> i32 {
        // SAFETY: promised by the caller, here and below.
        unsafe {
            let options = match options.cast::<COptions>().as_ref() {
                Some(options) => Ok(from_c(options)),
                None => Options::from_environment(),
            };
            let Ok(options) = options else { return NOT_RUN };
            if main.is_null() || BUSY.swap(true, Ordering::Acquire) {
                return NOT_RUN;
            }
            *MAIN.0.get() = Main {
                function: function(main),
                argument: argument.cast(),
            };
            let code = program::run(MODULE.0.get(), options);
            BUSY.store(false, Ordering::Release);
            code
        }
    }

    fn from_c(options: &COptions) -> Options {
        let flag = |flag| options.flags & flag != 0;
        Options {
            workers: (options.workers != 0).then_some(options.workers as usize),
            max_stack: (options.max_stack != 0).then_some(options.max_stack as usize),
            stats: flag(OPTION_STATS),
            leaks: flag(OPTION_LEAKS),
            main_exit: flag(OPTION_MAIN_EXIT),
            one_node: flag(OPTION_ONE_NODE),
            check_leaks: flag(OPTION_CHECK_LEAKS),
        }
    }

    pub unsafe extern "C" fn echo_is_running() -> bool {
        scheduler::is_running()
    }

    pub unsafe extern "C" fn echo_external_begin() {
        scheduler::external_begin();
    }

    pub unsafe extern "C" fn echo_external_end() {
        scheduler::external_end();
    }

    pub unsafe extern "C" fn create_coroutine() -> *mut u8 {
        Handle::new().cast()
    }

    pub unsafe extern "C" fn echo_coroutine_set_entry(coroutine: *mut u8, entry: *mut u8) {
        // SAFETY: see above.
        unsafe { (*coroutine.cast::<Handle>()).function = function(entry) }
    }

    pub unsafe extern "C" fn echo_coroutine_set_argument(coroutine: *mut u8, argument: *mut u8) {
        // SAFETY: see above.
        unsafe { (*coroutine.cast::<Handle>()).argument = argument.cast() }
    }

    pub unsafe extern "C" fn echo_coroutine_set_result_size(coroutine: *mut u8, size: i64) {
        let Some(result) = sized_result(size) else {
            unwind::fatal(&format!("a result of {size} bytes is too large"));
        };
        // SAFETY: see above.
        unsafe { (*coroutine.cast::<Handle>()).entry.result = result }
    }

    pub unsafe extern "C" fn echo_coroutine_set_result_type(coroutine: *mut u8, desc: *mut u8) {
        // SAFETY: see above; descriptors live as long as the program.
        unsafe { (*coroutine.cast::<Handle>()).entry.result = desc.cast() }
    }

    pub unsafe extern "C" fn echo_coroutine_set_name(coroutine: *mut u8, name: *mut u8) {
        // SAFETY: see above; the name moves with the handle, which outlives the coroutine.
        unsafe {
            let handle = &mut *coroutine.cast::<Handle>();
            handle.name = text(name).into();
            handle.entry.name = handle.name.as_ptr();
            handle.entry.name_len = handle.name.len() as u32;
        }
    }

    pub unsafe extern "C" fn start_coroutine(coroutine: *mut u8) -> *mut u8 {
        // SAFETY: see above.
        unsafe { Handle::start(coroutine.cast()).cast() }
    }

    pub unsafe extern "C" fn echo_coroutine_spawn(
        entry: *mut u8,
        argument: *mut u8,
        result_size: i64,
    ) -> *mut u8 {
        // SAFETY: see above.
        unsafe {
            let handle = Handle::new();
            if handle.is_null() {
                return ptr::null_mut();
            }
            (*handle).function = function(entry);
            (*handle).argument = argument.cast();
            echo_coroutine_set_result_size(handle.cast(), result_size);
            let future = Handle::start(handle);
            Handle::release(handle);
            future.cast()
        }
    }

    pub unsafe extern "C" fn echo_coroutine_state(coroutine: *mut u8) -> i32 {
        // SAFETY: see above.
        unsafe { Handle::state(coroutine.cast()) as i32 }
    }

    pub unsafe extern "C" fn echo_coroutine_id(coroutine: *mut u8) -> i64 {
        // SAFETY: see above.
        unsafe { (*coroutine.cast::<Handle>()).id as i64 }
    }

    pub unsafe extern "C" fn echo_coroutine_current_id() -> i64 {
        // SAFETY: the running coroutine belongs to this thread.
        scheduler::current().map_or(-1, |coroutine| unsafe { (*coroutine).id() } as i64)
    }

    pub unsafe extern "C" fn echo_coroutine_release(coroutine: *mut u8) {
        // SAFETY: see above.
        unsafe { Handle::release(coroutine.cast()) }
    }

    pub unsafe fn yield_coroutine() -> Outcome {
        scheduler::yield_now()
    }

    pub unsafe fn echo_panic_message(message: *mut u8) -> Outcome {
        // SAFETY: see above.
        panic::raise(unsafe { text(message) }, 0)
    }

    pub unsafe fn await_future(future: *mut u8, out: *mut u8) -> Outcome {
        // SAFETY: see above.
        unsafe { future::await_status(future.cast(), out, 0) }
    }

    pub unsafe extern "C" fn echo_future_state(future: *mut u8) -> i32 {
        // SAFETY: see above.
        unsafe { future::state(future.cast()) as i32 }
    }

    pub unsafe extern "C" fn echo_future_error(future: *mut u8, buffer: *mut u8, size: i64) -> i64 {
        // SAFETY: see above; `buffer` has room for `size` bytes.
        unsafe {
            let Some(failure) = future::failure(future.cast()) else {
                return -1;
            };
            failure.observe();
            let message = failure.message();
            if size > 0 {
                let count = message.len().min(size as usize - 1);
                ptr::copy_nonoverlapping(message.as_ptr(), buffer, count);
                buffer.add(count).write(0);
            }
            message.len() as i64
        }
    }

    pub unsafe extern "C" fn echo_future_then(
        future: *mut u8,
        callback: *mut u8,
        data: *mut u8,
    ) -> bool {
        // SAFETY: see above; the arguments are copied.
        unsafe {
            let Some(callback) = function(callback) else {
                return false;
            };
            if !scheduler::is_running() {
                return false;
            }
            let args = CallbackArgs {
                callback,
                data: data.cast(),
            };
            let args = (&raw const args).cast();
            future::on_done(future.cast(), CALLBACK_ENTRY.0.get(), args, false, 0);
            true
        }
    }

    pub unsafe extern "C" fn echo_promise_create(size: i64) -> *mut u8 {
        match sized_result(size) {
            // SAFETY: the descriptor lives for ever.
            Some(result) => unsafe { shared(future::new(result)).cast() },
            None => ptr::null_mut(),
        }
    }

    pub unsafe extern "C" fn echo_promise_create_typed(desc: *mut u8) -> *mut u8 {
        // SAFETY: see above.
        unsafe { shared(future::new(desc.cast())).cast() }
    }

    pub unsafe extern "C" fn echo_promise_fail(promise: *mut u8, message: *mut u8) -> bool {
        // SAFETY: see above.
        unsafe { future::fail(promise.cast(), Failure::rejection(text(message), 0)) }
    }

    pub unsafe extern "C" fn echo_channel_create(element_size: i64, capacity: i64) -> *mut u8 {
        let Some(element) = sized(element_size) else {
            return ptr::null_mut();
        };
        // SAFETY: the descriptor lives for ever.
        pointer_or_null(unsafe { channel::new(element, capacity, 0) })
    }

    pub unsafe extern "C" fn echo_channel_create_typed(element: *mut u8, capacity: i64) -> *mut u8 {
        // SAFETY: see above.
        pointer_or_null(unsafe { channel::new(element.cast(), capacity, 0) })
    }

    pub unsafe extern "C" fn echo_channel_close(channel: *mut u8) -> bool {
        // SAFETY: see above.
        let outcome = unsafe { channel::close(channel.cast(), 0) };
        let closed = outcome.status != outcome::RAISE;
        if !closed {
            forget(outcome);
        }
        closed
    }

    pub unsafe extern "C" fn echo_mutex_create() -> *mut u8 {
        static NOTHING: Static<TypeDesc> = Static::new(bytes_desc(0));
        let mut nothing = 0u8;
        // SAFETY: a value of no bytes.
        unsafe { lock::new(NOTHING.0.get(), &raw mut nothing, true).cast() }
    }

    pub unsafe extern "C" fn echo_handle_release(handle: *mut u8, kind: i32) {
        let Some(kind) = handle_kind(kind) else {
            unwind::fatal(&format!("echo_handle_release: no handle is of kind {kind}"));
        };
        // SAFETY: see above.
        unsafe { handle::release(kind, handle) }
    }

    fn handle_kind(kind: i32) -> Option<Kind> {
        const HANDLES: [Kind; 9] = [
            Kind::Chan,
            Kind::Future,
            Kind::Promise,
            Kind::Mutex,
            Kind::RwLock,
            Kind::Atomic,
            Kind::WaitGroup,
            Kind::Semaphore,
            Kind::Once,
        ];
        HANDLES.into_iter().find(|&handle| handle as i32 == kind)
    }
}
