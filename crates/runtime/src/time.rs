//! Clocks and tickers. Deadlines are [`crate::timer`]'s.

use crate::channel::{self, Channel};
use crate::handle;
use crate::panic;
use crate::scheduler::Outcome;
use crate::timer;
use crate::value;
use std::ffi::c_void;
use std::time::{SystemTime, UNIX_EPOCH};

const NS_PER_MS: u64 = 1_000_000;

/// A monotonic clock.
pub fn now_ns() -> i64 {
    timer::now_ns() as i64
}

/// Nanoseconds since 1970 UTC.
pub fn unix_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i64,
        Err(before) => -(before.duration().as_nanos() as i64),
    }
}

/// Owns its channel like any other owner, and stops when it is the only one left, or the channel is closed.
struct Ticker {
    channel: *mut Channel,
    period_ns: u64,
    next_ns: u64,
    /// Number of the next tick.
    tick: i64,
}

/// A channel that gets the tick number every so many milliseconds. It holds one tick: a slow receiver misses some, but sees from the
/// numbers how many.
pub fn ticker(milliseconds: i64, position: u32) -> Outcome {
    if milliseconds <= 0 {
        return panic::raise(
            format!("ticker period is not positive: {milliseconds}"),
            position,
        );
    }
    // SAFETY: the descriptor of `int` is a constant.
    let outcome = unsafe { channel::new(value::int_desc(), 1, position) };
    let channel = outcome.value as usize as *mut Channel;
    // SAFETY: the channel is fresh; the second reference is the ticker's.
    unsafe { handle::retain(channel) };
    let period_ns = (milliseconds as u64).saturating_mul(NS_PER_MS);
    let next_ns = timer::now_ns().saturating_add(period_ns);
    arm(Box::new(Ticker {
        channel,
        period_ns,
        next_ns,
        tick: 1,
    }));
    outcome
}

fn arm(ticker: Box<Ticker>) {
    let deadline = ticker.next_ns;
    timer::add_background(deadline, fire, Box::into_raw(ticker).cast(), is_awaited);
}

unsafe fn fire(data: *mut c_void) {
    // SAFETY: the timer hands its ticker back.
    unsafe {
        let mut ticker = Box::from_raw(data.cast::<Ticker>());
        if handle::is_unique(ticker.channel) || (*ticker.channel).is_closed() {
            handle::release_with(ticker.channel, channel::destroy);
            return;
        }
        let mut tick = ticker.tick;
        channel::try_send(ticker.channel, (&raw mut tick).cast());
        // Ticks keep to the grid of the first one; those that are over already are missed.
        let missed = timer::now_ns().saturating_sub(ticker.next_ns) / ticker.period_ns;
        ticker.tick += 1 + missed as i64;
        ticker.next_ns = ticker
            .next_ns
            .saturating_add(ticker.period_ns.saturating_mul(1 + missed));
        arm(ticker);
    }
}

/// A ticker keeps the program going only while somebody waits for its next tick.
unsafe fn is_awaited(data: *mut c_void) -> bool {
    // SAFETY: the ticker is armed and owns its channel.
    unsafe { (*(*data.cast::<Ticker>()).channel).has_receivers() }
}

// ---- rows of the symbol table

pub unsafe extern "C" fn echo_time_now_ns() -> i64 {
    now_ns()
}

pub unsafe extern "C" fn echo_time_unix_ns() -> i64 {
    unix_ns()
}

pub unsafe fn echo_time_ticker(milliseconds: i64, position: i32) -> Outcome {
    ticker(milliseconds, position as u32)
}
