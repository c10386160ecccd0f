//! The parker: a notification is never lost, whenever it comes, and brings what was done before it.

#![cfg(loom)]

use echo_runtime_loom::scheduler::idle::Parker;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

struct Mail {
    parker: Parker,
    letter: UnsafeCell<u32>,
}

impl Mail {
    fn new() -> Arc<Mail> {
        Arc::new(Mail {
            parker: Parker::new(),
            letter: UnsafeCell::new(0),
        })
    }

    fn write(&self) {
        // SAFETY: loom checks that nobody reads it meanwhile.
        self.letter.with_mut(|letter| unsafe { *letter += 1 });
        self.parker.notify();
    }

    fn read(&self) -> u32 {
        // SAFETY: as above.
        self.letter.with(|letter| unsafe { *letter })
    }
}

/// Catches a `park` that sleeps without looking at the word, a `notify` that does not wake or wakes before it writes the word, and relaxed orderings.
#[test]
fn a_notification_is_never_lost() {
    loom::model(|| {
        let mail = Mail::new();
        let sleeper = thread::spawn({
            let mail = mail.clone();
            move || {
                while !mail.parker.park(None) {}
                assert_eq!(mail.read(), 1);
            }
        });
        mail.write();
        sleeper.join().expect("no panic");
    });
}

/// Two notifications may become one, but not none.
#[test]
fn notifications_of_two_threads_are_one_or_two() {
    loom::model(|| {
        let mail = Mail::new();
        let others = [(); 2].map(|()| {
            let mail = mail.clone();
            thread::spawn(move || mail.parker.notify())
        });
        while !mail.parker.park(None) {}
        for other in others {
            other.join().expect("no panic");
        }
        let _ = mail.parker.park(Some(Duration::ZERO));
        assert!(!mail.parker.park(Some(Duration::ZERO)));
    });
}

/// A sleeper whose time is up keeps a notification that comes at that moment for the next time.
#[test]
fn a_notification_is_not_lost_to_a_time_limit() {
    loom::model(|| {
        let mail = Mail::new();
        let writer = thread::spawn({
            let mail = mail.clone();
            move || mail.write()
        });
        if !mail.parker.park(Some(Duration::ZERO)) {
            while !mail.parker.park(None) {}
        }
        assert_eq!(mail.read(), 1);
        writer.join().expect("no panic");
    });
}
