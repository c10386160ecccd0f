//! Locks and counters: holders exclude each other and see each other's work; whoever waits is woken; nobody comes in twice.

#![cfg(loom)]

use echo_runtime_loom::parties::{Handle, model, result};
use echo_runtime_loom::sync::{lock, once, semaphore, wait_group};
use echo_runtime_loom::value;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

/// What is guarded: loom watches it.
type Contents = Arc<UnsafeCell<u32>>;

fn contents() -> Contents {
    Arc::new(UnsafeCell::new(0))
}

fn add_one(contents: &Contents) {
    // SAFETY: loom checks that nobody else looks meanwhile.
    contents.with_mut(|count| unsafe { *count += 1 });
}

fn look(contents: &Contents) -> u32 {
    // SAFETY: loom checks that nobody writes meanwhile.
    contents.with(|count| unsafe { *count })
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

#[derive(Clone)]
struct Lock(Handle<lock::Lock>);

impl Lock {
    fn new() -> Lock {
        Lock::of_kind(false)
    }

    /// That may be entered past those who wait.
    fn mutex() -> Lock {
        Lock::of_kind(true)
    }

    fn of_kind(is_mutex: bool) -> Lock {
        let mut word = 0u64;
        // SAFETY: the descriptor is constant and describes a word.
        let lock = unsafe { lock::new(value::int_desc(), (&raw mut word).cast(), is_mutex) };
        Lock(Handle::new(lock, lock::destroy))
    }

    fn write(&self, act: impl FnOnce()) {
        // SAFETY: this is a reference.
        unsafe {
            result(lock::acquire(self.0.block(), 0)).expect("no panic");
            act();
            result(lock::release(self.0.block(), 0)).expect("held");
        }
    }

    fn try_write(&self, act: impl FnOnce()) -> bool {
        // SAFETY: as above.
        unsafe {
            let is_held = lock::try_acquire(self.0.block());
            if is_held {
                act();
                result(lock::release(self.0.block(), 0)).expect("held");
            }
            is_held
        }
    }

    fn read<T>(&self, act: impl FnOnce() -> T) -> T {
        // SAFETY: as above.
        unsafe {
            result(lock::acquire_to_read(self.0.block(), 0)).expect("no panic");
            let value = act();
            result(lock::release_of_reader(self.0.block(), 0)).expect("held");
            value
        }
    }
}

/// In another thread.
fn writer(lock: &Lock, contents: &Contents) -> JoinHandle<()> {
    let (lock, contents) = (lock.clone(), contents.clone());
    thread::spawn(move || lock.write(|| add_one(&contents)))
}

/// Catches a `QUEUED` that is set without the spin lock or without looking again, a release that does not see it, an order weaker than acquire or release, and a
/// change of the word that is not a compare-and-swap. Of going with a plain store: a fence that is missing on either side, a mark that is set after the look, or not looked
/// at again, and a writer that settles without bringing the flag back, or without waking anybody.
#[test]
fn three_writers_take_turns() {
    model(2, || {
        let (lock, contents) = (Lock::new(), contents());
        let others = [(); 2].map(|()| writer(&lock, &contents));
        lock.write(|| add_one(&contents));
        others.into_iter().for_each(join);
        assert_eq!(look(&contents), 3);
    });
}

/// Catches a `WOKEN` that stays when who was woken enters or waits again, one that is not left alone by a release, and a lock that is entered while it is
/// handed over.
#[test]
fn who_waits_for_a_mutex_tries_again() {
    model(2, || {
        let (lock, contents) = (Lock::mutex(), contents());
        let others = [(); 2].map(|()| writer(&lock, &contents));
        lock.write(|| add_one(&contents));
        lock.write(|| add_one(&contents));
        others.into_iter().for_each(join);
        assert_eq!(look(&contents), 4);
    });
}

/// Catches a reader that is counted in although a writer is in, and a release of the last reader that wakes nobody.
#[test]
fn readers_share_and_a_writer_excludes_them() {
    model(2, || {
        let (lock, contents) = (Lock::new(), contents());
        let reader = {
            let (lock, contents) = (lock.clone(), contents.clone());
            thread::spawn(move || lock.read(|| look(&contents)))
        };
        let writer = writer(&lock, &contents);
        let seen = lock.read(|| look(&contents));
        let also_seen = join(reader);
        join(writer);
        assert!(seen <= 1 && also_seen <= 1);
        assert_eq!(look(&contents), 1);
    });
}

/// Catches a reader that waits, the second time, for a writer that waits for it, and one that is counted in without the spin lock.
#[test]
fn who_reads_can_read_again() {
    model(2, || {
        let (lock, contents) = (Lock::new(), contents());
        let others = [(); 2].map(|()| writer(&lock, &contents));
        let (seen, again) = lock.read(|| (look(&contents), lock.read(|| look(&contents))));
        assert_eq!(seen, again);
        others.into_iter().for_each(join);
        assert_eq!(look(&contents), 2);
    });
}

/// Catches a first reader that is not counted in when the lock becomes contended, that counts out another one that came after it, or itself although it is still in; and one or a
/// writer that does not look at the other.
#[test]
fn a_first_reader_excludes_writers() {
    model(2, || {
        let (lock, contents) = (Lock::new(), contents());
        let reader = {
            let (lock, contents) = (lock.clone(), contents.clone());
            thread::spawn(move || {
                lock.read(|| look(&contents));
                lock.read(|| look(&contents))
            })
        };
        let writer = writer(&lock, &contents);
        let is_written = lock.read(|| {
            look(&contents);
            let is_written = lock.try_write(|| add_one(&contents));
            look(&contents);
            is_written
        });
        assert!(!is_written);
        join(reader);
        join(writer);
        assert_eq!(look(&contents), 1);
    });
}

/// Catches a reader that is counted in once more beside a writer that is about to give way to it.
#[test]
fn who_reads_can_read_again_beside_who_tries_to_write() {
    model(3, || {
        let (lock, contents) = (Lock::new(), contents());
        let other = {
            let (lock, contents) = (lock.clone(), contents.clone());
            thread::spawn(move || lock.try_write(|| add_one(&contents)))
        };
        let (seen, again) = lock.read(|| (look(&contents), lock.read(|| look(&contents))));
        assert_eq!(seen, again);
        let has_written = join(other);
        assert_eq!(look(&contents), u32::from(has_written));
        assert!(lock.try_write(|| ()), "somebody is still in");
    });
}

/// Catches a `try_acquire` that overtakes a waiter, or acquires relaxed.
#[test]
fn trying_excludes_too() {
    model(3, || {
        let (lock, contents) = (Lock::new(), contents());
        let writer = writer(&lock, &contents);
        let tried = lock.try_write(|| add_one(&contents));
        join(writer);
        assert_eq!(look(&contents), 1 + u32::from(tried));
    });
}

#[derive(Clone)]
struct Once(Handle<once::Once>);

impl Once {
    fn new() -> Once {
        Once(Handle::new(once::new(), once::destroy))
    }

    fn run(&self, act: impl FnOnce()) {
        // SAFETY: this is a reference.
        unsafe {
            if result(once::begin(self.0.block(), 0)).expect("no panic") == 1 {
                act();
                once::end(self.0.block());
            }
        }
    }
}

/// Catches a `DONE` that is stored or seen relaxed, and a caller that goes on while the function runs.
#[test]
fn a_once_runs_once_and_all_see_its_work() {
    model(2, || {
        let (once, contents) = (Once::new(), contents());
        let others = [(); 2].map(|()| {
            let (once, contents) = (once.clone(), contents.clone());
            thread::spawn(move || {
                once.run(|| add_one(&contents));
                assert_eq!(look(&contents), 1);
            })
        });
        once.run(|| add_one(&contents));
        assert_eq!(look(&contents), 1);
        others.into_iter().for_each(join);
    });
}

/// Catches a permit that is given back although somebody waits, or to nobody.
#[test]
fn a_semaphore_of_one_excludes() {
    model(2, || {
        let outcome = semaphore::new(1, 0);
        let block = result(outcome).expect("not negative") as usize as *mut semaphore::Semaphore;
        let (semaphore, contents) = (Handle::new(block, semaphore::destroy), contents());
        let take_turn = |semaphore: &Handle<semaphore::Semaphore>, contents: &Contents| {
            // SAFETY: this is a reference.
            unsafe {
                result(semaphore::acquire(semaphore.block(), 0)).expect("no panic");
                add_one(contents);
                semaphore::release(semaphore.block());
            }
        };
        let others = [(); 2].map(|()| {
            let (semaphore, contents) = (semaphore.clone(), contents.clone());
            thread::spawn(move || take_turn(&semaphore, &contents))
        });
        take_turn(&semaphore, &contents);
        others.into_iter().for_each(join);
        assert_eq!(look(&contents), 3);
    });
}

/// Catches a counter that becomes zero without waking those who wait, and a wait that does not look under the lock.
#[test]
fn a_wait_group_waits_for_all() {
    model(2, || {
        let group = Handle::new(wait_group::new(), wait_group::destroy);
        let contents = [contents(), contents()];
        // SAFETY: this is a reference, here and below.
        result(unsafe { wait_group::add(group.block(), 2, 0) }).expect("in range");
        let workers = contents.each_ref().map(|contents| {
            let (group, contents) = (group.clone(), contents.clone());
            thread::spawn(move || {
                add_one(&contents);
                // SAFETY: as above.
                result(unsafe { wait_group::add(group.block(), -1, 0) }).expect("in range");
            })
        });
        // SAFETY: as above.
        result(unsafe { wait_group::wait(group.block(), 0) }).expect("no panic");
        assert_eq!(contents.each_ref().map(look), [1, 1]);
        workers.into_iter().for_each(join);
    });
}
