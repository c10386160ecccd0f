//! Select: one of several channel operations, or a timeout.
//!
//! # Protocol
//! 0. If cases look ready, one of them is chosen at random, and carried out under the lock of its channel alone: that it was ready when it was is all that
//!    anybody can see. If it is no longer ready, or none looks ready, the select begins in earnest.
//! 1. One that does not wait has to know that at one moment none of its cases was ready. It takes the locks of the distinct channels in the order of
//!    their addresses, but for the last, and looks: what an unlocked channel looks like was true at one moment, at which the others, being locked, were as
//!    they are. If something looks ready, phase 0 has another try.
//! 2. One that waits makes the values to send shared, then queues a waiter per case (they are part of the [`Select`] block), channel by channel, each under its channel's lock, after it has
//!    found the case blocked under the same lock. So whoever makes a case ready afterwards finds the waiter. Then the timer is armed, and the caller parks.
//!
//! # The claim
//! Once the first waiter is queued, others may end the select, and exactly one does: it wins `claim`, a compare-and-swap. Who pairs with one of the
//! waiters, closes a channel, or brings the timer takes the waiter out, claims, and forgets a waiter whose select was claimed already.
//! * From [`PARKED`]: the winner takes the other waiters out of their queues ([`Select::retire`]), cancels the timer, and only then wakes the caller: the
//!   cases, which lie in the caller's frame, are valid until then.
//! * From [`QUEUEING`], while the caller is still in phase 2: the winner does what the case says, as always, but the caller cannot be woken yet. It will
//!   fail to park, and of the two, the one who comes second to the `meeting` ends the select.
//! * A caller in phase 2 that finds a later case ready claims its own select: if that fails, it has been ended, and parks. Otherwise nobody else ends it.
//!   It carries the case out, and retires its waiters. When the case is ready no more, as its partner was a select that was claimed
//!   meanwhile, some of its own waiters may have been forgotten: it retires them all and begins anew, at a random case, so that two selects that get in
//!   each other's way do not go on like that.
//!
//! A select never pairs with itself: when it both sends and receives, all cases of one channel are judged, and then queued, under one hold of the lock.
//!
//! # Freeing the block
//! Blocks are recycled per thread. Whoever ends the select frees it, when no waiter is in a queue. Others look at a waiter only under its channel's lock, from
//! when they take it out until `queued` is cleared: [`Select::retire`] either sees that, or takes the lock. With a timer armed the block is
//! counted: one for the end, one for the timer.

use crate::channel::{Channel, SEND_ON_CLOSED};
use crate::door::{
    AtomicBool, AtomicPtr, AtomicU32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};
use crate::memory::{self, Depot, Magazine};
use crate::panic::{self, Exception};
use crate::random;
use crate::scheduler::{self, Coroutine, Operation, Outcome, WaitInfo, Wake};
use crate::timer::{self, TimerId};
use crate::value;
use crate::value::block::out_of_memory;
use crate::waiter::{self, Party, Purpose, ThreadParker, Waiter, Waiting};
use echo_abi::layout::{
    CASE_RECEIVE, CASE_SEND, CASE_SEND_RESULT, SELECT_DEFAULT, SELECT_FOREVER, SELECT_POLL,
    SELECT_TIMEOUT, SelectCase,
};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;

/// Who has claimed a select: the waiter of the case, or the timer, or who withdraws it.
type Claimant = *mut Waiter;
/// Nobody: the caller is parked.
const PARKED: Claimant = ptr::null_mut();
const TIMED_OUT: Claimant = ptr::without_provenance_mut(8);
const WITHDRAWN: Claimant = ptr::without_provenance_mut(16);
/// Nobody: the caller is in phase 2.
const QUEUEING: Claimant = ptr::without_provenance_mut(24);
/// Bit of a claim that was won before the caller had parked.
const EARLY: usize = 1;

/// Selects of up to so many cases allocate nothing.
const FEW: usize = 8;

const NS_PER_MS: u64 = 1_000_000;

/// What the claimant tells the caller: whether the case took effect, or what it panics with.
type CaseResult = Result<u64, Box<Exception>>;

/// A select that waits. `count` waiters follow in memory, in the order in which they are queued; [`extra`](Waiter::extra) is the index of the case.
pub struct Select {
    claimed: AtomicPtr<Waiter>,
    references: AtomicU32,
    /// Cases.
    count: u32,
    /// Waiters that were queued, by the caller.
    queued: u32,
    /// Set by the first of the caller and an early claimant.
    meeting: AtomicBool,
    cases: *mut SelectCase,
    party: Party,
    timer: Option<TimerId>,
    /// Of an early claimant, for the one who ends the select.
    result: Option<CaseResult>,
}

/// Carries out one of the cases. The word is the index of the case, or `SELECT_DEFAULT`/`SELECT_TIMEOUT`. When it raises, nothing was moved.
#[inline(always)]
pub unsafe fn select(
    cases: *mut SelectCase,
    count: i64,
    timeout_ms: i64,
    position: u32,
) -> Outcome {
    // SAFETY: `cases` points to `count` cases, in the caller's frame, whose channels the caller owns.
    unsafe {
        if count == 2 {
            return select_of_two(cases, timeout_ms, position);
        }
        if timeout_ms == SELECT_POLL && count == 1 && looks_blocked(&*cases) {
            return word(SELECT_DEFAULT);
        }
        select_of_any(cases, timeout_ms, position, count as usize)
    }
}

/// By far the most frequent number: the loops over the cases become straight code.
#[inline(never)]
unsafe fn select_of_two(cases: *mut SelectCase, timeout_ms: i64, position: u32) -> Outcome {
    // SAFETY: as in `select`; there are two.
    unsafe {
        let cases: &mut [SelectCase; 2] = &mut *cases.cast();
        match take_ready(cases) {
            Some(outcome) => outcome,
            None => select_in_earnest(cases, timeout_ms, position),
        }
    }
}

#[inline(never)]
unsafe fn select_of_any(
    cases: *mut SelectCase,
    timeout_ms: i64,
    position: u32,
    count: usize,
) -> Outcome {
    if count == 0 && timeout_ms == SELECT_FOREVER {
        return word(SELECT_DEFAULT);
    }
    // SAFETY: as in `select`; there may be no cases, and then `cases` is anything.
    unsafe {
        let cases = match count {
            0 => &mut [],
            _ => std::slice::from_raw_parts_mut(cases, count),
        };
        match take_ready(cases) {
            Some(outcome) => outcome,
            None => select_in_earnest(cases, timeout_ms, position),
        }
    }
}

/// Phases 1 and 2.
#[inline(always)]
unsafe fn select_in_earnest(cases: &mut [SelectCase], timeout_ms: i64, position: u32) -> Outcome {
    // SAFETY: as in `select`.
    unsafe {
        if timeout_ms == SELECT_FOREVER
            && let Some(outcome) = wait(cases, 0, None, position)
        {
            return outcome;
        }
        select_until_it_ends(cases, timeout_ms, position)
    }
}

#[inline(never)]
unsafe fn select_until_it_ends(
    cases: &mut [SelectCase],
    timeout_ms: i64,
    position: u32,
) -> Outcome {
    let deadline_ns = (timeout_ms > 0).then(|| {
        let wait_ns = (timeout_ms as u64).saturating_mul(NS_PER_MS);
        timer::now_ns().saturating_add(wait_ns)
    });
    // SAFETY: as in `select`.
    unsafe {
        loop {
            let outcome = match timeout_ms {
                SELECT_POLL => are_blocked(cases).then(|| word(SELECT_DEFAULT)),
                0 => are_blocked(cases).then(|| word(SELECT_TIMEOUT)),
                _ => {
                    let first = random::below(cases.len().max(1) as u32);
                    wait(cases, first as usize, deadline_ns, position)
                }
            };
            if let Some(outcome) = outcome.or_else(|| take_ready(cases)) {
                return outcome;
            }
        }
    }
}

/// Phase 0: carries out one of the cases that look ready, each with the same chance. `None`: there is none, or it is ready no more.
#[inline(always)]
unsafe fn take_ready(cases: &mut [SelectCase]) -> Option<Outcome> {
    // SAFETY: as in `select`.
    unsafe {
        let index = match cases.len() {
            ..=MASK_BITS => choose(cases)?,
            _ => choose_of_many(cases)?,
        };
        share_value(&cases[index]);
        channel_of(&cases[index]).base.lock.lock();
        carry_out_or_unlock(cases, index)
    }
}

/// So many looks take longer than to draw a number.
const MANY_LOOKS: usize = 4;
/// Cases that fit into a mask.
const MASK_BITS: usize = u64::BITS as usize;

/// One of the cases that look ready, each with the same chance: of many, a random one, if it does, and otherwise a random one of those that do.
#[inline(always)]
unsafe fn choose(cases: &[SelectCase]) -> Option<usize> {
    if cases.len() >= MANY_LOOKS {
        let index = random::below(cases.len() as u32) as usize;
        // SAFETY: as in `select`.
        if !unsafe { looks_blocked(&cases[index]) } {
            return Some(index);
        }
    }
    let mut ready: u64 = 0;
    for case in cases.iter().rev() {
        // SAFETY: as in `select`.
        ready = ready << 1 | u64::from(!unsafe { looks_blocked(case) });
    }
    if ready == 0 {
        return None;
    }
    if ready & (ready - 1) != 0 {
        ready = one_of(ready);
    }
    Some(ready.trailing_zeros() as usize)
}

/// As [`choose`], of more cases than fit into a mask.
#[cold]
unsafe fn choose_of_many(cases: &[SelectCase]) -> Option<usize> {
    let is_ready = |&index: &usize| {
        // SAFETY: as in `select`.
        !unsafe { looks_blocked(&cases[index]) }
    };
    let ready: Vec<usize> = (0..cases.len()).filter(is_ready).collect();
    let chosen = random::below(ready.len().max(1) as u32) as usize;
    ready.get(chosen).copied()
}

/// The bits from a random one of those set on.
#[inline]
fn one_of(mut bits: u64) -> u64 {
    for _ in 0..random::below(bits.count_ones()) {
        bits &= bits - 1;
    }
    bits
}

/// The distinct channels of the cases in the order of their addresses, then null.
type LockOrder = *const *const Channel;

/// Makes the [`LockOrder`] of a few cases, in an array of nulls.
fn order_few(cases: &[SelectCase], order: &mut [*const Channel; FEW + 1]) {
    for (distinct, case) in cases.iter().enumerate() {
        let channel = case.channel.cast_const().cast();
        // Nulls of cases whose channel came before are found at the end.
        let place = order[..distinct]
            .iter()
            .position(|&other| other.is_null() || other >= channel)
            .unwrap_or(distinct);
        if order[place] != channel {
            for later in (place..distinct).rev() {
                order[later + 1] = order[later];
            }
            order[place] = channel;
        }
    }
}

/// Makes the [`LockOrder`] of any number of cases.
#[cold]
fn order_many(cases: &[SelectCase], order: &mut Vec<*const Channel>) {
    order.extend(
        cases
            .iter()
            .map(|case| case.channel.cast_const().cast::<Channel>()),
    );
    order.sort_unstable();
    order.dedup();
    order.push(ptr::null());
}

/// Whether there was a moment at which none of the cases could take effect.
unsafe fn are_blocked(cases: &[SelectCase]) -> bool {
    let mut few = [ptr::null(); FEW + 1];
    let mut many = Vec::new();
    let order = if cases.len() <= FEW {
        order_few(cases, &mut few);
        few.as_ptr()
    } else {
        order_many(cases, &mut many);
        many.as_ptr()
    };
    // SAFETY: as in `select`; the order is that of their channels.
    unsafe {
        let last = lock_all_but_last(order);
        let are_blocked = cases.iter().all(|case| looks_blocked(case));
        unlock_until(order, *last);
        are_blocked
    }
}

#[inline(always)]
fn word(index: i64) -> Outcome {
    Outcome::value(index as u64)
}

#[inline(always)]
fn is_send(case: &SelectCase) -> bool {
    case.kind != CASE_RECEIVE
}

#[inline(always)]
unsafe fn channel_of(case: &SelectCase) -> &'static Channel {
    // SAFETY: the caller of the select owns its channels until it returns.
    unsafe { &*case.channel.cast::<Channel>() }
}

/// Whether a case would have to wait, as far as can be seen without its channel's lock. What is not closed later was not closed when it looked full.
#[inline(always)]
unsafe fn looks_blocked(case: &SelectCase) -> bool {
    // SAFETY: as for `channel_of`.
    unsafe {
        if is_send(case) {
            channel_of(case).looks_full() & !channel_of(case).is_closed()
        } else {
            channel_of(case).looks_empty()
        }
    }
}

#[inline(always)]
unsafe fn share_value(case: &SelectCase) {
    // SAFETY: as for `channel_of`; the value is the caller's.
    unsafe {
        if is_send(case) && channel_of(case).is_managed() {
            value::share(case.value.cast(), channel_of(case).element());
        }
    }
}

/// Locks the channels but the last, whose place is the result; that of the null, if there is none.
#[inline(always)]
unsafe fn lock_all_but_last(order: LockOrder) -> LockOrder {
    // SAFETY: the caller owns the channels, and they are in order.
    unsafe {
        let mut place = order;
        while !(*place).is_null() && !(*place.add(1)).is_null() {
            (**place).base.lock.lock();
            place = place.add(1);
        }
        place
    }
}

/// Unlocks the channels before `end`, which is one of them or null.
#[inline(always)]
unsafe fn unlock_until(order: LockOrder, end: *const Channel) {
    // SAFETY: the caller locked them.
    unsafe {
        let mut place = order;
        while *place != end {
            (**place).base.lock.unlock();
            place = place.add(1);
        }
    }
}

/// Does what a case says, if it is ready, and unlocks its channel, which the caller has locked. `None`: it is not.
#[inline]
unsafe fn carry_out_or_unlock(cases: &mut [SelectCase], index: usize) -> Option<Outcome> {
    // SAFETY: passed on.
    unsafe {
        let outcome = carry_out(cases, index);
        if outcome.is_none() {
            channel_of(&cases[index]).base.lock.unlock();
        }
        outcome
    }
}

/// As [`carry_out_or_unlock`], but the channel stays locked if the case is not ready: it looks blocked then.
unsafe fn carry_out(cases: &mut [SelectCase], index: usize) -> Option<Outcome> {
    let case = &mut cases[index];
    // SAFETY: the channel is locked; the value is the caller's.
    unsafe {
        let channel = channel_of(case);
        let partner = if is_send(case) {
            if channel.is_closed() {
                channel.base.lock.unlock();
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
        channel.base.lock.unlock();
        if let Some(partner) = partner {
            waiter::wake(partner, 1);
        }
    }
    Some(word(index as i64))
}

/// The caller as a party; a thread's parker is set when it blocks.
fn calling_party() -> Party {
    match scheduler::current() {
        Some(coroutine) => Party::Coroutine(coroutine),
        None => Party::Thread(ptr::null()),
    }
}

/// Phase 2, from the case `first` on. `None`: nothing has happened, and the select is to begin anew.
#[inline(never)]
unsafe fn wait(
    cases: &mut [SelectCase],
    first: usize,
    deadline_ns: Option<u64>,
    position: u32,
) -> Option<Outcome> {
    // SAFETY: as in `select`; the block is the caller's until it has parked.
    unsafe {
        let mut sends = 0;
        for case in cases.iter().filter(|case| is_send(case)) {
            share_value(case);
            sends += 1;
        }
        let is_mixed = sends != 0 && sends != cases.len();
        let select = Select::create(cases);
        for index in (first..cases.len()).chain(0..first) {
            let queued = match is_mixed {
                false => Select::queue(select, cases, index),
                true => Select::queue_of_channel(select, cases, index),
            };
            match queued {
                Queued::Yes => {}
                Queued::Claimed => break,
                Queued::No(outcome) => return outcome,
            }
        }
        if let Some(deadline_ns) = deadline_ns {
            (*select).references.store(2, Relaxed);
            (*select).timer = Some(timer::add(deadline_ns, timer_fired, select.cast()));
        }
        Some(match (*select).party {
            Party::Coroutine(coroutine) => {
                let wait = WaitInfo {
                    object: select.cast(),
                    position,
                    operation: Operation::Select,
                };
                scheduler::park_with(coroutine, parked, select.cast(), wait)
            }
            _ => ThreadParker::block(|parker| {
                (*select).party = Party::Thread(parker);
                parked(select.cast());
            }),
        })
    }
}

/// What came of an attempt to queue waiters.
enum Queued {
    Yes,
    /// The select was claimed by somebody else.
    Claimed,
    /// A case was ready, and this came of it; the block is freed.
    No(Option<Outcome>),
}

/// The caller can be woken from now on; if it was claimed before, it meets the claimant.
unsafe fn parked(data: *mut c_void) {
    let select: *mut Select = data.cast();
    // SAFETY: the block lives until its claimant has ended the select, which is not before this.
    unsafe {
        let claimed = &(*select).claimed;
        if let Err(claimant) = claimed.compare_exchange(QUEUEING, PARKED, AcqRel, Acquire) {
            Select::meet(select, claimant.map_addr(|address| address & !EARLY));
        }
    }
}

unsafe fn timer_fired(data: *mut c_void) {
    let select: *mut Select = data.cast();
    // SAFETY: the timer holds a reference to the block.
    unsafe {
        if (*select).claim(TIMED_OUT) {
            Select::chosen(select, TIMED_OUT, Ok(0));
        }
        Select::release_counted(select);
    }
}

impl Select {
    /// Wins the right to end the select; exactly one caller does.
    pub fn claim(&self, claimant: Claimant) -> bool {
        let exchange = |from, to| (self.claimed.compare_exchange(from, to, AcqRel, Relaxed)).err();
        let Some(seen) = exchange(PARKED, claimant) else {
            return true;
        };
        seen == QUEUEING
            && match exchange(QUEUEING, claimant.map_addr(|address| address | EARLY)) {
                None => true,
                // It has parked meanwhile.
                Some(PARKED) => exchange(PARKED, claimant).is_none(),
                Some(_) => false,
            }
    }

    /// The select that a coroutine is parked with.
    pub unsafe fn of(coroutine: *mut Coroutine) -> *mut Select {
        // SAFETY: the caller vouches for the coroutine; `wait` has stored it there.
        unsafe { (*Coroutine::waiter(coroutine)).object.cast() }
    }

    /// Called by the party that won `claim`, for the case of that waiter or for the timer, without locks: ends the select, or leaves that to its caller.
    pub unsafe fn chosen(select: *mut Select, claimant: Claimant, result: CaseResult) {
        // SAFETY: the claimant may use the block until it has ended the select, or met the caller.
        unsafe {
            let is_early = (*select).claimed.load(Relaxed).addr() & EARLY != 0;
            if is_early {
                (*select).result = Some(result);
                Select::meet(select, claimant);
            } else {
                Select::end(select, claimant, result);
            }
        }
    }

    /// The caller has parked, or an early claimant has done its part: whoever comes second ends the select.
    #[cold]
    unsafe fn meet(select: *mut Select, claimant: Claimant) {
        // SAFETY: the block is alive until both have been here; the first to come does not use it afterwards.
        unsafe {
            if (*select).meeting.swap(true, AcqRel) {
                let result = (*select).result.take().expect("the claimant was here");
                Select::end(select, claimant, result);
            }
        }
    }

    /// Ends the select that was claimed by `claimant`, and whose caller is parked.
    unsafe fn end(select: *mut Select, claimant: Claimant, result: CaseResult) {
        // SAFETY: nobody else does; the caller's frame is valid until it is woken.
        unsafe {
            Select::retire(select, claimant);
            Select::cancel_timer(select, claimant);
            let party = (*select).party;
            let wake = match result {
                Ok(_) if claimant == TIMED_OUT => Wake::Value(SELECT_TIMEOUT as u64),
                Ok(ok) => {
                    let index = (*claimant).extra.addr();
                    (*(*select).cases.add(index)).ok = ok as u32;
                    Wake::Value(index as u64)
                }
                Err(exception) => Wake::Raise(exception),
            };
            Select::release(select);
            waiter::wake_party(party, wake);
        }
    }

    /// Ends the select without a case, for a parked caller that is to be woken with something else; false when it was claimed already.
    pub unsafe fn withdraw(select: *mut Select) -> bool {
        // SAFETY: the caller is parked, so the block is alive; who wins the claim ends the select.
        unsafe {
            if !(*select).claim(WITHDRAWN) {
                return false;
            }
            Select::retire(select, WITHDRAWN);
            Select::cancel_timer(select, WITHDRAWN);
            Select::release(select);
            true
        }
    }

    unsafe fn cancel_timer(select: *mut Select, claimant: Claimant) {
        // SAFETY: the caller ends the select.
        unsafe {
            if let Some(timer) = (*select).timer
                && claimant != TIMED_OUT
                && timer::cancel(timer)
            {
                Select::release_counted(select);
            }
        }
    }

    /// Queues a waiter for a case, if that is not ready. In a select that does not both send and receive.
    #[inline(always)]
    unsafe fn queue(select: *mut Select, cases: &mut [SelectCase], index: usize) -> Queued {
        // SAFETY: the block is the caller's; what looks blocked under the lock is.
        unsafe {
            let channel = channel_of(&cases[index]);
            channel.base.lock.lock();
            if !looks_blocked(&cases[index])
                && let Some(ended) = Select::carry_out_own(select, cases, index)
            {
                return ended;
            }
            Select::link(select, &cases[index], index);
            channel.base.lock.unlock();
            Queued::Yes
        }
    }

    /// Queues waiters for all cases of the channel of the one at `index`, if none is ready, unless they are queued.
    #[inline(never)]
    unsafe fn queue_of_channel(
        select: *mut Select,
        cases: &mut [SelectCase],
        index: usize,
    ) -> Queued {
        // SAFETY: as in `queue`; what a waiter was queued for does not change.
        unsafe {
            let channel = channel_of(&cases[index]);
            let mut queued = (0..(*select).queued).map(|at| Select::waiter(select, at));
            if queued.any(|node| ptr::eq((*node).object.cast(), channel)) {
                return Queued::Yes;
            }
            channel.base.lock.lock();
            for index in 0..cases.len() {
                if ptr::eq(channel_of(&cases[index]), channel)
                    && !looks_blocked(&cases[index])
                    && let Some(ended) = Select::carry_out_own(select, cases, index)
                {
                    return ended;
                }
            }
            for (index, case) in cases.iter().enumerate() {
                if ptr::eq(channel_of(case), channel) {
                    Select::link(select, case, index);
                }
            }
            channel.base.lock.unlock();
            Queued::Yes
        }
    }

    /// Queues a waiter for the case at `index`, under its channel's lock.
    #[inline(always)]
    unsafe fn link(select: *mut Select, case: &SelectCase, index: usize) {
        // SAFETY: the block is the caller's, and has a waiter for each case.
        unsafe {
            let channel = channel_of(case);
            let node = Select::waiter(select, (*select).queued);
            let waiting = Waiting {
                purpose: match case.kind {
                    CASE_SEND => Purpose::SelectSend,
                    CASE_SEND_RESULT => Purpose::SelectSendResult,
                    _ => Purpose::SelectReceive,
                },
                value: case.value.cast(),
                extra: ptr::without_provenance_mut(index),
                position: case.position,
            };
            node.write(Waiter::new(Party::Select(select), &channel.base, waiting));
            channel.queue(waiting.purpose).push(node);
            (*select).queued += 1;
        }
    }

    /// Carries out a case that looks ready, under its channel's lock, which is released. `None`: it is ready no more, as its partners were selects that are
    /// claimed; the channel stays locked.
    #[cold]
    unsafe fn carry_out_own(
        select: *mut Select,
        cases: &mut [SelectCase],
        index: usize,
    ) -> Option<Queued> {
        // SAFETY: as long as nothing is queued, nobody knows of the select. Otherwise, with the claim won, nobody else ends it: the block is the caller's
        // as soon as no waiter is queued.
        unsafe {
            if (*select).queued == 0 {
                let outcome = carry_out(cases, index)?;
                Select::release(select);
                return Some(Queued::No(Some(outcome)));
            }
            if !(*select).claim(WITHDRAWN) {
                channel_of(&cases[index]).base.lock.unlock();
                return Some(Queued::Claimed);
            }
            let outcome = carry_out_or_unlock(cases, index);
            Select::retire(select, WITHDRAWN);
            Select::release(select);
            Some(Queued::No(outcome))
        }
    }

    /// Takes the waiters of all cases but that of the claimant out of their queues.
    unsafe fn retire(select: *mut Select, claimant: Claimant) {
        // SAFETY: the channels are owned by the caller, who waits; links are changed under the channels' locks. Whoever has taken a waiter out does not use
        // it any more when it is seen not to be queued.
        unsafe {
            for node in (0..(*select).queued).map(|index| Select::waiter(select, index)) {
                if node == claimant || !(*node).is_queued() {
                    continue;
                }
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
    fn create(cases: &mut [SelectCase]) -> *mut Select {
        let select = take_block(cases.len());
        // SAFETY: fresh memory with room for the block and the waiters.
        unsafe {
            select.write(Select {
                claimed: AtomicPtr::new(QUEUEING),
                references: AtomicU32::new(1),
                count: cases.len() as u32,
                queued: 0,
                meeting: AtomicBool::new(false),
                cases: cases.as_mut_ptr(),
                party: calling_party(),
                timer: None,
                result: None,
            });
        }
        select
    }

    #[inline(always)]
    unsafe fn waiter(select: *mut Select, index: u32) -> *mut Waiter {
        // SAFETY: `index < count`.
        unsafe { select.add(1).cast::<Waiter>().add(index as usize) }
    }

    /// The select has ended.
    #[inline]
    unsafe fn release(select: *mut Select) {
        // SAFETY: without a timer nobody else uses the block, which has nothing to drop.
        unsafe {
            match (*select).timer.is_none() {
                true => give_block(select, (*select).count as usize),
                false => Select::release_counted(select),
            }
        }
    }

    /// The select has ended, or the timer is gone.
    unsafe fn release_counted(select: *mut Select) {
        // SAFETY: the caller gives up its reference; the last one frees the block.
        unsafe {
            if (*select).references.fetch_sub(1, AcqRel) == 1 {
                give_block(select, (*select).count as usize);
            }
        }
    }
}

/// Bytes of a block for so many cases.
const fn block_bytes(cases: usize) -> usize {
    size_of::<Select>() + cases * size_of::<Waiter>()
}

/// Blocks that are small enough for the general allocator to recycle are left to it, and those that are too large; these are between.
const RECYCLED_BYTES: usize = block_bytes(FEW);
static RECYCLED: Depot = Depot::new(RECYCLED_BYTES, 0, 8);
thread_local! {
    /// They stay when the thread ends, which workers do at the end of the program.
    static MAGAZINE: UnsafeCell<Magazine> = const { UnsafeCell::new(Magazine::EMPTY) };
}

#[inline]
fn is_recycled_here(cases: usize) -> bool {
    !cfg!(echo_system_allocator) && cases <= FEW && block_bytes(cases) > memory::SMALL_BYTES
}

/// Memory of a block for so many cases.
#[inline]
fn take_block(cases: usize) -> *mut Select {
    let block = if is_recycled_here(cases) {
        MAGAZINE
            // SAFETY: this thread's own; `take` calls nothing that uses it.
            .with(|magazine| unsafe { (*magazine.get()).take(&RECYCLED) })
            .unwrap_or_else(|| memory::take(RECYCLED_BYTES))
    } else {
        memory::take(block_bytes(cases))
    };
    if block.is_null() {
        out_of_memory(block_bytes(cases));
    }
    block.cast()
}

/// Gives the memory of [`take_block`] back.
#[inline]
unsafe fn give_block(select: *mut Select, cases: usize) {
    // SAFETY: nobody uses the block any more; the magazine is this thread's own.
    unsafe {
        if is_recycled_here(cases) {
            MAGAZINE.with(|magazine| (*magazine.get()).give(select.cast(), &RECYCLED));
        } else {
            memory::give(select.cast(), block_bytes(cases));
        }
    }
}

const _: () = assert!(align_of::<Select>() == align_of::<Waiter>());

/// Row of the symbol table.
pub unsafe fn echo_select(cases: *mut u8, count: i64, timeout_ms: i64, position: i32) -> Outcome {
    // SAFETY: the contract of the table.
    unsafe { select(cases.cast(), count, timeout_ms, position as u32) }
}
