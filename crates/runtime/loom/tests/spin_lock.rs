//! The spin lock: one holder at a time, who sees all that the holders before it did.

#![cfg(loom)]

use echo_runtime_loom::spin::{SpinLock, SpinMutex};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// Catches a lock that is taken without acquire, given up without release, and one that is looked at and then stored to.
#[test]
fn holders_exclude_each_other_and_see_each_others_work() {
    loom::model(|| {
        let counter = Arc::new(SpinMutex::new(UnsafeCell::new(0)));
        let add = |counter: &SpinMutex<UnsafeCell<u32>>| {
            // SAFETY: loom checks that nobody else does this meanwhile.
            counter.lock().with_mut(|count| unsafe { *count += 1 });
        };
        let other = thread::spawn({
            let counter = counter.clone();
            move || add(&counter)
        });
        add(&counter);
        other.join().expect("no panic");
        // SAFETY: as above.
        counter
            .lock()
            .with(|count| assert_eq!(unsafe { *count }, 2));
    });
}

/// Catches a `try_lock` or `lock_at_once` that does not acquire.
#[test]
fn trying_excludes_too() {
    loom::model(|| {
        let shared = Arc::new((SpinLock::new(), UnsafeCell::new(0)));
        let other = thread::spawn({
            let shared = shared.clone();
            move || {
                let (lock, count) = &*shared;
                if lock.try_lock() {
                    // SAFETY: loom checks that nobody else does this meanwhile.
                    count.with_mut(|count| unsafe { *count += 1 });
                    lock.unlock();
                }
            }
        });
        let (lock, count) = &*shared;
        if lock.lock_at_once() {
            // SAFETY: as above.
            count.with_mut(|count| unsafe { *count += 1 });
            lock.unlock();
        }
        other.join().expect("no panic");
        // At least one of two that try finds the lock free.
        assert!(lock.try_lock());
        // SAFETY: under the lock, and the other thread has ended.
        count.with(|count| assert_ne!(unsafe { *count }, 0));
    });
}

/// As a coroutine does that parks: the worker releases what the coroutine took, on another stack but the same thread, or another one.
#[test]
fn a_lock_may_be_released_by_another_thread() {
    loom::model(|| {
        let shared = Arc::new((SpinLock::new(), UnsafeCell::new(0)));
        let (lock, count) = &*shared;
        lock.lock();
        // SAFETY: loom checks that nobody else does this meanwhile.
        count.with_mut(|count| unsafe { *count += 1 });
        let releaser = thread::spawn({
            let shared = shared.clone();
            move || shared.0.unlock()
        });
        lock.lock();
        // SAFETY: under the lock; loom checks that nobody writes meanwhile.
        count.with(|count| assert_eq!(unsafe { *count }, 1));
        lock.unlock();
        releaser.join().expect("no panic");
    });
}
