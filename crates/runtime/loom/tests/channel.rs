//! Channels: what is sent is received once, or dropped by a sender that is told, in order; whoever waits is woken.

#![cfg(loom)]

use echo_runtime_loom::parties::{Items, model};
use loom::thread::{self, JoinHandle};

/// The channel as another thread uses it.
fn with<T: 'static>(channel: &Items, act: impl FnOnce(Items) -> T + 'static) -> JoinHandle<T> {
    let channel = channel.clone();
    thread::spawn(move || act(channel))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

/// Catches a wake-up under the lock's protection only for the value (`done` stored relaxed), and a lock released before the waiter is queued.
#[test]
fn a_rendezvous_hands_the_value_over() {
    model(3, || {
        let channel = Items::new(0);
        let sender = with(&channel, |channel| assert!(channel.send(7)));
        assert_eq!(channel.receive(), Some(7));
        join(sender);
    });
}

/// Catches a receive that takes the value of the waiting sender before that in the buffer.
#[test]
fn values_keep_their_order_through_a_full_buffer() {
    model(3, || {
        let channel = Items::new(1);
        let sender = with(&channel, |channel| {
            (1..=3).for_each(|contents| assert!(channel.send(contents)));
        });
        (1..=3).for_each(|contents| assert_eq!(channel.receive(), Some(contents)));
        join(sender);
    });
}

/// Catches a sender that does not look again under the lock.
#[test]
fn two_senders_and_two_receivers_pair_up() {
    model(2, || {
        let channel = Items::new(0);
        let senders =
            [1, 2].map(|contents| with(&channel, move |channel| assert!(channel.send(contents))));
        let receiver = with(&channel, |channel| channel.receive());
        let received = [channel.receive(), join(receiver)];
        assert!(received == [Some(1), Some(2)] || received == [Some(2), Some(1)]);
        senders.into_iter().for_each(join);
    });
}

/// Catches a `close` that sets the mark after it has taken the waiters out, and one that leaves the value of a waiting
/// sender undropped.
#[test]
fn close_wakes_a_sender_or_comes_too_late() {
    model(3, || {
        let channel = Items::new(0);
        let sender = with(&channel, |channel| channel.send(7));
        let closer = with(&channel, |channel| channel.close());
        let received = channel.receive();
        let sent = join(sender);
        join(closer);
        assert_eq!(received, sent.then_some(7));
    });
}

/// As above for a receiver.
#[test]
fn close_wakes_a_receiver() {
    model(3, || {
        let channel = Items::new(1);
        let receiver = with(&channel, |channel| (channel.receive(), channel.receive()));
        let sent = channel.send(7);
        channel.close();
        assert!(sent);
        assert_eq!(join(receiver), (Some(7), None));
    });
}

/// Catches a receive that takes a value that a poll has taken.
#[test]
fn a_poll_and_a_receive_take_different_values() {
    model(2, || {
        let channel = Items::new(1);
        assert!(channel.send(1));
        let sender = with(&channel, |channel| assert!(channel.send(2)));
        let receiver = with(&channel, |channel| channel.receive());
        let polled = channel.try_receive();
        let received = join(receiver);
        join(sender);
        let rest = channel.try_receive();
        let mut all: Vec<u64> = [polled, received, rest].into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        assert!(received.is_some());
    });
}

/// What a quick look reads without the lock does not lead to a value that is not there, or to one that is lost.
#[test]
fn polls_pair_up_with_blocking_operations() {
    model(3, || {
        let channel = Items::new(0);
        let receiver = with(&channel, |channel| channel.receive());
        let sent = channel.try_send(7);
        channel.close();
        assert_eq!(join(receiver), sent.then_some(7));
    });
}
