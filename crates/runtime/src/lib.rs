//! The Echo runtime: stackful coroutines on all cores, and what they talk through.
//!
//! The files stack bottom-up; a lower one never calls a higher one:
//!
//! ```text
//! arch        registers, stack switching, __morestack, stubs       (the only assembly)
//! door        the atomics, locks and threads of the code that loom checks
//! sanitize    what sanitizers have to be told
//! lock        spin locks for short sections
//! node_memory memory on the NUMA nodes, and what belongs to each
//! memory      recycled pieces of memory
//! os_thread   the threads of workers and of the monitor
//! parked      big segments of coroutines that stay parked
//! stack       segments, big segments, page stacks, control blocks' memory
//! outcome     what a runtime function tells its stub: return, yield, park, raise
//! failure     why a coroutine failed; reports of failures
//! claim       who runs a coroutine that has not run yet
//! coroutine   the control block, spawn, park and wake state
//! panic       starting a panic; unwind: the stop function; position: return addresses to lines
//! timer       deadlines
//! scheduler   workers, queues, idling, readiness; monitor: preemption and late timers
//! future channel select sync time     what programs use; in_place: awaiting what has not started
//! value       strings, arrays, maps and the generic walks over a TypeDesc
//! exports     one function per row of the symbol table; stubs: their machine entry points
//! program     running a whole program, exit codes, deadlock
//! c_api       what `include/echo.h` offers besides the rows of the symbol table
//! ```
//!
//! # Rules
//! * Runtime functions run on the worker's stack, never on a coroutine's; generated code reaches them through stubs only.
//! * A runtime function never blocks its thread and never unwinds into its caller: it returns an [`outcome::Outcome`].
//! * Thread-locals of the scheduler are read through [`arch`] only, afresh each time: a coroutine can wake on another thread.
//! * A lock that guards an object people wait on is released by the scheduler, after the parked coroutine's stack pointer is saved.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("only x86-64 Linux has an `arch` module so far");

pub mod arch;
pub mod c_api;
pub mod channel;
mod claim;
pub mod coroutine;
mod deadlines;
mod door;
pub mod exports;
pub mod failure;
pub mod future;
pub mod handle;
pub mod in_place;
pub mod lock;
mod memory;
mod node_memory;
mod os_thread;
pub mod outcome;
pub mod panic;
mod parked;
pub mod position;
pub mod program;
pub mod random;
pub mod registry;
pub mod report;
mod sanitize;
pub mod scheduler;
pub mod select;
pub mod stack;
pub mod stubs;
pub mod sync;
pub mod time;
pub mod timer;
pub mod unwind;
pub mod value;
pub mod waiter;
