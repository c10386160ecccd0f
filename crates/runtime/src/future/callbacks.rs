//! Callbacks: coroutines to be spawned when a future is settled.
//!
//! They stand in the future's queue like everybody who waits, but in groups: a callback that is registered behind another one of the same entry, with
//! nobody in between, goes into the same block, so that most registrations allocate nothing. With a promise that is plain, generated code does that by
//! itself (`emit/callback_path.rs` of the compiler).
//!
//! A callback that gets its future as the first argument has none in its record: the waiter knows it. What owns the future meanwhile is said in
//! [`future`](super).

use super::{Future, PENDING, call_back, share_args, size_of_value};
use crate::channel::copy_value;
use crate::handle;
use crate::memory;
use crate::value::{self, block};
use crate::waiter::{Claimed, Party, Purpose, Queue, Waiter, Waiting};
use echo_abi::layout::{
    CALLBACK_ARG_OFFSET, CALLBACK_BYTES, CALLBACKS_END_OFFSET, CALLBACKS_ENTRY_OFFSET,
    CALLBACKS_NEXT_OFFSET, EntryDesc, TypeDesc,
};
use std::mem::offset_of;
use std::ops::Range;
use std::ptr;

/// Callbacks of one entry, registered one after the other. Their records follow: the position of the registration, and the arguments.
///
/// The `value` of the waiter is the future, if that is the first argument, or null; `extra` is the entry, which nobody else who waits has there.
#[repr(C)]
struct Group {
    waiter: Waiter,
    /// Where the next record goes, up to the end of the block.
    next: *mut u8,
    end: *mut u8,
}
// What generated code looks at.
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Waiter, extra) == CALLBACKS_ENTRY_OFFSET
            && offset_of!(Group, next) == CALLBACKS_NEXT_OFFSET
            && offset_of!(Group, end) == CALLBACKS_END_OFFSET
            && POSITION_BYTES == CALLBACK_ARG_OFFSET
            && record_bytes(WORD_BYTES) == CALLBACK_BYTES
);

/// Before the arguments of a record.
const POSITION_BYTES: usize = 8;
const WORD_BYTES: usize = 8;

/// Groups grow to this size: one after the other takes twice the room.
const LARGEST_BYTES: usize = 384;

/// Spawns `entry` with `args` (moved) once the future is settled. `refers`: the coroutine gets the future itself first, and `args` is the function that
/// comes behind it.
pub unsafe fn on_done(
    future: *mut Future,
    entry: *mut EntryDesc,
    args: *const u8,
    refers: bool,
    position: u32,
) {
    // SAFETY: the caller owns a reference and the arguments, which `entry` describes. What is plain is known to nobody else, and a promise that is
    // has no coroutine that settles it.
    unsafe {
        let this = &*future;
        match refers {
            true if block::is_plain(args.cast::<*mut u8>().read()) => {
                value::share(args.cast_mut(), function_type(entry));
            }
            true => {}
            false => share_args(entry, args),
        }
        let is_promise = !this.is_of_coroutine();
        if is_promise && block::is_plain(future.cast()) && this.outcome() == PENDING {
            return Group::add(this, entry, args, refers, position);
        }
        block::make_shared(future.cast());
        if this.settled_or_lock() != PENDING {
            let future = refers.then_some(future);
            return start(future, entry, args, position);
        }
        if refers && !is_promise {
            handle::retain(future);
        }
        Group::add(this, entry, args, refers, position);
        this.base.lock.unlock();
    }
}

/// Spawns a callback of a settled future, with arguments that are shared.
unsafe fn start(
    future: Option<*mut Future>,
    entry: *mut EntryDesc,
    args: *const u8,
    position: u32,
) {
    // SAFETY: the caller owns a reference to the future, and the arguments.
    unsafe {
        match future {
            Some(future) => {
                handle::retain(future);
                start_with(future, entry, args, position);
            }
            None => call_back(entry, args, position),
        }
    }
}

/// As [`start`], with a reference to the future that the coroutine gets.
unsafe fn start_with(future: *mut Future, entry: *mut EntryDesc, word: *const u8, position: u32) {
    // SAFETY: the caller owns the reference, and the word.
    unsafe {
        let args = [future.cast::<u8>(), word.cast::<*mut u8>().read()];
        call_back(entry, args.as_ptr().cast(), position);
    }
}

/// The type of what comes behind the future.
unsafe fn function_type(entry: *const EntryDesc) -> &'static TypeDesc {
    // SAFETY: descriptors live as long as the program; the entry takes a future and a function.
    value::field_type(unsafe { &*(*entry).args }, 1)
}

/// Bytes of what is in a record behind the position: arguments, or what comes behind the future.
unsafe fn args_bytes(entry: *const EntryDesc, refers: bool) -> usize {
    match refers {
        true => WORD_BYTES,
        // SAFETY: descriptors live as long as the program.
        false => unsafe { size_of_value((*entry).args) },
    }
}

/// Bytes of a record with so many of arguments.
const fn record_bytes(args_bytes: usize) -> usize {
    POSITION_BYTES + args_bytes.next_multiple_of(WORD_BYTES)
}

/// Under the lock of a future that is about to be settled, by somebody who owns it or is its coroutine: the callbacks of a waiter just taken from its queue,
/// if it is a group, own the promise again that they did not while they were registered.
pub unsafe fn own_again(node: *const Waiter) {
    // SAFETY: a waiter of a future; the promise is alive.
    unsafe {
        if (*node).purpose != Purpose::CallBack {
            return;
        }
        let (group, future): (*const Group, *mut Future) = (node.cast(), (*node).value.cast());
        if !future.is_null() && !(*future).is_of_coroutine() {
            block::make_shared(future.cast());
            let Range { start, end } = Group::records(group);
            let callbacks = end.offset_from_unsigned(start) / record_bytes(WORD_BYTES);
            handle::retain_times(future, callbacks as i32);
        }
    }
}

impl Group {
    /// The group that a callback goes to that is registered now, if there is one with room. Under the lock, or by the only one who knows the future.
    unsafe fn with_room(future: &Future, entry: *const EntryDesc) -> Option<*mut Group> {
        // SAFETY: the last waiter is alive.
        unsafe {
            let last = Group::last(future)?;
            ((*last).entry().cast_const() == entry && (*last).next < (*last).end).then_some(last)
        }
    }

    /// The group behind which nobody waits.
    unsafe fn last(future: &Future) -> Option<*mut Group> {
        // SAFETY: the last waiter is alive; if its purpose is to call back, it is a group.
        let is_group = |last: &*mut Waiter| unsafe { (**last).purpose } == Purpose::CallBack;
        future
            .waiters
            .last()
            .filter(is_group)
            .map(|last| last.cast())
    }

    /// Adds a callback behind everybody who waits. Under the lock, or by the only one who knows the future.
    unsafe fn add(
        future: &Future,
        entry: *mut EntryDesc,
        args: *const u8,
        refers: bool,
        position: u32,
    ) {
        // SAFETY: passed on; groups of one entry have arguments of one kind.
        unsafe {
            let group = match Group::with_room(future, entry) {
                Some(group) => group,
                None => Group::append(future, entry, refers),
            };
            let (record, args_bytes) = ((*group).next, args_bytes(entry, refers));
            record.cast::<u64>().write(position.into());
            copy_value(args, record.add(POSITION_BYTES), args_bytes as u32);
            (*group).next = record.add(record_bytes(args_bytes));
        }
    }

    /// A new group behind everybody who waits.
    unsafe fn append(future: &Future, entry: *mut EntryDesc, refers: bool) -> *mut Group {
        // SAFETY: a group is alive as long as it is queued; fresh memory of that size, aligned to 16.
        unsafe {
            let one = record_bytes(args_bytes(entry, refers));
            let least = size_of::<Group>() + one;
            let wanted = Group::last(future).map_or(0, |last| 2 * (*last).bytes());
            let room = memory::room(least.max(wanted.min(LARGEST_BYTES))) - size_of::<Group>();
            // A division by a constant is none.
            let records = match refers {
                true => room / const { record_bytes(WORD_BYTES) },
                false => room / one,
            };
            let bytes = size_of::<Group>() + records * one;
            let this: *mut Group = memory::take(bytes).cast();
            if this.is_null() {
                block::out_of_memory(bytes);
            }
            let future_word = match refers {
                true => ptr::from_ref(future).cast_mut().cast(),
                false => ptr::null_mut(),
            };
            let waiting = Waiting {
                extra: entry.cast(),
                ..Waiting::with_value(Purpose::CallBack, future_word, 0)
            };
            this.write(Group {
                waiter: Waiter::new(Party::Callback(Group::called), &future.base, waiting),
                next: this.add(1).cast(),
                end: this.cast::<u8>().add(bytes),
            });
            Queue::push(&future.waiters, this.cast());
            this
        }
    }

    fn bytes(&self) -> usize {
        self.end.addr() - ptr::from_ref(self).addr()
    }

    fn entry(&self) -> *mut EntryDesc {
        self.waiter.extra.cast()
    }

    /// Where the records are.
    unsafe fn records(this: *const Group) -> Range<*mut u8> {
        // SAFETY: the caller vouches for the group, behind which they lie.
        unsafe { this.add(1).cast_mut().cast()..(*this).next }
    }

    /// The future is settled, or (`None`) has gone away unsettled.
    unsafe fn called(node: *mut Waiter, claimed: Option<&mut Claimed>) {
        let this: *mut Group = node.cast();
        // SAFETY: the group is claimed; the arguments are moved to the coroutines, or dropped.
        unsafe {
            let (entry, future) = ((*this).entry(), (*node).value.cast::<Future>());
            let bytes = record_bytes(args_bytes(entry, !future.is_null()));
            let Range { start, end } = Group::records(this);
            for offset in (0..end.offset_from_unsigned(start)).step_by(bytes) {
                let record = start.add(offset);
                let args = record.add(POSITION_BYTES);
                let position = record.cast::<u64>().read() as u32;
                match (claimed.is_some(), future.is_null()) {
                    (true, false) => start_with(future, entry, args, position),
                    (true, true) => call_back(entry, args, position),
                    (false, false) => value::drop(args, function_type(entry)),
                    (false, true) => drop_args(entry, args),
                }
            }
            memory::give(this.cast(), (*this).bytes());
        }
    }
}

unsafe fn drop_args(entry: *const EntryDesc, args: *mut u8) {
    // SAFETY: the caller owns the arguments, which `entry` describes.
    unsafe {
        if let Some(desc) = (*entry).args.as_ref() {
            value::drop(args, desc);
        }
    }
}
