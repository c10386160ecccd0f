//! Spin locks for short sections that run on workers' stacks.
//!
//! Invariants: a holder never parks, never calls into a coroutine and never takes a second lock of the same kind unless the locks have
//! an order. A lock taken by a coroutine that is about to park is released by the scheduler ([`SpinLock::unlock`] as the unlock hook).
//! A waiter backs off exponentially and then gives its time slice away, so that a preempted holder can finish.

use crate::door::{AtomicU8, Ordering, const_fn, spin_loop, thread};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

/// A lock without data: one byte, all zero when free.
#[repr(transparent)]
pub struct SpinLock {
    held: AtomicU8,
}

/// Pauses double up to this many before the thread yields.
const MAX_PAUSES: u32 = 64;

impl SpinLock {
    const_fn! {
        pub fn new() -> SpinLock {
            SpinLock {
                held: AtomicU8::new(0),
            }
        }
    }

    #[inline]
    pub fn try_lock(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0 && self.held.swap(1, Ordering::Acquire) == 0
    }

    /// As [`try_lock`](Self::try_lock), for a lock that is likely free: does not look before it tries.
    #[inline(always)]
    pub fn lock_at_once(&self) -> bool {
        self.held.swap(1, Ordering::Acquire) == 0
    }

    #[inline]
    pub fn lock(&self) {
        if self.held.swap(1, Ordering::Acquire) != 0 {
            self.lock_contended();
        }
    }

    #[cold]
    fn lock_contended(&self) {
        let mut pauses = 1;
        while !self.try_lock() {
            if pauses <= MAX_PAUSES {
                (0..pauses).for_each(|_| spin_loop());
                pauses *= 2;
            } else {
                thread::yield_now();
            }
        }
    }

    /// Releases the lock; the caller holds it, or took it over from a coroutine that parked.
    #[inline]
    pub fn unlock(&self) {
        self.held.store(0, Ordering::Release);
    }

    /// Whether nobody holds it: then the caller has seen all that those did who held it so far.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.held.load(Ordering::Acquire) == 0
    }
}

impl Default for SpinLock {
    fn default() -> Self {
        SpinLock::new()
    }
}

/// A [`SpinLock`] around data.
#[derive(Default)]
pub struct SpinMutex<T> {
    lock: SpinLock,
    data: UnsafeCell<T>,
}

// SAFETY: the lock hands `&mut T` to one thread at a time.
unsafe impl<T: Send> Sync for SpinMutex<T> {}
// SAFETY: as for any owner of a `T`.
unsafe impl<T: Send> Send for SpinMutex<T> {}

impl<T> SpinMutex<T> {
    const_fn! {
        pub fn new(data: T) -> SpinMutex<T> {
            SpinMutex {
                lock: SpinLock::new(),
                data: UnsafeCell::new(data),
            }
        }
    }

    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        self.lock.lock();
        SpinGuard { mutex: self }
    }

    #[inline]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        self.lock.try_lock().then(|| SpinGuard { mutex: self })
    }
}

/// Access to the data of a held [`SpinMutex`].
pub struct SpinGuard<'a, T> {
    mutex: &'a SpinMutex<T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed exclusively.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.lock.unlock();
    }
}
