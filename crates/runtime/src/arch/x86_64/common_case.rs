//! Spawning, awaiting in place, making promises and freeing, as far as that is common: in machine code, on the stack in use, without a call of the runtime. What is not common
//! goes on in the runtime's function, as in any stub. The protocols are those of [`future`], [`in_place`], [`claim`](crate::claim)
//! and [`deque`](crate::scheduler::deque); sanitizers see none of this, so for them all of it is uncommon.

use crate::claim::WAITING;
use crate::coroutine::Coroutine;
use crate::future::{self, Future};
use crate::in_place;
use crate::memory::{self, Magazine};
use crate::scheduler::{Worker, deque::Deque};
use crate::stack;
use core::arch::naked_asm;
use core::mem::offset_of;
use echo_abi::layout::{
    EntryDesc, FUTURE_LOCK_OFFSET, FUTURE_VALUE_OFFSET, FUTURE_WAITERS_OFFSET, TypeDesc,
};

use super::{in_place_ended, outcome};

/// The lock of a future, free, and its claim, waiting, in one word.
const FREE_AND_WAITING: u16 = (WAITING as u16) << 8;

/// Of a worker's pieces of the size of most futures, behind those of the smallest size.
const MAGAZINE_OFFSET: usize =
    (future::SMALLEST_BYTES / memory::GRAIN_BYTES - 1) * size_of::<Magazine>();

/// The header of a block of that size with one owner, plain.
const SMALLEST_HEADER: u64 = 1 | (future::SMALLEST_BYTES as u64) << 32;

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

/// See [`spawn_body`].
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_spawn() {
    spawn_body!(future::SPAWNED, crate::stubs::guarded::echo_spawn)
}

/// See [`spawn_body`].
///
/// # Safety
/// As for [`echo_spawn`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_spawn_detached() {
    spawn_body!(
        future::SPAWNED_DETACHED,
        crate::stubs::guarded::echo_spawn_detached,
        "cmp r11, qword ptr [rcx + {spawn_limit}]; jae 10f",
        spawn_limit = Worker::SPAWN_LIMIT_OFFSET
    )
}

/// As [`spawn_body`], with the arguments in registers, and for futures of the size of most, whose slot has room for both words.
///
/// # Safety
/// As for [`echo_spawn`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_spawn_words() {
    naked_asm!(
        ".cfi_startproc",
        // r8: the worker, r9: its pieces, rax: the piece
        "mov r11, qword ptr [rip + echo_tls@gottpoff]",
        "mov r8, qword ptr fs:[r11 + 16]",
        "test r8, r8",
        "je 10f",
        "test dword ptr [rdi + {learned}], {smallest}",
        "jz 10f",
        "mov r9, qword ptr [r8 + {pieces}]",
        "mov rax, qword ptr [r9 + {magazine} + {first}]",
        "test rax, rax",
        "je 10f",
        // r10: `bottom`, r11: how many there are
        "mov r10, qword ptr [r8 + {bottom}]",
        "mov r11, r10",
        "sub r11, qword ptr [r8 + {top}]",
        "cmp r11, qword ptr [r8 + {mask}]",
        "ja 10f",
        "cmp byte ptr [r8 + {is_alone}], 0",
        "je 30f",
        // r11: 1 + the id
        "20: mov r11, qword ptr [r8 + {next_id}]",
        "cmp r11, qword ptr [r8 + {last_id}]",
        "je 10f",
        "inc r11",
        "mov qword ptr [r8 + {next_id}], r11",
        "mov qword ptr [rax + {coroutine}], r11",
        "mov r11, qword ptr [rax]",
        "mov qword ptr [r9 + {magazine} + {first}], r11",
        "dec qword ptr [r9 + {magazine} + {count}]",
        "mov r11, qword ptr [r8 + {live}]",
        "inc qword ptr [r11]",
        "movabs r11, {header}",
        "mov qword ptr [rax], r11",
        "movabs r11, {spawned}",
        "mov qword ptr [rax + {lock}], r11",
        "mov qword ptr [rax + {desc}], rdi",
        "mov qword ptr [rax + {waiters}], 0",
        "shl rcx, 32",
        "mov qword ptr [rax + {pins}], rcx", // and where it was spawned
        "mov qword ptr [rax + {slot}], rsi",
        "mov qword ptr [rax + {slot} + 8], rdx",
        "mov r11, r10",
        "and r11, qword ptr [r8 + {mask}]",
        "mov r9, qword ptr [r8 + {slots}]",
        "mov qword ptr [r9 + r11 * 8], rax",
        "inc r10",
        "mov qword ptr [r8 + {bottom}], r10",
        "ret",
        // whether there is something to offer to thieves
        "30: test r11, r11",
        "jz 20b",
        "cmp byte ptr [r8 + {was_robbed}], 0",
        "jne 10f",
        "cmp dword ptr [r8 + {until_wake}], 0",
        "je 10f",
        "mov r11, qword ptr [r8 + {next_id}]",
        "cmp r11, qword ptr [r8 + {last_id}]",
        "je 10f",
        "dec dword ptr [r8 + {until_wake}]",
        "jmp 20b",
        // as any outcome stub
        "10:",
        crate::enter_stub!(),
        crate::outcome_call!(),
        learned = const offset_of!(EntryDesc, learned_future),
        smallest = const future::LEARNED_SMALLEST,
        pieces = const Worker::PIECES_OFFSET,
        magazine = const MAGAZINE_OFFSET,
        first = const Magazine::FIRST_OFFSET,
        count = const Magazine::COUNT_OFFSET,
        live = const Worker::LIVE_OFFSET,
        next_id = const Worker::NEXT_ID_OFFSET,
        last_id = const Worker::LAST_ID_OFFSET,
        was_robbed = const Worker::WAS_ROBBED_OFFSET,
        until_wake = const Worker::UNTIL_WAKE_OFFSET,
        bottom = const Worker::UNSTARTED_OFFSET + Deque::<Future>::BOTTOM_OFFSET,
        top = const Worker::UNSTARTED_OFFSET + Deque::<Future>::TOP_OFFSET,
        mask = const Worker::UNSTARTED_OFFSET + Deque::<Future>::MASK_OFFSET,
        slots = const Worker::UNSTARTED_OFFSET + Deque::<Future>::SLOTS_OFFSET,
        is_alone = const Worker::UNSTARTED_OFFSET + Deque::<Future>::IS_ALONE_OFFSET,
        header = const SMALLEST_HEADER,
        spawned = const future::SPAWNED,
        lock = const FUTURE_LOCK_OFFSET,
        desc = const future::DESC_OFFSET,
        waiters = const FUTURE_WAITERS_OFFSET,
        coroutine = const future::COROUTINE_OFFSET,
        pins = const future::PINS_OFFSET,
        slot = const FUTURE_VALUE_OFFSET,
        function = sym crate::stubs::guarded::echo_spawn_words,
        outcome = sym outcome,
    )
}

const _: () = assert!(future::SPAWNED_AT_OFFSET == future::PINS_OFFSET + 4);
const _: () = assert!(future::SMALLEST_BYTES == FUTURE_VALUE_OFFSET + 16);

/// A plain stub, but for blocks of the size of most futures, while the worker has room for the piece.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_free() {
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

/// A plain stub, but for small values, while there is a piece.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_promise_new() {
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
        header = const SMALLEST_HEADER,
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
/// As for [`echo_free`].
#[unsafe(naked)]
pub unsafe extern "C" fn release_otherwise() {
    crate::plain_stub!(crate::exports::echo_release)
}

/// Body of a stub that waits for a future: an outcome stub, but for what is most common: the coroutine is the newest, the second newest or the oldest in the deque of this
/// worker, only the caller has its future, its result holds no counted references, and the caller has neither locks nor exceptions. Then this
/// does what [`in_place`] does, in the same order, and never leaves the stack in use.
///
/// ```text
///       | return address         |
/// rbp > | rbp                    |
///       | position               |
///       | awaiter                |
///       | previous               |
///       | future                 |
/// rsp > | room for two           |
/// ```
macro_rules! wait_body {
    ($function:path $(, $given_up:expr, $($name:ident = $value:expr),*)?) => {
        naked_asm!(
            ".cfi_startproc",
            crate::enter_stub!(),
            "mov r11, qword ptr [rip + echo_tls@gottpoff]",
            // rdx: the coroutine, r8: the entry, read before the claim: a thief claims first, and replaces it then
            "mov r8, qword ptr [rdi + {desc}]",
            "cmp word ptr [rdi + {lock}], {free_and_waiting}",
            "jne 10f",
            "cmp dword ptr [rdi], 0", // plain
            "jle 10f",
            "test dword ptr [r8 + {learned}], {bits}",
            "jz 10f",
            "mov rdx, qword ptr fs:[r11]",
            "test rdx, rdx",
            "je 10f",
            "movzx eax, byte ptr [rdx + {reserve}]",
            "or rax, qword ptr [rdx + {held}]",
            "or rax, qword ptr [rdx + 64]",
            "jnz 10f",
            // whether the limit can stay where it is
            "mov rax, rbp",
            "sub rax, qword ptr [rdx + 8]",
            "cmp rax, qword ptr [rip + {call_bytes}]",
            "jb 30f",
            // rcx: the worker, r9, r10: slots and index; take it out of the deque, if it is the newest
            "31: mov rcx, qword ptr fs:[r11 + 16]",
            "mov r9, qword ptr [rcx + {slots}]",
            "mov r10, qword ptr [rcx + {bottom}]",
            "dec r10",
            "mov rax, r10",
            "and rax, qword ptr [rcx + {mask}]",
            "cmp rdi, qword ptr [r9 + rax * 8]",
            "jne 50f",
            "cmp byte ptr [rcx + {is_alone}], 0",
            "je 40f",
            "mov qword ptr [rcx + {bottom}], r10",
            "32: mov esi, esi",
            ".cfi_remember_state",
            crate::begin_in_place!(),
            "call qword ptr [r8]",
            // back; this may be another thread, and another worker. What is not common is done by `end`
            "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
            "mov rdx, qword ptr fs:[rcx]",
            "movzx eax, byte ptr [rdx + {reserve}]",
            "or rax, qword ptr [rdx + {held}]",
            "jnz {ended}",
            "mov rdi, qword ptr [rsp + {future}]",
            "mov rax, qword ptr [rsp + {previous}]",
            "mov qword ptr [rdx + {in_place}], rax",
            "mov rax, qword ptr [rsp + {awaiter}]",
            "mov qword ptr [rdx + {holder}], rax",
            $($given_up,)?
            // it has started and been claimed, and is settled
            "60: mov r8, qword ptr [rdi + {desc}]",
            "mov r8, qword ptr [r8 + {result}]",
            "mov qword ptr [rdi + {desc}], r8",
            "movabs r8, {completed}",
            "mov qword ptr [rdi + {lock}], r8",
            "xor eax, eax",
            "leave",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_restore_state",
            // on the first segment, or the limit has to be moved
            "30: mov rax, qword ptr [rdx + 24]",
            "cmp rax, qword ptr [rdx + 8]",
            "jne 31b",
            "jmp 10f",
            // thieves: lower `bottom`, then look at `top`
            "40: mov rax, r10",
            "xchg qword ptr [rcx + {bottom}], rax",
            "cmp qword ptr [rcx + {top}], r10",
            "jb 32b",
            "mov qword ptr [rcx + {bottom}], rax",
            // r10: the index of the last one there is, or was; `top` decides
            "41: lea r9, [r10 + 1]",
            "mov rax, r10",
            "lock cmpxchg qword ptr [rcx + {top}], r9",
            "je 32b",
            "jmp 10f",
            // the second newest, where there are no thieves: the newest takes its place
            "50: cmp byte ptr [rcx + {is_alone}], 0",
            "je 52f",
            "mov r11, qword ptr [r9 + rax * 8]",
            "lea rax, [r10 - 1]",
            "and rax, qword ptr [rcx + {mask}]",
            "cmp rdi, qword ptr [r9 + rax * 8]",
            "jne 51f",
            "mov qword ptr [r9 + rax * 8], r11",
            "mov qword ptr [rcx + {bottom}], r10",
            "jmp 32b",
            // the oldest
            "51: mov rax, qword ptr [rcx + {top}]",
            "and rax, qword ptr [rcx + {mask}]",
            "cmp rdi, qword ptr [r9 + rax * 8]",
            "jne 10f",
            "inc qword ptr [rcx + {top}]",
            "jmp 32b",
            // the second newest: lower `bottom` by two, then look at `top`; if it is the oldest as well, `top` decides
            "52: lea r11, [r10 - 1]",
            "mov rax, r11",
            "and rax, qword ptr [rcx + {mask}]",
            "cmp rdi, qword ptr [r9 + rax * 8]",
            "jne 53f",
            "cmp qword ptr [rcx + {top}], r11",
            "jae 53f",
            "xchg qword ptr [rcx + {bottom}], r11",
            "dec r10",
            "cmp qword ptr [rcx + {top}], r10",
            "jae 54f",
            "inc r10",
            "mov r11, r10",
            "and r11, qword ptr [rcx + {mask}]",
            "mov r11, qword ptr [r9 + r11 * 8]",
            "mov qword ptr [r9 + rax * 8], r11",
            "mov qword ptr [rcx + {bottom}], r10",
            "jmp 32b",
            "54: mov qword ptr [rcx + {bottom}], r11",
            "jmp 10f",
            "53: mov r10, qword ptr [rcx + {top}]",
            "cmp r10, qword ptr [rcx + {bottom}]",
            "jae 10f",
            "mov rax, r10",
            "and rax, qword ptr [rcx + {mask}]",
            "cmp rdi, qword ptr [r9 + rax * 8]",
            "je 41b",
            // as any outcome stub
            "10:",
            crate::outcome_call!(),
            lock = const FUTURE_LOCK_OFFSET,
            free_and_waiting = const FREE_AND_WAITING,
            completed = const future::COMPLETED,
            desc = const future::DESC_OFFSET,
            coroutine = const future::COROUTINE_OFFSET,
            slot = const FUTURE_VALUE_OFFSET,
            learned = const offset_of!(EntryDesc, learned_future),
            bits = const future::LEARNED_BITS,
            result = const offset_of!(EntryDesc, result),
            bottom = const Worker::UNSTARTED_OFFSET + Deque::<Future>::BOTTOM_OFFSET,
            top = const Worker::UNSTARTED_OFFSET + Deque::<Future>::TOP_OFFSET,
            mask = const Worker::UNSTARTED_OFFSET + Deque::<Future>::MASK_OFFSET,
            slots = const Worker::UNSTARTED_OFFSET + Deque::<Future>::SLOTS_OFFSET,
            is_alone = const Worker::UNSTARTED_OFFSET + Deque::<Future>::IS_ALONE_OFFSET,
            reserve = const offset_of!(Coroutine, reserve_is_open),
            in_place = const offset_of!(Coroutine, in_place),
            holder = const offset_of!(Coroutine, holder),
            held = const offset_of!(Coroutine, held),
            call_bytes = sym stack::CALL_BYTES,
            future = const in_place::FUTURE_OFFSET,
            previous = const in_place::PREVIOUS_OFFSET,
            awaiter = const in_place::AWAITER_OFFSET,
            $($($name = const $value,)*)?
            function = sym $function,
            outcome = sym outcome,
            ended = sym in_place_ended,
        )
    };
}

/// See [`wait_body`].
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's, with the arguments that the table of symbols says.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_future_wait() {
    wait_body!(crate::stubs::guarded::echo_future_wait)
}

/// As [`wait_body`]; where nobody else has the future, and it has the size of most, its block becomes free at once, as long as the worker has room for the piece.
/// The value is still there: only the beginning of a free piece is written to, and nobody else gets it before this thread allocates or frees.
///
/// # Safety
/// As for [`echo_future_wait`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_future_wait_last() {
    wait_body!(
        crate::stubs::guarded::echo_future_wait_last,
        "movabs r8, {header}
         cmp qword ptr [rdi], r8
         jne 60f
         mov rcx, qword ptr fs:[rcx + 16]
         mov r9, qword ptr [rcx + {pieces}]
         mov rax, qword ptr [r9 + {magazine} + {count}]
         inc rax
         cmp rax, {batch}
         jge 60f
         mov qword ptr [r9 + {magazine} + {count}], rax
         mov r8, qword ptr [r9 + {magazine} + {first}]
         mov qword ptr [rdi], r8
         mov qword ptr [r9 + {magazine} + {first}], rdi
         mov r11, qword ptr [rcx + {live}]
         dec qword ptr [r11]
         mov eax, 1
         leave
         .cfi_def_cfa rsp, 8
         ret
         .cfi_def_cfa rbp, 16",
        header = SMALLEST_HEADER,
        batch = memory::batch(future::SMALLEST_BYTES),
        pieces = Worker::PIECES_OFFSET,
        magazine = MAGAZINE_OFFSET,
        first = Magazine::FIRST_OFFSET,
        count = Magazine::COUNT_OFFSET,
        live = Worker::LIVE_OFFSET
    )
}
