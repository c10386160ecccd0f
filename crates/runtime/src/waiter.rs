//! Waiters: parties blocked on a channel, future, lock or counter.
//!
//! # Protocol
//! * Every object somebody can wait on begins with [`Waitable`]: the block header, then the object's spin lock. The lock guards the object's
//!   state, its [`Queue`]s, and in every waiter that belongs to the object the fields `next`, `prev` and `queued`.
//! * A coroutine waits with the waiter in its control block, a thread with one on its stack, a select with one per case in its own block.
//! * A waiter is linked by the party that is about to wait, under the lock; the lock is released by the scheduler after the party's
//!   registers are saved (`wait`), so nobody can wake a coroutine that has not finished parking.
//! * **Claim.** Whoever takes a waiter out of its queue, under the lock, owns it and must wake it: that happens exactly once. The waiter
//!   of a select is one of several; taking it out is not enough, the claim word of the [`Select`](crate::select) has to be won too
//!   ([`Waiter::claim`]). One that loses was already won by another case and is simply forgotten: nobody looks at it once it is seen not to be queued.
//! * What the wait was for is done by the one who wakes, before the wake-up: values are copied through `value`, which points into the
//!   frame of the parked coroutine (that frame stays where it is until it is woken), and results travel as one word.
//! * A waiter dies when it is woken or withdrawn; nobody looks at it, or at what it points to, afterwards. So whoever has many to wake looks for the
//!   next one before.
//! * Wake-ups happen after the object's lock is released: no lock is ever held while another is taken, except the channels of one select that
//!   does not wait, which are taken in the order of their addresses.
//!
//! A party is a coroutine, an operating-system thread (a caller outside the scheduler), a select, or a callback.

use crate::channel::Channel;
use crate::claim::Claim;
use crate::door::thread::{self, Thread};
use crate::door::{AtomicBool, AtomicPtr, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::future;
use crate::panic::Exception;
use crate::scheduler::{self, Coroutine, Operation, Outcome, SpinLock, Wake};
use crate::select::Select;
use crate::sync;
use crate::value;
use echo_abi::layout::{BlockHeader, TypeDesc};
use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::ptr;

/// How every object that can be waited on begins.
#[repr(C)]
pub struct Waitable {
    pub header: BlockHeader,
    pub lock: SpinLock,
    /// Of a future: see [`claim`](crate::claim). It lies in what would be padding.
    pub claim: Claim,
}

/// Who is blocked.
#[derive(Clone, Copy)]
pub enum Party {
    /// In whose control block the waiter lies.
    Coroutine(*mut Coroutine),
    /// On the stack of the blocked thread.
    Thread(*const ThreadParker),
    /// One case of a select.
    Select(*mut Select),
    /// Called instead of a wake-up, without locks held; owns the waiter from then on. What it claims itself goes to the end of the list. `None`: the
    /// object goes away, and there will be nothing to wake up for.
    Callback(Callback),
}

pub type Callback = unsafe fn(*mut Waiter, Option<&mut Claimed>);

/// [`Party`] without what it says.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coroutine,
    Thread,
    Select,
    Callback,
}

/// What a waiter waits for: what its waker has to do.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Panics when the channel is closed.
    Send,
    /// Is told when the channel is closed.
    SendResult,
    SelectSend,
    /// A case of a select that is told when the channel is closed.
    SelectSendResult,
    /// Gets the zero value, or panics, when the channel is closed.
    Receive,
    /// Is told when the channel is closed.
    ReceiveOption,
    SelectReceive,
    /// Gets the value, or the failure raised again.
    Await,
    /// Gets the value, or the message in `extra`.
    TryAwait,
    /// Gets the value, or is told of the failure.
    AwaitStatus,
    /// A callback of a future that decides what to do.
    Notify,
    /// Callbacks of a future that are coroutines.
    CallBack,
    Lock,
    ReadLock,
    WaitGroup,
    Semaphore,
    Once,
}

impl Purpose {
    pub fn is_send(self) -> bool {
        matches!(
            self,
            Purpose::Send | Purpose::SendResult | Purpose::SelectSend | Purpose::SelectSendResult
        )
    }

    fn operation(self) -> Operation {
        match self {
            Purpose::Send | Purpose::SendResult => Operation::Send,
            Purpose::Receive | Purpose::ReceiveOption => Operation::Receive,
            Purpose::SelectSend | Purpose::SelectSendResult | Purpose::SelectReceive => {
                Operation::Select
            }
            Purpose::Await
            | Purpose::TryAwait
            | Purpose::AwaitStatus
            | Purpose::Notify
            | Purpose::CallBack => Operation::Await,
            Purpose::Lock => Operation::Lock,
            Purpose::ReadLock => Operation::ReadLock,
            Purpose::WaitGroup => Operation::WaitGroup,
            Purpose::Semaphore => Operation::Semaphore,
            Purpose::Once => Operation::Once,
        }
    }
}

/// What somebody wants of an object, and where it goes.
#[derive(Clone, Copy)]
pub struct Waiting {
    pub purpose: Purpose,
    /// Where the value is (send) or goes (receive, await).
    pub value: *mut u8,
    /// Second place: the error of a `try await`.
    pub extra: *mut u8,
    /// Of the operation.
    pub position: u32,
}

impl Waiting {
    /// No value goes anywhere.
    pub fn new(purpose: Purpose, position: u32) -> Waiting {
        Waiting {
            purpose,
            value: ptr::null_mut(),
            extra: ptr::null_mut(),
            position,
        }
    }

    /// A value lies or goes there.
    pub fn with_value(purpose: Purpose, value: *mut u8, position: u32) -> Waiting {
        Waiting {
            value,
            ..Waiting::new(purpose, position)
        }
    }
}

/// One blocked party.
#[repr(C)]
pub struct Waiter {
    /// Link of the queue, of a list of claimed waiters, or of the holds of its party.
    pub(crate) next: *mut Waiter,
    prev: *mut Waiter,
    /// The object it waits on.
    pub object: *mut Waitable,
    /// See [`Waiting`]; for a select case also what the select likes to keep here.
    pub value: *mut u8,
    pub extra: *mut u8,
    /// What the party's kind says: nothing for coroutines.
    who: *const (),
    /// Position of the operation.
    pub position: u32,
    pub purpose: Purpose,
    kind: Kind,
    /// Cleared as the last thing that is done to a waiter that is taken out and was not claimed.
    queued: AtomicBool,
}
const _: () = assert!(cfg!(loom) || size_of::<Waiter>() == 56);

impl Waiter {
    /// A waiter that is in no queue.
    #[inline(always)]
    pub fn new(party: Party, object: *const Waitable, waiting: Waiting) -> Waiter {
        let (kind, who) = match party {
            Party::Coroutine(_) => (Kind::Coroutine, ptr::null()),
            Party::Thread(parker) => (Kind::Thread, parker.cast()),
            Party::Select(select) => (Kind::Select, select.cast_const().cast()),
            Party::Callback(callback) => (Kind::Callback, callback as *const ()),
        };
        Waiter {
            next: ptr::null_mut(),
            prev: ptr::null_mut(),
            object: object.cast_mut(),
            value: waiting.value,
            extra: waiting.extra,
            who,
            position: waiting.position,
            purpose: waiting.purpose,
            kind,
            queued: AtomicBool::new(false),
        }
    }

    /// Who waits with this waiter.
    #[inline(always)]
    pub unsafe fn party(this: *mut Waiter) -> Party {
        // SAFETY: the caller vouches for the waiter; `who` is what `new` stored for that kind.
        unsafe {
            let who = (*this).who;
            match (*this).kind {
                Kind::Coroutine => Party::Coroutine(Coroutine::of_waiter(this)),
                Kind::Thread => Party::Thread(who.cast()),
                Kind::Select => Party::Select(who.cast_mut().cast()),
                Kind::Callback => Party::Callback(std::mem::transmute::<*const (), Callback>(who)),
            }
        }
    }

    /// Whether the waiter is in a queue. Without the object's lock, true may be out of date.
    #[inline(always)]
    pub fn is_queued(&self) -> bool {
        self.queued.load(Acquire)
    }

    /// Wins the right to wake a waiter just taken from its queue. Under the object's lock.
    #[inline(always)]
    unsafe fn claim(this: *mut Waiter) -> bool {
        // SAFETY: a select's waiters are unlinked under the lock held here before the select is freed.
        unsafe {
            (*this).kind != Kind::Select || {
                let select: *const Select = (*this).who.cast();
                (*select).claim(this)
            }
        }
    }
}

/// First in, first out; a circular list known by its tail, so that it takes one word.
#[repr(transparent)]
#[derive(Default)]
pub struct Queue {
    /// Atomic only so that emptiness can be guessed without the lock.
    tail: AtomicPtr<Waiter>,
}

impl Queue {
    pub fn new() -> Queue {
        Queue {
            tail: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[inline(always)]
    fn tail(&self) -> *mut Waiter {
        self.tail.load(Relaxed)
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.tail().is_null()
    }

    /// 0 when it is empty.
    #[inline(always)]
    pub fn tail_address(&self) -> usize {
        self.tail().addr()
    }

    /// The one that was put in last, stale or not.
    #[inline(always)]
    pub fn last(&self) -> Option<*mut Waiter> {
        let tail = self.tail();
        (!tail.is_null()).then_some(tail)
    }

    /// How many are in it.
    pub unsafe fn len(&self) -> u32 {
        let (mut len, mut node) = (0, self.tail());
        // SAFETY: as in `push`.
        unsafe {
            while !node.is_null() {
                len += 1;
                node = (*node).next;
                if node == self.tail() {
                    break;
                }
            }
        }
        len
    }

    /// Puts a waiter that is in no queue before all others.
    pub unsafe fn push_first(&self, node: *mut Waiter) {
        let last = self.tail();
        // SAFETY: as in `push`. The list is circular: only its tail says where it begins.
        unsafe { self.push(node) };
        if !last.is_null() {
            self.tail.store(last, Relaxed);
        }
    }

    /// Appends a waiter that is in no queue.
    #[inline]
    pub unsafe fn push(&self, node: *mut Waiter) {
        // SAFETY: the caller holds the lock that guards this queue and the links of its waiters; linked waiters are alive.
        unsafe {
            if self.is_empty() {
                (*node).next = node;
                (*node).prev = node;
            } else {
                let head = (*self.tail()).next;
                (*node).next = head;
                (*node).prev = self.tail();
                (*self.tail()).next = node;
                (*head).prev = node;
            }
            (*node).queued.store(true, Relaxed);
        }
        self.tail.store(node, Relaxed);
    }

    /// Takes a given waiter out.
    pub unsafe fn remove(&self, node: *mut Waiter) {
        // SAFETY: as in `push`, and `node` is in this queue.
        unsafe {
            debug_assert!((*node).is_queued());
            if (*node).next == node {
                self.tail.store(ptr::null_mut(), Relaxed);
            } else {
                (*(*node).prev).next = (*node).next;
                (*(*node).next).prev = (*node).prev;
                if self.tail() == node {
                    self.tail.store((*node).prev, Relaxed);
                }
            }
            (*node).queued.store(false, Release);
        }
    }

    /// The first waiter.
    pub unsafe fn first(&self) -> Option<*mut Waiter> {
        // SAFETY: as in `push`.
        (!self.is_empty()).then(|| unsafe { (*self.tail()).next })
    }

    /// Takes out and claims the first waiter that lets itself be claimed.
    #[inline(always)]
    pub unsafe fn pop(&self) -> Option<*mut Waiter> {
        while !self.is_empty() {
            // SAFETY: as in `push`.
            unsafe {
                let tail = self.tail();
                let head = (*tail).next;
                if head == tail {
                    self.tail.store(ptr::null_mut(), Relaxed);
                } else {
                    (*tail).next = (*head).next;
                    (*(*head).next).prev = tail;
                }
                let is_claimed = Waiter::claim(head);
                (*head).queued.store(false, Release);
                if is_claimed {
                    return Some(head);
                }
            }
        }
        None
    }

    /// Takes out and claims every waiter, as a list that belongs to the caller.
    pub unsafe fn pop_all(&self) -> Claimed {
        let mut claimed = Claimed::new();
        // SAFETY: as in `push`; claimed waiters are the caller's.
        unsafe {
            while let Some(node) = self.pop() {
                claimed.push(node);
            }
        }
        claimed
    }
}

/// Claimed waiters, to be woken once the lock is released; linked through their `next`.
#[derive(Default)]
pub struct Claimed {
    first: *mut Waiter,
    last: *mut Waiter,
}

impl Claimed {
    pub const fn new() -> Claimed {
        Claimed {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }

    /// Appends a claimed waiter.
    pub unsafe fn push(&mut self, node: *mut Waiter) {
        // SAFETY: claimed waiters belong to the holder of the list.
        unsafe {
            (*node).next = ptr::null_mut();
            match self.last.is_null() {
                true => self.first = node,
                false => (*self.last).next = node,
            }
        }
        self.last = node;
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Claimed) {
        if other.first.is_null() {
            return;
        }
        match self.last.is_null() {
            true => self.first = other.first,
            // SAFETY: claimed waiters belong to the holder of the list.
            false => unsafe { (*self.last).next = other.first },
        }
        self.last = other.last;
    }
}

impl Iterator for Claimed {
    type Item = *mut Waiter;
    fn next(&mut self) -> Option<*mut Waiter> {
        let node = self.first;
        if node.is_null() {
            return None;
        }
        // SAFETY: the node is the list's until returned here.
        self.first = unsafe { (*node).next };
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        Some(node)
    }
}

/// Puts the caller at the end of the queue of an object and suspends it; the object's lock is held and gets released.
#[inline(always)]
pub unsafe fn wait(queue: &Queue, object: &Waitable, waiting: Waiting) -> Outcome {
    // SAFETY: passed on.
    unsafe { wait_in(queue, Queue::push, object, waiting) }
}

/// As [`wait`], before all others.
pub unsafe fn wait_first(queue: &Queue, object: &Waitable, waiting: Waiting) -> Outcome {
    // SAFETY: passed on.
    unsafe { wait_in(queue, Queue::push_first, object, waiting) }
}

/// How a waiter is put into a queue.
type Push = unsafe fn(&Queue, *mut Waiter);

#[inline(always)]
unsafe fn wait_in(queue: &Queue, push: Push, object: &Waitable, waiting: Waiting) -> Outcome {
    let Some(coroutine) = scheduler::current() else {
        // SAFETY: passed on.
        return unsafe { wait_as_thread(queue, push, object, waiting) };
    };
    // SAFETY: the running coroutine's waiter is free; the object lives at least until the caller is woken.
    unsafe {
        let node = Coroutine::waiter(coroutine);
        node.write(Waiter::new(Party::Coroutine(coroutine), object, waiting));
        push(queue, node);
        scheduler::park(coroutine, waiting.purpose.operation(), &object.lock)
    }
}

#[cold]
unsafe fn wait_as_thread(
    queue: &Queue,
    push: Push,
    object: &Waitable,
    waiting: Waiting,
) -> Outcome {
    let mut waiter = std::mem::MaybeUninit::uninit();
    ThreadParker::block(|parker| {
        let node = waiter.write(Waiter::new(Party::Thread(parker), object, waiting));
        // SAFETY: the lock is held; the waiter lives on the stack of the blocked thread.
        unsafe { push(queue, node) };
        object.lock.unlock();
    })
}

/// A parked coroutine that waits for nothing any more.
pub struct Withdrawn {
    coroutine: *mut Coroutine,
    /// The value it had given away to be sent, in its frame.
    unsent: Option<(*mut u8, &'static TypeDesc)>,
}

/// Takes a parked coroutine away from what it waits for; `None` when that is nothing that can be withdrawn from.
///
/// # Safety
/// Called while nothing runs: `coroutine` is parked, and nobody claims its waiter meanwhile.
pub unsafe fn withdraw(coroutine: *mut Coroutine) -> Option<Withdrawn> {
    // SAFETY: promised by the caller; the operation says what it is parked with.
    unsafe {
        let unsent = match (*coroutine).operation {
            Operation::None | Operation::Sleep | Operation::Scope | Operation::Io => return None,
            Operation::Select if !Select::withdraw(Select::of(coroutine)) => return None,
            Operation::Select => None,
            _ => {
                let node = Coroutine::waiter(coroutine);
                let object = &*(*node).object;
                object.lock.lock();
                queue_of(node).remove(node);
                object.lock.unlock();
                Channel::unsent(node)
            }
        };
        Some(Withdrawn { coroutine, unsent })
    }
}

/// The queue that a queued waiter stands in. Under the object's lock.
unsafe fn queue_of<'a>(node: *const Waiter) -> &'a Queue {
    // SAFETY: the purpose says what the object is, which is alive as long as somebody waits.
    unsafe {
        let (object, purpose) = ((*node).object, (*node).purpose);
        match purpose.operation() {
            Operation::Await => future::waiters(object.cast()),
            Operation::Lock | Operation::ReadLock => sync::lock::waiters(object.cast()),
            Operation::WaitGroup => sync::wait_group::waiters(object.cast()),
            Operation::Semaphore => sync::semaphore::waiters(object.cast()),
            Operation::Once => sync::once::waiters(object.cast()),
            _ => (*object.cast::<Channel>()).queue(purpose),
        }
    }
}

impl Withdrawn {
    /// Wakes it with a panic.
    ///
    /// # Safety
    /// It is still parked, and nobody else wakes it.
    pub unsafe fn wake(self, exception: Box<Exception>) {
        // SAFETY: the frame is there until the coroutine is woken, which is its caller's right.
        unsafe {
            if let Some((value, desc)) = self.unsent {
                value::drop(value, desc);
            }
            scheduler::ready(self.coroutine, Wake::Raise(exception));
        }
    }
}

/// Wakes a claimed waiter: its runtime function returns `word`. Without locks held.
#[inline]
pub unsafe fn wake(node: *mut Waiter, word: u64) {
    // SAFETY: the caller claimed the waiter.
    unsafe {
        if (*node).kind == Kind::Coroutine {
            return scheduler::ready(Coroutine::of_waiter(node), Wake::Value(word));
        }
        wake_other(node, word)
    }
}

/// [`wake`] of anything but a coroutine.
#[inline(never)]
unsafe fn wake_other(node: *mut Waiter, word: u64) {
    // SAFETY: as in `wake`.
    unsafe {
        match Waiter::party(node) {
            Party::Select(select) => Select::chosen(select, node, Ok(word)),
            party => wake_party(party, Wake::Value(word)),
        }
    }
}

/// Wakes a claimed waiter with a panic. Without locks held.
pub unsafe fn raise(node: *mut Waiter, message: impl Into<Cow<'static, str>>) {
    // SAFETY: the caller claimed the waiter.
    unsafe { throw(node, Exception::panic(message, (*node).position)) }
}

/// Wakes a claimed waiter with `exception`. Without locks held.
pub unsafe fn throw(node: *mut Waiter, exception: Box<Exception>) {
    // SAFETY: the caller claimed the waiter.
    unsafe {
        match Waiter::party(node) {
            Party::Select(select) => Select::chosen(select, node, Err(exception)),
            party => wake_party(party, Wake::Raise(exception)),
        }
    }
}

/// Wakes a coroutine or a thread that was claimed.
pub unsafe fn wake_party(party: Party, wake: Wake) {
    // SAFETY: claimed exactly once, and parked, as the lock was free to be taken.
    unsafe {
        match party {
            Party::Coroutine(coroutine) => scheduler::ready(coroutine, wake),
            Party::Thread(parker) => ThreadParker::finish(parker, wake),
            Party::Select(_) | Party::Callback(_) => {
                unreachable!("only coroutines and threads sleep")
            }
        }
    }
}

/// What the runtime function of a thread gets from [`ThreadParker::block`] that is to try again.
pub const AGAIN: u64 = 1;

/// Blocks one thread that is no worker.
pub struct ThreadParker {
    thread: Thread,
    done: AtomicBool,
    wake: UnsafeCell<Option<Wake>>,
}

impl ThreadParker {
    /// Gives the calling thread's parker to `publish`, which then unlocks, and sleeps until [`finish`](Self::finish).
    pub fn block(publish: impl FnOnce(*const ThreadParker)) -> Outcome {
        let parker = ThreadParker {
            thread: thread::current(),
            done: AtomicBool::new(false),
            wake: UnsafeCell::new(None),
        };
        publish(&parker);
        while !parker.done.load(Acquire) {
            thread::park();
        }
        match parker.wake.into_inner() {
            Some(Wake::Raise(exception)) => Outcome::raise(exception),
            Some(Wake::Value(word)) => Outcome::value(word),
            Some(Wake::Again) => Outcome::value(AGAIN),
            None => unreachable!("a thread is woken with a result"),
        }
    }

    /// Wakes the thread. The parker is gone afterwards.
    unsafe fn finish(parker: *const ThreadParker, wake: Wake) {
        // SAFETY: the parker lives on the blocked thread's stack until `done` is seen; the handle is cloned before.
        unsafe {
            let thread = (*parker).thread.clone();
            *(*parker).wake.get() = Some(wake);
            (*parker).done.store(true, Release);
            thread.unpark();
        }
    }
}
