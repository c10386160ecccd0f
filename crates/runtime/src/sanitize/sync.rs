//! What the standard library has to bring threads in order, as far as ThreadSanitizer cannot see it by itself.

#[cfg(not(echo_sanitize = "thread"))]
pub use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};

#[cfg(echo_sanitize = "thread")]
pub use annotated::{Condvar, Mutex, MutexGuard, OnceLock};

/// The same names, and of the same functions those that are used.
#[cfg(echo_sanitize = "thread")]
mod annotated {
    use crate::sanitize::{acquire, release};
    use std::mem::ManuallyDrop;
    use std::ops::{Deref, DerefMut};
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering};
    use std::sync::{
        self, LockResult, PoisonError, TryLockError, TryLockResult, WaitTimeoutResult,
    };
    use std::time::Duration;

    #[derive(Default)]
    pub struct Mutex<T>(sync::Mutex<T>);

    pub struct MutexGuard<'a, T> {
        mutex: &'a sync::Mutex<T>,
        guard: ManuallyDrop<sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub const fn new(data: T) -> Mutex<T> {
            Mutex(sync::Mutex::new(data))
        }

        pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            MutexGuard::of_result(&self.0, self.0.lock())
        }

        pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
                Ok(guard) => Ok(MutexGuard::new(&self.0, guard)),
                Err(TryLockError::Poisoned(poisoned)) => {
                    Ok(MutexGuard::of_result(&self.0, Err(poisoned))?)
                }
            }
        }
    }

    impl<'a, T> MutexGuard<'a, T> {
        fn new(mutex: &'a sync::Mutex<T>, guard: sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            acquire(mutex);
            MutexGuard {
                mutex,
                guard: ManuallyDrop::new(guard),
            }
        }

        fn of_result(
            mutex: &'a sync::Mutex<T>,
            result: LockResult<sync::MutexGuard<'a, T>>,
        ) -> LockResult<MutexGuard<'a, T>> {
            match result {
                Ok(guard) => Ok(MutexGuard::new(mutex, guard)),
                Err(poisoned) => Err(PoisonError::new(MutexGuard::new(
                    mutex,
                    poisoned.into_inner(),
                ))),
            }
        }

        /// The caller is about to give the lock up.
        fn into_parts(mut self) -> (&'a sync::Mutex<T>, sync::MutexGuard<'a, T>) {
            release(self.mutex);
            // SAFETY: neither used nor dropped again.
            let guard = unsafe { ManuallyDrop::take(&mut self.guard) };
            let mutex = self.mutex;
            std::mem::forget(self);
            (mutex, guard)
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }

    impl<T> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            release(self.mutex);
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.guard) };
        }
    }

    #[derive(Default)]
    pub struct Condvar(sync::Condvar);

    impl Condvar {
        pub const fn new() -> Condvar {
            Condvar(sync::Condvar::new())
        }

        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
            let (mutex, guard) = guard.into_parts();
            MutexGuard::of_result(mutex, self.0.wait(guard))
        }

        pub fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            timeout: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
            let (mutex, guard) = guard.into_parts();
            match self.0.wait_timeout(guard, timeout) {
                Ok((guard, result)) => Ok((MutexGuard::new(mutex, guard), result)),
                Err(poisoned) => {
                    let (guard, result) = poisoned.into_inner();
                    Err(PoisonError::new((MutexGuard::new(mutex, guard), result)))
                }
            }
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// The value is never freed: all are static, or as good as that.
    pub struct OnceLock<T> {
        value: AtomicPtr<T>,
        making: Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub const fn new() -> OnceLock<T> {
            OnceLock {
                value: AtomicPtr::new(ptr::null_mut()),
                making: Mutex::new(()),
            }
        }

        pub fn get(&self) -> Option<&T> {
            // SAFETY: made below, and never freed.
            unsafe { self.value.load(Ordering::Acquire).as_ref() }
        }

        pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if let Some(value) = self.get() {
                return value;
            }
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = self.get() {
                return value;
            }
            let value = Box::leak(Box::new(make()));
            self.value.store(value, Ordering::Release);
            value
        }
    }
}
