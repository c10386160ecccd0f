//! The implementation of every row of the symbol table, under its own name.
//!
//! `plain` rows are `unsafe extern "C" fn` of exactly the table's machine types (`ptr` is `*mut u8`); all others are
//! `unsafe fn(…) -> Outcome` (also those whose result is `void`: return `Outcome::DONE`). The stubs in [`crate::stubs`] call them on the worker's
//! stack.

pub use crate::channel::{
    echo_chan_cap, echo_chan_close, echo_chan_is_closed, echo_chan_len, echo_chan_new,
    echo_chan_receive, echo_chan_receive_option, echo_chan_send, echo_chan_send_result,
    echo_chan_try_receive, echo_chan_try_send,
};
pub use crate::future::{
    echo_all, echo_await, echo_future_is_done, echo_future_on_done, echo_future_wait,
    echo_future_wait_last, echo_promise_new, echo_promise_reject, echo_promise_resolve, echo_race,
    echo_spawn, echo_spawn_detached, echo_spawn_words, echo_try_await,
};
pub use crate::panic::{
    echo_panic, echo_panic_divide, echo_panic_index, echo_panic_overflow, echo_panic_text,
};
pub use crate::program::{echo_exit, echo_poll, echo_sleep, echo_yield};
pub use crate::select::echo_select;
pub use crate::sync::rows::*;
pub use crate::time::{echo_time_now_ns, echo_time_ticker, echo_time_unix_ns};
pub use crate::value::*;
