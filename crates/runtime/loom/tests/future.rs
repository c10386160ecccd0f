//! Futures: settled once, seen by everybody who waits or looks, whenever they come.

#![cfg(loom)]

use echo_abi::layout::{ArrayBlock, BlockHeader, EntryDesc};
use echo_runtime_loom::door::{AtomicU32, Ordering};
use echo_runtime_loom::future;
use echo_runtime_loom::parties::{Promise, model};
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use std::ptr;

fn with<T: 'static>(promise: &Promise, act: impl FnOnce(Promise) -> T + 'static) -> JoinHandle<T> {
    let promise = promise.clone();
    thread::spawn(move || act(promise))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

/// Catches an awaiter that does not look again under the lock, and a settler that takes the waiters out after it has released the lock.
#[test]
fn two_awaiters_get_the_value_whenever_they_come() {
    model(2, || {
        let promise = Promise::new();
        let awaiters = [(); 2].map(|()| with(&promise, |promise| promise.wait()));
        assert!(promise.resolve(7));
        awaiters
            .into_iter()
            .for_each(|awaiter| assert_eq!(join(awaiter), Ok(7)));
    });
}

/// Catches a state that is stored relaxed, looked at relaxed, or stored before the slot is filled.
#[test]
fn a_look_without_the_lock_sees_the_value() {
    model(3, || {
        let promise = Promise::new();
        let settler = with(&promise, |promise| promise.resolve(7));
        assert!(matches!(promise.look(), None | Some(7)));
        assert!(join(settler));
    });
}

/// Catches a settler that looks at the state before it has the lock.
#[test]
fn of_two_settlers_one_wins() {
    model(3, || {
        let promise = Promise::new();
        let resolver = with(&promise, |promise| promise.resolve(7));
        let rejecter = with(&promise, |promise| promise.reject("no"));
        let value = promise.wait();
        let (resolved, rejected) = (join(resolver), join(rejecter));
        assert_ne!(resolved, rejected);
        assert_eq!(value.is_ok(), resolved);
        assert_eq!(promise.wait(), value);
    });
}

/// The argument of a callback: where it counts.
unsafe fn count(args: *const u8, _result: *mut u8) {
    // SAFETY: the model passes a counter, which outlives the callback.
    unsafe { (**args.cast::<*const AtomicU32>()).fetch_add(1, Ordering::Relaxed) };
}

/// Registers [`count`] with a future.
fn count_when_done(promise: &Promise, counter: &Arc<AtomicU32>) {
    let size = &raw const WORD_ARGUMENT.0;
    let entry = Box::leak(Box::new(EntryDesc {
        code: count as *const _,
        name: ptr::null(),
        name_len: 0,
        stack: 0,
        args: size,
        result: ptr::null(),
        learned_class: 0,
        learned_future: 0,
    }));
    let argument: *const AtomicU32 = &raw const **counter;
    // SAFETY: the promise is a reference; the entry describes a word.
    unsafe {
        future::on_done(
            promise.as_ptr(),
            entry,
            (&raw const argument).cast(),
            false,
            0,
        )
    };
}

struct Constant(echo_abi::layout::TypeDesc);
// SAFETY: constant.
unsafe impl Sync for Constant {}
static WORD_ARGUMENT: Constant = Constant(echo_abi::layout::TypeDesc {
    kind: echo_abi::layout::Kind::U64,
    flags: 0,
    align: 8,
    size: 8,
    name: ptr::null(),
    name_len: 0,
    field_count: 0,
    fields: ptr::null(),
    zero: ptr::null(),
});

/// Catches a registration that is lost between the look and the lock, and one that runs twice.
#[test]
fn a_callback_runs_once_whenever_it_is_registered() {
    model(3, || {
        let promise = Promise::new();
        let counter = Arc::new(AtomicU32::new(0));
        let registrar = with(&promise, {
            let counter = counter.clone();
            move |promise| count_when_done(&promise, &counter)
        });
        assert!(promise.resolve(7));
        join(registrar);
        assert_eq!(counter.load(Ordering::Acquire), 1);
    });
}

/// Catches a last owner that frees while the settler still holds the lock, and an end that frees what an owner still has, or nothing.
#[test]
fn a_coroutine_and_the_last_owner_free_the_future_once() {
    model(3, || {
        let (future, coroutine) = Promise::of_coroutine();
        let end = thread::spawn(move || coroutine(7));
        let looker = with(&future, |future| future.look());
        drop(future);
        assert!(matches!(join(looker), None | Some(7)));
        join(end);
    });
}

/// As above, with somebody who waits and then is the last owner.
#[test]
fn an_awaiter_is_the_last_owner_of_a_coroutine_s_future() {
    model(3, || {
        let (future, coroutine) = Promise::of_coroutine();
        let end = thread::spawn(move || coroutine(7));
        assert_eq!(future.wait(), Ok(7));
        drop(future);
        join(end);
    });
}

/// Catches a pin that does not keep the block of a promise whose owner has settled it and gone.
#[test]
fn a_promise_goes_away_settled_while_a_race_looks_at_it() {
    model(2, || {
        let promises = [Promise::new(), Promise::new()];
        let array = futures(promises.each_ref());
        let race = race(&array);
        let mut contents = 0;
        let settlers = promises.map(|promise| {
            contents += 1;
            thread::spawn(move || promise.resolve(contents))
        });
        assert!(matches!(race.wait(), Ok(1 | 2)));
        settlers
            .into_iter()
            .for_each(|settler| assert!(join(settler)));
    });
}

/// Catches a callback of a promise that nobody settles that is neither discarded nor taken back.
#[test]
fn a_promise_goes_away_unsettled_while_a_race_looks_at_it() {
    model(2, || {
        let promises = [Promise::new(), Promise::new()];
        let array = futures(promises.each_ref());
        let race = race(&array);
        let [first, second] = promises;
        let dropper = thread::spawn(move || drop(first));
        assert!(second.resolve(2));
        assert_eq!(race.wait(), Ok(2));
        join(dropper);
    });
}

/// An array of futures, as generated code passes it.
#[repr(C)]
struct Futures {
    block: ArrayBlock,
    elements: [*mut future::Future; 2],
}

fn futures(elements: [&Promise; 2]) -> Futures {
    Futures {
        block: ArrayBlock {
            header: BlockHeader { count: 0, flags: 0 },
            len: 2,
            capacity: 2,
            reserved: 0,
        },
        elements: elements.map(Promise::as_ptr),
    }
}

fn race(array: &Futures) -> Promise {
    let item = echo_runtime_loom::value::item_desc();
    // SAFETY: the array is as generated code passes it.
    unsafe { Promise::from_ptr(future::race(&array.block, item, 0)) }
}

/// Catches a race that decides twice, and a callback that is taken back and still runs (its gather is freed).
#[test]
fn a_race_is_settled_once_and_forgets_the_loser() {
    model(2, || {
        let promises = [Promise::new(), Promise::new()];
        let settlers = [0, 1].map(|index| {
            with(&promises[index], move |promise| {
                promise.resolve(index as u64 + 1)
            })
        });
        let array = futures(promises.each_ref());
        let race = race(&array);
        assert!(matches!(race.wait(), Ok(1 | 2)));
        settlers
            .into_iter()
            .for_each(|settler| assert!(join(settler)));
    });
}

/// Catches a loser whose failure is reported though a race stood for somebody who awaits it.
#[test]
fn a_race_sees_the_failures_of_all() {
    model(2, || {
        let promises = [Promise::new(), Promise::new()];
        let failing = with(&promises[0], |promise| promise.reject("lost"));
        let settling = with(&promises[1], |promise| promise.resolve(1));
        let race = race(&futures(promises.each_ref()));
        match race.wait() {
            Ok(value) => assert_eq!(value, 1),
            Err(why) => assert_eq!(why, "lost"),
        }
        assert!(join(failing) && join(settling));
        // SAFETY: alive.
        let failure = unsafe { future::failure(promises[0].as_ptr()) };
        assert!(failure.is_some_and(|failure| failure.is_observed()));
    });
}

/// Catches a count of missing futures that is not one atomic step.
#[test]
fn all_is_settled_after_the_last() {
    model(2, || {
        let promises = [Promise::new(), Promise::new()];
        let settlers = [0, 1].map(|index| {
            with(&promises[index], move |promise| {
                promise.resolve(index as u64 + 1)
            })
        });
        let array = futures(promises.each_ref());
        // SAFETY: as above; no values are gathered.
        let all = unsafe { Promise::from_ptr(future::all(&array.block, ptr::null(), 0)) };
        let mut nothing = 0u64;
        // SAFETY: void takes no room.
        let outcome = unsafe { future::await_value(all.as_ptr(), (&raw mut nothing).cast(), 0) };
        assert!(echo_runtime_loom::parties::result(outcome).is_ok());
        assert!(promises.iter().all(|promise| promise.look().is_some()));
        settlers
            .into_iter()
            .for_each(|settler| assert!(join(settler)));
    });
}
