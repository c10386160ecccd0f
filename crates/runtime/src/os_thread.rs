//! Threads of the operating system, which either cannot be made or run: the standard library's allocate a signal stack once they have started, and
//! end the process when there is no memory for it. These have one, too, as a coroutine's stack has no room for the handler of a signal; it is allocated before.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{CString, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

/// A running thread; detached when dropped.
pub struct OsThread(libc::pthread_t);

struct Start<F> {
    name: CString,
    signal_stack: SignalStack,
    body: F,
}

/// What the kernel stores of the processor's registers when a signal comes can be more than [`libc::MINSIGSTKSZ`]; the rest is for the handler.
const HANDLER_BYTES: usize = 8 << 10;

/// Memory for the handlers of signals that ask for such a stack.
struct SignalStack {
    bottom: *mut u8,
    layout: Layout,
}

// SAFETY: memory that nobody else knows.
unsafe impl Send for SignalStack {}

impl SignalStack {
    fn new() -> io::Result<SignalStack> {
        // SAFETY: always allowed; 0 where the kernel does not say.
        let least = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
        let bytes = least.max(libc::MINSIGSTKSZ) + HANDLER_BYTES;
        let layout = Layout::from_size_align(bytes, 16).expect("some kilobytes");
        // SAFETY: not of size 0.
        let bottom = unsafe { alloc(layout) };
        if bottom.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(SignalStack { bottom, layout })
    }

    /// Makes it the calling thread's, while `body` runs.
    fn used_by(&self, body: impl FnOnce()) {
        let mut stack = libc::stack_t {
            ss_sp: self.bottom.cast(),
            ss_flags: 0,
            ss_size: self.layout.size(),
        };
        // SAFETY: it is large enough, and the thread's until it is disabled.
        unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
        body();
        stack.ss_flags = libc::SS_DISABLE;
        // SAFETY: the thread does not run on it.
        unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: allocated with that layout; no thread uses it any more.
        unsafe { dealloc(self.bottom, self.layout) };
    }
}

impl OsThread {
    /// Runs `body`, which must not unwind, on a new thread with a stack of at least `stack_bytes`. Of the name the system keeps 15 bytes.
    ///
    /// # Errors
    /// The system has no room for another thread, or there is no memory.
    pub fn start<F: FnOnce() + Send + 'static>(
        name: CString,
        stack_bytes: usize,
        body: F,
    ) -> io::Result<OsThread> {
        let start = Box::into_raw(Box::new(Start {
            name,
            signal_stack: SignalStack::new()?,
            body,
        }));
        let mut attributes = MaybeUninit::uninit();
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised before they are used; `start` is the new thread's, or ours again if there is none.
        unsafe {
            let attributes = attributes.as_mut_ptr();
            let mut error = libc::pthread_attr_init(attributes);
            if error == 0 {
                error = libc::pthread_attr_setstacksize(attributes, stack_bytes);
                if error == 0 {
                    error = libc::pthread_create(
                        thread.as_mut_ptr(),
                        attributes,
                        main::<F>,
                        start.cast(),
                    );
                }
                libc::pthread_attr_destroy(attributes);
            }
            if error != 0 {
                drop(Box::from_raw(start));
                return Err(io::Error::from_raw_os_error(error));
            }
            Ok(OsThread(thread.assume_init()))
        }
    }

    /// Waits until it has ended.
    pub fn join(self) {
        // SAFETY: it is joined or detached once. The one error that is possible, a thread that joins itself, would be seen by any test.
        unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        std::mem::forget(self);
    }
}

impl Drop for OsThread {
    fn drop(&mut self) {
        // SAFETY: it was neither joined nor detached.
        unsafe { libc::pthread_detach(self.0) };
    }
}

/// Asks the system to give the calling thread the processor for such a time at once, 0.1 to 100 ms: the less, the sooner it runs after a wait, and no more in all (Linux
/// from 6.12; before, or where it is not allowed, nothing changes).
pub fn ask_for_slice(slice: Duration) {
    // SAFETY: a structure of integers.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let bytes = size_of::<libc::sched_attr>() as u32;
    // SAFETY: the kernel writes and reads as much as the size says; 0 is the calling thread.
    unsafe {
        if libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, bytes, 0) == 0 {
            attributes.sched_runtime = slice.as_nanos() as u64;
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

extern "C" fn main<F: FnOnce()>(start: *mut c_void) -> *mut c_void {
    // SAFETY: `start` made it for this thread.
    let start = *unsafe { Box::from_raw(start.cast::<Start<F>>()) };
    // SAFETY: the name ends with a zero; one that is too long is an error, and the thread has none.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), start.name.as_ptr()) };
    start.signal_stack.used_by(start.body);
    ptr::null_mut()
}
