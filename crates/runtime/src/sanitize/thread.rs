//! ThreadSanitizer.

use crate::coroutine::Coroutine;
use crate::stack;
use std::ffi::c_void;
use std::ptr;

type Fiber = *mut c_void;

unsafe extern "C" {
    fn __tsan_get_current_fiber() -> Fiber;
    fn __tsan_create_fiber(flags: u32) -> Fiber;
    fn __tsan_destroy_fiber(fiber: Fiber);
    fn __tsan_switch_to_fiber(fiber: Fiber, flags: u32);
    fn __tsan_func_exit();
    fn __tsan_acquire(address: *mut c_void);
    fn __tsan_release(address: *mut c_void);
}

/// What [`enter`] has left: the fiber that ThreadSanitizer made for the thread; null where there is nothing to come back from.
#[derive(Clone, Copy)]
pub struct Worker(Fiber);

// Inlined, as the stack of calls that ThreadSanitizer keeps is the fiber's: a function must end where it began.

/// As in `none`.
#[inline(always)]
pub unsafe fn enter(coroutine: *mut Coroutine) -> Worker {
    // SAFETY: the record is of a stack that the caller owns; a fiber is used by one thread at a time, as its coroutine is.
    unsafe {
        let Some(fiber) = stack::lowest_words(coroutine).map(|words| words.cast::<Fiber>()) else {
            return Worker(ptr::null_mut());
        };
        if (*fiber).is_null() {
            *fiber = __tsan_create_fiber(0);
        }
        let worker = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(*fiber, 0);
        Worker(worker)
    }
}

/// As in `none`.
#[inline(always)]
pub unsafe fn leave(coroutine: *mut Coroutine, worker: Worker, is_over: bool) {
    if worker.0.is_null() {
        return;
    }
    // SAFETY: as in `enter`.
    unsafe {
        __tsan_switch_to_fiber(worker.0, 0);
        if let Some(words) = stack::lowest_words(coroutine)
            && is_over
        {
            __tsan_destroy_fiber(ptr::replace(words.cast(), ptr::null_mut()));
        }
    }
}

/// As in `none`. The stack of calls has one too many: the caller's, as the unwinder below it is not instrumented.
#[inline(always)]
pub unsafe fn abandon_frames(coroutine: *mut Coroutine) {
    // SAFETY: the function that this is inlined into is not going to end by itself. The fiber of foreign code dies with all that is on it.
    unsafe {
        if stack::lowest_words(coroutine).is_none() {
            __tsan_func_exit();
        }
    }
}

/// As in `none`: free memory is no concern of ThreadSanitizer's.
pub fn poison(_start: *mut u8, _bytes: usize) {}

/// As in `none`.
pub fn unpoison(_start: *mut u8, _bytes: usize) {}

/// What was [released](release) there has happened before.
pub fn acquire<T: ?Sized>(object: *const T) {
    // SAFETY: an address to be compared.
    unsafe { __tsan_acquire(object.cast_mut().cast()) };
}

/// What the thread has done so far happens before the next [`acquire`] there.
pub fn release<T: ?Sized>(object: *const T) {
    // SAFETY: an address to be compared.
    unsafe { __tsan_release(object.cast_mut().cast()) };
}

super::sanitizer_stubs! {
    __tsan_init
    __tsan_read16 __tsan_write16
    __tsan_unaligned_read2 __tsan_unaligned_read4 __tsan_unaligned_read8 __tsan_unaligned_read16
    __tsan_unaligned_write2 __tsan_unaligned_write4 __tsan_unaligned_write8 __tsan_unaligned_write16
    __tsan_memcpy __tsan_memmove __tsan_memset
    __tsan_atomic8_load __tsan_atomic16_load __tsan_atomic32_load __tsan_atomic64_load
    __tsan_atomic8_store __tsan_atomic16_store __tsan_atomic32_store __tsan_atomic64_store
    __tsan_atomic8_exchange __tsan_atomic32_exchange __tsan_atomic64_exchange
    __tsan_atomic32_fetch_add __tsan_atomic64_fetch_add
    __tsan_atomic32_fetch_sub __tsan_atomic64_fetch_sub
    __tsan_atomic32_fetch_and __tsan_atomic64_fetch_and
    __tsan_atomic32_fetch_or __tsan_atomic64_fetch_or
    __tsan_atomic32_compare_exchange_val __tsan_atomic64_compare_exchange_val
    __tsan_atomic_thread_fence __tsan_atomic_signal_fence
}

/// As [`stubs`], for accesses that are told with the place in the program, which reports show: the return address.
macro_rules! access_stubs {
    ($($name:literal $function:ident)*) => {
        mod access_stubs {
            mod called {
                unsafe extern "C" {
                    $(pub fn $function();)*
                }
            }
            $(
                #[unsafe(naked)]
                #[unsafe(export_name = $name)]
                unsafe extern "C" fn $function() {
                    core::arch::naked_asm!(
                        "mov rsi, qword ptr [rsp]",
                        "jmp {stub}",
                        stub = sym stubs::$function,
                    )
                }
            )*
            mod stubs {
                $(
                    #[unsafe(naked)]
                    pub unsafe extern "C" fn $function() {
                        $crate::plain_stub!(super::called::$function)
                    }
                )*
            }
        }
    };
}

access_stubs! {
    "echo__tsan_read1" __tsan_read1_pc
    "echo__tsan_read2" __tsan_read2_pc
    "echo__tsan_read4" __tsan_read4_pc
    "echo__tsan_read8" __tsan_read8_pc
    "echo__tsan_write1" __tsan_write1_pc
    "echo__tsan_write2" __tsan_write2_pc
    "echo__tsan_write4" __tsan_write4_pc
    "echo__tsan_write8" __tsan_write8_pc
}
