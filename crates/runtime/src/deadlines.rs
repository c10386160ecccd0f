//! The heaps behind [`crate::timer`]: one per shard, each under its own lock.
//!
//! A shard is a 4-ary heap of (deadline, sequence, slot) beside a table of slots; each slot knows its place in the heap, so that removal
//! costs no search, and a generation, so that stale ids are recognised. `next_ns` repeats the earliest deadline for readers without the lock.
//! Equal deadlines expire in the order in which they were added to the shard.

use crate::door::{AtomicU64, Ordering, const_fn, static_array};
use crate::lock::SpinMutex;
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

struct Slot {
    place: u32,
    generation: u64,
    callback: Option<Callback>,
    wanted: Option<Wanted>,
    data: *mut c_void,
}

#[derive(Default)]
struct Heap {
    nodes: Vec<Node>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    sequence: u64,
    /// Timers that keep the program alive.
    foreground: usize,
}

// SAFETY: `data` is only handed back to the callback.
unsafe impl Send for Heap {}

#[repr(align(128))]
struct Shard {
    heap: SpinMutex<Heap>,
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
    let mut heap = TABLE[shard].heap.lock();
    let slot = heap.take_slot(callback, wanted, data);
    heap.foreground += wanted.is_none() as usize;
    heap.sequence += 1;
    let node = Node {
        deadline_ns,
        sequence: heap.sequence,
        slot,
    };
    let place = heap.nodes.len();
    heap.nodes.push(node);
    heap.sift_up(place);
    TABLE[shard].next_ns.store(heap.next_ns(), Ordering::SeqCst);
    TimerId {
        shard: shard as u32,
        slot,
        generation: heap.slots[slot as usize].generation,
    }
}

/// Takes a timer out before it expires; false when it already has.
pub fn remove(id: TimerId) -> bool {
    let shard = &TABLE[id.shard as usize % SHARDS];
    let mut heap = shard.heap.lock();
    let known = heap
        .slots
        .get(id.slot as usize)
        .is_some_and(|slot| slot.generation == id.generation && slot.callback.is_some());
    if known {
        let place = heap.slots[id.slot as usize].place as usize;
        heap.take_out(place);
        shard.next_ns.store(heap.next_ns(), Ordering::SeqCst);
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
        let heap = shard.heap.lock();
        heap.foreground > 0
            || heap
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
                heap: SpinMutex::new(Heap {
                    nodes: Vec::new(),
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
        let mut heap = self.heap.lock();
        let mut taken = Vec::with_capacity(heap.nodes.len());
        while let Some(place) = heap.nodes.len().checked_sub(1) {
            taken.push(heap.take_out(place));
        }
        self.next_ns.store(NEVER, Ordering::SeqCst);
        taken
    }

    fn expire_batch(&self, now_ns: u64) -> bool {
        let mut due: [Option<(Callback, *mut c_void)>; EXPIRE_BATCH] = [None; EXPIRE_BATCH];
        let mut count = 0;
        {
            let mut heap = self.heap.lock();
            while count < EXPIRE_BATCH && heap.next_ns() <= now_ns {
                due[count] = Some(heap.take_out(0));
                count += 1;
            }
            self.next_ns.store(heap.next_ns(), Ordering::SeqCst);
        }
        for (callback, data) in due.into_iter().flatten() {
            // SAFETY: the timer was taken out here, so this is its only call.
            unsafe { callback(data) };
        }
        count > 0
    }
}

impl Heap {
    fn next_ns(&self) -> u64 {
        self.nodes.first().map_or(NEVER, |node| node.deadline_ns)
    }

    fn take_slot(&mut self, callback: Callback, wanted: Option<Wanted>, data: *mut c_void) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                place: 0,
                generation: 0,
                callback: None,
                wanted: None,
                data: std::ptr::null_mut(),
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        *slot = Slot {
            place: 0,
            generation: slot.generation + 1,
            callback: Some(callback),
            wanted,
            data,
        };
        index
    }

    /// Removes the node at `place` and frees its slot.
    fn take_out(&mut self, place: usize) -> (Callback, *mut c_void) {
        let node = self.nodes.swap_remove(place);
        if place < self.nodes.len() {
            let place = self.sift_up(place);
            self.sift_down(place);
        }
        self.free.push(node.slot);
        let slot = &mut self.slots[node.slot as usize];
        let callback = slot.callback.take().expect("a queued timer has a callback");
        self.foreground -= slot.wanted.is_none() as usize;
        (callback, slot.data)
    }

    /// Moves the node up to where it belongs; returns its place.
    fn sift_up(&mut self, mut place: usize) -> usize {
        let node = self.nodes[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.nodes[parent].key() <= node.key() {
                break;
            }
            self.put(place, self.nodes[parent]);
            place = parent;
        }
        self.put(place, node);
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        let node = self.nodes[place];
        loop {
            let first = place * ARITY + 1;
            let children = first..(first + ARITY).min(self.nodes.len());
            let Some(least) = children.min_by_key(|&child| self.nodes[child].key()) else {
                break;
            };
            if node.key() <= self.nodes[least].key() {
                break;
            }
            self.put(place, self.nodes[least]);
            place = least;
        }
        self.put(place, node);
    }

    fn put(&mut self, place: usize, node: Node) {
        self.nodes[place] = node;
        self.slots[node.slot as usize].place = place as u32;
    }
}
