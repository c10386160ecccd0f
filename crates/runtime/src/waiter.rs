//! Waiters: parties blocked on a channel, future, lock or counter.
//!
//! # Protocol
//! * Every object somebody can wait on begins with [`Waitable`]: the block header, then the object's spin lock. The lock guards the object's
//!   state, its [`Queue`]s, and in every waiter that belongs to the object the fields `next`, `prev` and `queued`.
//! * A waiter is linked by the party that is about to wait, under the lock; the lock is released by the scheduler after the party's
//!   registers are saved (`wait`), so nobody can wake a coroutine that has not finished parking.
//! * **Claim.** Whoever takes a waiter out of its queue, under the lock, owns it and must wake it: that happens exactly once. The waiter
//!   of a select is one of several; taking it out is not enough, the claim word of the [`Select`](crate::select) has to be won too
//!   ([`Waiter::claim`]). One that loses was already won by another case and is simply forgotten: its select frees it.
//! * What the wait was for is done by the one who wakes, before the wake-up: values are copied through `value`, which points into the
//!   frame of the parked coroutine (that frame stays where it is until it is woken), and results travel as one word.
//! * A waiter dies when it is woken or withdrawn; nobody looks at it, or at what it points to, afterwards.
//! * Wake-ups happen after the object's lock is released: no lock is ever held while another is taken, except the channels of one select,
//!   which are taken in the order of their addresses.
//!
//! A party is a coroutine, an operating-system thread (a caller outside the scheduler), a select, or a callback.

use crate::channel::Channel;
use crate::door::thread::{self, Thread};
use crate::door::{AtomicBool, AtomicPtr, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::panic::Exception;
use crate::scheduler::{self, Coroutine, Operation, Outcome, SpinLock, WaitInfo, Wake};
use crate::select::Select;
use crate::value;
use echo_abi::layout::{BlockHeader, TypeDesc};
use std::borrow::Cow;
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ptr;

/// How every object that can be waited on begins.
#[repr(C)]
pub struct Waitable {
    pub header: BlockHeader,
    pub lock: SpinLock,
}

/// Who is blocked.
#[derive(Clone, Copy)]
pub enum Party {
    Coroutine(*mut Coroutine),
    /// On the stack of the blocked thread.
    Thread(*const ThreadParker),
    /// One case (`Waiter::index`) of a select.
    Select(*mut Select),
    /// Called instead of a wake-up, without locks held; owns the waiter from then on. What it claims itself goes to the end of the list. `None`: the
    /// object goes away, and there will be nothing to wake up for.
    Callback(unsafe fn(*mut Waiter, Option<&mut Claimed>)),
    /// Nobody any more ([`withdraw`]): whoever takes the waiter out of its queue frees it.
    Withdrawn,
}

/// What a waiter waits for: what its waker has to do.
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
    /// A callback on a future.
    Notify,
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
            Purpose::Await | Purpose::TryAwait | Purpose::AwaitStatus | Purpose::Notify => {
                Operation::Await
            }
            Purpose::Lock => Operation::Lock,
            Purpose::ReadLock => Operation::ReadLock,
            Purpose::WaitGroup => Operation::WaitGroup,
            Purpose::Semaphore => Operation::Semaphore,
            Purpose::Once => Operation::Once,
        }
    }
}

/// One blocked party.
pub struct Waiter {
    /// Link of the queue, of a list of claimed waiters, or of the holds of its party.
    pub(crate) next: *mut Waiter,
    prev: *mut Waiter,
    pub party: Party,
    /// The object it waits on.
    pub object: *mut Waitable,
    /// Where the value is (send) or goes (receive, await).
    pub value: *mut u8,
    /// Second place: the error of a `try await`, the `ok` of a select case.
    pub extra: *mut u8,
    /// Position of the operation.
    pub position: u32,
    /// Case of a select, element of `all` and `race`.
    pub index: u32,
    pub purpose: Purpose,
    queued: bool,
}

impl Waiter {
    /// A waiter that is in no queue.
    pub fn new(party: Party, object: *mut Waitable, purpose: Purpose, position: u32) -> Waiter {
        Waiter {
            next: ptr::null_mut(),
            prev: ptr::null_mut(),
            party,
            object,
            value: ptr::null_mut(),
            extra: ptr::null_mut(),
            position,
            index: 0,
            purpose,
            queued: false,
        }
    }

    /// A recycled heap waiter for the calling party.
    pub fn for_caller(object: *const Waitable, purpose: Purpose, position: u32) -> *mut Waiter {
        let party = calling_party();
        let node = take_node();
        // SAFETY: `node` is fresh memory of the right layout.
        unsafe { node.write(Waiter::new(party, object.cast_mut(), purpose, position)) };
        node
    }

    /// Whether the waiter is in a queue. Under the object's lock.
    pub fn is_queued(&self) -> bool {
        self.queued
    }

    /// Wins the right to wake a waiter just taken from its queue. Under the object's lock.
    #[inline(always)]
    fn claim(&self) -> bool {
        match self.party {
            // SAFETY: a select's waiters are unlinked under the lock held here before the select is freed.
            Party::Select(select) => unsafe { (*select).claim(self.index) },
            Party::Withdrawn => false,
            _ => true,
        }
    }

    /// Whether it can no longer be woken through this queue. Under the object's lock.
    fn is_stale(&self) -> bool {
        match self.party {
            // SAFETY: as in `claim`.
            Party::Select(select) => unsafe { (*select).is_claimed() },
            Party::Withdrawn => true,
            _ => false,
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
            (*node).queued = true;
        }
        self.tail.store(node, Relaxed);
    }

    /// Takes a given waiter out.
    pub unsafe fn remove(&self, node: *mut Waiter) {
        // SAFETY: as in `push`, and `node` is in this queue.
        unsafe {
            debug_assert!((*node).queued);
            (*node).queued = false;
            if (*node).next == node {
                self.tail.store(ptr::null_mut(), Relaxed);
                return;
            }
            (*(*node).prev).next = (*node).next;
            (*(*node).next).prev = (*node).prev;
            if self.tail() == node {
                self.tail.store((*node).prev, Relaxed);
            }
        }
    }

    /// The first waiter that can still be woken; stale ones before it are taken out.
    pub unsafe fn first(&self) -> Option<*mut Waiter> {
        while !self.is_empty() {
            // SAFETY: as in `push`.
            unsafe {
                let head = (*self.tail()).next;
                if !(*head).is_stale() {
                    return Some(head);
                }
                self.remove(head);
                discard(head);
            }
        }
        None
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
                (*head).queued = false;
                if (*head).claim() {
                    return Some(head);
                }
                discard(head);
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

/// The caller as a party; a thread's parker is set by [`wait`].
pub fn calling_party() -> Party {
    match scheduler::current() {
        Some(coroutine) => Party::Coroutine(coroutine),
        None => Party::Thread(ptr::null()),
    }
}

/// Puts the caller, whose waiter from [`Waiter::for_caller`] this is, at the end of the queue and suspends it; the object's lock is held and gets
/// released.
#[inline(always)]
pub unsafe fn wait(queue: &Queue, node: *mut Waiter) -> Outcome {
    // SAFETY: passed on.
    unsafe { wait_in(queue, Queue::push, node) }
}

/// As [`wait`], before all others.
pub unsafe fn wait_first(queue: &Queue, node: *mut Waiter) -> Outcome {
    // SAFETY: passed on.
    unsafe { wait_in(queue, Queue::push_first, node) }
}

/// How a waiter is put into a queue.
type Push = unsafe fn(&Queue, *mut Waiter);

#[inline(always)]
unsafe fn wait_in(queue: &Queue, push: Push, node: *mut Waiter) -> Outcome {
    // SAFETY: the lock keeps the waiter alive, and the object lives at least until the caller is woken. What is needed of the waiter is read
    // before it is queued, while the compiler still knows it.
    unsafe {
        let (party, object) = ((*node).party, (*node).object);
        let info = WaitInfo::new((*node).purpose.operation(), object, (*node).position);
        push(queue, node);
        let lock = &raw const (*object).lock;
        match party {
            Party::Coroutine(coroutine) => {
                (*coroutine).parked_with = node.cast();
                scheduler::park(unlock, lock.cast_mut().cast(), info)
            }
            _ => ThreadParker::block(|party| {
                (*node).party = party;
                (*lock).unlock();
            }),
        }
    }
}

/// The unlock hook for one lock.
unsafe fn unlock(lock: *mut c_void) {
    // SAFETY: `wait` passed a held lock, whose object outlives the wait.
    unsafe { (*lock.cast::<SpinLock>()).unlock() }
}

/// A waiter taken from its queue that could not be claimed: its select frees it, or nobody else knows it.
unsafe fn discard(node: *mut Waiter) {
    // SAFETY: the caller has just taken the node out of its queue, under the object's lock.
    unsafe {
        if let Party::Withdrawn = (*node).party {
            put_node(node);
        }
    }
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
    // SAFETY: promised by the caller; `parked_with` is what the operation says.
    unsafe {
        if (*coroutine).claim.is_in_place() {
            return None; // it is its awaiter that is parked
        }
        let parked_with = (*coroutine).parked_with;
        let unsent = match (*coroutine).wait.operation {
            Operation::None | Operation::Sleep | Operation::Scope | Operation::Io => return None,
            Operation::Select if !Select::withdraw(parked_with.cast()) => return None,
            Operation::Select => None,
            _ => {
                let node: *mut Waiter = parked_with.cast();
                let lock = &(*(*node).object).lock;
                lock.lock();
                (*node).party = Party::Withdrawn;
                let unsent = Channel::unsent(node);
                lock.unlock();
                unsent
            }
        };
        Some(Withdrawn { coroutine, unsent })
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
        match (*node).party {
            Party::Coroutine(coroutine) => {
                put_node(node);
                scheduler::ready(coroutine, Wake::Value(word));
            }
            Party::Select(select) => Select::chosen(select, (*node).index, Ok(word)),
            party => {
                put_node(node);
                wake_party(party, Wake::Value(word));
            }
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
        match (*node).party {
            Party::Select(select) => Select::chosen(select, (*node).index, Err(exception)),
            party => {
                put_node(node);
                wake_party(party, Wake::Raise(exception));
            }
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
            Party::Select(_) | Party::Callback(_) | Party::Withdrawn => {
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
    /// Gives the calling thread as a party to `publish`, which then unlocks, and sleeps until [`finish`](Self::finish).
    pub fn block(publish: impl FnOnce(Party)) -> Outcome {
        let parker = ThreadParker {
            thread: thread::current(),
            done: AtomicBool::new(false),
            wake: UnsafeCell::new(None),
        };
        publish(Party::Thread(&parker));
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

/// Nodes kept per thread; beyond that they go back to the allocator.
const POOL_LIMIT: u32 = 1024;

thread_local! {
    static POOL: Pool = const { Pool { first: Cell::new(ptr::null_mut()), count: Cell::new(0) } };
}

/// Free nodes of one thread, linked through `next`. They stay when the thread ends, which workers do at the end of the program.
struct Pool {
    first: Cell<*mut Waiter>,
    count: Cell<u32>,
}

/// Memory for one waiter, not initialised.
fn take_node() -> *mut Waiter {
    POOL.with(|pool| {
        let node = pool.first.get();
        if node.is_null() {
            return Box::into_raw(Box::<Waiter>::new_uninit()).cast();
        }
        // SAFETY: pooled nodes belong to the pool.
        pool.first.set(unsafe { (*node).next });
        pool.count.set(pool.count.get() - 1);
        node
    })
}

/// Gives a node of [`Waiter::for_caller`] back.
pub unsafe fn put_node(node: *mut Waiter) {
    POOL.with(|pool| {
        if pool.count.get() == POOL_LIMIT {
            // SAFETY: nodes come from `Box`, and waiters have nothing to drop.
            drop(unsafe { Box::from_raw(node) });
            return;
        }
        // SAFETY: nobody else knows the node any more.
        unsafe { (*node).next = pool.first.get() };
        pool.first.set(node);
        pool.count.set(pool.count.get() + 1);
    })
}
