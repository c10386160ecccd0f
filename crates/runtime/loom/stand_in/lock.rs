//! The spin lock as what the layers above make of it: who waits for it blocks, which spares loom the rounds of the spinning ones. That the real
//! one keeps this promise is what `tests/spin_lock.rs` checks. Whoever frees an object must have seen its lock released.

use loom::sync::{Mutex, MutexGuard};
use std::cell::UnsafeCell;
use std::mem::transmute;
use std::ops::{Deref, DerefMut};

#[derive(Default)]
pub struct SpinLock {
    mutex: Mutex<()>,
    /// Of the holder.
    guard: UnsafeCell<Option<MutexGuard<'static, ()>>>,
    /// Read by each release and written by the end: loom checks that the one comes after the other.
    life: loom::cell::UnsafeCell<()>,
}

impl Drop for SpinLock {
    fn drop(&mut self) {
        self.life.with_mut(|_| ());
    }
}

// SAFETY: the guard is touched by the holder only.
unsafe impl Sync for SpinLock {}
// SAFETY: loom's guards do not care which thread drops them.
unsafe impl Send for SpinLock {}

impl SpinLock {
    pub fn new() -> SpinLock {
        SpinLock::default()
    }

    pub fn try_lock(&self) -> bool {
        self.mutex.try_lock().map(|guard| self.keep(guard)).is_ok()
    }

    pub fn lock_at_once(&self) -> bool {
        self.try_lock()
    }

    pub fn lock(&self) {
        self.keep(self.mutex.lock().expect("no panic"));
    }

    pub fn unlock(&self) {
        self.life.with(|_| ());
        // SAFETY: the caller holds the lock. Nothing of the lock is used once the guard is dropped.
        drop(unsafe { (*self.guard.get()).take() });
    }

    pub fn is_free(&self) -> bool {
        let is_free = self.try_lock();
        if is_free {
            self.unlock();
        }
        is_free
    }

    fn keep(&self, guard: MutexGuard<'_, ()>) {
        // SAFETY: the guard is dropped before the lock is, by `unlock`.
        unsafe {
            *self.guard.get() = Some(transmute::<MutexGuard<'_, ()>, MutexGuard<'static, ()>>(
                guard,
            ))
        }
    }
}

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
    pub fn new(data: T) -> SpinMutex<T> {
        SpinMutex {
            lock: SpinLock::new(),
            data: UnsafeCell::new(data),
        }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        self.lock.lock();
        SpinGuard(self)
    }
}

pub struct SpinGuard<'a, T>(&'a SpinMutex<T>);

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, exclusively.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.0.lock.unlock();
    }
}
