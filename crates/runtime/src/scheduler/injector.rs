//! The queue that the workers of a node share: wake-ups from other threads, and what overflows a worker's own queue. First in, first out; a doubly linked
//! list, so that what is run in place leaves it at once. A queued coroutine knows which injector it is in. A second one holds what was preempted.

use crate::coroutine::Coroutine;
use crate::lock::SpinMutex;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

struct List {
    /// What `Coroutine::injector` is of those that are in it: 1 + the injector's index; 0 where nobody looks for them.
    mark: u8,
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
    /// The one of the node of that index.
    pub fn new(index: usize) -> Injector {
        Injector::with_mark(index as u8 + 1)
    }

    /// For coroutines that have run: they are only taken in turn.
    pub fn of_preempted() -> Injector {
        Injector::with_mark(0)
    }

    fn with_mark(mark: u8) -> Injector {
        Injector {
            list: SpinMutex::new(List {
                mark,
                first: ptr::null_mut(),
                last: ptr::null_mut(),
            }),
            len: AtomicUsize::new(0),
        }
    }

    pub fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
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
            unsafe { list.unlink(out[count]) };
            count += 1;
        }
        self.len.fetch_sub(count, Ordering::SeqCst);
        count
    }

    /// Index of the injector that a coroutine is in. Only a hint: it may leave at any moment.
    ///
    /// # Safety
    /// It is a control block.
    #[inline]
    pub unsafe fn of(coroutine: *mut Coroutine) -> Option<usize> {
        // SAFETY: promised by the caller.
        let mark = unsafe { (*coroutine).injector.load(Ordering::Relaxed) };
        usize::from(mark).checked_sub(1)
    }

    /// Takes a coroutine out; false if it is not here. Not of the preempted.
    pub fn remove(&self, coroutine: *mut Coroutine) -> bool {
        let mut list = self.list.lock();
        debug_assert_ne!(list.mark, 0);
        // SAFETY: as in `push_all`.
        unsafe {
            let is_here = (*coroutine).injector.load(Ordering::Relaxed) == list.mark;
            if is_here {
                list.unlink(coroutine);
                self.len.fetch_sub(1, Ordering::SeqCst);
            }
            is_here
        }
    }
}

impl List {
    /// # Safety
    /// Under the lock; the coroutine is in no queue.
    unsafe fn append(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            (*coroutine).next = ptr::null_mut();
            *Coroutine::injected_before(coroutine) = self.last;
            (*coroutine).injector.store(self.mark, Ordering::Relaxed);
            match self.last.as_mut() {
                None => self.first = coroutine,
                Some(last) => last.next = coroutine,
            }
        }
        self.last = coroutine;
    }

    /// # Safety
    /// Under the lock; the coroutine is in the list.
    unsafe fn unlink(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            let before = *Coroutine::injected_before(coroutine);
            let after = (*coroutine).next;
            match before.as_mut() {
                None => self.first = after,
                Some(before) => before.next = after,
            }
            match after.is_null() {
                true => self.last = before,
                false => *Coroutine::injected_before(after) = before,
            }
            (*coroutine).injector.store(0, Ordering::Relaxed);
        }
    }
}
