//! Select: one case takes effect, the others have changed nothing; no value is lost or comes twice; nobody sleeps for ever.

#![cfg(loom)]

use echo_abi::layout::{SELECT_FOREVER, SELECT_POLL};
use echo_runtime_loom::deadlines;
use echo_runtime_loom::parties::{Case, Chosen, Items, model, select};
use loom::thread::{self, JoinHandle};

fn with<T: 'static>(
    channels: [&Items; 2],
    act: impl FnOnce(&Items, &Items) -> T + 'static,
) -> JoinHandle<T> {
    let [first, second] = channels.map(Items::clone);
    thread::spawn(move || act(&first, &second))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

fn receive_either(first: &Items, second: &Items, timeout_ms: i64) -> Chosen {
    select([Case::Receive(first), Case::Receive(second)], timeout_ms)
}

/// Catches a claim that is not one atomic step (both senders think they were received from).
#[test]
fn of_two_senders_one_is_received_and_the_other_still_waits() {
    model(2, || {
        let (first, second) = (Items::new(0), Items::new(0));
        let senders = [
            with([&first, &second], |first, _| assert!(first.send(1))),
            with([&first, &second], |_, second| assert!(second.send(2))),
        ];
        match receive_either(&first, &second, SELECT_FOREVER) {
            Chosen::Case(0, Some(1)) => assert_eq!(second.receive(), Some(2)),
            Chosen::Case(1, Some(2)) => assert_eq!(first.receive(), Some(1)),
            other => panic!("{other:?}"),
        }
        senders.into_iter().for_each(join);
    });
}

/// Catches a claim won while the select was still queueing whose winner wakes the caller at once (it is woken before it sleeps, and its block freed
/// under it), and one where neither of the two ends the select.
#[test]
fn a_select_is_claimed_while_it_queues() {
    model(3, || {
        let (first, second) = (Items::new(0), Items::new(0));
        let sender = with([&first, &second], |first, _| assert!(first.send(1)));
        let chosen = receive_either(&first, &second, SELECT_FOREVER);
        assert_eq!(chosen, Chosen::Case(0, Some(1)));
        join(sender);
    });
}

/// Catches a caller that carries out a later case without claiming its own select: two cases take effect.
#[test]
fn a_later_case_becomes_ready_while_the_select_queues() {
    model(3, || {
        let (first, second) = (Items::new(1), Items::new(1));
        let senders = [
            with([&first, &second], |first, _| assert!(first.send(1))),
            with([&first, &second], |_, second| assert!(second.send(2))),
        ];
        match receive_either(&first, &second, SELECT_FOREVER) {
            Chosen::Case(0, Some(1)) => assert_eq!(second.receive(), Some(2)),
            Chosen::Case(1, Some(2)) => assert_eq!(first.receive(), Some(1)),
            other => panic!("{other:?}"),
        }
        senders.into_iter().for_each(join);
    });
}

/// Catches a select that queues what it sends before it has judged what it receives, or the other way round: it would pair with itself, or with nobody.
#[test]
fn a_select_that_sends_and_receives_on_one_channel_pairs_with_others() {
    model(2, || {
        let (first, second) = (Items::new(0), Items::new(0));
        let other = with([&first, &second], |first, _| {
            select([Case::Send(first, 2), Case::Receive(first)], SELECT_FOREVER)
        });
        let mine = select(
            [Case::Receive(&first), Case::Send(&first, 1)],
            SELECT_FOREVER,
        );
        match (mine, join(other)) {
            (Chosen::Case(0, Some(2)), Chosen::Case(0, None))
            | (Chosen::Case(1, None), Chosen::Case(1, Some(1))) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// A select claims itself for a partner that somebody else takes. Catches one that goes on waiting afterwards: a sender that came meanwhile has forgotten it.
#[test]
fn a_select_whose_partner_is_taken_begins_anew() {
    model(2, || {
        let (first, second, third) = (Items::new(1), Items::new(0), Items::new(0));
        let partner = with([&second, &third], |second, third| {
            select(
                [Case::Send(second, 2), Case::Send(third, 3)],
                SELECT_FOREVER,
            )
        });
        let rival = with([&first, &third], |first, third| {
            assert!(first.send(1));
            third.receive()
        });
        match receive_either(&first, &second, SELECT_FOREVER) {
            Chosen::Case(0, Some(1)) => assert_eq!(join(partner), Chosen::Case(1, None)),
            Chosen::Case(1, Some(2)) => {
                assert_eq!(join(partner), Chosen::Case(0, None));
                assert!(third.send(3));
                assert_eq!(first.receive(), Some(1));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(join(rival), Some(3));
    });
}

/// Catches a sender that takes a waiter out without winning the claim.
#[test]
fn two_selects_share_two_values() {
    model(2, || {
        let (first, second) = (Items::new(1), Items::new(1));
        let other = with([&first, &second], |first, second| {
            receive_either(second, first, SELECT_FOREVER)
        });
        assert!(first.send(1) && second.send(2));
        let mine = receive_either(&first, &second, SELECT_FOREVER);
        let value = |chosen| match chosen {
            Chosen::Case(_, Some(value)) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(value(mine) + value(join(other)), 3);
    });
}

/// Both sides are selects: each has to win its own claim and its partner's.
#[test]
fn two_selects_pair_up_with_each_other() {
    model(2, || {
        let (first, second) = (Items::new(0), Items::new(0));
        let sender = with([&first, &second], |first, second| {
            select(
                [Case::Send(second, 2), Case::Send(first, 1)],
                SELECT_FOREVER,
            )
        });
        let received = receive_either(&first, &second, SELECT_FOREVER);
        match (join(sender), received) {
            (Chosen::Case(0, None), Chosen::Case(1, Some(2)))
            | (Chosen::Case(1, None), Chosen::Case(0, Some(1))) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// Catches a close that does not claim, and a claim that is kept by a select that has gone.
#[test]
fn close_ends_a_select_or_comes_too_late() {
    model(2, || {
        let (first, second) = (Items::new(0), Items::new(1));
        let others = [
            with([&first, &second], |first, _| first.close()),
            with([&first, &second], |_, second| assert!(second.send(2))),
        ];
        match receive_either(&first, &second, SELECT_FOREVER) {
            Chosen::Closed(0) => assert_eq!(second.receive(), Some(2)),
            Chosen::Case(1, Some(2)) => assert_eq!(first.receive(), None),
            other => panic!("{other:?}"),
        }
        others.into_iter().for_each(join);
    });
}

/// The timer of a select against a sender: exactly one ends it. Catches a winner that does not cancel the timer. Not seen: what is done
/// to the block after it was freed, as it is plain memory.
#[test]
fn a_timer_and_a_sender_race_for_a_select() {
    model(2, || {
        let (first, second) = (Items::new(0), Items::new(0));
        let timer = thread::spawn(|| {
            deadlines::expire(deadlines::NEVER - 1);
        });
        let sender = with([&first, &second], |first, _| first.send(1));
        let closer = with([&first, &second], |first, second| {
            match receive_either(first, second, 1_000_000) {
                Chosen::Case(0, Some(1)) => true,
                Chosen::None => false,
                other => panic!("{other:?}"),
            }
        });
        join(timer);
        // It may have looked before the timer was armed.
        deadlines::expire(deadlines::NEVER - 1);
        let selected = join(closer);
        if !selected {
            assert_eq!(first.receive(), Some(1));
        }
        assert!(join(sender));
        assert!(!deadlines::any_wanted());
    });
}

/// Catches a poll that looks at the channels one after the other: it would miss a value that is always in one of them.
#[test]
fn a_poll_of_two_channels_is_one_moment() {
    model(3, || {
        let (first, second) = (Items::new(1), Items::new(1));
        assert!(first.send(1));
        // Puts a second value there before it takes the first away.
        let mover = with([&first, &second], |first, second| {
            assert!(second.send(2));
            first.receive()
        });
        let polled = receive_either(&second, &first, SELECT_POLL);
        assert_ne!(polled, Chosen::None);
        if let Chosen::Case(1, Some(1)) = polled {
            first.close();
        }
        join(mover);
    });
}
