//! Suspending a coroutine. Most often the next one is at hand: then the thread goes on with that at once, on its stack, and not by way of the worker's loop.
//!
//! What is done here is what that loop does with a coroutine that yields or parks, and with the one that it takes next, in the same order, as long as it
//! would look at nothing but `run_next` and the queue: nothing is due, it is not fairness's turn, what has not started does not come first. Else the coroutine goes
//! [`back`] to the loop. So it does for sanitizers, which are told of each turn there.
//!
//! A coroutine that is suspended is somebody else's as soon as it is in the queue, or the lock that it waits under is free. So that comes last, when its stack is not
//! in use any more: the handler of a signal would write there.

use core::arch::naked_asm;

use super::{back, outcome};

/// Body of the stub of `echo_yield`: an outcome stub, but that no function is called for a coroutine.
///
/// # Safety
/// Called by generated code only, on a coroutine's stack or a plain thread's.
#[unsafe(naked)]
pub unsafe extern "C" fn yield_now() {
    naked_asm!(
        ".cfi_startproc",
        crate::enter_stub!(),
        "mov rcx, qword ptr [rip + echo_tls@gottpoff]",
        "mov rsi, qword ptr fs:[rcx]",
        "test rsi, rsi",
        "je 10f",
        "mov edx, {yields}",
        "jmp {suspend}",
        // a plain thread
        "10: call {function}",
        "test edx, edx",
        "jne {outcome}",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        yields = const crate::outcome::YIELD,
        suspend = sym suspend,
        function = sym crate::stubs::guarded::echo_yield,
        outcome = sym outcome,
    )
}

/// Saves the registers as if the call of the stub had done so. rsi: the coroutine, rbp: the stub's frame.
macro_rules! save {
    () => {
        "mov rsp, rbp
         push rbx
         push r12
         push r13
         push r14
         push r15
         mov qword ptr [rsi], rsp"
    };
}

#[cfg(not(echo_sanitize))]
pub(super) use direct::suspend;
#[cfg(echo_sanitize)]
pub(super) use watched::suspend;

#[cfg(not(echo_sanitize))]
mod direct {
    use super::back;
    use crate::coroutine::{Coroutine, State};
    use crate::outcome;
    use crate::scheduler::queue::{CAPACITY, Queue};
    use crate::scheduler::{Worker, deque::Deque, worker};
    use core::arch::naked_asm;
    use core::mem::offset_of;

    /// Suspends the coroutine in rsi. Reached by a jump with rbp = the stub's frame, rcx = the thread's block, edx = the status of an outcome that yields or
    /// parks, and rax = its value, if it parks.
    #[unsafe(naked)]
    pub(in super::super) unsafe extern "C" fn suspend() {
        naked_asm!(
            save!(),
            // rdi: the worker, r8: the lock to be released
            "mov rdi, qword ptr fs:[rcx + 16]",
            "mov r8, rax",
            "mov rax, qword ptr [rdi + {turns}]",
            "cmp byte ptr [rdi + {due}], 0",
            "jne 90f",
            "cmp rax, qword ptr [rdi + {fair_turn}]",
            "jae 90f",
            "cmp edx, {yields}",
            "jne 30f",
            // who was preempted after a long turn does not wait in the queue
            "cmp rax, qword ptr [rdi + {overlong_turn}]",
            "je 90f",
            "cmp qword ptr [rdi + {run_next}], 0",
            "jne 90f",
            look_at_queue!(),
            "je 25f",
            peek!(),
            "cmp byte ptr [rdi + {is_alone}], 0",
            "je 20f",
            "mov dword ptr [rdi + {head}], r10d",
            "11:",
            taken!(),
            switch!(),
            // to the back of the queue, where there is room: one was taken
            "mov byte ptr [rsi + {state}], {ready}",
            "movzx r10d, r11b",
            "mov qword ptr [rdi + {slots} + r10 * 8], rsi",
            "inc r11d",
            "mov dword ptr [rdi + {tail}], r11d",
            go_on!(),
            // whether there is a sleeper to wake
            "20: cmp byte ptr [rdi + {was_robbed}], 0",
            "jne 90f",
            "cmp dword ptr [rdi + {until_wake}], 0",
            "je 90f",
            take_shared!(),
            "dec dword ptr [rdi + {until_wake}]",
            "jmp 11b",
            // nobody else is here: its turn is over, and it has the next one
            "25: mov r10, qword ptr [rdi + {preempted}]",
            "cmp qword ptr [r10], 0",
            "jne 90f",
            "add qword ptr [rdi + {turns}], 2",
            "mov dword ptr [rdi + {streak}], 0",
            "mov rax, qword ptr [rsi + {limit}]",
            "mov qword ptr fs:[0x70], rax",
            "mov rax, qword ptr [rsi + {wake_value}]",
            "mov rsp, rbp",
            "pop rbp",
            "ret",
            // park; a hook is for the loop
            "30: test r8, r8",
            "je 90f",
            "mov r9, qword ptr [rdi + {run_next}]",
            "cmp qword ptr [rsi + {big_top}], 0",
            "jne 50f",
            "34: test r9, r9",
            "je 40f",
            "cmp dword ptr [rdi + {streak}], {max_streak}",
            "jae 90f",
            "cmp byte ptr [rdi + {is_alone}], 0",
            "je 31f",
            "mov qword ptr [rdi + {run_next}], 0",
            "jmp 32f",
            "31: mov rax, r9",
            "xor r10d, r10d",
            "lock cmpxchg qword ptr [rdi + {run_next}], r10",
            "jne 90f",
            "32: inc dword ptr [rdi + {streak}]",
            "33:",
            switch!(),
            "mov byte ptr [r8], 0",
            go_on!(),
            "40:",
            look_at_queue!(),
            "je 90f",
            peek!(),
            "cmp byte ptr [rdi + {is_alone}], 0",
            "je 41f",
            "mov dword ptr [rdi + {head}], r10d",
            "jmp 42f",
            "41:",
            take_shared!(),
            "42:",
            taken!(),
            "jmp 33b",
            // a big segment that is not in use is given up
            "50: mov rax, qword ptr [rsi + {big_limit}]",
            "cmp rax, qword ptr [rsi + {limit}]",
            "je 34b",
            "90: mov rsp, qword ptr fs:[rcx + 8]",
            "mov eax, edx",
            "mov rdx, r8",
            "jmp {back}",
            yields = const outcome::YIELD,
            due = const Worker::DUE_OFFSET,
            turns = const Worker::TURNS_OFFSET,
            fair_turn = const Worker::FAIR_TURN_OFFSET,
            preempted = const Worker::PREEMPTED_OFFSET,
            overlong_turn = const Worker::OVERLONG_TURN_OFFSET,
            was_robbed = const Worker::WAS_ROBBED_OFFSET,
            until_wake = const Worker::UNTIL_WAKE_OFFSET,
            run_next = const Worker::RUN_NEXT_OFFSET,
            streak = const Worker::STREAK_OFFSET,
            max_streak = const worker::MAX_STREAK,
            is_alone = const Worker::UNSTARTED_OFFSET + Deque::<Coroutine>::IS_ALONE_OFFSET,
            bottom = const Worker::UNSTARTED_OFFSET + Deque::<Coroutine>::BOTTOM_OFFSET,
            top = const Worker::UNSTARTED_OFFSET + Deque::<Coroutine>::TOP_OFFSET,
            head = const Worker::QUEUE_OFFSET + Queue::<Coroutine>::HEAD_OFFSET,
            tail = const Worker::QUEUE_OFFSET + Queue::<Coroutine>::TAIL_OFFSET,
            slots = const Worker::QUEUE_OFFSET + Queue::<Coroutine>::SLOTS_OFFSET,
            long_queue = const worker::LONG_QUEUE,
            big_top = const offset_of!(Coroutine, big_top),
            big_limit = const offset_of!(Coroutine, big_limit),
            limit = const offset_of!(Coroutine, limit),
            wake_value = const offset_of!(Coroutine, wake_value),
            state = const offset_of!(Coroutine, state),
            ready = const State::Ready as u8,
            running = const State::Running as u8,
            back = sym back,
        )
    }

    /// The slot of an index is its lowest byte.
    const _: () = assert!(CAPACITY == 1 << u8::BITS);

    /// Whether the queue is empty; its turn it is, or 90's. eax: `head`, r11d: `tail`.
    macro_rules! look_at_queue {
        () => {
            "mov rax, qword ptr [rdi + {bottom}]
             cmp rax, qword ptr [rdi + {top}]
             ja 90f
             mov eax, dword ptr [rdi + {head}]
             mov r11d, dword ptr [rdi + {tail}]
             cmp eax, r11d"
        };
    }

    /// Looks at the oldest in the queue, r9, if that has a stack, or else to 90; r10d: the index behind it.
    macro_rules! peek {
        () => {
            "movzx r10d, al
             mov r9, qword ptr [rdi + {slots} + r10 * 8]
             lea r10d, [rax + 1]
             cmp qword ptr [r9], 0
             je 90f"
        };
    }

    /// Takes what `peek` has found, if no thief has.
    macro_rules! take_shared {
        () => {
            "lock cmpxchg dword ptr [rdi + {head}], r10d
             jne 90f"
        };
    }

    /// What `peek` has found is taken. In a long queue the next ones are likely to be in memory only: fetches the stack of the first, and the block of the second.
    macro_rules! taken {
        () => {
            "cmp dword ptr [rdi + {streak}], 0
             je 76f
             mov dword ptr [rdi + {streak}], 0
             76: mov eax, r11d
             sub eax, r10d
             cmp eax, {long_queue}
             jb 77f
             movzx eax, r10b
             mov rax, qword ptr [rdi + {slots} + rax * 8]
             mov rax, qword ptr [rax]
             prefetcht0 byte ptr [rax]
             prefetcht0 byte ptr [rax + 64]
             inc r10d
             movzx eax, r10b
             mov rax, qword ptr [rdi + {slots} + rax * 8]
             prefetcht0 byte ptr [rax]
             77:"
        };
    }

    /// The thread runs r9 from now on, and is on its stack. rax: what the call that suspended it returns.
    macro_rules! switch {
        () => {
            "add qword ptr [rdi + {turns}], 2
             mov byte ptr [r9 + {state}], {running}
             mov qword ptr fs:[rcx], r9
             mov rsp, qword ptr [r9]
             mov rax, qword ptr [r9 + {limit}]
             mov qword ptr fs:[0x70], rax
             mov rax, qword ptr [r9 + {wake_value}]"
        };
    }

    /// Returns from the call that suspended the coroutine.
    macro_rules! go_on {
        () => {
            "pop r15
             pop r14
             pop r13
             pop r12
             pop rbx
             pop rbp
             pop rcx
             jmp rcx"
        };
    }

    use {go_on, look_at_queue, peek, switch, take_shared, taken};
}

#[cfg(echo_sanitize)]
mod watched {
    use super::back;
    use core::arch::naked_asm;

    /// Suspends the coroutine in rsi. Reached by a jump with rbp = the stub's frame, rcx = the thread's block, and the outcome, which yields or parks, in rax and
    /// edx.
    #[unsafe(naked)]
    pub(in super::super) unsafe extern "C" fn suspend() {
        naked_asm!(
            save!(),
            "mov rsp, qword ptr fs:[rcx + 8]",
            "xchg rax, rdx",
            "jmp {back}",
            back = sym back,
        )
    }
}
