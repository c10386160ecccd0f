//! Loom's models of what `src/door.rs` takes from the standard library.

pub use loom::hint::spin_loop;
pub use loom::sync::{Condvar, Mutex, MutexGuard};
pub use std::sync::atomic::Ordering;

use std::ops::Deref;
use std::time::Duration;

/// Not constant: loom's types are made anew in each run.
macro_rules! const_fn {
    ($($item:tt)*) => { $($item)* };
}
pub(crate) use const_fn;

macro_rules! loom_thread_local {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const { $value:expr };)*) => {
        loom::thread_local! { $($(#[$attribute])* static $name: $type = $value;)* }
    };
}
pub(crate) use loom_thread_local as thread_local;

macro_rules! static_array {
    (static $name:ident: [$item:ty; $len:expr] = $value:expr;) => {
        loom::lazy_static! {
            static ref $name: [$item; $len] = std::array::from_fn(|_| $value);
        }
    };
}
pub(crate) use static_array;

/// Loom's atomic, with the sequentially consistent order it lacks: loom lets a sequentially consistent load see anything but what an older
/// store of the same order wrote, and takes the first value for a store of a weaker order.
macro_rules! atomic {
    ($($name:ident: $value:ty,)*) => {$(
        #[derive(Debug)]
        pub struct $name(loom::sync::atomic::$name);

        impl $name {
            pub fn new(value: $value) -> $name {
                let atomic = loom::sync::atomic::$name::new(value);
                atomic.store(value, Ordering::SeqCst);
                $name(atomic)
            }
        }

        impl Deref for $name {
            type Target = loom::sync::atomic::$name;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::new(Default::default())
            }
        }
    )*};
}

atomic! {
    AtomicBool: bool,
    AtomicI64: i64,
    AtomicU8: u8,
    AtomicU32: u32,
    AtomicU64: u64,
    AtomicUsize: usize,
}

pub use loom::sync::atomic::{AtomicPtr, fence};

loom::lazy_static! {
    /// Who comes here later has seen what those did who came before. Not loom's sequentially consistent fences: each on its own would do what only both together are to.
    static ref FENCE: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
}

pub fn fence_of_swap() {
    FENCE.fetch_add(1, Ordering::AcqRel);
}

pub fn light_fence() {
    FENCE.fetch_add(1, Ordering::AcqRel);
}

pub fn heavy_fence() {
    FENCE.fetch_add(1, Ordering::AcqRel);
}

pub fn has_heavy_fence() -> bool {
    true
}

/// A store that is a swap: loom does not know that the store of a swap comes at once after what it reads, and would let this one come between.
macro_rules! store_after_swaps {
    ($($name:ident: $value:ty,)*) => {$(
        impl $name {
            pub fn store(&self, value: $value, order: Ordering) {
                self.swap(value, order);
            }
        }
    )*};
}

store_after_swaps! {
    AtomicU8: u8,
    AtomicU64: u64,
}

/// Loom's threads, but for parking: loom's `unpark` would also wake a thread that waits for a mutex meanwhile.
pub mod thread {
    pub use loom::thread::yield_now;

    use loom::sync::{Arc, Condvar, Mutex};

    #[derive(Clone)]
    pub struct Thread(Arc<Token>);

    #[derive(Default)]
    struct Token {
        is_there: Mutex<bool>,
        came: Condvar,
    }

    loom::thread_local! {
        static CURRENT: Thread = Thread(Arc::new(Token::default()));
    }

    pub fn current() -> Thread {
        CURRENT.with(Thread::clone)
    }

    pub fn park() {
        let Thread(token) = current();
        let mut is_there = token.is_there.lock().expect("no panic");
        while !*is_there {
            is_there = token.came.wait(is_there).expect("no panic");
        }
        *is_there = false;
    }

    impl Thread {
        pub fn unpark(&self) {
            *self.0.is_there.lock().expect("no panic") = true;
            self.0.came.notify_one();
        }
    }
}

loom::lazy_static! {
    /// The kernel's lock for sleepers, and those sleepers: of all words, as threads may wake for no reason.
    static ref FUTEX: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

/// With a time limit the time is up at once.
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let (lock, sleepers) = &*FUTEX;
    let guard = lock.lock().expect("no panic");
    if timeout.is_none() && word.fetch_or(0, Ordering::Relaxed) == expected {
        drop(sleepers.wait(guard).expect("no panic"));
    }
}

pub fn futex_wake(_word: &AtomicU32) {
    let (lock, sleepers) = &*FUTEX;
    let guard = lock.lock().expect("no panic");
    sleepers.notify_all();
    drop(guard);
}
