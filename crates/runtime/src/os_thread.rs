//! Threads of the operating system, which either cannot be made or run: the standard library's allocate a signal stack once they have started, and
//! end the process when there is no memory for it.

use std::ffi::{CString, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// A running thread; detached when dropped.
pub struct OsThread(libc::pthread_t);

struct Start<F> {
    name: CString,
    body: F,
}

impl OsThread {
    /// Runs `body`, which must not unwind, on a new thread with a stack of at least `stack_bytes`. Of the name the system keeps 15 bytes.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub fn start<F: FnOnce() + Send + 'static>(
        name: CString,
        stack_bytes: usize,
        body: F,
    ) -> io::Result<OsThread> {
        let start = Box::into_raw(Box::new(Start { name, body }));
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

extern "C" fn main<F: FnOnce()>(start: *mut c_void) -> *mut c_void {
    // SAFETY: `start` made it for this thread.
    let start = unsafe { Box::from_raw(start.cast::<Start<F>>()) };
    // SAFETY: the name ends with a zero; one that is too long is an error, and the thread has none.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), start.name.as_ptr()) };
    (start.body)();
    ptr::null_mut()
}
