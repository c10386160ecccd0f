//! What the models do with channels, futures and selects, as threads: each function calls one of the runtime's and takes its outcome apart.

use crate::channel::{self, Channel, OnClosed};
use crate::coroutine::Ended;
use crate::future::{self, Future};
use crate::handle;
use crate::outcome::{Outcome, RAISE, RETURN};
use crate::panic::Exception;
use crate::select;
use crate::value::{self, ItemWord};
use echo_abi::layout::{CASE_RECEIVE, CASE_SEND_RESULT, SelectCase};
use std::ptr;

/// Checks every interleaving with at most so many preemptions.
pub fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(preemptions);
    model.check(move || {
        handle::begin_run();
        run();
    });
}

/// The word that the operation returns, or what it panics with.
pub fn result(outcome: Outcome) -> Result<u64, String> {
    match outcome.status {
        RETURN => Ok(outcome.value),
        RAISE => {
            // SAFETY: the exception is owned by whoever gets the outcome.
            let exception = unsafe { Box::from_raw(outcome.value as usize as *mut Exception) };
            Err(exception.message.into_owned())
        }
        status => unreachable!("a thread gets status {status}"),
    }
}

/// A reference to a handle, given up when it is dropped.
pub struct Handle<T> {
    block: *mut T,
    destroy: unsafe fn(*mut T),
}

// SAFETY: handles are made to cross.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// Takes a reference over.
    pub fn new(block: *mut T, destroy: unsafe fn(*mut T)) -> Handle<T> {
        Handle { block, destroy }
    }

    pub fn block(&self) -> *mut T {
        self.block
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Handle<T> {
        // SAFETY: this is a reference.
        unsafe { handle::retain(self.block) };
        Handle { ..*self }
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: given up once.
        unsafe { handle::release_with(self.block, self.destroy) };
    }
}

/// A channel of items; what is sent is their contents.
#[derive(Clone)]
pub struct Items(Handle<Channel>);

impl Items {
    pub fn new(capacity: i64) -> Items {
        // SAFETY: the descriptor is constant.
        let outcome = unsafe { channel::new(value::item_desc(), capacity, 0) };
        let block = result(outcome).expect("a small channel") as usize as *mut Channel;
        Items(Handle::new(block, channel::destroy))
    }

    /// Sends a new item; false when the channel is closed.
    pub fn send(&self, contents: u64) -> bool {
        let mut item = value::item(contents);
        // SAFETY: this is a reference; the value is ours, and moved.
        let outcome =
            unsafe { channel::send(self.0.block(), (&raw mut item).cast(), OnClosed::Panic, 0) };
        result(outcome).is_ok()
    }

    /// As [`send`](Self::send), if that need not wait.
    pub fn try_send(&self, contents: u64) -> bool {
        let mut item = value::item(contents);
        // SAFETY: as above.
        unsafe { channel::try_send(self.0.block(), (&raw mut item).cast()) }
    }

    /// `None` when the channel is closed and drained.
    pub fn receive(&self) -> Option<u64> {
        let mut item: ItemWord = ptr::null_mut();
        // SAFETY: this is a reference; there is room for an item.
        let outcome = unsafe {
            channel::receive(self.0.block(), (&raw mut item).cast(), OnClosed::Report, 0)
        };
        let got = result(outcome).expect("no panic") == 1;
        // SAFETY: a received item is ours.
        got.then(|| unsafe { value::consume(item) })
    }

    /// As [`receive`](Self::receive), if that need not wait.
    pub fn try_receive(&self) -> Option<u64> {
        let mut item: ItemWord = ptr::null_mut();
        // SAFETY: as above.
        unsafe {
            channel::try_receive(self.0.block(), (&raw mut item).cast())
                .then(|| value::consume(item))
        }
    }

    pub fn close(&self) {
        // SAFETY: this is a reference.
        let outcome = unsafe { channel::close(self.0.block(), 0) };
        result(outcome).expect("closed once");
    }
}

/// One case of a select.
pub enum Case<'a> {
    Send(&'a Items, u64),
    Receive(&'a Items),
}

/// What a select came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The case took effect: what it received, if it was to.
    Case(usize, Option<u64>),
    /// The channel of that case is closed.
    Closed(usize),
    /// `SELECT_TIMEOUT` or `SELECT_DEFAULT`.
    None,
}

/// Selects; `timeout_ms` may be one of the constants of `echo_abi`.
pub fn select<const N: usize>(cases: [Case<'_>; N], timeout_ms: i64) -> Chosen {
    let mut items = cases.each_ref().map(|case| match case {
        Case::Send(_, contents) => value::item(*contents),
        Case::Receive(_) => ptr::null_mut(),
    });
    let mut places = items.each_mut().map(|item| &raw mut *item).into_iter();
    let mut laid_out = cases.each_ref().map(|case| {
        let (channel, kind) = match case {
            Case::Send(channel, _) => (channel, CASE_SEND_RESULT),
            Case::Receive(channel) => (channel, CASE_RECEIVE),
        };
        SelectCase {
            channel: channel.0.block().cast(),
            value: places.next().expect("as many").cast(),
            kind,
            position: 0,
            ok: u32::MAX,
            reserved: 0,
        }
    });
    // SAFETY: the cases lie here, and their channels are referred to.
    let outcome = unsafe { select::select(laid_out.as_mut_ptr(), N as i64, timeout_ms, 0) };
    let chosen = result(outcome).expect("no panic") as i64;
    let mut received = None;
    for (index, (case, &item)) in cases.iter().zip(&items).enumerate() {
        let took_effect = index as i64 == chosen && laid_out[index].ok == 1;
        match case {
            // SAFETY: what was not sent is still ours.
            Case::Send(..) if !took_effect => assert_ne!(unsafe { value::consume(item) }, 0),
            // SAFETY: what was received is ours.
            Case::Receive(_) if took_effect => received = Some(unsafe { value::consume(item) }),
            Case::Receive(_) => assert!(item.is_null(), "a losing case has changed nothing"),
            Case::Send(..) => {}
        }
    }
    match usize::try_from(chosen) {
        Err(_) => Chosen::None,
        Ok(index) if laid_out[index].ok == 1 => Chosen::Case(index, received),
        Ok(index) => Chosen::Closed(index),
    }
}

/// A future of an item.
#[derive(Clone)]
pub struct Promise(Handle<Future>);

impl Promise {
    pub fn new() -> Promise {
        // SAFETY: the descriptor is constant; the promise is fresh.
        unsafe {
            let promise = future::new(value::item_desc());
            handle::make_shared(promise);
            Promise::from_ptr(promise)
        }
    }

    /// The future of a coroutine, and the coroutine: to be called once.
    pub fn of_coroutine() -> (Promise, impl FnOnce(u64)) {
        // SAFETY: the descriptor is constant; the future is fresh.
        let future = unsafe {
            let future = future::of_coroutine(value::item_desc(), 1).expect("there is memory");
            handle::make_shared(future);
            future
        };
        let coroutine = move |contents| {
            // SAFETY: the future of a coroutine lives until that has ended; the slot is the coroutine's.
            unsafe {
                let slot: *mut ItemWord = future::result_slot(future).cast();
                slot.write(value::item(contents));
                let completion = future::completion(future);
                (completion.finish)(completion.data, Ended::Completed);
            }
        };
        // SAFETY: the future is fresh.
        (unsafe { Promise::from_ptr(future) }, coroutine)
    }

    /// Settles it with a new item; false when it was settled already.
    pub fn resolve(&self, contents: u64) -> bool {
        let mut item = value::item(contents);
        // SAFETY: this is a reference; the value is ours, and moved.
        unsafe { future::resolve(self.0.block(), (&raw mut item).cast()) }
    }

    pub fn reject(&self, message: &str) -> bool {
        let failure = crate::failure::Failure::rejection(message.into(), 0);
        // SAFETY: this is a reference.
        unsafe { future::fail(self.0.block(), failure) }
    }

    pub fn wait(&self) -> Result<u64, String> {
        let mut item: ItemWord = ptr::null_mut();
        // SAFETY: this is a reference; there is room for an item.
        let outcome = unsafe { future::await_value(self.0.block(), (&raw mut item).cast(), 0) };
        // SAFETY: the item is ours.
        result(outcome).map(|_| unsafe { value::consume(item) })
    }

    /// The value, if it is there.
    pub fn look(&self) -> Option<u64> {
        // SAFETY: this is a reference.
        unsafe { future::is_done(self.0.block()) }.then(|| self.wait().expect("resolved"))
    }

    pub fn as_ptr(&self) -> *mut Future {
        self.0.block()
    }

    /// # Safety
    /// The reference is the caller's.
    pub unsafe fn from_ptr(future: *mut Future) -> Promise {
        Promise(Handle::new(future, future::destroy))
    }
}

impl Default for Promise {
    fn default() -> Promise {
        Promise::new()
    }
}
