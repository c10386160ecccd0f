//! x86-64, System V, Linux with glibc.
//!
//! # A parked coroutine's stack
//! ```text
//!            | …                      |
//!            | return address         |  of the call that parks (or `entry`, `preempted`, `raise_pending`)
//!            | rbp rbx r12 r13 r14 r15|
//! saved rsp >|                        |
//! ```
//! Who goes on with it pops these and **jumps** to the return address: a `ret` would be mispredicted every time.
//!
//! # Frames of stubs
//! A stub pushes `rbp`, keeps the coroutine's stack pointer in it and continues on the worker's stack. Its CFI (CFA = rbp + 16) leads
//! the unwinder back to the coroutine. After the Rust function returned, nothing of Rust is left on the worker's stack: only then a
//! coroutine is suspended or unwound.
//!
//! # Thread-locals
//! Initial-exec (`@gottpoff`): links into executables, position independent or not, and into shared libraries.
//!
//! # Registers in `__morestack`
//! The split-stack prologue passes the frame size in r10 and the bytes of stack arguments in r11; these two alone are free, on entry and
//! on return. The return address points at a one-byte `ret` behind which the function's body starts.

mod common_case;
mod switch;

pub use common_case::{
    echo_free, echo_future_wait, echo_future_wait_last, echo_promise_new, echo_spawn,
    echo_spawn_detached, echo_spawn_words, release,
};
pub use switch::yield_now;

use crate::coroutine::Coroutine;
use crate::future;
use crate::in_place::{self, InPlace};
use crate::unwind;
use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use core::arch::{asm, global_asm, naked_asm};
use core::mem::offset_of;
use core::sync::atomic::AtomicUsize;
use echo_abi::layout::{EntryDesc, FUTURE_VALUE_OFFSET};

global_asm!(
    ".pushsection .tbss.echo_tls,\"awT\",@nobits",
    ".p2align 6",
    ".hidden echo_tls",
    ".globl echo_tls",
    ".type echo_tls, @object",
    ".size echo_tls, 64",
    "echo_tls: .zero 64",
    ".popsection",
    // For generated code, which has to work in the JIT too: bytes from the thread pointer to the block.
    ".pushsection .data.rel.ro,\"aw\"",
    ".p2align 3",
    ".globl echo_tls_offset",
    ".type echo_tls_offset, @object",
    ".size echo_tls_offset, 8",
    "echo_tls_offset: .quad echo_tls@tpoff",
    ".popsection",
);

const LINE_BYTES: usize = 64;

/// Bytes below a segment's limit that code may use without a check: 256 by LLVM's small frames; a stub's call and six registers to park, or as many words
/// to call in place (56); the word that `slide_raise` inserts, or alignment (8); the call in place and the one of `__morestack` with its frame (24).
pub const SEGMENT_SLACK: usize = 352;
/// The same for a big segment, where a preempted function's registers (208 bytes and a parked frame) are saved as well.
pub const BIG_SLACK: usize = 1024;
/// Bytes of registers saved for a function preempted at its entry.
pub const PREEMPT_FRAME: usize = 208;

const _: () = {
    assert!(offset_of!(Coroutine, rsp) == 0);
    assert!(offset_of!(Coroutine, limit) == 8);
    assert!(offset_of!(Coroutine, big_top) == 16);
    assert!(offset_of!(Coroutine, big_limit) == 24);
    assert!(offset_of!(Coroutine, first_top) == 32);
    assert!(offset_of!(Coroutine, wake_value) == 40);
    assert!(offset_of!(Coroutine, entry) == 48);
    assert!(offset_of!(Coroutine, first_room) == 60);
    assert!(offset_of!(Coroutine, state) < LINE_BYTES);
    assert!(offset_of!(Coroutine, slot) == 64);
    assert!(offset_of!(Coroutine, args) == 120);
    assert!(offset_of!(EntryDesc, code) == 0);
};

macro_rules! read_tls {
    ($offset:literal) => {{
        let word: usize;
        // SAFETY: reads a word of this thread's block, as one opaque step.
        unsafe {
            asm!(
                "mov {0}, qword ptr [rip + echo_tls@gottpoff]",
                concat!("mov {0}, qword ptr fs:[{0} + ", $offset, "]"),
                out(reg) word,
                options(nostack, preserves_flags, readonly),
            )
        };
        word
    }};
}

/// Where generated code reads how far this module's thread-local block is from the thread pointer.
pub fn tls_offset() -> *const isize {
    unsafe extern "C" {
        static echo_tls_offset: isize;
    }
    &raw const echo_tls_offset
}

/// The coroutine this thread runs, or null.
#[inline(always)]
pub fn current_coroutine() -> *mut Coroutine {
    read_tls!("0") as *mut Coroutine
}

/// What [`set_worker`] stored, or null.
#[inline(always)]
pub fn current_worker() -> *mut () {
    read_tls!("16") as *mut ()
}

/// Makes this thread a worker (or, with null, no longer one).
pub fn set_worker(worker: *mut ()) {
    // SAFETY: writes a word of this thread's block.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + echo_tls@gottpoff]",
            "mov qword ptr fs:[{0} + 16], {1}",
            out(reg) _,
            in(reg) worker,
            options(nostack, preserves_flags),
        )
    }
}

/// Calls foreign code from within a runtime function, on the stack in use. Meanwhile the thread runs no coroutine, so that stubs called by that
/// code stay on this stack (going to the worker's stack they would overwrite the frames in use) and nothing can be suspended.
pub fn call_foreign(function: impl FnOnce()) {
    let (coroutine, stack_pointer) = (read_tls!("0"), read_tls!("8"));
    set_running(0, 0);
    function();
    set_running(coroutine, stack_pointer);
}

/// Sets the coroutine this thread runs and the worker's stack pointer.
#[inline(always)]
fn set_running(coroutine: usize, stack_pointer: usize) {
    // SAFETY: writes two words of this thread's block.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + echo_tls@gottpoff]",
            "mov qword ptr fs:[{0}], {1}",
            "mov qword ptr fs:[{0} + 8], {2}",
            out(reg) _,
            in(reg) coroutine,
            in(reg) stack_pointer,
            options(nostack, preserves_flags),
        )
    }
}

/// Sets the limit the split-stack prologues of this thread compare with.
#[inline(always)]
pub fn set_stack_limit(limit: usize) {
    // SAFETY: the word at %fs:0x70 is reserved for this purpose.
    unsafe { asm!("mov qword ptr fs:[0x70], {}", in(reg) limit, options(nostack, preserves_flags)) }
}

/// Address of this thread's limit word, for preemption requests from another thread.
pub fn stack_limit_address() -> *mut usize {
    let thread_pointer: usize;
    // SAFETY: the word at %fs:0 is the thread pointer itself.
    unsafe {
        asm!("mov {}, qword ptr fs:[0]", out(reg) thread_pointer, options(nostack, preserves_flags, readonly))
    };
    (thread_pointer + echo_abi::layout::STACK_LIMIT_FS_OFFSET) as *mut usize
}

/// A limit that every prologue and poll finds too high: please yield.
pub const PREEMPT_LIMIT: usize = usize::MAX;

/// Prepares the first run on a stack whose top is `top` (16-aligned).
///
/// # Safety
/// `coroutine` is owned by the caller and the memory below `top` is its stack.
pub unsafe fn prepare(coroutine: *mut Coroutine, top: usize) {
    debug_assert!(top.is_multiple_of(16));
    let words = top as *mut usize;
    // SAFETY: seven words below `top` are stack memory.
    unsafe {
        words.sub(1).write(entry as *const () as usize);
        (*coroutine).rsp = top - 7 * 8;
    }
}

/// Makes a parked coroutine panic when it is resumed, as if the call that parked it had been a call of `raise_pending`. The exception
/// is in its wake value.
///
/// # Safety
/// The caller owns the coroutine, which is parked by a stub (not preempted).
pub unsafe fn slide_raise(coroutine: *mut Coroutine) {
    // SAFETY: passed on.
    unsafe { slide(coroutine, raise_pending) }
}

/// Makes a parked coroutine try again to get a lock when it is resumed, as if its stub called [`acquire_again`](crate::sync::rows::acquire_again).
///
/// # Safety
/// As for [`slide_raise`]; it waits for the lock.
pub unsafe fn slide_again(coroutine: *mut Coroutine) {
    // SAFETY: passed on.
    unsafe { slide(coroutine, again) }
}

/// Lets a parked coroutine wake up in `code`, as if that had been called by what called its stub.
unsafe fn slide(coroutine: *mut Coroutine, code: unsafe extern "C" fn()) {
    // SAFETY: six saved registers and a return address lie at `rsp`, as soon as that is the coroutine's own; the word below is within the slack.
    unsafe {
        if (*coroutine).rsp == aside() {
            (*coroutine).rsp = crate::stack::take_back(coroutine);
        }
        let registers = (*coroutine).rsp as *mut usize;
        core::ptr::copy(registers, registers.sub(1), 6);
        registers.add(5).write(code as *const () as usize);
        (*coroutine).rsp -= 8;
    }
}

global_asm!(
    ".pushsection .data.rel.ro.echo_aside,\"aw\"",
    ".p2align 3",
    ".hidden echo_aside",
    ".globl echo_aside",
    "echo_aside: .zero 48",
    ".quad {come_back}",
    ".popsection",
    come_back = sym come_back,
);

/// In place of a saved stack pointer: a frame on no stack, which who goes on with the coroutine leaves again without a word on it. See [`parked`](crate::parked).
pub fn aside() -> usize {
    unsafe extern "C" {
        static echo_aside: u8;
    }
    (&raw const echo_aside).addr()
}

/// What the frame that is [`aside`] returns to: to where the coroutine is parked.
#[unsafe(naked)]
unsafe extern "C" fn come_back() {
    naked_asm!(
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdi, qword ptr fs:[rcx]",
        "mov rbx, rdi",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "call {take_back}",
        "mov rsp, rax",
        "mov rax, qword ptr [rbx + 40]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "pop rcx",
        "jmp rcx",
        take_back = sym crate::stack::take_back,
    )
}

/// Where the stack pointer of a coroutine is saved, for who does not own it.
///
/// # Safety
/// The block is mapped, as control blocks are for ever. Who owns the coroutine stores words there as a whole.
pub unsafe fn saved_pointer<'a>(coroutine: *const Coroutine) -> &'a AtomicUsize {
    // SAFETY: promised by the caller.
    unsafe { AtomicUsize::from_ptr((&raw const (*coroutine).rsp).cast_mut()) }
}

/// Fetches what lies at an address, if something does, into the caches.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    // SAFETY: a prefetch has no effect on what is there, or on whether something is.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

/// Fetches the control block of a coroutine into the caches.
#[inline(always)]
pub fn prefetch_block(coroutine: *mut Coroutine) {
    for line in 0..size_of::<Coroutine>() / LINE_BYTES {
        prefetch(coroutine.cast::<u8>().wrapping_add(line * LINE_BYTES));
    }
}

/// Fetches what a coroutine that is not null needs of its stack to go on.
#[inline(always)]
pub fn prefetch_stack(coroutine: *mut Coroutine) {
    // SAFETY: control blocks are never unmapped; whatever is read as the stack pointer, a prefetch has no effect on what is there. One opaque step, as
    // the block may belong to somebody else meanwhile.
    unsafe {
        asm!(
            "mov {0}, qword ptr [{0}]",
            "prefetcht0 byte ptr [{0}]",
            "prefetcht0 byte ptr [{0} + 64]",
            inout(reg) coroutine => _,
            options(nostack, preserves_flags, readonly),
        )
    }
}

/// Runs `coroutine` on this thread, then those that others switch to, until one leaves: [`take_left`] says which.
///
/// # Safety
/// The caller owns the coroutine, has prepared its stack, and is a worker outside any coroutine.
#[unsafe(naked)]
pub unsafe extern "C" fn resume(coroutine: *mut Coroutine) -> super::Left {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov qword ptr fs:[rcx], rdi",
        "mov qword ptr fs:[rcx + 8], rsp",
        "mov rsp, qword ptr [rdi]",
        "mov rax, qword ptr [rdi + 8]",
        "mov qword ptr fs:[0x70], rax",
        "mov rax, qword ptr [rdi + 40]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "pop rcx",
        "jmp rcx",
    )
}

/// The coroutine that has just left this thread, which runs none from now on.
#[inline(always)]
pub fn take_left() -> *mut Coroutine {
    let coroutine = current_coroutine();
    set_running(0, 0);
    coroutine
}

/// The other half of `resume`: returns to the scheduler. Reached by a jump with rsp = the worker's stack pointer, rax = the reason, rdx = the value of an
/// outcome that parks.
#[unsafe(naked)]
unsafe extern "C" fn back() {
    naked_asm!(
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "pop rcx",
        "jmp rcx",
    )
}

/// First activation. The undefined return address ends every walk of the stack.
#[unsafe(naked)]
unsafe extern "C" fn entry() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rax, qword ptr fs:[rcx]",
        "mov rdi, qword ptr [rax + 120]",
        "mov rsi, qword ptr [rax + 64]",
        "mov qword ptr [rax + 64], 0", // no exception yet
        "mov rax, qword ptr [rax + 48]",
        "call qword ptr [rax]",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "mov eax, 4",
        "jmp {back}",
        ".cfi_endproc",
        back = sym back,
    )
}

/// What the unwinder's context shows as CFA at the end of a coroutine's stack.
pub fn entry_frame_address(top: usize) -> usize {
    top + 8
}

/// Leaves a coroutine whose stack is completely unwound. The failure is in its wake value.
///
/// # Safety
/// Called in the coroutine, on any stack; nothing that needs dropping is left there.
#[unsafe(naked)]
pub unsafe extern "C" fn leave_failed() -> ! {
    naked_asm!(
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "mov eax, 5",
        "jmp {back}",
        back = sym back,
    )
}

/// Where a stub goes whose function returned an outcome other than RETURN: rax = value, rdx = status, rbp = the stub's frame, rsp as after
/// the call (the worker's stack, 16-aligned).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn outcome() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "cmp edx, 3",
        "je 30f",
        "ja 50f",
        // park or yield
        "mov rsi, qword ptr fs:[rcx]",
        "test rsi, rsi",
        "jne {suspend}",
        "call {outside}",
        "ud2",
        // raise: no Rust frame lies between the unwinder and the coroutine
        "30: mov rdi, rax",
        "mov rsi, qword ptr fs:[rcx]",
        "call {begin}",
        "mov rdi, rax",
        "lea rsi, [rip + {stop}]",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdx, qword ptr fs:[rcx]",
        "call {forced}",
        "ud2",
        // call another coroutine's entry on this stack: rax = what there is to know of the call
        "50: mov rdx, qword ptr fs:[rcx]",
        "mov rdi, qword ptr [rax + {future_of_more}]",
        "mov esi, dword ptr [rax + {position_of_more}]",
        "bts rsi, 32", // there is more
        "mov r8, qword ptr [rdi + {desc}]",
        "mov rsp, rbp",
        crate::begin_in_place!(),
        "mov qword ptr [rsp + {more}], rax",
        "call qword ptr [r8]",
        "jmp {ended}",
        ".cfi_endproc",
        suspend = sym switch::suspend,
        ended = sym in_place_ended,
        begin = sym unwind::begin,
        stop = sym unwind::stop,
        forced = sym unwind::_Unwind_ForcedUnwind,
        outside = sym unwind::outside_coroutine,
        future_of_more = const in_place::FUTURE_OF_MORE_OFFSET,
        position_of_more = const in_place::POSITION_OF_MORE_OFFSET,
        more = const in_place::MORE_OFFSET,
        holder = const offset_of!(Coroutine, holder),
        in_place = const offset_of!(Coroutine, in_place),
        desc = const future::DESC_OFFSET,
        coroutine = const future::COROUTINE_OFFSET,
        slot = const FUTURE_VALUE_OFFSET,
    )
}

/// The record of a call in place, below the stub's frame, where rsp is: rdx = the coroutine, rdi = the future, rsi = the position and whether there is more. Afterwards rdi and rsi are
/// the arguments of the entry.
#[macro_export]
#[doc(hidden)]
macro_rules! begin_in_place {
    () => {
        "push rsi
         push qword ptr [rdx + {holder}]
         push qword ptr [rdx + {in_place}]
         push rdi
         sub rsp, 16
         mov qword ptr [rdx + {in_place}], rsp
         mov rsi, qword ptr [rdi + {coroutine}]
         mov qword ptr [rdx + {holder}], rsi
         add rdi, {slot}
         mov rsi, rdi"
    };
}

const _: () = {
    assert!(size_of::<InPlace>() == 48);
    assert!(in_place::FUTURE_OFFSET == 16);
    assert!(in_place::PREVIOUS_OFFSET == 24);
    assert!(in_place::AWAITER_OFFSET == 32);
    assert!(in_place::POSITION_OFFSET == 40);
    assert!(in_place::HAS_MORE_OFFSET == 44);
};

/// After a call in place, where that is not common: rbp = the stub's frame. This may be another thread.
#[unsafe(naked)]
unsafe extern "C" fn in_place_ended() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        "lea rdi, [rbp - {record}]",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "call {end}",
        "test edx, edx",
        "jne {outcome}",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        record = const size_of::<InPlace>(),
        end = sym in_place::end,
        outcome = sym outcome,
    )
}

/// The registers that a function saves, but for rbp: rbx, r12 to r15, by the numbers that the unwinder gives them; and their values.
pub const SAVED: [i32; 5] = [3, 12, 13, 14, 15];
pub type Saved = [usize; SAVED.len()];

/// Goes on behind a call in place that failed, where the registers have those values.
///
/// # Safety
/// Called in the coroutine that made the call, on the worker's stack; everything above the calling stub is unwound.
#[unsafe(naked)]
pub unsafe extern "C" fn leave_in_place(record: *mut InPlace, registers: &Saved) -> ! {
    naked_asm!(
        ".cfi_startproc",
        "mov rbx, qword ptr [rsi]",
        "mov r12, qword ptr [rsi + 8]",
        "mov r13, qword ptr [rsi + 16]",
        "mov r14, qword ptr [rsi + 24]",
        "mov r15, qword ptr [rsi + 32]",
        "lea rbp, [rdi + {record}]",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "call {end_failed}",
        "test edx, edx",
        "jne {outcome}",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        record = const size_of::<InPlace>(),
        end_failed = sym in_place::end_failed,
        outcome = sym outcome,
    )
}

/// The frame pointer of the stub that called the running runtime function, on the coroutine's stack. In functions that return outcomes only.
#[inline(always)]
pub fn stub_frame() -> usize {
    read_tls!("24")
}

/// What a coroutine wakes up in that was woken to panic.
#[unsafe(naked)]
unsafe extern "C" fn raise_pending() {
    naked_asm!(
        ".cfi_startproc",
        crate::enter_stub!(),
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "mov rax, qword ptr fs:[rcx]",
        "mov rax, qword ptr [rax + 40]",
        "mov edx, 3",
        "jmp {outcome}",
        ".cfi_endproc",
        outcome = sym outcome,
    )
}

/// What a coroutine wakes up in that is to try again.
#[unsafe(naked)]
unsafe extern "C" fn again() {
    crate::outcome_stub!(crate::sync::rows::acquire_again)
}

/// Replaces `resume` at the end of a landing pad: rdi = the exception.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_unwind_resume() {
    naked_asm!(
        ".cfi_startproc",
        crate::enter_stub!(),
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "call {resume}",
        "ud2",
        ".cfi_endproc",
        resume = sym unwind::_Unwind_Resume,
    )
}

/// The frame of a stub.
#[macro_export]
#[doc(hidden)]
macro_rules! enter_stub {
    () => {
        "push rbp
         .cfi_def_cfa_offset 16
         .cfi_offset rbp, -16
         mov rbp, rsp
         .cfi_def_cfa_register rbp"
    };
}

/// The rest of a stub for a `plain` function. r11: the thread's block.
#[macro_export]
#[doc(hidden)]
macro_rules! plain_call {
    () => {
        "mov r11, qword ptr fs:[r11 + 8]
         test r11, r11
         cmovnz rsp, r11
         call {function}
         mov rsp, rbp
         pop rbp
         .cfi_def_cfa rsp, 8
         ret
         .cfi_endproc"
    };
}

/// The rest of a stub for a function that returns an [`Outcome`](crate::outcome::Outcome).
#[macro_export]
#[doc(hidden)]
macro_rules! outcome_call {
    () => {
        "mov r11, qword ptr [rip + echo_tls@gottpoff]
         mov qword ptr fs:[r11 + 24], rbp
         mov r11, qword ptr fs:[r11 + 8]
         test r11, r11
         cmovnz rsp, r11
         call {function}
         test edx, edx
         jne {outcome}
         mov rsp, rbp
         pop rbp
         .cfi_def_cfa rsp, 8
         ret
         .cfi_endproc"
    };
}

/// Body of a stub for a `plain` function: on the worker's stack if there is one, the result as it comes.
#[macro_export]
#[doc(hidden)]
macro_rules! plain_stub {
    ($function:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::enter_stub!(),
            "mov r11, qword ptr [rip + echo_tls@gottpoff]",
            $crate::plain_call!(),
            function = sym $function,
        )
    };
}

/// Body of a stub for a function that returns an outcome: on the worker's stack if there is one.
#[macro_export]
#[doc(hidden)]
macro_rules! outcome_stub {
    ($function:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::enter_stub!(),
            $crate::outcome_call!(),
            function = sym $function,
            outcome = sym $crate::arch::outcome,
        )
    };
}

/// Called by the prologue of a function that finds too little stack, or a preemption request.
///
/// ```text
///  old stack                        new stack
///  | stack arguments (r11 bytes) |  | copy of the stack arguments  |
///  | return to the caller        |  | return to `__morestack`      |
///  | return to the prologue      |  | the function's frame …
///  | rbp                         | < rbp
///  | r11, if not 0               |
/// ```
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __morestack() {
    naked_asm!(
        ".cfi_startproc",
        "cmp qword ptr fs:[0x70], -1",
        "je 50f",
        "70: push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "test r11, r11",
        "jnz 30f",
        // no stack arguments
        "71: mov r11, qword ptr [rip + echo_tls@gottpoff]",
        "mov r11, qword ptr fs:[r11]",
        "cmp qword ptr [r11 + 24], 0",
        "je 20f",
        "neg r10",
        "add r10, qword ptr [r11 + 16]",
        "cmp r10, qword ptr [r11 + 24]",
        "jl 40f", // the frame does not fit even on the big segment
        "mov r10, qword ptr [r11 + 24]",
        "cmp r10, qword ptr [r11 + 8]",
        "je 40f", // already there
        "mov qword ptr [r11 + 8], r10",
        "mov qword ptr fs:[0x70], r10",
        "mov rsp, qword ptr [r11 + 16]",
        "mov r11, qword ptr [rbp + 8]",
        "inc r11",
        "call r11",
        // back from the function; this may be another thread
        "15: mov r10, qword ptr [rip + echo_tls@gottpoff]",
        "mov r10, qword ptr fs:[r10]",
        "movzx r11d, word ptr [r10 + 60]",
        "neg r11",
        "add r11, qword ptr [r10 + 32]",
        "mov qword ptr [r10 + 8], r11",
        "mov qword ptr fs:[0x70], r11",
        "mov rsp, rbp",
        ".cfi_remember_state",
        ".cfi_def_cfa rsp, 16",
        "pop rbp",
        ".cfi_restore rbp",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_restore_state",
        // the big segment has to be allocated first: all argument registers are live
        "20: xor r11d, r11d",
        "21: mov rsp, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rsp + 8]",
        "push r10",
        "push r11",
        "push rax",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "push r9",
        "push r9",
        "sub rsp, 128",
        "movups xmmword ptr [rsp], xmm0",
        "movups xmmword ptr [rsp + 16], xmm1",
        "movups xmmword ptr [rsp + 32], xmm2",
        "movups xmmword ptr [rsp + 48], xmm3",
        "movups xmmword ptr [rsp + 64], xmm4",
        "movups xmmword ptr [rsp + 80], xmm5",
        "movups xmmword ptr [rsp + 96], xmm6",
        "movups xmmword ptr [rsp + 112], xmm7",
        "mov rdi, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdi, qword ptr fs:[rdi]",
        "call {grow}",
        "test al, al",
        "jz 42f", // out of memory: the saved registers are not needed any more
        "movups xmm0, xmmword ptr [rsp]",
        "movups xmm1, xmmword ptr [rsp + 16]",
        "movups xmm2, xmmword ptr [rsp + 32]",
        "movups xmm3, xmmword ptr [rsp + 48]",
        "movups xmm4, xmmword ptr [rsp + 64]",
        "movups xmm5, xmmword ptr [rsp + 80]",
        "movups xmm6, xmmword ptr [rsp + 96]",
        "movups xmm7, xmmword ptr [rsp + 112]",
        "add rsp, 128",
        "pop r9",
        "pop r9",
        "pop r8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "pop rax",
        "pop r11",
        "pop r10",
        "mov rsp, rbp",
        "test r11, r11",
        "jz 71b",
        "sub rsp, 8",
        "mov r11, qword ptr [rip + echo_tls@gottpoff]",
        "mov r11, qword ptr fs:[r11]",
        "jmp 31f",
        // r11 bytes of stack arguments at [rbp + 24]
        "30: push r11",
        "add r10, r11",
        "mov r11, qword ptr [rip + echo_tls@gottpoff]",
        "mov r11, qword ptr fs:[r11]",
        "cmp qword ptr [r11 + 24], 0",
        "jne 31f",
        "mov r11, qword ptr [rbp - 8]",
        "jmp 21b",
        "31: neg r10",
        "add r10, qword ptr [r11 + 16]",
        "cmp r10, qword ptr [r11 + 24]",
        "jl 40f",
        "mov r10, qword ptr [r11 + 24]",
        "cmp r10, qword ptr [r11 + 8]",
        "je 40f",
        "mov qword ptr [r11 + 8], r10",
        "mov qword ptr fs:[0x70], r10",
        "mov r10, qword ptr [r11 + 16]",
        "mov r11, qword ptr [rbp - 8]",
        "mov rsp, r10",
        "push rdi",
        "push rsi",
        "push rcx",
        "push rcx",
        "lea rcx, [r11 + 15]",
        "and rcx, -16",
        "sub rsp, rcx",
        "mov rdi, rsp",
        "lea rsi, [rbp + 24]",
        "mov rcx, r11",
        "add rcx, 7",
        "shr rcx, 3",
        "32: mov r11, qword ptr [rsi]",
        "mov qword ptr [rdi], r11",
        "add rsi, 8",
        "add rdi, 8",
        "dec rcx",
        "jnz 32b",
        "mov rdi, qword ptr [r10 - 8]",
        "mov rsi, qword ptr [r10 - 16]",
        "mov rcx, qword ptr [r10 - 24]",
        "mov r11, qword ptr [rbp + 8]",
        "inc r11",
        "call r11",
        "jmp 15b",
        // stack overflow, found in software: a panic that unwinds from here
        "40: mov rsp, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdi, qword ptr fs:[rsp]",
        "mov rsp, qword ptr fs:[rsp + 8]",
        "call {overflow}",
        "43: mov rdi, rax",
        "lea rsi, [rip + {stop}]",
        "mov rdx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdx, qword ptr fs:[rdx]",
        "call {forced}",
        "ud2",
        "42: mov rsp, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdi, qword ptr fs:[rsp]",
        "mov rsp, qword ptr fs:[rsp + 8]",
        "call {cannot_grow}",
        "jmp 43b",
        // preemption request: argument registers and r10, r11 are live. They are saved on the worker's stack, copied from there to where
        // the coroutine has room, and the coroutine is parked below them.
        ".cfi_def_cfa rsp, 8",
        ".cfi_restore rbp",
        "50: push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsp, qword ptr fs:[rsp + 8]",
        "push r10",
        "push r11",
        "push rax",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "push r9",
        "push rbp",
        "sub rsp, 128",
        "movups xmmword ptr [rsp], xmm0",
        "movups xmmword ptr [rsp + 16], xmm1",
        "movups xmmword ptr [rsp + 32], xmm2",
        "movups xmmword ptr [rsp + 48], xmm3",
        "movups xmmword ptr [rsp + 64], xmm4",
        "movups xmmword ptr [rsp + 80], xmm5",
        "movups xmmword ptr [rsp + 96], xmm6",
        "movups xmmword ptr [rsp + 112], xmm7",
        "mov rdi, qword ptr [rip + echo_tls@gottpoff]",
        "mov rdi, qword ptr fs:[rdi]",
        "mov rsi, rsp",
        "mov rdx, rbp",
        "call {preempt}", // the address of the copy
        "test rax, rax",
        "jz 62f",
        "mov rsp, rax",
        "lea rax, [rip + 60f]",
        "push rax",
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rax, qword ptr fs:[rcx]",
        "mov qword ptr [rax], rsp",
        "mov rsp, qword ptr fs:[rcx + 8]",
        "mov eax, 6",
        "jmp {back}",
        // no memory to park it: the request is forgotten, and the function goes on, with the registers saved on the worker's stack
        "62: mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rax, qword ptr fs:[rcx]",
        "mov rax, qword ptr [rax + 8]",
        "mov qword ptr fs:[0x70], rax",
        // resumed: rsp is the copy
        "60: movups xmm0, xmmword ptr [rsp]",
        "movups xmm1, xmmword ptr [rsp + 16]",
        "movups xmm2, xmmword ptr [rsp + 32]",
        "movups xmm3, xmmword ptr [rsp + 48]",
        "movups xmm4, xmmword ptr [rsp + 64]",
        "movups xmm5, xmmword ptr [rsp + 80]",
        "movups xmm6, xmmword ptr [rsp + 96]",
        "movups xmm7, xmmword ptr [rsp + 112]",
        "add rsp, 128",
        "pop rbp",
        "pop r9",
        "pop r8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "pop rax",
        "pop r11",
        "pop r10",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        ".cfi_restore rbp",
        // go on in place if the frame fits on the segment in use, else grow after all
        "push rax",
        ".cfi_adjust_cfa_offset 8",
        "mov rax, qword ptr [rip + echo_tls@gottpoff]",
        "mov rax, qword ptr fs:[rax]",
        "add r10, qword ptr [rax + 8]",
        "cmp rsp, r10",
        "jbe 61f",
        "pop rax",
        ".cfi_adjust_cfa_offset -8",
        "pop r10",
        "inc r10",
        "jmp r10",
        ".cfi_adjust_cfa_offset 8",
        "61: sub r10, qword ptr [rax + 8]",
        "pop rax",
        ".cfi_adjust_cfa_offset -8",
        "jmp 70b",
        ".cfi_endproc",
        ".hidden echo_morestack_end",
        ".globl echo_morestack_end",
        "echo_morestack_end:",
        grow = sym crate::stack::grow,
        overflow = sym unwind::overflow,
        cannot_grow = sym unwind::cannot_grow,
        stop = sym unwind::stop,
        forced = sym unwind::_Unwind_ForcedUnwind,
        preempt = sym crate::stack::save_preempted,
        back = sym back,
    )
}

/// Whether a return address is one in `__morestack`: a call between segments.
pub fn is_in_morestack(address: usize) -> bool {
    unsafe extern "C" {
        static echo_morestack_end: u8;
    }
    let begin = __morestack as *const () as usize;
    (begin..(&raw const echo_morestack_end).addr()).contains(&address)
}

/// Dynamic allocas are hoisted by the compiler; one that was not must not go unnoticed.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __morestack_allocate_stack_space() {
    naked_asm!("ud2")
}
