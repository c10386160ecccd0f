//! The coroutine control block.
//!
//! # Who may touch it
//! * The fields the machine code reads (`rsp` … `slot`) belong to the worker that runs the coroutine; while it is suspended, to whoever
//!   has the right to wake it; while it is queued, to nobody.
//! * `state` may be read by anybody (reports), everything else only by the owner of the moment. Handing over happens through the
//!   queues (release/acquire) or through the lock of the object it waits on.
//! * A waker exists only after the unlock hook of `park` has run, that is after `rsp` is saved.
//!
//! Control blocks live in slabs that are never returned to the system, so a stale pointer reads a control block, if not the right one.

use crate::failure::{Failure, Origin};
use crate::in_place::InPlace;
use crate::panic::Exception;
use crate::position::str_from_raw;
use crate::waiter::Waiter;
use echo_abi::layout::EntryDesc;
use std::ffi::c_void;
use std::mem::{MaybeUninit, offset_of};
use std::sync::atomic::{AtomicU8, Ordering};

/// Where a coroutine is in its life.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The control block is unused.
    Free = 0,
    /// In a queue; without a stack if it has not run yet.
    Ready = 1,
    Running = 2,
    /// Parked, or about to be.
    Suspended = 3,
    Completed = 4,
    Failed = 5,
}

/// What a parked coroutine is doing, for reports.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    None,
    Sleep,
    Await,
    Send,
    Receive,
    Select,
    Lock,
    ReadLock,
    WaitGroup,
    Semaphore,
    Once,
    Scope,
    Io,
}

/// Why, on what and where a coroutine is parked.
#[derive(Clone, Copy, Debug)]
pub struct WaitInfo {
    /// The channel, future, lock; only ever compared and numbered.
    pub object: *const c_void,
    /// Position of the operation.
    pub position: u32,
    pub operation: Operation,
}

impl WaitInfo {
    pub const NONE: WaitInfo = WaitInfo {
        object: std::ptr::null(),
        position: 0,
        operation: Operation::None,
    };

    pub fn new<T>(operation: Operation, object: *const T, position: u32) -> WaitInfo {
        WaitInfo {
            object: object.cast(),
            position,
            operation,
        }
    }
}

/// What a waker gives to the coroutine it wakes.
pub enum Wake {
    /// The suspended runtime function returns this word.
    Value(u64),
    /// The suspended runtime function panics.
    Raise(Box<Exception>),
    /// The lock that it waited for was given up; it is to try again. What wakes it goes on running.
    Again,
}

/// How a coroutine ended.
pub enum Ended {
    /// The result is in the result slot.
    Completed,
    Failed(Failure),
}

/// Told once, on a worker's stack outside any coroutine, that a coroutine has ended.
#[derive(Clone, Copy)]
pub struct Completion {
    /// Null if only a failure is of interest.
    pub data: *mut c_void,
    pub finish: unsafe fn(*mut c_void, Ended),
}

impl Completion {
    /// # Safety
    /// The coroutine whose completion it is has ended, and nobody was told yet.
    #[inline]
    pub unsafe fn tell(self, ended: Ended) {
        if matches!(ended, Ended::Completed) && self.data.is_null() {
            return;
        }
        // SAFETY: promised by the caller.
        unsafe { (self.finish)(self.data, ended) };
    }
}

/// Releases what guards a wait, once the coroutine is safely parked.
pub type UnlockHook = unsafe fn(*mut c_void);

/// Who a coroutine is, and what it holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Identity {
    /// Main is 0.
    pub id: u64,
    pub entry: *const EntryDesc,
    /// For `sync`: the locks it holds.
    pub held: *mut c_void,
    /// Position of the spawn.
    pub spawned_at: u32,
}

impl Identity {
    /// Name of the entry function.
    pub fn name(&self) -> &'static str {
        if self.entry.is_null() {
            return "?";
        }
        // SAFETY: entry descriptors live as long as the module.
        unsafe { str_from_raw((*self.entry).name, (*self.entry).name_len as usize) }
    }

    pub fn origin(&self) -> Origin {
        Origin {
            coroutine: self.id,
            name: self.name().to_owned(),
            spawned_at: self.spawned_at,
        }
    }
}

/// See the module docs. `arch` knows the layout.
#[repr(C, align(64))]
pub struct Coroutine {
    /// Saved stack pointer; 0 before the first run.
    pub rsp: usize,
    /// Lower limit of the segment in use, what `%fs:0x70` holds while it runs.
    pub limit: usize,
    /// Top and limit of the big segment; 0 while there is none. A page stack counts as one.
    pub big_top: usize,
    pub big_limit: usize,
    /// Top of the first segment; 0 for page stacks.
    pub first_top: usize,
    /// What the suspended runtime function returns.
    pub wake_value: u64,
    pub entry: *mut EntryDesc,
    /// Position of the spawn.
    pub spawned_at: u32,
    /// Bytes between the limit and the top of the first segment.
    pub first_room: u16,
    pub state: AtomicU8,
    /// Size class of the first segment.
    pub class: u8,
    // ---- a switch needs what is above only: one cache line
    pub slot: ResultOrException,
    /// Link of the injector and of free lists.
    pub next: *mut Coroutine,
    pub completion: Completion,
    /// For `sync`: the locks it holds.
    pub held: *mut c_void,
    /// The innermost call in progress that runs another coroutine on this one's stack.
    pub in_place: *mut InPlace,
    /// 1 + the id, as locks know a holder; main's id is 0. While it runs others in place, of the innermost of them, as is what it holds.
    pub holder: u64,
    pub args: *mut u8,
    /// Whether `args` is heap memory.
    pub args_on_heap: bool,
    /// For `stack`: the limit of the big segment is lowered for the cleanups of an overflow.
    pub reserve_is_open: bool,
    /// What it does while it is suspended.
    pub operation: Operation,
    /// What it waits with; at first it may hold the arguments, which are gone when it waits.
    waiter: MaybeUninit<Waiter>,
}

/// Of use at different times.
#[repr(C)]
pub union ResultOrException {
    /// Before the first turn: where the entry writes its result.
    pub result: *mut u8,
    /// From then on: the exception in flight; those it replaced hang on it.
    pub exception: *mut Exception,
}

const _: () = assert!(cfg!(loom) || size_of::<Coroutine>() == 192);

/// Bytes of [`Coroutine::args_room`].
pub const ARGS_BYTES: usize = size_of::<Waiter>();

impl Coroutine {
    /// The waiter it waits with; its object and position also say what a coroutine waits for that is in no queue.
    #[inline(always)]
    pub fn waiter(this: *mut Coroutine) -> *mut Waiter {
        this.wrapping_byte_add(offset_of!(Coroutine, waiter)).cast()
    }

    /// Where its arguments may lie, aligned to 8, until it waits for the first time.
    #[inline(always)]
    pub fn args_room(this: *mut Coroutine) -> *mut u8 {
        Coroutine::waiter(this).cast()
    }

    /// The coroutine whose waiter that is.
    #[inline(always)]
    pub fn of_waiter(waiter: *mut Waiter) -> *mut Coroutine {
        waiter
            .wrapping_byte_sub(offset_of!(Coroutine, waiter))
            .cast()
    }

    /// Why, on what and where it is suspended.
    pub fn wait(&self) -> WaitInfo {
        if self.operation == Operation::None {
            return WaitInfo::NONE;
        }
        // SAFETY: a coroutine that waits has a waiter.
        let waiter = unsafe { self.waiter.assume_init_ref() };
        WaitInfo::new(self.operation, waiter.object, waiter.position)
    }

    /// Lower limit of the first segment; 0 for page stacks.
    pub fn first_limit(&self) -> usize {
        self.first_top - usize::from(self.first_room)
    }

    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Free,
            1 => State::Ready,
            2 => State::Running,
            3 => State::Suspended,
            4 => State::Completed,
            _ => State::Failed,
        }
    }

    /// Top of the stack the entry function started on.
    pub fn top(&self) -> usize {
        if self.first_top != 0 {
            self.first_top
        } else {
            self.big_top
        }
    }

    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Of what runs on its stack.
    #[inline(always)]
    pub fn id(&self) -> u64 {
        self.holder - 1
    }

    /// The identity of one that begins.
    #[inline]
    pub fn set_identity(&mut self, identity: Identity) {
        self.holder = identity.id + 1;
        self.entry = identity.entry.cast_mut();
        self.held = identity.held;
        self.spawned_at = identity.spawned_at;
    }
}
