//! Select: one of several channel operations, or a timeout.
//!
//! # Protocol
//! 0. If cases look ready, one of them is chosen at random, and carried out under the lock of its channel alone: that it was ready when it was is all that
//!    anybody can see. If it is no longer ready, or none looks ready, the select begins in earnest.
//! 1. Values to send are made shared, then the distinct channels of all cases are locked in the order of their addresses. With all locks held,
//!    which cases are ready is judged at one moment; one of them is chosen at random and carried out. Nothing else changes. A poll looks before it
//!    takes the last lock: what an unlocked channel looks like was true at one moment, at which the others, being locked, were as they are; so if
//!    nothing looks ready, nothing was.
//! 2. None ready: with the locks still held, one waiter per case is queued (they are part of the [`Select`] block), the timer is armed, and
//!    the caller parks. The unlock hook releases the locks.
//! 3. Whoever pairs with one of the waiters, closes a channel, or brings the timer, must win `claim`, a compare-and-swap from
//!    [`UNCLAIMED`]: exactly one does. The winner, holding no lock, takes the other waiters out of their queues ([`Select::retire`]),
//!    cancels the timer, and only then wakes the caller: the cases, which lie in the caller's frame, are valid until then.
//!
//! A select's own waiters are queued only in phase 2, after it has looked at the queues, so it never pairs with itself.
//!
//! # Freeing the block
//! Blocks are recycled per thread. With a timer armed the block is counted: one for the winner, one for the timer; without, it is the winner's.
//! The unlock hook still reads it after the first channel is unlocked; it
//! is safe because it releases `arming` (held only for a timer) first and a channel last, and reads the next channel before it releases one, while the winner
//! passes through `arming` (timer) or holds a channel's lock (others), and through every other channel's lock in `retire`, before it lets go.

use crate::channel::{Channel, SEND_ON_CLOSED};
use crate::door::{AtomicPtr, AtomicU32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use crate::memory::{self, Depot, Magazine};
use crate::panic::{self, Exception};
use crate::random;
use crate::scheduler::{self, Coroutine, Operation, Outcome, SpinLock, WaitInfo, Wake};
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

/// Who has claimed a select: nobody, or the waiter of the case, or the timer, or who withdraws it.
type Claimant = *mut Waiter;
const UNCLAIMED: Claimant = ptr::null_mut();
const TIMED_OUT: Claimant = ptr::without_provenance_mut(1);
const WITHDRAWN: Claimant = ptr::without_provenance_mut(2);

/// Selects of up to so many cases allocate nothing.
const FEW: usize = 8;

/// A parked select. `count` waiters follow in memory; their [`extra`](Waiter::extra) are the [`LockOrder`].
pub struct Select {
    claimed: AtomicPtr<Waiter>,
    references: AtomicU32,
    count: u32,
    cases: *mut SelectCase,
    party: Party,
    timer: Option<TimerId>,
    /// Held from before the timer is armed until the caller is parked.
    arming: SpinLock,
}

/// The distinct channels of the cases in the order of their addresses, then null.
type LockOrder = *const *const Channel;

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
        if let Some(outcome) = take_ready(cases) {
            return outcome;
        }
        let (first, second) = (cases[0].channel as *const _, cases[1].channel as *const _);
        let order = if first < second {
            [first, second, ptr::null()]
        } else if second < first {
            [second, first, ptr::null()]
        } else {
            [first, ptr::null(), ptr::null()]
        };
        select_among(cases, order.as_ptr(), timeout_ms, position)
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
        if count <= MASK_BITS
            && let Some(outcome) = take_ready(cases)
        {
            return outcome;
        }
        let mut few = [ptr::null(); FEW + 1];
        let mut many = Vec::new();
        let order = if count <= FEW {
            order_few(cases, &mut few);
            few.as_ptr()
        } else {
            order_many(cases, &mut many);
            many.as_ptr()
        };
        select_among(cases, order, timeout_ms, position)
    }
}

/// Cases that phase 0 is for.
const MASK_BITS: usize = u64::BITS as usize;

/// Phase 0: carries out one of the cases that look ready, each with the same chance. `None`: there is none, or it is ready no more.
#[inline(always)]
unsafe fn take_ready(cases: &mut [SelectCase]) -> Option<Outcome> {
    // SAFETY: as in `select`.
    unsafe {
        let mut ready: u64 = 0;
        for case in cases.iter().rev() {
            ready = ready << 1 | u64::from(!looks_blocked(case));
        }
        if ready == 0 {
            return None;
        }
        if ready & (ready - 1) != 0 {
            ready = one_of(ready);
        }
        let index = ready.trailing_zeros() as usize;
        share_value(&cases[index]);
        let channel = channel_of(&cases[index]);
        channel.base.lock.lock();
        let order = [ptr::from_ref(channel), ptr::null()];
        let outcome = carry_out(cases, index, order.as_ptr());
        if outcome.is_none() {
            channel.base.lock.unlock();
        }
        outcome
    }
}

/// The bits from a random one of those set on.
#[inline]
fn one_of(mut bits: u64) -> u64 {
    for _ in 0..random::below(bits.count_ones()) {
        bits &= bits - 1;
    }
    bits
}

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

#[inline(always)]
unsafe fn select_among(
    cases: &mut [SelectCase],
    order: LockOrder,
    timeout_ms: i64,
    position: u32,
) -> Outcome {
    // SAFETY: as in `select`.
    unsafe {
        cases.iter().for_each(|case| share_value(case));
        let last = lock_all_but_last(order);
        if timeout_ms == SELECT_POLL && cases.iter().all(|case| looks_blocked(case)) {
            unlock_until(order, *last);
            return word(SELECT_DEFAULT);
        }
        if let Some(last) = (*last).as_ref() {
            last.base.lock.lock();
        }
        while let Some(index) = choose(cases) {
            if let Some(outcome) = carry_out(cases, index, order) {
                return outcome;
            }
        }
        match timeout_ms {
            SELECT_POLL => {
                unlock_until(order, ptr::null());
                word(SELECT_DEFAULT)
            }
            // Nothing was ready at the one moment there is.
            0 => {
                unlock_until(order, ptr::null());
                word(SELECT_TIMEOUT)
            }
            _ => wait(cases, order, timeout_ms, position),
        }
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
#[inline]
unsafe fn looks_blocked(case: &SelectCase) -> bool {
    // SAFETY: as for `channel_of`.
    unsafe {
        if is_send(case) {
            channel_of(case).looks_full() && !channel_of(case).is_closed()
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

/// One of the ready cases, each with the same chance. All channels are locked.
#[inline(always)]
unsafe fn choose(cases: &[SelectCase]) -> Option<usize> {
    let (mut ready, mut first) = (0, 0);
    for (index, case) in cases.iter().enumerate().rev() {
        // SAFETY: passed on.
        if unsafe { is_ready(case) } {
            ready += 1;
            first = index;
        }
    }
    match ready {
        0 => None,
        1 => Some(first),
        // SAFETY: passed on.
        _ => Some(unsafe { choose_among(cases, ready) }.unwrap_or(first)),
    }
}

/// One of several ready cases. Some may be ready no more: their partner is a select that was claimed meanwhile.
#[inline(never)]
unsafe fn choose_among(cases: &[SelectCase], ready: u32) -> Option<usize> {
    let mut before = random::below(ready);
    for (index, case) in cases.iter().enumerate() {
        // SAFETY: passed on.
        if unsafe { is_ready(case) } {
            if before == 0 {
                return Some(index);
            }
            before -= 1;
        }
    }
    None
}

/// All channels are locked.
#[inline(always)]
unsafe fn is_ready(case: &SelectCase) -> bool {
    // SAFETY: locked, and alive as for `channel_of`.
    unsafe {
        if is_send(case) {
            channel_of(case).can_send()
        } else {
            channel_of(case).can_receive()
        }
    }
}

/// Does what a case that was just judged ready says and unlocks all channels. `None`: its partner was another select, which was claimed meanwhile.
unsafe fn carry_out(cases: &mut [SelectCase], index: usize, order: LockOrder) -> Option<Outcome> {
    let case = &mut cases[index];
    // SAFETY: all channels are locked; the value is the caller's.
    unsafe {
        let channel = channel_of(case);
        let partner = if is_send(case) {
            if channel.is_closed() {
                unlock_until(order, ptr::null());
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
        unlock_until(order, ptr::null());
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

/// Phase 2. All channels are locked.
unsafe fn wait(
    cases: &mut [SelectCase],
    order: LockOrder,
    timeout_ms: i64,
    position: u32,
) -> Outcome {
    let select = Select::create(cases);
    // SAFETY: the block is ours until the hook runs; waiters are guarded by the locks held.
    unsafe {
        let mut place = order;
        for (index, case) in cases.iter().enumerate() {
            let purpose = match case.kind {
                CASE_SEND => Purpose::SelectSend,
                CASE_SEND_RESULT => Purpose::SelectSendResult,
                _ => Purpose::SelectReceive,
            };
            let channel = channel_of(case);
            let node = Select::waiter(select, index as u32);
            let waiting = Waiting {
                purpose,
                value: case.value.cast(),
                extra: (*place).cast_mut().cast(),
                position: case.position,
            };
            if !(*place).is_null() {
                place = place.add(1);
            }
            node.write(Waiter::new(Party::Select(select), &channel.base, waiting));
            channel.queue(purpose).push(node);
        }
        if timeout_ms >= 0 {
            (*select).arming.lock();
            let deadline =
                timer::now_ns().saturating_add((timeout_ms as u64).saturating_mul(1_000_000));
            (*select).references.store(2, Relaxed);
            (*select).timer = Some(timer::add(deadline, timer_fired, select.cast()));
        }
        match (*select).party {
            Party::Coroutine(coroutine) => {
                let wait = WaitInfo {
                    object: select.cast(),
                    position,
                    operation: Operation::Select,
                };
                scheduler::park_with(coroutine, unlock_hook, select.cast(), wait)
            }
            _ => ThreadParker::block(|parker| {
                (*select).party = Party::Thread(parker);
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
        let count = (*select).count;
        if (*select).timer.is_some() {
            (*select).arming.unlock();
        }
        // The first channel, and then each one before the one before it is unlocked.
        let mut channel: *const Channel = match count {
            0 => ptr::null(),
            _ => (*Select::waiter(select, 0)).extra.cast(),
        };
        let mut index = 1;
        while !channel.is_null() {
            let next: *const Channel = match index < count {
                true => (*Select::waiter(select, index)).extra.cast(),
                false => ptr::null(),
            };
            (*channel).base.lock.unlock();
            channel = next;
            index += 1;
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
    pub fn claim(&self, claimant: Claimant) -> bool {
        self.claimed
            .compare_exchange(UNCLAIMED, claimant, AcqRel, Relaxed)
            .is_ok()
    }

    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Acquire) != UNCLAIMED
    }

    /// The select that a coroutine is parked with.
    pub unsafe fn of(coroutine: *mut Coroutine) -> *mut Select {
        // SAFETY: the caller vouches for the coroutine; `wait` has stored it there.
        unsafe { (*Coroutine::waiter(coroutine)).object.cast() }
    }

    /// Called by the party that won `claim` for the case of that waiter, without locks: ends the select with that case, or with an exception.
    pub unsafe fn chosen(
        select: *mut Select,
        winner: *mut Waiter,
        result: Result<u64, Box<Exception>>,
    ) {
        // SAFETY: the winner holds a reference to the block; the caller's frame is valid until it is woken.
        unsafe {
            Select::retire(select, winner);
            if let Some(timer) = (*select).timer
                && timer::cancel(timer)
            {
                Select::release(select);
            }
            let party = (*select).party;
            let index = winner.offset_from_unsigned(Select::waiter(select, 0));
            let case = (*select).cases.add(index);
            Select::release(select);
            let wake = match result {
                Ok(ok) => {
                    (*case).ok = ok as u32;
                    Wake::Value(index as u64)
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
    unsafe fn retire(select: *mut Select, winner: Claimant) {
        // SAFETY: the channels are owned by the caller, who is parked; links are changed under the channels' locks.
        unsafe {
            for node in (0..(*select).count).map(|index| Select::waiter(select, index)) {
                if node == winner {
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
                claimed: AtomicPtr::new(UNCLAIMED),
                references: AtomicU32::new(1),
                count: cases.len() as u32,
                cases: cases.as_mut_ptr(),
                party: calling_party(),
                timer: None,
                arming: SpinLock::new(),
            });
        }
        select
    }

    #[inline(always)]
    unsafe fn waiter(select: *mut Select, index: u32) -> *mut Waiter {
        // SAFETY: `index < count`.
        unsafe { select.add(1).cast::<Waiter>().add(index as usize) }
    }

    #[inline]
    unsafe fn release(select: *mut Select) {
        // SAFETY: the caller gives up its reference, the only one when there is no timer; the last one frees the block, which has nothing to drop.
        unsafe {
            if (*select).timer.is_none() || (*select).references.fetch_sub(1, AcqRel) == 1 {
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
