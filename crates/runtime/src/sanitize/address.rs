//! AddressSanitizer.

use crate::coroutine::Coroutine;
use crate::stack;
use std::ffi::c_void;
use std::ptr;

unsafe extern "C" {
    fn __sanitizer_start_switch_fiber(
        fake_stack: *mut *mut c_void,
        bottom: *const c_void,
        bytes: usize,
    );
    fn __sanitizer_finish_switch_fiber(
        fake_stack: *mut c_void,
        bottom: *mut *const c_void,
        bytes: *mut usize,
    );
    fn __asan_poison_memory_region(start: *const c_void, bytes: usize);
    fn __asan_unpoison_memory_region(start: *const c_void, bytes: usize);
}

/// What [`enter`] has left; it is kept with the stack.
#[derive(Clone, Copy)]
pub struct Worker;

/// In the lowest words of a page stack. All zero in the beginning.
struct Fiber {
    fake_stack: *mut c_void,
    worker_fake_stack: *mut c_void,
    worker_bottom: *const c_void,
    /// 0 unless a worker has entered it.
    worker_bytes: usize,
}

/// As in `none`.
pub unsafe fn enter(coroutine: *mut Coroutine) -> Worker {
    // SAFETY: the record is of a stack that the caller owns. That the change is announced as done before it is makes no difference: nothing that is
    // instrumented runs in between.
    unsafe {
        if let Some(words) = stack::lowest_words(coroutine) {
            let fiber = &mut *words.cast::<Fiber>();
            let bytes = (*coroutine).big_top - words.addr();
            __sanitizer_start_switch_fiber(
                &mut fiber.worker_fake_stack,
                words.cast_const().cast(),
                bytes,
            );
            __sanitizer_finish_switch_fiber(
                fiber.fake_stack,
                &mut fiber.worker_bottom,
                &mut fiber.worker_bytes,
            );
        }
    }
    Worker
}

/// As in `none`.
pub unsafe fn leave(coroutine: *mut Coroutine, _worker: Worker, is_over: bool) {
    // SAFETY: as in `enter`.
    unsafe {
        let Some(words) = stack::lowest_words(coroutine) else {
            return;
        };
        let fiber = &mut *words.cast::<Fiber>();
        if fiber.worker_bytes == 0 {
            return;
        }
        let fake_stack = if is_over {
            ptr::null_mut()
        } else {
            &raw mut fiber.fake_stack
        };
        __sanitizer_start_switch_fiber(fake_stack, fiber.worker_bottom, fiber.worker_bytes);
        __sanitizer_finish_switch_fiber(fiber.worker_fake_stack, ptr::null_mut(), ptr::null_mut());
        fiber.worker_bytes = 0;
        if is_over {
            fiber.fake_stack = ptr::null_mut();
        }
    }
}

/// As in `none`. What the functions leave behind on the worker's stack is removed by AddressSanitizer, at every call that does not return,
/// provided that it knows that this is the stack in use.
pub unsafe fn abandon_frames(coroutine: *mut Coroutine) {
    // SAFETY: the coroutine has failed.
    unsafe { leave(coroutine, Worker, true) };
}

/// As in `none`.
pub fn poison(start: *mut u8, bytes: usize) {
    // SAFETY: no access of anybody's.
    unsafe { __asan_poison_memory_region(start.cast(), bytes) };
}

/// As in `none`.
pub fn unpoison(start: *mut u8, bytes: usize) {
    // SAFETY: no access of anybody's.
    unsafe { __asan_unpoison_memory_region(start.cast(), bytes) };
}

super::sanitizer_stubs! {
    __asan_init
    __asan_handle_no_return
    __asan_memcpy __asan_memmove __asan_memset
    __asan_report_load1 __asan_report_load2 __asan_report_load4 __asan_report_load8 __asan_report_load16
    __asan_report_store1 __asan_report_store2 __asan_report_store4 __asan_report_store8 __asan_report_store16
    __asan_report_load_n __asan_report_store_n
    __asan_load1 __asan_load2 __asan_load4 __asan_load8 __asan_load16 __asan_loadN
    __asan_store1 __asan_store2 __asan_store4 __asan_store8 __asan_store16 __asan_storeN
}
