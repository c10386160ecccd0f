//! Spawning, awaiting in place, making promises and freeing, as far as that is common: in machine code, on the stack in use, without a call of the runtime. What is not common
//! goes on in the runtime's function, as in any stub. The protocols are those of [`future`], [`in_place`](crate::in_place), [`claim`](crate::claim)
//! and [`deque`](crate::scheduler::deque); sanitizers see none of this, so for them all of it is uncommon.

use crate::claim::{TAKEN, WAITING};
use crate::coroutine::{Coroutine, Identity};
use crate::future::{self, Future};
use crate::in_place::InPlace;
use crate::memory::{self, Magazine};
use crate::scheduler::{Worker, deque::Deque};
use crate::stack::{self, BeforeCall};
use crate::waiter::{Purpose, Waiting};
use core::arch::naked_asm;
use core::mem::offset_of;
use echo_abi::layout::{
    EntryDesc, FUTURE_LOCK_OFFSET, FUTURE_STATE_OFFSET, FUTURE_VALUE_OFFSET, FUTURE_WAITERS_OFFSET,
    TypeDesc,
};

use super::{in_place_ended, outcome};

/// The lock of a future, free, and its claim, waiting, in one word.
const FREE_AND_WAITING: u16 = (WAITING as u16) << 8;
const _: () = assert!(TAKEN == 0);

/// Of a worker's pieces of the size of most futures, behind those of the smallest size.
const MAGAZINE_OFFSET: usize =
    (future::SMALLEST_BYTES / memory::GRAIN_BYTES - 1) * size_of::<Magazine>();

/// Body of a stub that spawns: an outcome stub, but for what is most common: the future is small, the arguments need only be copied, there is a piece for it and room in
/// the deque, and nobody has to be woken. Then this does what [`future`](crate::future) does, in the same order, and never leaves the stack in use.
macro_rules! spawn_body {
    ($spawned:expr, $function:path $(, $restrained:expr, $limit:ident = $offset:expr)?) => {
        naked_asm!(
            ".cfi_startproc",
            crate::enter_stub!(),
            // rcx: the worker, r9: its pieces, r8: the piece
            "mov r11, qword ptr [rip + echo_tls@gottpoff]",
            "mov rcx, qword ptr fs:[r11 + 16]",
            "test rcx, rcx",
            "je 10f",
            "mov r11d, dword ptr [rdi + {learned}]",
            "test r11d, {plain}",
            "jz 10f",
            "mov r9, qword ptr [rcx + {pieces}]",
            "movzx r11d, r11w",
            "lea r9, [r9 + r11 * {magazine_per_byte} - {magazine}]",
            "mov r8, qword ptr [r9 + {first}]",
            "test r8, r8",
            "je 10f",
            // r10: `bottom`, r11: how many there are
            "mov r10, qword ptr [rcx + {bottom}]",
            "mov r11, r10",
            "sub r11, qword ptr [rcx + {top}]",
            "cmp r11, qword ptr [rcx + {mask}]",
            "ja 10f",
            $($restrained,)?
            "cmp byte ptr [rcx + {lacks_memory}], 0",
            "jne 10f",
            // rax: 1 + the id
            "mov rax, qword ptr [rcx + {next_id}]",
            "cmp rax, qword ptr [rcx + {last_id}]",
            "je 10f",
            "inc rax",
            // whether there is something to offer to thieves
            "cmp byte ptr [rcx + {is_alone}], 0",
            "jne 20f",
            "test r11, r11",
            "jz 20f",
            "cmp byte ptr [rcx + {was_robbed}], 0",
            "jne 10f",
            "cmp dword ptr [rcx + {until_wake}], 0",
            "je 10f",
            "dec dword ptr [rcx + {until_wake}]",
            "20: mov qword ptr [rcx + {next_id}], rax",
            "mov r11, qword ptr [r8]",
            "mov qword ptr [r9 + {first}], r11",
            "dec qword ptr [r9 + {count}]",
            "mov r11, qword ptr [rcx + {live}]",
            "inc qword ptr [r11]",
            // the future: its count and bytes
            "mov r11d, dword ptr [rdi + {learned}]",
            "mov dword ptr [r8], 1",
            "movabs r9, {spawned}",
            "mov qword ptr [r8 + {lock}], r9",
            "mov qword ptr [r8 + {desc}], rdi",
            "mov qword ptr [r8 + {waiters}], 0",
            "mov qword ptr [r8 + {coroutine}], rax",
            "mov dword ptr [r8 + {pins}], 0",
            "mov dword ptr [r8 + {spawned_at}], edx",
            "movzx eax, r11w",
            "mov dword ptr [r8 + 4], eax",
            // the arguments: mostly one word or two
            "shr r11d, {words_shift}",
            "dec r11d",
            "cmp r11d, 1",
            "ja 21f",
            "22: mov rax, qword ptr [rsi]",
            "mov qword ptr [r8 + {slot}], rax",
            "jb 23f",
            "mov rax, qword ptr [rsi + 8]",
            "mov qword ptr [r8 + {slot} + 8], rax",
            "23: mov rax, r10",
            "and rax, qword ptr [rcx + {mask}]",
            "mov r11, qword ptr [rcx + {slots}]",
            "mov qword ptr [r11 + rax * 8], r8",
            "inc r10",
            "mov qword ptr [rcx + {bottom}], r10",
            "mov rax, r8",
            ".cfi_remember_state",
            "pop rbp",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_restore_state",
            // none, or those behind the second, the last first, until the flags are those of two words
            "21: js 23b",
            "24: mov rax, qword ptr [rsi + r11 * 8]",
            "mov qword ptr [r8 + r11 * 8 + {slot}], rax",
            "dec r11d",
            "cmp r11d, 1",
            "ja 24b",
            "jmp 22b",
            // as any outcome stub
            "10:",
            crate::outcome_call!(),
            learned = const offset_of!(EntryDesc, learned_future),
            plain = const future::LEARNED_PLAIN,
            words_shift = const future::LEARNED_WORDS_SHIFT,
            pieces = const Worker::PIECES_OFFSET,
            magazine = const size_of::<Magazine>(),
            magazine_per_byte = const size_of::<Magazine>() / memory::GRAIN_BYTES,
            first = const Magazine::FIRST_OFFSET,
            count = const Magazine::COUNT_OFFSET,
            live = const Worker::LIVE_OFFSET,
            next_id = const Worker::NEXT_ID_OFFSET,
            last_id = const Worker::LAST_ID_OFFSET,
            was_robbed = const Worker::WAS_ROBBED_OFFSET,
            until_wake = const Worker::UNTIL_WAKE_OFFSET,
            lacks_memory = const Worker::LACKS_MEMORY_OFFSET,
            bottom = const Worker::UNSTARTED_OFFSET + Deque::<Future>::BOTTOM_OFFSET,
            top = const Worker::UNSTARTED_OFFSET + Deque::<Future>::TOP_OFFSET,
            mask = const Worker::UNSTARTED_OFFSET + Deque::<Future>::MASK_OFFSET,
            slots = const Worker::UNSTARTED_OFFSET + Deque::<Future>::SLOTS_OFFSET,
            is_alone = const Worker::UNSTARTED_OFFSET + Deque::<Future>::IS_ALONE_OFFSET,
            spawned = const $spawned,
            $($limit = const $offset,)?
            lock = const FUTURE_LOCK_OFFSET,
            desc = const future::DESC_OFFSET,
            waiters = const FUTURE_WAITERS_OFFSET,
            coroutine = const future::COROUTINE_OFFSET,
            pins = const future::PINS_OFFSET,
            spawned_at = const future::SPAWNED_AT_OFFSET,
            slot = const FUTURE_VALUE_OFFSET,
            function = sym $function,
            outcome = sym outcome,
        )
    };
}

/// Of `echo_spawn`.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
pub unsafe extern "C" fn spawn() {
    spawn_body!(future::SPAWNED, crate::stubs::guarded::echo_spawn)
}

/// Of `echo_spawn_detached`.
///
/// # Safety
/// As for [`spawn`].
#[unsafe(naked)]
pub unsafe extern "C" fn spawn_detached() {
    spawn_body!(
        future::SPAWNED_DETACHED,
        crate::stubs::guarded::echo_spawn_detached,
        "cmp r11, qword ptr [rcx + {spawn_limit}]; jae 10f",
        spawn_limit = Worker::SPAWN_LIMIT_OFFSET
    )
}

/// Body of the stub of `echo_free`: a plain stub, but for blocks of the size of most futures, while the worker has room for the piece.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
pub unsafe extern "C" fn free() {
    naked_asm!(
        ".cfi_startproc",
        "mov r11, qword ptr [rip + echo_tls@gottpoff]",
        "mov rcx, qword ptr fs:[r11 + 16]",
        "test rcx, rcx",
        "je 10f",
        "cmp dword ptr [rdi + 4], {bytes}",
        "jne 10f",
        "mov r9, qword ptr [rcx + {pieces}]",
        "test r9, r9",
        "je 10f",
        "mov rax, qword ptr [r9 + {magazine} + {count}]",
        "inc rax",
        "cmp rax, {batch}",
        "jge 10f",
        "mov qword ptr [r9 + {magazine} + {count}], rax",
        "mov r8, qword ptr [r9 + {magazine} + {first}]",
        "mov qword ptr [rdi], r8",
        "mov qword ptr [r9 + {magazine} + {first}], rdi",
        "mov r11, qword ptr [rcx + {live}]",
        "dec qword ptr [r11]",
        "ret",
        // as any plain stub
        "10:",
        crate::enter_stub!(),
        crate::plain_call!(),
        bytes = const future::SMALLEST_BYTES,
        batch = const memory::batch(future::SMALLEST_BYTES),
        pieces = const Worker::PIECES_OFFSET,
        magazine = const MAGAZINE_OFFSET,
        first = const Magazine::FIRST_OFFSET,
        count = const Magazine::COUNT_OFFSET,
        live = const Worker::LIVE_OFFSET,
        function = sym crate::exports::echo_free,
    )
}

/// Body of the stub of `echo_promise_new`: a plain stub, but for small values, while there is a piece.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
pub unsafe extern "C" fn promise_new() {
    naked_asm!(
        ".cfi_startproc",
        "mov r11, qword ptr [rip + echo_tls@gottpoff]",
        "mov rcx, qword ptr fs:[r11 + 16]",
        "test rcx, rcx",
        "je 10f",
        "mov r9, qword ptr [rcx + {pieces}]",
        "test r9, r9",
        "je 10f",
        "test rdi, rdi", // void
        "jz 20f",
        "cmp dword ptr [rdi + {size}], {slot_bytes}",
        "ja 10f",
        "20: mov rax, qword ptr [r9 + {magazine} + {first}]",
        "test rax, rax",
        "je 10f",
        "mov r8, qword ptr [rax]",
        "mov qword ptr [r9 + {magazine} + {first}], r8",
        "dec qword ptr [r9 + {magazine} + {count}]",
        "mov r11, qword ptr [rcx + {live}]",
        "inc qword ptr [r11]",
        // one owner, plain; pending
        "movabs r8, {header}",
        "mov qword ptr [rax], r8",
        "xor r8d, r8d",
        "mov qword ptr [rax + {lock}], r8",
        "mov qword ptr [rax + {desc}], rdi",
        "mov qword ptr [rax + {waiters}], r8",
        "mov qword ptr [rax + {coroutine}], r8",
        "mov dword ptr [rax + {pins}], r8d",
        "mov dword ptr [rax + {spawned_at}], r8d",
        "ret",
        // as any plain stub
        "10:",
        crate::enter_stub!(),
        crate::plain_call!(),
        size = const offset_of!(TypeDesc, size),
        slot_bytes = const future::SMALLEST_BYTES - FUTURE_VALUE_OFFSET,
        header = const 1 | (future::SMALLEST_BYTES as u64) << 32,
        magazine = const MAGAZINE_OFFSET,
        pieces = const Worker::PIECES_OFFSET,
        first = const Magazine::FIRST_OFFSET,
        count = const Magazine::COUNT_OFFSET,
        live = const Worker::LIVE_OFFSET,
        lock = const FUTURE_LOCK_OFFSET,
        desc = const future::DESC_OFFSET,
        waiters = const FUTURE_WAITERS_OFFSET,
        coroutine = const future::COROUTINE_OFFSET,
        pins = const future::PINS_OFFSET,
        spawned_at = const future::SPAWNED_AT_OFFSET,
        function = sym crate::exports::echo_promise_new,
    )
}

/// Body of the stub of `echo_release`: a plain stub, but for shared blocks that others own as well. Where those give them up at the same moment, the count is
/// brought back, and what remains to be done is the runtime's: nobody else knows the block any more.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[cfg(not(echo_sanitize))]
#[unsafe(naked)]
pub unsafe extern "C" fn release() {
    naked_asm!(
        ".cfi_startproc",
        "cmp dword ptr [rdi], -1",
        "jge 10f",
        "mov eax, 1",
        "lock xadd dword ptr [rdi], eax",
        "cmp eax, -1",
        "je 20f",
        "ret",
        "20: mov dword ptr [rdi], eax",
        "10: jmp {release}",
        ".cfi_endproc",
        release = sym release_otherwise,
    )
}

#[cfg(echo_sanitize)]
pub use release_otherwise as release;

/// A plain stub. All that sanitizers get, which do not see what this file does.
///
/// # Safety
/// As for [`free`].
#[unsafe(naked)]
pub unsafe extern "C" fn release_otherwise() {
    crate::plain_stub!(crate::exports::echo_release)
}

/// Body of the stub of `echo_await`: an outcome stub, but for what is most common: the coroutine is the newest or the oldest in the deque of this worker (or, where
/// that is the only one, the second newest), only the caller has its future, and its result is one word. Then this does what [`in_place`](crate::in_place) does, in the same order, and never leaves the stack in use.
///
/// ```text
///       | return address         |
/// rbp > | rbp                    |
///       | rbx r12 r13 r14 r15    |
/// rsp > | alignment              |
/// ```
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
pub unsafe extern "C" fn await_future() {
    naked_asm!(
        ".cfi_startproc",
        crate::enter_stub!(),
        "mov r11, qword ptr [rip + echo_tls@gottpoff]",
        // rax: the coroutine, rcx: the worker, r8: the entry, read before the claim: a thief claims first, and replaces it then
        "mov r8, qword ptr [rdi + {desc}]",
        "cmp word ptr [rdi + {lock}], {free_and_waiting}",
        "jne 10f",
        "mov rax, qword ptr fs:[r11]",
        "test rax, rax",
        "je 10f",
        "mov rcx, qword ptr fs:[r11 + 16]",
        "cmp dword ptr [rdi], 0", // plain
        "jle 10f",
        "test dword ptr [r8 + {learned}], {word}",
        "jz 10f",
        "cmp qword ptr [rcx + {tombstones}], 0",
        "jne 10f",
        "cmp qword ptr [rcx + {records}], 0",
        "je 10f",
        // r10, r11: the limit of the big segment before and during the call; r10 = 0 on the first segment
        "cmp byte ptr [rax + {reserve}], 0",
        "jne 10f",
        "mov r10, qword ptr [rax + 24]",
        "cmp r10, qword ptr [rax + 8]",
        "je 30f",
        "xor r10d, r10d",
        "jmp 31f",
        "30: cmp qword ptr [rax + 32], 0", // a page stack
        "je 10f",
        "mov r11, qword ptr [rax + 16]",
        "sub r11, rbp",
        "cmp r11, qword ptr [rip + {in_place_bytes}]",
        "ja 10f",
        "mov r11, rbp",
        "sub r11, qword ptr [rip + {call_bytes}]",
        // r8, r9: slots and index; take it out of the deque, if it is the newest
        "31: mov r8, qword ptr [rcx + {slots}]",
        "mov r9, qword ptr [rcx + {bottom}]",
        "dec r9",
        "and r9, qword ptr [rcx + {mask}]",
        "cmp rdi, qword ptr [r8 + r9 * 8]",
        "jne 50f",
        "cmp byte ptr [rcx + {is_alone}], 0",
        "je 40f",
        "dec qword ptr [rcx + {bottom}]",
        "32: mov r8, qword ptr [rdi + {desc}]",
        // the claim, and the free lock beside it, in one: generated code reads both soon
        "mov word ptr [rdi + {lock}], {free_and_taken}",
        ".cfi_remember_state",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        ".cfi_offset rbx, -24",
        ".cfi_offset r12, -32",
        ".cfi_offset r13, -40",
        ".cfi_offset r14, -48",
        ".cfi_offset r15, -56",
        "mov rbx, qword ptr [rcx + {records}]",
        "mov r12, qword ptr [rbx + {previous}]",
        "mov qword ptr [rcx + {records}], r12",
        "mov r12, rax",
        // the record
        "mov qword ptr [rbx + {frame}], rbp",
        "mov qword ptr [rbx + {future}], rdi",
        "mov qword ptr [rbx + {value}], rsi",
        "mov dword ptr [rbx + {position}], edx",
        "mov byte ptr [rbx + {purpose}], {awaits}",
        "mov qword ptr [rbx + {failure}], 0",
        "mov qword ptr [rbx + {big_limit}], r10",
        "mov byte ptr [rbx + {reserve_before}], 0",
        "mov rax, qword ptr [r12 + {in_place}]",
        "mov qword ptr [rbx + {previous}], rax",
        "mov rax, qword ptr [r12 + 64]",
        "mov qword ptr [rbx + {exception}], rax",
        "mov rax, qword ptr [r12 + {id}]",
        "mov qword ptr [rbx + {awaiter_id}], rax",
        "mov rax, qword ptr [r12 + 48]",
        "mov qword ptr [rbx + {awaiter_entry}], rax",
        "mov rax, qword ptr [r12 + {held}]",
        "mov qword ptr [rbx + {awaiter_held}], rax",
        "mov eax, dword ptr [r12 + {spawned_at}]",
        "mov dword ptr [rbx + {awaiter_spawned_at}], eax",
        // the identity of what is called; its future gets the type of its result
        "mov qword ptr [r12 + {in_place}], rbx",
        "mov qword ptr [r12 + 64], 0",
        "mov rax, qword ptr [rdi + {coroutine}]",
        "dec rax",
        "mov qword ptr [r12 + {id}], rax",
        "mov qword ptr [r12 + 48], r8",
        "mov qword ptr [r12 + {held}], 0",
        "mov eax, dword ptr [rdi + {future_spawned_at}]",
        "mov dword ptr [r12 + {spawned_at}], eax",
        "mov rax, qword ptr [r8 + {result}]",
        "mov qword ptr [rdi + {desc}], rax",
        "test r10, r10",
        "jz 33f",
        "mov qword ptr [r12 + 24], r11",
        "mov qword ptr [r12 + 8], r11",
        "mov qword ptr fs:[0x70], r11",
        "33: add rdi, {slot}",
        "mov rsi, rdi",
        "call qword ptr [r8]",
        // back; this may be another thread, and another worker. What is not common is done by `end`
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rcx, qword ptr fs:[rcx + 16]",
        "cmp rcx, qword ptr [rbx + {record_worker}]",
        "jne {ended}",
        "cmp qword ptr [r12 + {held}], 0",
        "jne {ended}",
        "cmp byte ptr [r12 + {reserve}], 0",
        "jne {ended}",
        "mov rax, qword ptr [rbx + {previous}]",
        "mov qword ptr [r12 + {in_place}], rax",
        "mov rax, qword ptr [rbx + {exception}]",
        "mov qword ptr [r12 + 64], rax",
        "mov rax, qword ptr [rbx + {awaiter_id}]",
        "mov qword ptr [r12 + {id}], rax",
        "mov rax, qword ptr [rbx + {awaiter_entry}]",
        "mov qword ptr [r12 + 48], rax",
        "mov rax, qword ptr [rbx + {awaiter_held}]",
        "mov qword ptr [r12 + {held}], rax",
        "mov eax, dword ptr [rbx + {awaiter_spawned_at}]",
        "mov dword ptr [r12 + {spawned_at}], eax",
        "mov rax, qword ptr [rbx + {big_limit}]",
        "test rax, rax",
        "jz 34f",
        "mov qword ptr [r12 + 24], rax",
        "mov qword ptr [r12 + 8], rax",
        "mov qword ptr fs:[0x70], rax",
        "34: mov rdi, qword ptr [rbx + {future}]",
        "mov rsi, qword ptr [rbx + {value}]",
        "mov rax, qword ptr [rdi + {slot}]",
        "mov qword ptr [rsi], rax",
        "mov dword ptr [rdi + {state}], {completed}",
        "mov rax, qword ptr [rcx + {records}]",
        "mov qword ptr [rbx + {previous}], rax",
        "mov qword ptr [rcx + {records}], rbx",
        "mov rbx, qword ptr [rbp - 8]",
        "mov r12, qword ptr [rbp - 16]",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_restore_state",
        // thieves: lower `bottom`, then look at `top`
        "40: mov r9, qword ptr [rcx + {bottom}]",
        "dec r9",
        "mov r8, r9",
        "xchg qword ptr [rcx + {bottom}], r9",
        "cmp qword ptr [rcx + {top}], r8",
        "jb 32b",
        "mov qword ptr [rcx + {bottom}], r9",
        // r8: the index of the last one there is, or was; `top` decides
        "41: push rax",
        "push r9",
        "lea r9, [r8 + 1]",
        "mov rax, r8",
        "lock cmpxchg qword ptr [rcx + {top}], r9",
        "pop r9",
        "pop rax",
        "je 32b",
        "jmp 10f",
        // the second newest, where there are no thieves: the newest takes its place
        "50: cmp byte ptr [rcx + {is_alone}], 0",
        "je 52f",
        "push rdx",
        "mov rdx, qword ptr [r8 + r9 * 8]",
        "dec r9",
        "and r9, qword ptr [rcx + {mask}]",
        "cmp rdi, qword ptr [r8 + r9 * 8]",
        "jne 51f",
        "mov qword ptr [r8 + r9 * 8], rdx",
        "pop rdx",
        "dec qword ptr [rcx + {bottom}]",
        "jmp 32b",
        // the oldest
        "51: pop rdx",
        "mov r9, qword ptr [rcx + {top}]",
        "and r9, qword ptr [rcx + {mask}]",
        "cmp rdi, qword ptr [r8 + r9 * 8]",
        "jne 10f",
        "inc qword ptr [rcx + {top}]",
        "jmp 32b",
        "52: mov r9, qword ptr [rcx + {top}]",
        "cmp r9, qword ptr [rcx + {bottom}]",
        "jae 10f",
        "push r9",
        "and r9, qword ptr [rcx + {mask}]",
        "cmp rdi, qword ptr [r8 + r9 * 8]",
        "pop r8",
        "je 41b",
        // as any outcome stub
        "10:",
        crate::outcome_call!(),
        lock = const FUTURE_LOCK_OFFSET,
        free_and_waiting = const FREE_AND_WAITING,
        free_and_taken = const TAKEN as u16 * 0x100,
        state = const FUTURE_STATE_OFFSET,
        completed = const future::COMPLETED,
        desc = const future::DESC_OFFSET,
        coroutine = const future::COROUTINE_OFFSET,
        future_spawned_at = const future::SPAWNED_AT_OFFSET,
        slot = const FUTURE_VALUE_OFFSET,
        learned = const offset_of!(EntryDesc, learned_future),
        word = const future::LEARNED_WORD,
        result = const offset_of!(EntryDesc, result),
        bottom = const Worker::UNSTARTED_OFFSET + Deque::<Future>::BOTTOM_OFFSET,
        top = const Worker::UNSTARTED_OFFSET + Deque::<Future>::TOP_OFFSET,
        mask = const Worker::UNSTARTED_OFFSET + Deque::<Future>::MASK_OFFSET,
        slots = const Worker::UNSTARTED_OFFSET + Deque::<Future>::SLOTS_OFFSET,
        is_alone = const Worker::UNSTARTED_OFFSET + Deque::<Future>::IS_ALONE_OFFSET,
        tombstones = const Worker::TOMBSTONES_OFFSET,
        reserve = const offset_of!(Coroutine, reserve_is_open),
        in_place = const offset_of!(Coroutine, in_place),
        id = const offset_of!(Coroutine, id),
        held = const offset_of!(Coroutine, held),
        spawned_at = const offset_of!(Coroutine, spawned_at),
        in_place_bytes = sym stack::IN_PLACE_BYTES,
        call_bytes = sym stack::CALL_BYTES,
        records = const Worker::RECORDS_OFFSET,
        record_worker = const offset_of!(InPlace, worker),
        frame = const offset_of!(InPlace, frame),
        previous = const offset_of!(InPlace, previous),
        awaiter_id = const offset_of!(InPlace, awaiter) + offset_of!(Identity, id),
        awaiter_entry = const offset_of!(InPlace, awaiter) + offset_of!(Identity, entry),
        awaiter_held = const offset_of!(InPlace, awaiter) + offset_of!(Identity, held),
        awaiter_spawned_at = const offset_of!(InPlace, awaiter) + offset_of!(Identity, spawned_at),
        exception = const offset_of!(InPlace, exception),
        future = const offset_of!(InPlace, future),
        value = const offset_of!(InPlace, waiting) + offset_of!(Waiting, value),
        position = const offset_of!(InPlace, waiting) + offset_of!(Waiting, position),
        purpose = const offset_of!(InPlace, waiting) + offset_of!(Waiting, purpose),
        awaits = const Purpose::Await as u8,
        failure = const offset_of!(InPlace, failure),
        big_limit = const offset_of!(InPlace, stack) + offset_of!(BeforeCall, big_limit),
        reserve_before = const offset_of!(InPlace, stack) + offset_of!(BeforeCall, reserve_is_open),
        function = sym crate::stubs::guarded::echo_await,
        outcome = sym outcome,
        ended = sym in_place_ended,
    )
}
