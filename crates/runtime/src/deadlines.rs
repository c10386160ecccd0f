//! The heaps behind [`crate::timer`]: one per shard, each under its own lock.
//!
//! A shard is a queue and a 4-ary heap of (deadline, sequence, slot) beside a table of slots; each slot knows its place in one of them, so that removal
//! costs no search, and a generation, so that stale ids are recognised. `next_ns` repeats the earliest deadline for readers without the lock.
//! Equal deadlines expire in the order in which they were added to the shard.
//!
//! The queue takes every timer that is not due before its last one: mostly those of one duration, which are added and expire in order at no cost. Only
//! others go to the heap. A timer that is removed from the midst of the queue leaves a gap; when there are more gaps than timers, they are closed.

use crate::door::{AtomicU64, Ordering, const_fn, static_array};
use crate::lock::SpinMutex;
use std::collections::VecDeque;
use std::ffi::c_void;

/// Runs when the time has come.
pub type Callback = unsafe fn(*mut c_void);
/// Whether a background timer is worth waiting for.
pub type Wanted = unsafe fn(*mut c_void) -> bool;

/// Names a timer; stale ones are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    pub shard: u32,
    pub slot: u32,
    pub generation: u64,
}

#[cfg(not(loom))]
pub const SHARDS: usize = 16;
#[cfg(loom)]
pub const SHARDS: usize = 2;
/// No deadline.
pub const NEVER: u64 = u64::MAX;
/// Timers taken out under one hold of the lock.
const EXPIRE_BATCH: usize = 64;
const ARITY: usize = 4;

#[derive(Clone, Copy)]
struct Node {
    deadline_ns: u64,
    sequence: u64,
    slot: u32,
}

impl Node {
    fn key(&self) -> (u64, u64) {
        (self.deadline_ns, self.sequence)
    }
}

/// In the place of what was removed from a [`Run`].
const GAP: u32 = u32::MAX;

/// Timers in the order of their deadlines. Neither the first nor the last is a gap.
struct Run {
    nodes: VecDeque<Node>,
    /// Number of the first; they are numbered without end, as far as a `u32` goes round.
    first: u32,
    gaps: usize,
}

/// Where the node of a timer is.
#[derive(Clone, Copy)]
enum Place {
    /// Index.
    Heap(u32),
    /// Number.
    Run(u32),
}

struct Slot {
    place: Place,
    generation: u64,
    callback: Option<Callback>,
    wanted: Option<Wanted>,
    data: *mut c_void,
}

struct Timers {
    run: Run,
    heap: Vec<Node>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    sequence: u64,
    /// Timers that keep the program alive.
    foreground: usize,
}

// SAFETY: `data` is only handed back to the callback.
unsafe impl Send for Timers {}

#[repr(align(128))]
struct Shard {
    timers: SpinMutex<Timers>,
    next_ns: AtomicU64,
}

static_array! {
    static TABLE: [Shard; SHARDS] = Shard::new();
}

/// Adds a timer; `wanted` makes it a background timer.
pub fn insert(
    shard: usize,
    deadline_ns: u64,
    callback: Callback,
    wanted: Option<Wanted>,
    data: *mut c_void,
) -> TimerId {
    let shard = shard % SHARDS;
    let mut timers = TABLE[shard].timers.lock();
    let slot = timers.take_slot(callback, wanted, data);
    timers.foreground += wanted.is_none() as usize;
    timers.sequence += 1;
    let sequence = timers.sequence;
    timers.add(Node {
        deadline_ns,
        sequence,
        slot,
    });
    TABLE[shard]
        .next_ns
        .store(timers.next_ns(), Ordering::SeqCst);
    TimerId {
        shard: shard as u32,
        slot,
        generation: timers.slots[slot as usize].generation,
    }
}

/// Takes a timer out before it expires; false when it already has.
pub fn remove(id: TimerId) -> bool {
    let shard = &TABLE[id.shard as usize % SHARDS];
    let mut timers = shard.timers.lock();
    let known = timers
        .slots
        .get(id.slot as usize)
        .is_some_and(|slot| slot.generation == id.generation && slot.callback.is_some());
    if known {
        timers.take_out(id.slot);
        shard.next_ns.store(timers.next_ns(), Ordering::SeqCst);
    }
    known
}

/// The earliest deadline of all shards, or [`NEVER`].
pub fn next_ns() -> u64 {
    TABLE
        .iter()
        .map(|shard| shard.next_ns.load(Ordering::SeqCst))
        .min()
        .unwrap_or(NEVER)
}

/// Runs what is due at `now_ns`, in the order of the deadlines over all shards; whether there was anything.
pub fn expire(now_ns: u64) -> bool {
    let mut any = false;
    loop {
        let (mut first, mut first_ns, mut second_ns) = (&TABLE[0], NEVER, NEVER);
        for shard in TABLE.iter() {
            let next_ns = shard.next_ns.load(Ordering::Relaxed);
            if next_ns < first_ns {
                (first, first_ns, second_ns) = (shard, next_ns, first_ns);
            } else {
                second_ns = second_ns.min(next_ns);
            }
        }
        if first_ns > now_ns {
            return any;
        }
        any |= first.expire_batch(now_ns.min(second_ns));
    }
}

/// Whether the program has a reason to wait for any timer. Called while nothing runs.
pub fn any_wanted() -> bool {
    TABLE.iter().any(|shard| {
        let timers = shard.timers.lock();
        timers.foreground > 0
            || timers
                .slots
                .iter()
                .any(|slot| match (slot.callback, slot.wanted) {
                    // SAFETY: the timer is pending, so its data is valid.
                    (Some(_), Some(wanted)) => unsafe { wanted(slot.data) },
                    _ => false,
                })
    })
}

/// Takes out all timers of a program that has ended, and hands each to `last`. What that adds is taken out too, and forgotten.
pub fn clear(mut last: impl FnMut(Callback, *mut c_void)) {
    let taken: Vec<_> = TABLE.iter().flat_map(Shard::take_all).collect();
    taken
        .into_iter()
        .for_each(|(callback, data)| last(callback, data));
    TABLE.iter().for_each(|shard| drop(shard.take_all()));
}

/// Monotonic clock.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Shard {
    const_fn! {
        fn new() -> Shard {
            Shard {
                timers: SpinMutex::new(Timers {
                    run: Run::new(),
                    heap: Vec::new(),
                    slots: Vec::new(),
                    free: Vec::new(),
                    sequence: 0,
                    foreground: 0,
                }),
                next_ns: AtomicU64::new(NEVER),
            }
        }
    }

    fn take_all(&self) -> Vec<(Callback, *mut c_void)> {
        let mut timers = self.timers.lock();
        let mut taken = Vec::new();
        while let Some(first) = timers.first() {
            taken.push(timers.take_out(first.slot));
        }
        self.next_ns.store(NEVER, Ordering::SeqCst);
        taken
    }

    fn expire_batch(&self, now_ns: u64) -> bool {
        let mut due: [Option<(Callback, *mut c_void)>; EXPIRE_BATCH] = [None; EXPIRE_BATCH];
        let mut count = 0;
        {
            let mut timers = self.timers.lock();
            while count < EXPIRE_BATCH
                && let Some(first) = timers.first()
                && first.deadline_ns <= now_ns
            {
                due[count] = Some(timers.take_out(first.slot));
                count += 1;
            }
            self.next_ns.store(timers.next_ns(), Ordering::SeqCst);
        }
        for (callback, data) in due.into_iter().flatten() {
            // SAFETY: the timer was taken out here, so this is its only call.
            unsafe { callback(data) };
        }
        count > 0
    }
}

impl Timers {
    /// The earliest.
    fn first(&self) -> Option<Node> {
        let (run, heap) = (self.run.nodes.front(), self.heap.first());
        let both = run.into_iter().chain(heap);
        both.min_by_key(|node| node.key()).copied()
    }

    fn next_ns(&self) -> u64 {
        self.first().map_or(NEVER, |node| node.deadline_ns)
    }

    /// Adds the node of a slot that was just taken.
    fn add(&mut self, node: Node) {
        if self.run.takes(&node) {
            self.slots[node.slot as usize].place = Place::Run(self.run.push(node));
        } else {
            self.heap.push(node);
            self.sift_up(self.heap.len() - 1);
        }
    }

    fn take_slot(&mut self, callback: Callback, wanted: Option<Wanted>, data: *mut c_void) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                place: Place::Heap(0),
                generation: 0,
                callback: None,
                wanted: None,
                data: std::ptr::null_mut(),
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        *slot = Slot {
            place: Place::Heap(0),
            generation: slot.generation + 1,
            callback: Some(callback),
            wanted,
            data,
        };
        index
    }

    /// Removes the node of a slot in use, and frees the slot.
    fn take_out(&mut self, slot: u32) -> (Callback, *mut c_void) {
        match self.slots[slot as usize].place {
            Place::Heap(place) => self.take_out_of_heap(place as usize),
            Place::Run(number) => {
                self.run.take_out(number);
                if self.run.has_many_gaps() {
                    self.close_gaps();
                }
            }
        }
        self.free.push(slot);
        let slot = &mut self.slots[slot as usize];
        let callback = slot.callback.take().expect("a queued timer has a callback");
        self.foreground -= slot.wanted.is_none() as usize;
        (callback, slot.data)
    }

    #[cold]
    fn close_gaps(&mut self) {
        self.run.nodes.retain(|node| node.slot != GAP);
        self.run.gaps = 0;
        for (index, node) in self.run.nodes.iter().enumerate() {
            let number = self.run.first.wrapping_add(index as u32);
            self.slots[node.slot as usize].place = Place::Run(number);
        }
    }

    fn take_out_of_heap(&mut self, place: usize) {
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            let place = self.sift_up(place);
            self.sift_down(place);
        }
    }

    /// Moves the node up to where it belongs; returns its place.
    fn sift_up(&mut self, mut place: usize) -> usize {
        let node = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent].key() <= node.key() {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, node);
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        let node = self.heap[place];
        loop {
            let first = place * ARITY + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].key()) else {
                break;
            };
            if node.key() <= self.heap[least].key() {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, node);
    }

    fn put(&mut self, place: usize, node: Node) {
        self.heap[place] = node;
        self.slots[node.slot as usize].place = Place::Heap(place as u32);
    }
}

impl Run {
    const_fn! {
        fn new() -> Run {
            Run {
                nodes: VecDeque::new(),
                first: 0,
                gaps: 0,
            }
        }
    }

    /// Whether a node may come behind all others.
    fn takes(&self, node: &Node) -> bool {
        let last = self.nodes.back();
        last.is_none_or(|last| last.deadline_ns <= node.deadline_ns)
    }

    /// Its number.
    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push_back(node);
        self.first.wrapping_add(self.nodes.len() as u32 - 1)
    }

    fn take_out(&mut self, number: u32) {
        self.nodes[number.wrapping_sub(self.first) as usize].slot = GAP;
        self.gaps += 1;
        while self.nodes.front().is_some_and(|node| node.slot == GAP) {
            self.nodes.pop_front();
            self.first = self.first.wrapping_add(1);
            self.gaps -= 1;
        }
        while self.nodes.back().is_some_and(|node| node.slot == GAP) {
            self.nodes.pop_back();
            self.gaps -= 1;
        }
    }

    fn has_many_gaps(&self) -> bool {
        self.gaps > self.nodes.len() / 2
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    fn timers() -> Timers {
        Timers {
            run: Run::new(),
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            foreground: 0,
        }
    }

    fn add(timers: &mut Timers, deadline_ns: u64) -> (u64, u32) {
        unsafe fn nothing(_: *mut c_void) {}
        let slot = timers.take_slot(nothing, None, std::ptr::null_mut());
        timers.foreground += 1;
        timers.sequence += 1;
        let sequence = timers.sequence;
        timers.add(Node {
            deadline_ns,
            sequence,
            slot,
        });
        (sequence, slot)
    }

    fn random(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn timers_come_in_the_order_of_their_deadlines_whatever_is_removed() {
        let (mut timers, mut expected) = (timers(), BTreeMap::new());
        let (mut state, mut now_ns) = (1, 0);
        for step in 0..200_000 {
            match random(&mut state) % 8 {
                // Of a few durations, so that many deadlines are equal.
                0..4 => {
                    let deadline_ns = now_ns + [10, 10, 100, 1000][random(&mut state) as usize % 4];
                    let (sequence, slot) = add(&mut timers, deadline_ns);
                    expected.insert((deadline_ns, sequence), slot);
                }
                4..6 if !expected.is_empty() => {
                    let index = random(&mut state) as usize % expected.len().min(50);
                    let (&key, &slot) = expected.iter().nth(index).expect("so many");
                    expected.remove(&key);
                    timers.take_out(slot);
                }
                _ => {
                    let first = expected.pop_first().map(|(key, _)| key);
                    assert_eq!(timers.first().map(|node| node.key()), first, "step {step}");
                    if let Some(node) = timers.first() {
                        timers.take_out(node.slot);
                    }
                    now_ns += random(&mut state) % 3;
                }
            }
            assert!(timers.run.nodes.len() <= 2 * expected.len());
        }
        while let Some(node) = timers.first() {
            assert_eq!(Some(node.key()), expected.pop_first().map(|(key, _)| key));
            timers.take_out(node.slot);
        }
        assert!(expected.is_empty() && timers.foreground == 0);
    }

    #[test]
    fn timers_of_all_shards_come_in_the_order_of_their_deadlines() {
        const TIMERS: u64 = 1000;
        std::thread_local! {
            static EXPIRED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
        }
        unsafe fn note(data: *mut c_void) {
            EXPIRED.with_borrow_mut(|expired| expired.push(data.addr()));
        }
        // Mixed up: the multiplier has no factor in common with the number.
        for number in (1..=TIMERS).map(|number| number * 337 % TIMERS + 1) {
            let data = std::ptr::without_provenance_mut(number as usize);
            insert(number as usize / 3, number, note, None, data);
        }
        assert!(expire(TIMERS / 2) && !expire(TIMERS / 2));
        assert!(expire(TIMERS) && !expire(TIMERS));
        let expected: Vec<usize> = (1..=TIMERS as usize).collect();
        EXPIRED.with_borrow(|expired| assert_eq!(*expired, expected));
    }

    #[test]
    fn removed_timers_leave_nothing_behind() {
        let mut timers = timers();
        let (_, first) = add(&mut timers, 1);
        for round in 0..1000 {
            let slots: Vec<u32> = (0..100).map(|_| add(&mut timers, 2 + round).1).collect();
            add(&mut timers, 2 + round);
            slots.into_iter().for_each(|slot| _ = timers.take_out(slot));
        }
        assert!(timers.run.nodes.len() < 2100 && timers.slots.len() < 1200);
        timers.take_out(first);
        assert_eq!(timers.first().map(|node| node.deadline_ns), Some(2));
    }
}
