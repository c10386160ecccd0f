//! Select: one of several channel operations, or a timeout.
//!
//! # Protocol
//! 1. Values to send are made shared, then the distinct channels of all cases are locked in the order of their addresses. With all locks held,
//!    which cases are ready is judged at one moment; one of them is chosen at random and carried out. Nothing else changes.
//! 2. None ready: with the locks still held, one waiter per case is queued (they are part of the [`Select`] block), the timer is armed, and
//!    the caller parks. The unlock hook releases the locks.
//! 3. Whoever pairs with one of the waiters, closes a channel, or brings the timer, must win `claim`, a compare-and-swap from
//!    [`UNCLAIMED`]: exactly one does. The winner, holding no lock, takes the other waiters out of their queues ([`Select::retire`]),
//!    cancels the timer, and only then wakes the caller: the cases, which lie in the caller's frame, are valid until then.
//!
//! A select's own waiters are queued only in phase 2, after it has looked at the queues, so it never pairs with itself.
//!
//! # Freeing the block
//! The block is counted: one for the winner, one for an armed timer. The unlock hook still reads it after the first channel is unlocked; it
//! is safe because it releases `arming` first and a channel last, and never reads after the last release, while the winner passes through
//! `arming` (timer) or holds a channel's lock (others), and through every other channel's lock in `retire`, before it lets go.

use crate::channel::{Channel, SEND_ON_CLOSED};
use crate::panic::{self, Exception};
use crate::random;
use crate::scheduler::{self, Operation, Outcome, SpinLock, WaitInfo, Wake};
use crate::timer::{self, TimerId};
use crate::value;
use crate::waiter::{self, Party, Purpose, ThreadParker, Waiter};
use echo_abi::layout::{
    CASE_RECEIVE, CASE_SEND, CASE_SEND_RESULT, SELECT_DEFAULT, SELECT_FOREVER, SELECT_POLL,
    SELECT_TIMEOUT, SelectCase,
};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

const UNCLAIMED: u32 = u32::MAX;
const TIMED_OUT: u32 = u32::MAX - 1;
const WITHDRAWN: u32 = u32::MAX - 2;

/// Channels that fit without an allocation while they are locked.
const INLINE_CHANNELS: usize = 8;

/// A parked select. `count` waiters and as many channel pointers follow in memory.
pub struct Select {
    claimed: AtomicU32,
    references: AtomicU32,
    count: u32,
    /// How many of the channel pointers are in use.
    distinct: u32,
    cases: *mut SelectCase,
    party: Party,
    timer: Option<TimerId>,
    /// Held from before the timer is armed until the caller is parked.
    arming: SpinLock,
}

/// Carries out one of the cases. The word is the index of the case, or `SELECT_DEFAULT`/`SELECT_TIMEOUT`. When it raises, nothing was moved.
pub unsafe fn select(
    cases: *mut SelectCase,
    count: i64,
    timeout_ms: i64,
    position: u32,
) -> Outcome {
    let cases = if count == 0 {
        &mut [][..]
    } else {
        // SAFETY: `cases` points to `count` cases, in the caller's frame, whose channels the caller owns.
        unsafe { std::slice::from_raw_parts_mut(cases, count as usize) }
    };
    if cases.is_empty() && timeout_ms == SELECT_FOREVER {
        return word(SELECT_DEFAULT);
    }
    // SAFETY: as above.
    unsafe {
        if timeout_ms == SELECT_POLL && cases.len() == 1 && cannot_receive(&cases[0]) {
            return word(SELECT_DEFAULT);
        }
        cases.iter().for_each(|case| share_value(case));
        let mut inline = [std::ptr::null(); INLINE_CHANNELS];
        let mut heap = Vec::new();
        let room = if cases.len() <= INLINE_CHANNELS {
            &mut inline[..]
        } else {
            heap.resize(cases.len(), std::ptr::null());
            &mut heap[..]
        };
        let channels = lock_order(cases, room);
        channels
            .iter()
            .for_each(|&channel| (*channel).base.lock.lock());
        while let Some(index) = choose(cases) {
            if let Some(outcome) = carry_out(cases, index, channels) {
                return outcome;
            }
        }
        match timeout_ms {
            SELECT_POLL => {
                unlock_all(channels);
                word(SELECT_DEFAULT)
            }
            // Nothing was ready at the one moment there is.
            0 => {
                unlock_all(channels);
                word(SELECT_TIMEOUT)
            }
            _ => wait(cases, channels, timeout_ms, position),
        }
    }
}

fn word(index: i64) -> Outcome {
    Outcome::value(index as u64)
}

fn is_send(case: &SelectCase) -> bool {
    case.kind != CASE_RECEIVE
}

unsafe fn channel_of(case: &SelectCase) -> &'static Channel {
    // SAFETY: the caller of the select owns its channels until it returns.
    unsafe { &*case.channel.cast::<Channel>() }
}

/// Whether a poll of this one case need not even lock.
unsafe fn cannot_receive(case: &SelectCase) -> bool {
    // SAFETY: as for `channel_of`.
    case.kind == CASE_RECEIVE && unsafe { channel_of(case) }.looks_empty()
}

unsafe fn share_value(case: &SelectCase) {
    // SAFETY: as for `channel_of`; the value is the caller's.
    unsafe {
        let channel = channel_of(case);
        if is_send(case) && channel.is_managed() {
            value::share(case.value.cast(), channel.element());
        }
    }
}

/// The distinct channels of the cases in the order of their addresses.
fn lock_order<'a>(cases: &[SelectCase], room: &'a mut [*const Channel]) -> &'a [*const Channel] {
    for (slot, case) in room.iter_mut().zip(cases) {
        *slot = case.channel.cast();
    }
    let room = &mut room[..cases.len()];
    room.sort_unstable();
    let mut distinct = 0;
    for index in 0..room.len() {
        if distinct == 0 || room[index] != room[distinct - 1] {
            room[distinct] = room[index];
            distinct += 1;
        }
    }
    &room[..distinct]
}

unsafe fn unlock_all(channels: &[*const Channel]) {
    // SAFETY: the caller locked them.
    channels
        .iter()
        .for_each(|&channel| unsafe { (*channel).base.lock.unlock() });
}

/// One of the ready cases, each with the same chance. All channels are locked.
unsafe fn choose(cases: &[SelectCase]) -> Option<usize> {
    let mut chosen = None;
    let mut ready = 0;
    for (index, case) in cases.iter().enumerate() {
        // SAFETY: locked, and alive as for `channel_of`.
        let is_ready = unsafe {
            let channel = channel_of(case);
            if is_send(case) {
                channel.can_send()
            } else {
                channel.can_receive()
            }
        };
        if is_ready {
            ready += 1;
            if ready == 1 || random::below(ready) == 0 {
                chosen = Some(index);
            }
        }
    }
    chosen
}

/// Does what a case that was just judged ready says and unlocks all channels. `None`: its partner was another select, which was claimed meanwhile.
unsafe fn carry_out(
    cases: &mut [SelectCase],
    index: usize,
    channels: &[*const Channel],
) -> Option<Outcome> {
    let case = &mut cases[index];
    // SAFETY: all channels are locked; the value is the caller's.
    unsafe {
        let channel = channel_of(case);
        let partner = if is_send(case) {
            if channel.is_closed() {
                unlock_all(channels);
                if case.kind == CASE_SEND {
                    return Some(panic::raise(SEND_ON_CLOSED, case.position));
                }
                case.ok = 0;
                return Some(word(index as i64));
            }
            let receiver = channel.send_now(case.value.cast())?;
            case.ok = 1;
            receiver
        } else {
            match channel.receive_now(case.value.cast()) {
                Some(partner) => {
                    case.ok = 1;
                    partner
                }
                None if channel.is_closed() => {
                    channel.write_zero(case.value.cast());
                    case.ok = 0;
                    None
                }
                None => return None,
            }
        };
        unlock_all(channels);
        if let Some(partner) = partner {
            waiter::wake(partner, 1);
        }
    }
    Some(word(index as i64))
}

/// Phase 2. All channels are locked.
unsafe fn wait(
    cases: &mut [SelectCase],
    channels: &[*const Channel],
    timeout_ms: i64,
    position: u32,
) -> Outcome {
    let select = Select::create(cases, channels);
    // SAFETY: the block is ours until the hook runs; waiters are guarded by the locks held.
    unsafe {
        for (index, case) in cases.iter().enumerate() {
            let purpose = match case.kind {
                CASE_SEND => Purpose::SelectSend,
                CASE_SEND_RESULT => Purpose::SelectSendResult,
                _ => Purpose::SelectReceive,
            };
            let channel = channel_of(case);
            let node = Select::waiter(select, index as u32);
            let mut waiter = Waiter::new(
                Party::Select(select),
                (&raw const channel.base).cast_mut(),
                purpose,
                case.position,
            );
            waiter.value = case.value.cast();
            waiter.index = index as u32;
            node.write(waiter);
            channel.queue(purpose).push(node);
        }
        (*select).arming.lock();
        if timeout_ms >= 0 {
            let deadline =
                timer::now_ns().saturating_add((timeout_ms as u64).saturating_mul(1_000_000));
            (*select).references.store(2, Relaxed);
            (*select).timer = Some(timer::add(deadline, timer_fired, select.cast()));
        }
        match (*select).party {
            Party::Coroutine(coroutine) => {
                (*coroutine).parked_with = select.cast();
                scheduler::park(
                    unlock_hook,
                    select.cast(),
                    WaitInfo::new(
                        Operation::Select,
                        cases.first().map_or(std::ptr::null(), |case| case.channel),
                        position,
                    ),
                )
            }
            _ => ThreadParker::block(|party| {
                (*select).party = party;
                unlock_hook(select.cast());
            }),
        }
    }
}

/// Releases what phase 2 holds; see "Freeing the block".
unsafe fn unlock_hook(data: *mut c_void) {
    let select: *mut Select = data.cast();
    // SAFETY: the block lives until its winner has passed through the last lock released here.
    unsafe {
        let distinct = (*select).distinct;
        let channels = Select::channels(select);
        (*select).arming.unlock();
        for index in 0..distinct as usize {
            (**channels.add(index)).base.lock.unlock();
        }
    }
}

unsafe fn timer_fired(data: *mut c_void) {
    let select: *mut Select = data.cast();
    // SAFETY: the timer holds a reference to the block.
    unsafe {
        (*select).arming.lock();
        (*select).arming.unlock();
        if (*select).claim(TIMED_OUT) {
            Select::retire(select, TIMED_OUT);
            let party = (*select).party;
            Select::release(select);
            waiter::wake_party(party, Wake::Value(SELECT_TIMEOUT as u64));
        }
        Select::release(select);
    }
}

impl Select {
    /// Wins the right to wake the select; exactly one caller does.
    pub fn claim(&self, index: u32) -> bool {
        self.claimed
            .compare_exchange(UNCLAIMED, index, AcqRel, Relaxed)
            .is_ok()
    }

    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Acquire) != UNCLAIMED
    }

    /// Called by the party that won `claim` for case `index`, without locks: ends the select with that case, or with an exception.
    pub unsafe fn chosen(select: *mut Select, index: u32, result: Result<u64, Box<Exception>>) {
        // SAFETY: the winner holds a reference to the block; the caller's frame is valid until it is woken.
        unsafe {
            Select::retire(select, index);
            if let Some(timer) = (*select).timer
                && timer::cancel(timer)
            {
                Select::release(select);
            }
            let party = (*select).party;
            let case = (*select).cases.add(index as usize);
            Select::release(select);
            let wake = match result {
                Ok(ok) => {
                    (*case).ok = ok as u32;
                    Wake::Value(u64::from(index))
                }
                Err(exception) => Wake::Raise(exception),
            };
            waiter::wake_party(party, wake);
        }
    }

    /// Ends the select without a case, for a caller that is to be woken with something else; false when it was claimed already.
    pub unsafe fn withdraw(select: *mut Select) -> bool {
        // SAFETY: the caller is parked, so the block is alive; winning the claim gives the winner's reference.
        unsafe {
            if !(*select).claim(WITHDRAWN) {
                return false;
            }
            Select::retire(select, WITHDRAWN);
            if let Some(timer) = (*select).timer
                && timer::cancel(timer)
            {
                Select::release(select);
            }
            Select::release(select);
            true
        }
    }

    /// Takes the waiters of all cases but `winner` out of their queues.
    unsafe fn retire(select: *mut Select, winner: u32) {
        // SAFETY: the channels are owned by the caller, who is parked; links are changed under the channels' locks.
        unsafe {
            for index in (0..(*select).count).filter(|&index| index != winner) {
                let node = Select::waiter(select, index);
                let channel = &*(*node).object.cast::<Channel>();
                channel.base.lock.lock();
                if (*node).is_queued() {
                    channel.queue((*node).purpose).remove(node);
                }
                channel.base.lock.unlock();
            }
        }
    }

    /// A block for the cases; the waiters are not initialised.
    fn create(cases: &mut [SelectCase], channels: &[*const Channel]) -> *mut Select {
        let layout = Select::layout(cases.len());
        // SAFETY: the size is not zero.
        let select: *mut Select = unsafe { alloc(layout).cast() };
        if select.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: fresh memory with room for the block, the waiters and the channels.
        unsafe {
            select.write(Select {
                claimed: AtomicU32::new(UNCLAIMED),
                references: AtomicU32::new(1),
                count: cases.len() as u32,
                distinct: channels.len() as u32,
                cases: cases.as_mut_ptr(),
                party: waiter::calling_party(),
                timer: None,
                arming: SpinLock::new(),
            });
            Select::channels(select).copy_from_nonoverlapping(channels.as_ptr(), channels.len());
        }
        select
    }

    fn layout(count: usize) -> Layout {
        let bytes =
            size_of::<Select>() + count * (size_of::<Waiter>() + size_of::<*const Channel>());
        Layout::from_size_align(bytes, align_of::<Select>())
            .expect("a select's cases lie in one frame")
    }

    unsafe fn waiter(select: *mut Select, index: u32) -> *mut Waiter {
        // SAFETY: `index < count`.
        unsafe { select.add(1).cast::<Waiter>().add(index as usize) }
    }

    unsafe fn channels(select: *mut Select) -> *mut *const Channel {
        // SAFETY: they follow the waiters.
        unsafe { Select::waiter(select, (*select).count).cast() }
    }

    unsafe fn release(select: *mut Select) {
        // SAFETY: the caller gives up its reference; the last one frees the block, which has nothing to drop.
        unsafe {
            if (*select).references.fetch_sub(1, AcqRel) == 1 {
                dealloc(select.cast(), Select::layout((*select).count as usize));
            }
        }
    }
}

const _: () = assert!(align_of::<Select>() == align_of::<Waiter>());

/// Row of the symbol table.
pub unsafe fn echo_select(cases: *mut u8, count: i64, timeout_ms: i64, position: i32) -> Outcome {
    // SAFETY: the contract of the table.
    unsafe { select(cases.cast(), count, timeout_ms, position as u32) }
}
