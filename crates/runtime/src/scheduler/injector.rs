//! The queue that the workers of a node share: wake-ups from other threads, and what overflows a worker's own queue. First in, first out; a linked list. A second one holds
//! what was preempted.

use crate::coroutine::Coroutine;
use crate::lock::SpinMutex;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

struct List {
    first: *mut Coroutine,
    last: *mut Coroutine,
}

// SAFETY: queued coroutines belong to the queue.
unsafe impl Send for List {}

pub struct Injector {
    list: SpinMutex<List>,
    /// Length of the list, readable without the lock; changed under it.
    len: AtomicUsize,
}

impl Injector {
    pub fn new() -> Injector {
        Injector {
            list: SpinMutex::new(List {
                first: ptr::null_mut(),
                last: ptr::null_mut(),
            }),
            len: AtomicUsize::new(0),
        }
    }

    pub fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Where the length is.
    pub fn len_address(&self) -> *const AtomicUsize {
        &raw const self.len
    }

    /// Appends coroutines that are in no queue.
    pub fn push_all(&self, coroutines: &[*mut Coroutine]) {
        let mut list = self.list.lock();
        for &coroutine in coroutines {
            // SAFETY: queued coroutines belong to the queue, whose lock is held.
            unsafe { list.append(coroutine) };
        }
        self.len.fetch_add(coroutines.len(), Ordering::SeqCst);
    }

    /// Takes up to `out.len()` of the oldest; how many.
    pub fn take(&self, out: &mut [*mut Coroutine]) -> usize {
        if self.len() == 0 {
            return 0;
        }
        let mut list = self.list.lock();
        let mut count = 0;
        while count < out.len() && !list.first.is_null() {
            out[count] = list.first;
            // SAFETY: as in `push_all`.
            list.first = unsafe { (*list.first).next };
            count += 1;
        }
        if list.first.is_null() {
            list.last = ptr::null_mut();
        }
        self.len.fetch_sub(count, Ordering::SeqCst);
        count
    }
}

impl List {
    /// # Safety
    /// Under the lock; the coroutine is in no queue.
    unsafe fn append(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            (*coroutine).next = ptr::null_mut();
            match self.last.as_mut() {
                None => self.first = coroutine,
                Some(last) => last.next = coroutine,
            }
        }
        self.last = coroutine;
    }
}
