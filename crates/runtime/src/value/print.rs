//! Standard output.
//!
//! What is printed is appended to one buffer as a whole, so that prints never mix, and the buffer is written by whoever fills it, by [`flush`], and
//! after every print when a person is watching (a terminal).
//!
//! # Locks
//! * `PENDING` guards the buffer and is held for an append or a swap.
//! * `OUTPUT` is held by the one who writes, from before the buffer is taken until its last byte is out: text leaves in the order in which it was
//!   appended. It is taken before `PENDING`. Writing may block the thread; those who only append go on until the buffer is full.
//!
//! # Errors
//! A reader that has gone away ends the process by SIGPIPE, as it would have when Rust had not disabled that signal: a program that prints for ever must
//! end. A closed descriptor takes nothing, silently; any other error is reported once, what follows is discarded, and the process ends with an exit
//! code that says so ([`has_lost`]).

use super::format::Formatter;
use super::string::text;
use super::walk::desc;
use crate::lock::SpinMutex;
use crate::sanitize::sync::{Mutex, MutexGuard, OnceLock};
use std::io::{Error, IsTerminal};
use std::sync::PoisonError;

/// Text waiting to be written, at most about so much when nobody watches.
const BUFFER_BYTES: usize = 64 << 10;

static PENDING: SpinMutex<Vec<u8>> = SpinMutex::new(Vec::new());
static OUTPUT: Mutex<Output> = Mutex::new(Output {
    spare: Vec::new(),
    is_muted: false,
    is_closed: false,
    has_lost: false,
});

struct Output {
    /// The buffer that takes turns with the pending one.
    spare: Vec<u8>,
    /// What is printed is discarded.
    is_muted: bool,
    /// Nothing can be written any more.
    is_closed: bool,
    /// Something could not be written, which was reported.
    has_lost: bool,
}

/// Prints a text as one piece.
pub fn print(text: &str) {
    let bytes = text.as_bytes();
    if bytes.len() >= BUFFER_BYTES {
        let mut output = lock_output();
        output.drain();
        output.write(bytes);
        return;
    }
    let waiting = {
        let mut pending = PENDING.lock();
        pending.extend_from_slice(bytes);
        pending.len()
    };
    if waiting > limit() {
        lock_output().drain();
    }
}

/// Writes everything that has been printed. Returns when it is out, also what another thread is writing.
pub fn flush() {
    lock_output().drain();
}

/// As [`flush`], but leaves alone what another thread is writing; for workers that go idle and for the monitor.
pub fn flush_pending() {
    if !PENDING.lock().is_empty() {
        flush();
    }
}

/// Whether something that was printed could not be written.
pub fn has_lost() -> bool {
    lock_output().has_lost
}

/// Whether what is printed from now on is discarded.
pub fn mute(yes: bool) {
    let mut output = lock_output();
    output.drain();
    output.is_muted = yes;
}

/// Bytes that may wait in the buffer.
fn limit() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        // A last resort: a process that ends in an orderly way loses nothing.
        // SAFETY: the function may be called at any time.
        unsafe { libc::atexit(flush_at_exit) };
        match std::io::stdout().is_terminal() {
            true => 0,
            false => BUFFER_BYTES,
        }
    })
}

extern "C" fn flush_at_exit() {
    flush();
}

fn lock_output() -> MutexGuard<'static, Output> {
    OUTPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    /// Writes what is pending.
    fn drain(&mut self) {
        let mut taken = std::mem::take(&mut self.spare);
        std::mem::swap(&mut taken, &mut *PENDING.lock());
        self.write(&taken);
        taken.clear();
        self.spare = taken;
    }

    /// Writes all of it, or finds that nothing can be written.
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_muted && !self.is_closed {
            // SAFETY: the bytes are valid during the call.
            let written =
                unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
            match written {
                1.. => bytes = &bytes[written as usize..],
                0 => self.close(&Error::from_raw_os_error(libc::EIO)),
                _ => self.recover(&Error::last_os_error()),
            }
        }
    }

    fn recover(&mut self, error: &Error) {
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EAGAIN) => wait_writable(),
            Some(libc::EPIPE) => end_by_sigpipe(),
            _ => self.close(error),
        }
    }

    fn close(&mut self, error: &Error) {
        self.is_closed = true;
        if error.raw_os_error() != Some(libc::EBADF) {
            self.has_lost = true;
            eprintln!("error: cannot write to standard output: {error}");
        }
    }
}

/// Waits until a non-blocking standard output takes more.
fn wait_writable() {
    let mut poll = libc::pollfd {
        fd: libc::STDOUT_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one valid entry. When it fails the write is tried again.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

/// Ends the process the way a closed pipe ends processes.
fn end_by_sigpipe() -> ! {
    // SAFETY: these calls may be made at any time; the last does not return.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::raise(libc::SIGPIPE);
        // The signal is blocked.
        libc::_exit(128 + libc::SIGPIPE)
    }
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_print(value: *mut u8, of: *mut u8) {
    Formatter::with_scratch(|scratch| {
        // SAFETY: the contract of the table.
        unsafe { scratch.value(value, desc(of)) };
        scratch.text("\n");
        print(scratch.as_str());
    });
}

pub unsafe extern "C" fn echo_print_string(block: *mut u8) {
    // SAFETY: the contract of the table.
    print(unsafe { text(block) });
}

pub unsafe extern "C" fn echo_print_int(number: i64) {
    Formatter::with_scratch(|scratch| {
        scratch.integer(number);
        print(scratch.as_str());
    });
}
