//! `all` and `race`: a future settled by other futures.
//!
//! # Protocol
//! A [`Gather`] owns the future it settles, keeps each future it looks at ([`keep`]), and registers one callback with each that is still
//! pending. It is counted: one for the caller that registers, one for each registered callback. A callback's reference goes when it has run, when its
//! future goes away unsettled, or when the callback is taken out of its queue again, which a race does (under that future's lock) as soon as its
//! outcome is known, so that a long-lived future does not collect the callbacks of finished races.
//!
//! Either stands for somebody who awaits every one of its futures: their failures are not reported. The one that settles the result is
//! [handed on](Failure::handed_on) to that. A race that is decided marks the futures still pending as [lost](super::LOST) when it withdraws.
//!
//! `all` counts down and reads the values when the last future is resolved, once, in order: linear however many there are. The first
//! failure, in time, settles it.

use super::{
    Future, PENDING, REJECTED, deliver_all, fail_onto, new, resolve_onto, result_slot, unpin,
};
use crate::door::{
    AtomicBool, AtomicPtr, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};
use crate::failure::Failure;
use crate::handle;
use crate::value::{self, block};
use crate::waiter::{Claimed, Party, Purpose, Waiter, Waiting};
use echo_abi::layout::{ARRAY_DATA_OFFSET, ArrayBlock, DESC_MANAGED, Kind, TypeDesc};
use std::ptr;

/// A future of anything, for [`value::release`].
const FUTURE: &TypeDesc = &TypeDesc {
    kind: Kind::Future,
    flags: DESC_MANAGED,
    align: 8,
    size: 8,
    name: "Future".as_ptr(),
    name_len: 6,
    field_count: 0,
    fields: ptr::null(),
    zero: ptr::null(),
};

/// The callbacks of one `all` or `race`.
struct Gather {
    /// What is settled; owned.
    result: *mut Future,
    /// What is looked at; kept.
    futures: Box<[*mut Future]>,
    /// One callback for each.
    waiters: AtomicPtr<Waiter>,
    rule: Rule,
    /// `all`: futures not yet resolved, and one for the registration.
    missing: AtomicUsize,
    /// The outcome is known.
    decided: AtomicBool,
    references: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Rule {
    /// Describes the array of results; null for void.
    All(*const TypeDesc),
    Race,
}

/// A future of the values of all `futures` (a borrowed array), in order. `array` describes it, null for void.
pub unsafe fn all(
    futures: *const ArrayBlock,
    array: *const TypeDesc,
    position: u32,
) -> *mut Future {
    // SAFETY: passed on.
    unsafe { gather(futures, array, Rule::All(array), position) }
}

/// A future that is settled as the first of `futures` (a borrowed array) is; `result` describes its value.
pub unsafe fn race(
    futures: *const ArrayBlock,
    result: *const TypeDesc,
    position: u32,
) -> *mut Future {
    // SAFETY: passed on; the new future is the caller's.
    unsafe {
        if (*futures).len == 0 {
            let future = new(result);
            super::fail(
                future,
                Failure::rejection("race of no futures".into(), position),
            );
            return future;
        }
        gather(futures, result, Rule::Race, position)
    }
}

unsafe fn gather(
    futures: *const ArrayBlock,
    result: *const TypeDesc,
    rule: Rule,
    position: u32,
) -> *mut Future {
    // SAFETY: the array holds futures owned by the caller.
    unsafe {
        let count = (*futures).len as usize;
        let elements = futures
            .cast::<u8>()
            .add(ARRAY_DATA_OFFSET)
            .cast::<*mut Future>();
        let futures: Box<[*mut Future]> = (0..count).map(|index| *elements.add(index)).collect();
        futures.iter().for_each(|&future| keep(future));
        let result = new(result);
        block::make_shared(result.cast());
        handle::retain(result);
        let gather = Box::into_raw(Box::new(Gather {
            result,
            futures,
            waiters: AtomicPtr::new(ptr::null_mut()),
            rule,
            missing: AtomicUsize::new(count + 1),
            decided: AtomicBool::new(false),
            references: AtomicUsize::new(1),
        }));
        let mut claimed = Claimed::new();
        Gather::register(gather, position, &mut claimed);
        Gather::release(gather);
        deliver_all(claimed);
        result
    }
}

impl Gather {
    unsafe fn register(gather: *mut Gather, position: u32, claimed: &mut Claimed) {
        // SAFETY: the caller's reference keeps the block alive; a waiter is changed by others only once it is queued.
        unsafe {
            let this = &*gather;
            let party = Party::Callback(Gather::called);
            let waiting = Waiting {
                extra: gather.cast(),
                ..Waiting::new(Purpose::Notify, position)
            };
            let waiters: Box<[Waiter]> = (this.futures.iter())
                .map(|&future| Waiter::new(party, &raw const (*future).base, waiting))
                .collect();
            this.waiters.store(Box::into_raw(waiters).cast(), Release);
            for (index, &future) in this.futures.iter().enumerate() {
                if this.is_over() {
                    break;
                }
                if (*future).settled_or_lock() != PENDING {
                    this.look_at(index, claimed);
                    continue;
                }
                this.references.fetch_add(1, AcqRel);
                (*future).waiters.push(this.waiter(index));
                (*future).base.lock.unlock();
            }
            this.one_resolved(claimed);
            if this.is_over() {
                this.withdraw();
            }
        }
    }

    /// The callback: a future is settled, or (`None`) has gone away unsettled, and never will be.
    unsafe fn called(node: *mut Waiter, claimed: Option<&mut Claimed>) {
        // SAFETY: a registered callback holds a reference to its gather.
        unsafe {
            let gather: *mut Gather = (*node).extra.cast();
            if let Some(claimed) = claimed {
                let index = node.offset_from_unsigned((*gather).waiter(0));
                (*gather).look_at(index, claimed);
            }
            Gather::release(gather);
        }
    }

    /// The future at `index` is settled.
    unsafe fn look_at(&self, index: usize, claimed: &mut Claimed) {
        // SAFETY: the futures are kept, and this one is settled.
        unsafe {
            let future = &*self.futures[index];
            if future.outcome() == REJECTED {
                self.one_rejected(future.failure(), claimed);
                return;
            }
            match self.rule {
                Rule::All(_) => self.one_resolved(claimed),
                Rule::Race if self.decide() => {
                    // The value is copied to the slot, which belongs to the one who decided.
                    future.give_value(result_slot(self.result));
                    super::complete_onto(self.result, claimed);
                    self.withdraw();
                }
                Rule::Race => {}
            }
        }
    }

    /// The first failure settles the result.
    unsafe fn one_rejected(&self, failure: &Failure, claimed: &mut Claimed) {
        if !self.decide() {
            failure.observe();
            return;
        }
        // SAFETY: the result is owned; the caller holds a reference of its own.
        unsafe {
            fail_onto(self.result, failure.handed_on(), claimed);
            if let Rule::Race = self.rule {
                self.withdraw();
            }
        }
    }

    fn waiter(&self, index: usize) -> *mut Waiter {
        // SAFETY: one for each future.
        unsafe { self.waiters.load(Acquire).add(index) }
    }

    /// Whether nothing that still happens to the futures is of interest.
    fn is_over(&self) -> bool {
        matches!(self.rule, Rule::Race) && self.decided.load(Acquire)
    }

    /// True for the one who settles the result.
    fn decide(&self) -> bool {
        !self.decided.swap(true, AcqRel)
    }

    /// `all`: counts down; the last one collects the values.
    unsafe fn one_resolved(&self, claimed: &mut Claimed) {
        let Rule::All(array) = self.rule else { return };
        if self.missing.fetch_sub(1, AcqRel) != 1 || !self.decide() {
            return;
        }
        // SAFETY: every future is resolved, so the values can be read; the array is fresh.
        unsafe {
            if array.is_null() {
                super::complete_onto(self.result, claimed);
                return;
            }
            let element = &*(*(*array).fields).desc;
            let mut block = value::array_alloc(element, self.futures.len());
            for (index, &future) in self.futures.iter().enumerate() {
                (*future).give_value(
                    block
                        .cast::<u8>()
                        .add(ARRAY_DATA_OFFSET + index * element.size as usize),
                );
            }
            resolve_onto(self.result, (&raw mut block).cast(), claimed);
        }
    }

    /// Takes back the callbacks that have not run; how the others end does not matter any more.
    unsafe fn withdraw(&self) {
        for (index, &future) in self.futures.iter().enumerate() {
            // SAFETY: the futures are kept; links are changed under their locks. The caller holds a reference of its own.
            unsafe {
                let node = self.waiter(index);
                (*future).base.lock.lock();
                let queued = (*node).is_queued();
                if queued {
                    (*future).waiters.remove(node);
                }
                (*future).lose();
                (*future).base.lock.unlock();
                if queued {
                    self.references.fetch_sub(1, Release);
                }
            }
        }
    }

    unsafe fn release(gather: *mut Gather) {
        // SAFETY: the last reference frees the block and what it owns.
        unsafe {
            if (*gather).references.fetch_sub(1, AcqRel) != 1 {
                return;
            }
            let gather = Box::from_raw(gather);
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(
                gather.waiter(0),
                gather.futures.len(),
            )));
            for &future in &gather.futures {
                let_go(future);
            }
            release_future(gather.result);
        }
    }
}

/// Keeps a future that the caller owns: by owning that of a coroutine, which will be settled, by pinning a promise.
unsafe fn keep(future: *mut Future) {
    // SAFETY: promised by the caller; a plain future is its own.
    unsafe {
        block::make_shared(future.cast());
        if (*future).is_of_coroutine() {
            handle::retain(future);
        } else {
            (*future).base.lock.lock();
            (*future).add_pin();
            (*future).base.lock.unlock();
        }
    }
}

/// Gives up what [`keep`] gave.
unsafe fn let_go(future: *mut Future) {
    // SAFETY: the caller's reference, or pin.
    unsafe {
        match (*future).is_of_coroutine() {
            true => release_future(future),
            false => unpin(future),
        }
    }
}

/// One owner less. Futures may hang on one another in long chains, so this must not nest.
unsafe fn release_future(future: *mut Future) {
    // SAFETY: the caller gives up its reference.
    unsafe { value::release(future.cast(), FUTURE) }
}
