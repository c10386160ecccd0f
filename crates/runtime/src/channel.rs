//! Channels: one core for Echo, Rust and C.
//!
//! # Invariants (all state is guarded by the channel's lock)
//! * Waiting receivers that can still be woken exist only while the buffer is empty, waiting senders only while it is full; both at once
//!   only when one select sends and receives on the channel. So a value never overtakes another.
//! * A closed channel has no waiters: `close` takes them all out in the same critical section.
//! * Hand-over writes straight to the partner's destination: a receiver's `out`, or from a sender's `value`, both in the frame of the
//!   parked partner. The partner is woken after the lock is released.
//! * Values are made shared before the lock is taken (or while their owner is parked), so no critical section walks a value.
//! * The fields that change are atomics so that `len`, `cap`, `is_closed` and the quick look of a poll can read them without the lock;
//!   they are written under it, with relaxed ordering: the lock orders everything that matters.
//! * No critical section makes a channel look empty or full that is neither before nor after it: a value that moves up from a waiting sender
//!   takes the place of the one received, and the count stays. So what a quick look sees was true at one moment ([`Channel::looks_empty`]).
//!
//! # The short way
//! Plain words in and out of a buffer, with nobody waiting, take a few instructions and no calls: [`send`] and [`receive`] are inlined into
//! the guarded rows, and whatever else there is to do lies in functions of their own, called last. Generated code does the same without a call, of small values of all types, if these need not be
//! made shared (`emit/channel_path.rs` of the compiler).

use crate::door::{AtomicU32, Ordering::Acquire, Ordering::Relaxed};
use crate::handle;
use crate::panic;
use crate::scheduler::Outcome;
use crate::value;
use crate::waiter::{self, Purpose, Queue, Waitable, Waiter, Waiting};
use echo_abi::layout::{
    CHANNEL_BUFFER_OFFSET, CHANNEL_HEAD_OFFSET, CHANNEL_LEN_OFFSET, CHANNEL_LOCK_OFFSET,
    CHANNEL_RECEIVERS_OFFSET, CHANNEL_SENDERS_OFFSET, CHANNEL_STATE_OFFSET, DESC_MANAGED, TypeDesc,
};
use std::alloc::{Layout, alloc, dealloc};
use std::mem::offset_of;
use std::ptr;

/// What a sender sees on a closed channel.
pub const SEND_ON_CLOSED: &str = "send on closed channel";
const CLOSE_OF_CLOSED: &str = "close of closed channel";

/// Bit of [`Channel::state`]; the rest is the capacity. It is the sign: a closed channel has less than no room.
const CLOSED: u32 = 1 << 31;

/// Bytes of the elements that the short way is for.
const WORD_BYTES: u32 = 8;

#[repr(C)]
pub struct Channel {
    pub(crate) base: Waitable,
    /// Capacity, and [`CLOSED`].
    state: AtomicU32,
    element: *const TypeDesc,
    /// Index of the oldest buffered value.
    head: AtomicU32,
    /// Buffered values.
    len: AtomicU32,
    senders: Queue,
    receivers: Queue,
}

/// The block of a channel that has a capacity; of one without it is the [`Channel`] alone.
#[repr(C)]
struct Buffered {
    channel: Channel,
    /// `capacity` elements; dangling when that takes no bytes.
    buffer: *mut u8,
}
const _: () = assert!(
    cfg!(loom) || size_of::<Channel>() == 48 && size_of::<Buffered>() < 64,
    "the requirement's overhead per channel"
);
// Generated code looks at these, as the quick looks of a poll do here, and goes the short way by itself.
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Channel, base.lock) == CHANNEL_LOCK_OFFSET
            && offset_of!(Channel, state) == CHANNEL_STATE_OFFSET
            && offset_of!(Buffered, buffer) == CHANNEL_BUFFER_OFFSET
            && offset_of!(Channel, head) == CHANNEL_HEAD_OFFSET
            && offset_of!(Channel, len) == CHANNEL_LEN_OFFSET
            && offset_of!(Channel, senders) == CHANNEL_SENDERS_OFFSET
            && offset_of!(Channel, receivers) == CHANNEL_RECEIVERS_OFFSET
);

/// What to do about a closed channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnClosed {
    /// Send: panic. Receive: the zero value, or a panic when there is none.
    Panic,
    /// Answer false, touch nothing.
    Report,
}

/// A new channel with one owner.
pub unsafe fn new(element: *const TypeDesc, capacity: i64, position: u32) -> Outcome {
    if capacity < 0 {
        return panic::raise(
            format!("channel capacity is negative: {capacity}"),
            position,
        );
    }
    // SAFETY: descriptors are constants of the program.
    let layout = unsafe { buffer_layout(&*element, capacity) };
    let buffer = match layout {
        None => ptr::null_mut(),
        Some(layout) if layout.size() == 0 => ptr::without_provenance_mut(layout.align()),
        // SAFETY: the size is not zero.
        Some(layout) => unsafe { alloc(layout) },
    };
    if buffer.is_null() {
        return panic::raise(
            format!("channel capacity is too large: {capacity}"),
            position,
        );
    }
    let bytes = match capacity {
        0 => size_of::<Channel>(),
        _ => size_of::<Buffered>(),
    };
    let channel = handle::create_sized(bytes, 1, |base| Channel {
        base,
        state: AtomicU32::new(capacity as u32),
        element,
        head: AtomicU32::new(0),
        len: AtomicU32::new(0),
        senders: Queue::new(),
        receivers: Queue::new(),
    });
    if capacity > 0 {
        // SAFETY: the block is one for that.
        unsafe { (*channel.cast::<Buffered>()).buffer = buffer };
    }
    Outcome::pointer(channel)
}

/// Layout of the buffer, or `None` when it is beyond what can be addressed.
fn buffer_layout(element: &TypeDesc, capacity: i64) -> Option<Layout> {
    if capacity >= i64::from(CLOSED) {
        return None;
    }
    let bytes = (element.size as usize).checked_mul(capacity as usize)?;
    Layout::from_size_align(bytes, usize::from(element.align).max(1)).ok()
}

/// Drops what is buffered and frees the channel. Nobody waits: waiters are owners.
pub unsafe fn destroy(channel: *mut Channel) {
    // SAFETY: the last owner is gone, so this is the only access.
    unsafe {
        let this = &*channel;
        while this.buffered() > 0 {
            let slot = this.slot(this.take_index());
            if this.is_managed() {
                value::drop(slot, this.element());
            }
        }
        if let Some(layout) = buffer_layout(&*this.element, i64::from(this.capacity()))
            && layout.size() > 0
        {
            dealloc(this.buffer(), layout);
        }
        handle::free(channel);
    }
}

impl Channel {
    #[inline]
    pub fn element(&self) -> &'static TypeDesc {
        // SAFETY: descriptors live as long as the program.
        unsafe { &*self.element }
    }

    #[inline]
    pub fn is_managed(&self) -> bool {
        self.element().flags & DESC_MANAGED != 0
    }

    #[inline]
    pub fn capacity(&self) -> u32 {
        self.state.load(Relaxed) & !CLOSED
    }

    /// Values in the buffer.
    #[inline]
    pub fn buffered(&self) -> u32 {
        self.len.load(Relaxed)
    }

    #[inline]
    pub fn is_closed(&self) -> bool {
        self.state.load(Relaxed) & CLOSED != 0
    }

    /// Whether a receive would have to wait, as far as can be seen without the lock: what a poll asks first. True only if it was so at the moment
    /// when the count was read: whoever waited to send then would have filled the buffer, and what is not closed later was not closed then.
    #[inline(always)]
    pub fn looks_empty(&self) -> bool {
        // Without branches: which of several channels have something is hard to predict.
        let len = u64::from(self.len.load(Acquire));
        let senders = self.senders.tail_address() as u64;
        len | senders | u64::from(self.state.load(Relaxed) & CLOSED) == 0
    }

    /// Whether a send would have to wait, or finds the channel closed, as far as can be seen without the lock. True only if it was so at one
    /// moment: receivers wait only while the buffer is empty.
    #[inline(always)]
    pub fn looks_full(&self) -> bool {
        self.receivers.is_empty() & !self.has_room()
    }

    /// Whether somebody waits for a value, as far as can be seen without the lock.
    pub fn has_receivers(&self) -> bool {
        !self.receivers.is_empty()
    }

    /// Whether the channel is open and its buffer not full.
    #[inline(always)]
    fn has_room(&self) -> bool {
        (self.len.load(Acquire) as i32) < self.state.load(Relaxed) as i32
    }

    /// Of a channel that has a capacity.
    #[inline(always)]
    unsafe fn buffer(&self) -> *mut u8 {
        // SAFETY: promised by the caller: then this is the beginning of such a block.
        unsafe { (*ptr::from_ref(self).cast::<Buffered>()).buffer }
    }

    #[inline(always)]
    unsafe fn slot(&self, index: usize) -> *mut u8 {
        // SAFETY: `index < capacity`, so the slot is in the buffer.
        unsafe { self.buffer().add(index * self.element().size as usize) }
    }

    /// Index of the oldest buffered value, no longer counted. `len > 0`.
    #[inline(always)]
    fn take_index(&self) -> usize {
        self.len.store(self.buffered() - 1, Relaxed);
        self.pass_head()
    }

    /// Index of the oldest buffered value; the next one is the oldest from now on.
    #[inline(always)]
    fn pass_head(&self) -> usize {
        let head = self.head.load(Relaxed);
        let next = head + 1;
        self.head
            .store(if next == self.capacity() { 0 } else { next }, Relaxed);
        head as usize
    }

    /// Index of the slot for the next value, already counted; `None` when there is no room or the channel is closed.
    #[inline(always)]
    fn put_index(&self) -> Option<usize> {
        let (len, state) = (self.buffered(), self.state.load(Relaxed));
        if len as i32 >= state as i32 {
            return None;
        }
        self.len.store(len + 1, Relaxed);
        // The channel is open, so the state is the capacity.
        let index = self.head.load(Relaxed) + len;
        Some(if index >= state { index - state } else { index } as usize)
    }

    /// Copies one element bitwise.
    #[inline(always)]
    pub unsafe fn copy(&self, from: *const u8, to: *mut u8) {
        // SAFETY: both places hold one element; they never overlap.
        unsafe { copy_value(from, to, self.element().size) }
    }

    /// A send that need not wait. Under the lock, open channel. `Some` with the receiver to wake, if one was waiting.
    #[inline(always)]
    pub unsafe fn send_now(&self, from: *const u8) -> Option<Option<*mut Waiter>> {
        // SAFETY: under the lock; a claimed receiver is parked, its `value` is a place for one element.
        unsafe {
            if let Some(receiver) = self.receivers.pop() {
                self.copy(from, (*receiver).value);
                return Some(Some(receiver));
            }
            let index = self.put_index()?;
            self.copy(from, self.slot(index));
            Some(None)
        }
    }

    /// A receive that need not wait. Under the lock. `Some` with the sender to wake, if one was waiting.
    #[inline(always)]
    pub unsafe fn receive_now(&self, to: *mut u8) -> Option<Option<*mut Waiter>> {
        // SAFETY: under the lock; a claimed sender is parked, its `value` holds one element.
        unsafe {
            if self.buffered() == 0 {
                let sender = self.senders.pop()?;
                self.copy((*sender).value, to);
                return Some(Some(sender));
            }
            let sender = self.senders.pop();
            match sender {
                None => self.copy(self.slot(self.take_index()), to),
                // The buffer is full: the slot of the oldest value becomes that of the newest.
                Some(sender) => {
                    let slot = self.slot(self.pass_head());
                    self.copy(slot, to);
                    self.copy((*sender).value, slot);
                }
            }
            Some(sender)
        }
    }

    /// The queue a waiter of that purpose stands in.
    #[inline]
    pub fn queue(&self, purpose: Purpose) -> &Queue {
        if purpose.is_send() {
            &self.senders
        } else {
            &self.receivers
        }
    }

    /// Writes the zero value, if the type has one.
    pub unsafe fn write_zero(&self, to: *mut u8) -> bool {
        let zero = self.element().zero;
        if zero.is_null() {
            return self.element().size == 0;
        }
        // SAFETY: `zero` is one element; what it points to is immortal.
        unsafe { self.copy(zero, to) };
        true
    }

    fn no_zero_message(&self) -> String {
        format!(
            "receive from closed channel: type {} has no zero value",
            value::type_name(self.element())
        )
    }
}

#[inline(always)]
unsafe fn copy_word(from: *const u8, to: *mut u8) {
    // SAFETY: both places hold a word; a struct of two halves need not be aligned like one.
    unsafe {
        to.cast::<u64>()
            .write_unaligned(from.cast::<u64>().read_unaligned())
    }
}

/// Copies a value of so many bytes, most often a word.
#[inline(always)]
pub(crate) unsafe fn copy_value(from: *const u8, to: *mut u8, bytes: u32) {
    // SAFETY: both places have so many bytes and do not overlap.
    unsafe {
        match bytes {
            WORD_BYTES => copy_word(from, to),
            _ => copy_bytes(from, to, bytes as usize),
        }
    }
}

#[inline(never)]
unsafe fn copy_bytes(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: both places have so many bytes and do not overlap.
    unsafe {
        match bytes {
            0 => {}
            1 => to.write(from.read()),
            16 => to
                .cast::<u128>()
                .write_unaligned(from.cast::<u128>().read_unaligned()),
            _ => ptr::copy_nonoverlapping(from, to, bytes),
        }
    }
}

/// Sends `from` (moved). The word is whether it was sent.
#[inline(always)]
pub unsafe fn send(
    channel: *mut Channel,
    from: *mut u8,
    on_closed: OnClosed,
    position: u32,
) -> Outcome {
    // SAFETY: the caller owns a reference to the channel and the value in `from`; the slot of an index lies in the buffer.
    unsafe {
        let this = &*channel;
        if this.element().size != WORD_BYTES || this.is_managed() || !this.base.lock.lock_at_once()
        {
            return send_any(this, from, position, on_closed);
        }
        send_locked(this, from, position, on_closed, WORD_BYTES)
    }
}

/// [`send`] of any element.
#[inline(never)]
unsafe fn send_any(this: &Channel, from: *mut u8, position: u32, on_closed: OnClosed) -> Outcome {
    // SAFETY: as in `send`.
    unsafe {
        if this.is_managed() {
            value::share(from, this.element());
        }
        this.base.lock.lock();
        send_locked(this, from, position, on_closed, this.element().size)
    }
}

/// [`send`] of a shared value of `size` bytes, under the lock, which is released.
#[inline(always)]
unsafe fn send_locked(
    this: &Channel,
    from: *mut u8,
    position: u32,
    on_closed: OnClosed,
    size: u32,
) -> Outcome {
    // SAFETY: as in `send`. A channel that has receivers is open.
    unsafe {
        if !this.receivers.is_empty() {
            return send_paired(this, from, position, on_closed);
        }
        match this.put_index() {
            Some(index) => {
                copy_value(from, this.buffer().add(index * size as usize), size);
                this.base.lock.unlock();
                Outcome::value(1)
            }
            None => send_blocked(this, from, position, on_closed),
        }
    }
}

/// [`send_locked`] where receivers wait, or selects that were claimed meanwhile.
#[inline(never)]
unsafe fn send_paired(
    this: &Channel,
    from: *mut u8,
    position: u32,
    on_closed: OnClosed,
) -> Outcome {
    // SAFETY: as in `send`.
    unsafe {
        let Some(receiver) = this.send_now(from) else {
            return send_blocked(this, from, position, on_closed);
        };
        this.base.lock.unlock();
        if let Some(receiver) = receiver {
            waiter::wake(receiver, 1);
        }
        Outcome::value(1)
    }
}

/// [`send_locked`] where nobody receives, and there is no room or the channel is closed.
#[inline(never)]
unsafe fn send_blocked(
    this: &Channel,
    from: *mut u8,
    position: u32,
    on_closed: OnClosed,
) -> Outcome {
    // SAFETY: as in `send`.
    unsafe {
        if this.is_closed() {
            return send_closed(this, from, position, on_closed);
        }
        let purpose = match on_closed {
            OnClosed::Panic => Purpose::Send,
            OnClosed::Report => Purpose::SendResult,
        };
        let waiting = Waiting::with_value(purpose, from, position);
        waiter::wait(&this.senders, &this.base, waiting)
    }
}

/// [`send_blocked`] on a closed channel.
#[cold]
unsafe fn send_closed(
    this: &Channel,
    from: *mut u8,
    position: u32,
    on_closed: OnClosed,
) -> Outcome {
    this.base.lock.unlock();
    if this.is_managed() {
        // SAFETY: the value was moved here.
        unsafe { value::drop(from, this.element()) };
    }
    match on_closed {
        OnClosed::Panic => panic::raise(SEND_ON_CLOSED, position),
        OnClosed::Report => Outcome::value(0),
    }
}

/// Receives into `out`. The word is whether a value came.
#[inline(always)]
pub unsafe fn receive(
    channel: *mut Channel,
    out: *mut u8,
    on_closed: OnClosed,
    position: u32,
) -> Outcome {
    // SAFETY: the caller owns a reference to the channel; `out` has room for one element; the slot of an index lies in the buffer.
    unsafe {
        let this = &*channel;
        if this.element().size != WORD_BYTES || !this.base.lock.lock_at_once() {
            return receive_any(this, out, position, on_closed);
        }
        receive_locked(this, out, position, on_closed, WORD_BYTES)
    }
}

/// [`receive`] of any element.
#[inline(never)]
unsafe fn receive_any(this: &Channel, out: *mut u8, position: u32, on_closed: OnClosed) -> Outcome {
    // SAFETY: as in `receive`.
    unsafe {
        this.base.lock.lock();
        receive_locked(this, out, position, on_closed, this.element().size)
    }
}

/// [`receive`] of a value of `size` bytes, under the lock, which is released.
#[inline(always)]
unsafe fn receive_locked(
    this: &Channel,
    out: *mut u8,
    position: u32,
    on_closed: OnClosed,
    size: u32,
) -> Outcome {
    // SAFETY: as in `receive`.
    unsafe {
        if !this.senders.is_empty() {
            return receive_paired(this, out, position, on_closed);
        }
        if this.buffered() == 0 {
            return receive_blocked(this, out, position, on_closed);
        }
        let slot = this.buffer().add(this.take_index() * size as usize);
        copy_value(slot, out, size);
        this.base.lock.unlock();
        Outcome::value(1)
    }
}

/// [`receive_locked`] where senders wait, or selects that were claimed meanwhile.
#[inline(never)]
unsafe fn receive_paired(
    this: &Channel,
    out: *mut u8,
    position: u32,
    on_closed: OnClosed,
) -> Outcome {
    // SAFETY: as in `receive`.
    unsafe {
        let Some(sender) = this.receive_now(out) else {
            return receive_blocked(this, out, position, on_closed);
        };
        this.base.lock.unlock();
        if let Some(sender) = sender {
            waiter::wake(sender, 1);
        }
        Outcome::value(1)
    }
}

/// [`receive_locked`] where nobody sends and nothing is buffered.
#[inline(never)]
unsafe fn receive_blocked(
    this: &Channel,
    out: *mut u8,
    position: u32,
    on_closed: OnClosed,
) -> Outcome {
    // SAFETY: as in `receive`.
    unsafe {
        if this.is_closed() {
            return receive_closed(this, out, position, on_closed);
        }
        let purpose = match on_closed {
            OnClosed::Panic => Purpose::Receive,
            OnClosed::Report => Purpose::ReceiveOption,
        };
        let waiting = Waiting::with_value(purpose, out, position);
        waiter::wait(&this.receivers, &this.base, waiting)
    }
}

/// [`receive_blocked`] on a closed channel.
#[cold]
unsafe fn receive_closed(
    this: &Channel,
    out: *mut u8,
    position: u32,
    on_closed: OnClosed,
) -> Outcome {
    this.base.lock.unlock();
    // SAFETY: as in `receive`.
    if on_closed == OnClosed::Panic && !unsafe { this.write_zero(out) } {
        return panic::raise(this.no_zero_message(), position);
    }
    Outcome::value(0)
}

/// Sends `from` (moved) if that need not wait.
pub unsafe fn try_send(channel: *mut Channel, from: *mut u8) -> bool {
    // SAFETY: as in `send`.
    unsafe {
        let this = &*channel;
        let is_sent = !this.looks_full() && try_send_locked(this, from);
        if !is_sent && this.is_managed() {
            value::drop(from, this.element());
        }
        is_sent
    }
}

/// [`try_send`] where there seems to be room; moves the value only if it is sent.
unsafe fn try_send_locked(this: &Channel, from: *mut u8) -> bool {
    // SAFETY: as in `send`.
    unsafe {
        if this.is_managed() {
            value::share(from, this.element());
        }
        this.base.lock.lock();
        let sent = if this.is_closed() {
            None
        } else {
            this.send_now(from)
        };
        this.base.lock.unlock();
        if let Some(Some(receiver)) = sent {
            waiter::wake(receiver, 1);
        }
        sent.is_some()
    }
}

/// Receives into `out` if a value is there.
pub unsafe fn try_receive(channel: *mut Channel, out: *mut u8) -> bool {
    // SAFETY: as in `receive`.
    unsafe {
        let this = &*channel;
        if this.looks_empty() {
            return false;
        }
        this.base.lock.lock();
        let received = this.receive_now(out);
        this.base.lock.unlock();
        if let Some(Some(sender)) = received {
            waiter::wake(sender, 1);
        }
        received.is_some()
    }
}

/// Closes the channel and wakes all who wait.
pub unsafe fn close(channel: *mut Channel, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference to the channel.
    unsafe {
        let this = &*channel;
        this.base.lock.lock();
        if this.is_closed() {
            this.base.lock.unlock();
            return panic::raise(CLOSE_OF_CLOSED, position);
        }
        let state = this.state.load(Relaxed);
        this.state.store(state | CLOSED, Relaxed);
        let receivers = this.receivers.pop_all();
        let senders = this.senders.pop_all();
        this.base.lock.unlock();
        for receiver in receivers {
            this.wake_closed_receiver(receiver);
        }
        for sender in senders {
            this.wake_closed_sender(sender);
        }
        Outcome::value(0)
    }
}

impl Channel {
    /// The value that a waiting sender has given away, if it holds references. Of any waiter, under its object's lock.
    pub unsafe fn unsent(node: *const Waiter) -> Option<(*mut u8, &'static TypeDesc)> {
        // SAFETY: the object of a sender is a channel, alive as long as somebody waits.
        unsafe {
            let moved = matches!((*node).purpose, Purpose::Send | Purpose::SendResult);
            let channel: *const Channel = (*node).object.cast();
            (moved && (*channel).is_managed()).then(|| ((*node).value, (*channel).element()))
        }
    }

    unsafe fn wake_closed_receiver(&self, receiver: *mut Waiter) {
        // SAFETY: a claimed receiver is parked, its `value` is a place for one element.
        unsafe {
            match (*receiver).purpose {
                Purpose::ReceiveOption => waiter::wake(receiver, 0),
                Purpose::Receive if !self.write_zero((*receiver).value) => {
                    waiter::raise(receiver, self.no_zero_message())
                }
                _ => {
                    self.write_zero((*receiver).value);
                    waiter::wake(receiver, 0);
                }
            }
        }
    }

    unsafe fn wake_closed_sender(&self, sender: *mut Waiter) {
        // SAFETY: a claimed sender is parked, its `value` holds one element; that of a select stays its caller's.
        unsafe {
            let purpose = (*sender).purpose;
            let moved = matches!(purpose, Purpose::Send | Purpose::SendResult);
            if self.is_managed() && moved {
                value::drop((*sender).value, self.element());
            }
            match purpose {
                Purpose::SendResult | Purpose::SelectSendResult => waiter::wake(sender, 0),
                _ => waiter::raise(sender, SEND_ON_CLOSED),
            }
        }
    }
}

// ---- rows of the symbol table

pub unsafe fn echo_chan_new(element: *mut u8, capacity: i64, position: i32) -> Outcome {
    // SAFETY: the contract of the table, here and below.
    unsafe { new(element.cast(), capacity, position as u32) }
}

pub unsafe fn echo_chan_send(channel: *mut u8, value: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { send(channel.cast(), value, OnClosed::Panic, position as u32) }
}

pub unsafe fn echo_chan_send_result(channel: *mut u8, value: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { send(channel.cast(), value, OnClosed::Report, position as u32) }
}

pub unsafe fn echo_chan_receive(channel: *mut u8, out: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { receive(channel.cast(), out, OnClosed::Panic, position as u32) }
}

pub unsafe fn echo_chan_receive_option(channel: *mut u8, out: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { receive(channel.cast(), out, OnClosed::Report, position as u32) }
}

pub unsafe extern "C" fn echo_chan_try_send(channel: *mut u8, value: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { try_send(channel.cast(), value) }
}

pub unsafe extern "C" fn echo_chan_try_receive(channel: *mut u8, out: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { try_receive(channel.cast(), out) }
}

pub unsafe fn echo_chan_close(channel: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { close(channel.cast(), position as u32) }
}

pub unsafe extern "C" fn echo_chan_is_closed(channel: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { (*channel.cast::<Channel>()).is_closed() }
}

pub unsafe extern "C" fn echo_chan_len(channel: *mut u8) -> i64 {
    // SAFETY: see above.
    unsafe { i64::from((*channel.cast::<Channel>()).buffered()) }
}

pub unsafe extern "C" fn echo_chan_cap(channel: *mut u8) -> i64 {
    // SAFETY: see above.
    unsafe { i64::from((*channel.cast::<Channel>()).capacity()) }
}
