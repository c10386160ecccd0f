//! Maps: entries in the order of insertion, and an index of hashes.
//!
//! # Layout
//! ```text
//! MapBlock { header, len, used, capacity, layout, entries ──> [ hash | key | value ] × capacity, index }
//! ```
//! # Invariants
//! * An empty map is [`block::empty`](super::block::empty) or a block with `len == 0`. As the former is no `MapBlock`, a map is looked at as one only
//!   behind a check of `len` or after [`unique`].
//! * `used` entries have been written, `len` of them are live; a removed one stays behind with the hash 0 until the entries are next packed
//!   or moved. The last of the used entries is live, and so is number `first`, unless the map is empty: taking entries from either end leaves no gaps to
//!   step over.
//! * While `used` is small ([`SCAN_LIMIT`]) entries are found by looking at all hashes, and the index means nothing; it is made when `used` grows
//!   beyond, and then has the number of every live entry.
//! * A block is changed only after [`unique`] has made the variable its one owner.

use super::array;
use super::block::{alloc, block_bytes, claim_unique, empty, free, grown_capacity, out_of_memory};
use super::string::text;
use super::walk::{self, Desc, Parts, desc, field_type};
use super::{compare, hash};
use echo_abi::layout::{ARRAY_DATA_OFFSET, BlockHeader, Kind, TypeDesc};
use hashbrown::HashTable;
use std::ptr;

/// Up to so many entries are found without an index.
const SCAN_LIMIT: usize = 8;
/// Hash of a removed entry.
const REMOVED: u64 = 0;

#[repr(C)]
struct MapBlock {
    header: BlockHeader,
    /// Live entries. Zero in the immortal empty block, too.
    len: usize,
    /// Entries written.
    used: usize,
    /// No live entry comes before this one.
    first: usize,
    /// Entries there is room for.
    capacity: usize,
    layout: EntryLayout,
    entries: *mut u8,
    /// Numbers of the live entries, by hash.
    index: HashTable<u32>,
}

/// Offset of the key in an entry.
const KEY: usize = size_of::<u64>();

/// Where the rest is in an entry.
#[derive(Clone, Copy)]
struct EntryLayout {
    value: u32,
    /// Bytes from one entry to the next.
    stride: u32,
}

impl EntryLayout {
    fn of(key: &TypeDesc, value: &TypeDesc) -> EntryLayout {
        let value_offset = align_up(KEY + key.size as usize, usize::from(value.align));
        let stride = align_up(value_offset + value.size as usize, align_of::<u64>());
        EntryLayout {
            value: value_offset as u32,
            stride: stride as u32,
        }
    }

    #[inline]
    fn value(self) -> usize {
        self.value as usize
    }

    #[inline]
    fn stride(self) -> usize {
        self.stride as usize
    }
}

/// `align` is a power of two.
fn align_up(offset: usize, align: usize) -> usize {
    let mask = align.max(1) - 1;
    (offset + mask) & !mask
}

/// One live entry.
#[derive(Clone, Copy)]
pub struct Entry {
    pub key: *mut u8,
    pub value: *mut u8,
}

/// The live entries of a map, in order.
pub struct Entries {
    next: *mut u8,
    remaining: usize,
    layout: EntryLayout,
    map: Desc,
}

impl Entries {
    pub unsafe fn of(block: *mut u8, map: Desc) -> Entries {
        // SAFETY: the block is a map's of this type.
        unsafe { Entries::from(block, map, 0) }
    }

    /// Those from entry `start` on.
    unsafe fn from(block: *mut u8, map: Desc, start: usize) -> Entries {
        // SAFETY: the block is a map's; not the immortal one when it has entries.
        unsafe {
            if len(block) == 0 {
                return Entries {
                    next: ptr::null_mut(),
                    remaining: 0,
                    layout: EntryLayout {
                        value: 0,
                        stride: 0,
                    },
                    map,
                };
            }
            let view = &*block.cast::<MapBlock>();
            let start = start.clamp(view.first, view.used);
            Entries {
                next: view.entries.add(start * view.layout.stride()),
                remaining: view.used - start,
                layout: view.layout,
                map,
            }
        }
    }

    pub fn key_desc(&self) -> Desc {
        field_type(self.map, 0)
    }

    pub fn value_desc(&self) -> Desc {
        field_type(self.map, 1)
    }
}

impl Iterator for Entries {
    type Item = Entry;

    #[inline]
    fn next(&mut self) -> Option<Entry> {
        while self.remaining > 0 {
            // SAFETY: so many entries follow.
            unsafe {
                let entry = self.next;
                self.next = entry.add(self.layout.stride());
                self.remaining -= 1;
                if entry.cast::<u64>().read() != REMOVED {
                    return Some(Entry {
                        key: entry.add(KEY),
                        value: entry.add(self.layout.value()),
                    });
                }
            }
        }
        None
    }
}

/// Live entries of a map.
#[inline]
pub unsafe fn len(block: *mut u8) -> usize {
    // SAFETY: the block is a map's, perhaps the immortal empty one, which has a zero there.
    unsafe { (*block.cast::<MapBlock>()).len }
}

/// Address of the value under a key, if it is there.
#[inline]
pub unsafe fn find(block: *mut u8, map: Desc, key: *mut u8) -> Option<*mut u8> {
    // SAFETY: the block is a map's of this type.
    unsafe {
        if len(block) == 0 {
            return None;
        }
        let view = View::new(block.cast(), map);
        let (_, number) = look_up(&view, key);
        Some(view.value_at(number?))
    }
}

/// Frees a map whose keys and values are dropped.
pub unsafe fn dispose(block: *mut u8) {
    // SAFETY: nobody refers to the block, which came from `create`.
    unsafe {
        let map = block.cast::<MapBlock>();
        libc::free((*map).entries.cast());
        ptr::drop_in_place(&raw mut (*map).index);
        free(block);
    }
}

/// A new map with room for so many entries.
unsafe fn create(capacity: usize, layout: EntryLayout) -> *mut MapBlock {
    let map: *mut MapBlock = alloc(size_of::<MapBlock>()).cast();
    // SAFETY: fresh memory of that size, aligned to 16.
    unsafe {
        map.write(MapBlock {
            header: map.cast::<BlockHeader>().read(),
            len: 0,
            used: 0,
            first: 0,
            capacity,
            layout,
            entries: room(capacity, layout),
            index: HashTable::new(),
        })
    };
    map
}

/// Memory for entries.
fn room(capacity: usize, layout: EntryLayout) -> *mut u8 {
    let bytes = match u32::try_from(capacity) {
        Ok(_) => block_bytes(0, capacity, layout.stride()),
        // The index has 32 bits for an entry's number.
        Err(_) => None,
    };
    let Some(bytes) = bytes else {
        out_of_memory(capacity.saturating_mul(layout.stride()))
    };
    // SAFETY: any size may be asked for.
    let entries: *mut u8 = unsafe { libc::malloc(bytes) }.cast();
    if entries.is_null() && bytes > 0 {
        out_of_memory(bytes);
    }
    entries
}

/// Makes the map in `place` the only owner of its block.
#[inline]
unsafe fn unique(place: *mut *mut u8, map: Desc) -> View {
    // SAFETY: the place holds a map of this type that its caller may change.
    unsafe {
        let block = *place;
        match claim_unique(block) {
            true => View::new(block.cast(), map),
            false => copy(place, map),
        }
    }
}

/// [`unique`] for a map with other owners.
#[cold]
unsafe fn copy(place: *mut *mut u8, map: Desc) -> View {
    // SAFETY: as for `unique`.
    unsafe {
        let block = *place;
        let layout = EntryLayout::of(field_type(map, 0), field_type(map, 1));
        let copy = create(len(block), layout);
        let view = View::new(copy, map);
        if len(block) > 0 {
            view.take_entries(
                (*block.cast::<MapBlock>()).entries,
                (*block.cast::<MapBlock>()).used,
            );
            walk::dup_parts(Parts::contents(copy.cast(), map));
        }
        *place = copy.cast();
        walk::release(block, map);
        view
    }
}

/// A map and its type.
struct View {
    map: *mut MapBlock,
    desc: Desc,
}

impl View {
    #[inline]
    unsafe fn new(map: *mut MapBlock, desc: Desc) -> View {
        View { map, desc }
    }

    #[inline]
    fn key(&self) -> Desc {
        field_type(self.desc, 0)
    }

    #[inline]
    fn value(&self) -> Desc {
        field_type(self.desc, 1)
    }

    #[inline]
    fn layout(&self) -> EntryLayout {
        // SAFETY: the map is alive.
        unsafe { (*self.map).layout }
    }

    #[inline]
    unsafe fn entry(&self, number: usize) -> *mut u8 {
        // SAFETY: there is room for that entry.
        unsafe { (*self.map).entries.add(number * self.layout().stride()) }
    }

    #[inline]
    unsafe fn value_at(&self, number: usize) -> *mut u8 {
        // SAFETY: there is room for that entry.
        unsafe { self.entry(number).add(self.layout().value()) }
    }

    #[inline]
    unsafe fn hash_at(&self, number: usize) -> u64 {
        // SAFETY: the entry has been written.
        unsafe { self.entry(number).cast::<u64>().read() }
    }

    /// The hashes by number, for the index. Stays valid while the entries stay where they are.
    unsafe fn hashes(&self) -> impl Fn(&u32) -> u64 + use<> {
        // SAFETY: the map is alive.
        let (entries, stride) = (unsafe { (*self.map).entries }, self.layout().stride());
        // SAFETY: the index has numbers of written entries only.
        move |&number| unsafe { entries.add(number as usize * stride).cast::<u64>().read() }
    }

    /// The number of the live entry with that hash of which `is_it` says that it has the key, whose address it is given.
    #[inline(always)]
    unsafe fn find(&self, hash: u64, is_it: impl Fn(*mut u8) -> bool) -> Option<usize> {
        // SAFETY: the index has numbers of written entries only; a removed one has no key's hash.
        unsafe {
            let map = &*self.map;
            let has_key =
                |number| self.hash_at(number) == hash && is_it(self.entry(number).add(KEY));
            if map.used <= SCAN_LIMIT {
                return (map.first..map.used).find(|&number| has_key(number));
            }
            map.index
                .find(hash, |&number| has_key(number as usize))
                .map(|&number| number as usize)
        }
    }

    /// Appends an entry, of which the caller writes key and value.
    unsafe fn append(&self, hash: u64) -> *mut u8 {
        // SAFETY: the view is of a map that its caller may change.
        unsafe {
            let map = self.map;
            if (*map).used == (*map).capacity {
                self.make_room();
            }
            let number = (*map).used;
            let entry = self.entry(number);
            entry.cast::<u64>().write(hash);
            (*map).used += 1;
            (*map).len += 1;
            if (*map).used == SCAN_LIMIT + 1 {
                self.rebuild_index();
            } else if (*map).used > SCAN_LIMIT {
                let hashes = self.hashes();
                (*map).index.insert_unique(hash, number as u32, hashes);
            }
            entry
        }
    }

    /// Room for one more entry: by packing the live ones when a good part is dead, else by moving to a larger place.
    #[cold]
    unsafe fn make_room(&self) {
        // SAFETY: as for `append`.
        unsafe {
            let map = self.map;
            let (old, used) = ((*map).entries, (*map).used);
            if (*map).len < used - used / 4 {
                self.take_entries(old, used);
            } else {
                (*map).capacity = grown_capacity((*map).capacity, used + 1);
                (*map).entries = room((*map).capacity, self.layout());
                self.take_entries(old, used);
                libc::free(old.cast());
            }
        }
    }

    /// Copies the live ones of `used` entries to the beginning of this map's, which may be the same memory, and makes the index.
    unsafe fn take_entries(&self, from: *const u8, used: usize) {
        // SAFETY: there is room for all live entries; an entry moves to its own place or one before it.
        unsafe {
            let map = self.map;
            let stride = self.layout().stride();
            let mut live = 0;
            for number in 0..used {
                let entry = from.add(number * stride);
                if entry.cast::<u64>().read() != REMOVED {
                    ptr::copy(entry, self.entry(live), stride);
                    live += 1;
                }
            }
            let have_new_numbers = live < used || (*map).index.len() < live;
            (*map).len = live;
            (*map).used = live;
            (*map).first = 0;
            if have_new_numbers {
                self.rebuild_index();
            }
        }
    }

    /// Makes the index from the hashes in the entries.
    unsafe fn rebuild_index(&self) {
        // SAFETY: the view is of a map that its caller may change.
        unsafe {
            let map = self.map;
            (*map).index.clear();
            if (*map).used <= SCAN_LIMIT {
                return;
            }
            let hashes = self.hashes();
            (*map).index.reserve((*map).capacity, &hashes);
            for number in (*map).first as u32..(*map).used as u32 {
                let hash = hashes(&number);
                if hash != REMOVED {
                    (*map).index.insert_unique(hash, number, &hashes);
                }
            }
        }
    }

    /// Takes an entry out; key and value are the caller's to drop.
    unsafe fn remove(&self, number: usize) {
        // SAFETY: the entry is live, and the map its caller's to change.
        unsafe {
            let map = self.map;
            if (*map).used > SCAN_LIMIT {
                let slot = (*map)
                    .index
                    .find_entry(self.hash_at(number), |&other| other as usize == number);
                slot.expect("live entries are in the index").remove();
            }
            self.entry(number).cast::<u64>().write(REMOVED);
            (*map).len -= 1;
            while (*map).used > (*map).first && self.hash_at((*map).used - 1) == REMOVED {
                (*map).used -= 1;
            }
            while (*map).first < (*map).used && self.hash_at((*map).first) == REMOVED {
                (*map).first += 1;
            }
            if (*map).len == 0 {
                ((*map).first, (*map).used) = (0, 0);
            }
        }
    }

    unsafe fn part(&self, number: usize, offset: usize, desc: Desc) -> Parts {
        Parts::Elements {
            // SAFETY: the entry is live.
            next: unsafe { self.entry(number).add(offset) },
            remaining: 1,
            desc,
        }
    }

    unsafe fn key_part(&self, number: usize) -> Parts {
        // SAFETY: the entry is live.
        unsafe { self.part(number, KEY, self.key()) }
    }

    unsafe fn value_part(&self, number: usize) -> Parts {
        // SAFETY: the entry is live.
        unsafe { self.part(number, self.layout().value(), self.value()) }
    }
}

/// The hash of a key, and where its entry is. The most frequent types of keys have code of their own.
#[inline]
unsafe fn look_up(view: &View, key: *mut u8) -> (u64, Option<usize>) {
    // SAFETY: the key is of the map's type.
    unsafe {
        let desc = view.key();
        match desc.kind {
            Kind::I64 => {
                let word = key.cast::<u64>().read();
                let hash = hash::of_word(word);
                (
                    hash,
                    view.find(hash, |other| other.cast::<u64>().read() == word),
                )
            }
            Kind::String => {
                let bytes = text(walk::block_of(key)).as_bytes();
                let hash = hash::of_bytes(bytes);
                let same = |other: *mut u8| text(walk::block_of(other)).as_bytes() == bytes;
                (hash, view.find(hash, same))
            }
            _ => look_up_any(view, key),
        }
    }
}

#[inline(never)]
unsafe fn look_up_any(view: &View, key: *mut u8) -> (u64, Option<usize>) {
    // SAFETY: the key is of the map's type, and so are the others.
    unsafe {
        let desc = view.key();
        let hash = compare::hash(key, desc);
        (
            hash,
            view.find(hash, |other| compare::same_key(other, key, desc)),
        )
    }
}

/// Appends an entry; key and value are moved into it.
unsafe fn insert_new(view: &View, hash: u64, key: *const u8, value: *const u8) -> *mut u8 {
    // SAFETY: the view is of a map that its caller may change.
    unsafe {
        let entry = view.append(hash);
        let place = entry.add(view.layout().value());
        ptr::copy_nonoverlapping(key, entry.add(KEY), view.key().size as usize);
        ptr::copy_nonoverlapping(value, place, view.value().size as usize);
        place
    }
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_map_len(map: *mut u8) -> i64 {
    // SAFETY: the contract of the table, here and below.
    unsafe { len(map) as i64 }
}

pub unsafe extern "C" fn echo_map_get(map: *mut u8, of: *mut u8, key: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe { find(map, desc(of), key).unwrap_or(ptr::null_mut()) }
}

pub unsafe extern "C" fn echo_map_insert(
    place: *mut u8,
    of: *mut u8,
    key: *mut u8,
    value: *mut u8,
) {
    // SAFETY: see above.
    unsafe {
        let view = unique(place.cast(), desc(of));
        match look_up(&view, key) {
            (_, Some(number)) => {
                // The old value moves out before it is dropped: the map is whole meanwhile.
                let old = view.value_at(number);
                ptr::swap_nonoverlapping(old, value, view.value().size as usize);
                walk::drop(value, view.value());
                walk::drop(key, view.key());
            }
            (hash, None) => {
                insert_new(&view, hash, key, value);
            }
        }
    }
}

pub unsafe extern "C" fn echo_map_entry(place: *mut u8, of: *mut u8, key: *mut u8) -> *mut u8 {
    // SAFETY: see above; the type has a zero value, which holds immortal blocks only.
    unsafe {
        let view = unique(place.cast(), desc(of));
        match look_up(&view, key) {
            (_, Some(number)) => view.value_at(number),
            (hash, None) => insert_zero(&view, hash, key),
        }
    }
}

/// Appends an entry for one more owner of the key, with the zero value.
#[cold]
unsafe fn insert_zero(view: &View, hash: u64, key: *mut u8) -> *mut u8 {
    // SAFETY: the view is of a map that its caller may change; its type of values has a zero.
    unsafe {
        walk::dup(key, view.key());
        insert_new(view, hash, key, view.value().zero)
    }
}

pub unsafe extern "C" fn echo_map_remove(place: *mut u8, of: *mut u8, key: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe {
        let map = desc(of);
        // A missing key is no reason to copy the map.
        if find(*place.cast(), map, key).is_none() {
            return false;
        }
        let view = unique(place.cast(), map);
        let (_, Some(number)) = look_up(&view, key) else {
            return false;
        };
        view.remove(number);
        walk::drop_parts(view.key_part(number));
        walk::drop_parts(view.value_part(number));
        true
    }
}

pub unsafe extern "C" fn echo_map_clear(place: *mut u8, of: *mut u8) {
    // SAFETY: see above.
    unsafe {
        let (place, of) = (place.cast::<*mut u8>(), desc(of));
        let block = *place;
        if !claim_unique(block) || len(block) == 0 {
            *place = empty();
            walk::release(block, of);
            return;
        }
        walk::drop_parts(Parts::contents(block, of));
        let map = block.cast::<MapBlock>();
        (*map).index.clear();
        ((*map).len, (*map).used, (*map).first) = (0, 0, 0);
    }
}

pub unsafe extern "C" fn echo_map_keys(map: *mut u8, of: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe {
        collect(
            map,
            field_type(desc(of), 0),
            Entries::of(map, desc(of)).map(|entry| entry.key),
        )
    }
}

pub unsafe extern "C" fn echo_map_values(map: *mut u8, of: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe {
        collect(
            map,
            field_type(desc(of), 1),
            Entries::of(map, desc(of)).map(|entry| entry.value),
        )
    }
}

/// An array of copies of one part of every entry.
unsafe fn collect(map: *mut u8, element: Desc, parts: impl Iterator<Item = *mut u8>) -> *mut u8 {
    // SAFETY: as many parts as the map has entries, all alive and of that type.
    unsafe {
        let block = array::array_alloc(element, len(map));
        let size = element.size as usize;
        for (index, part) in parts.enumerate() {
            ptr::copy_nonoverlapping(part, block.add(ARRAY_DATA_OFFSET + index * size), size);
        }
        walk::dup_parts(Parts::elements(block, element));
        block
    }
}

pub unsafe extern "C" fn echo_map_next(
    map: *mut u8,
    of: *mut u8,
    cursor: i64,
    key: *mut u8,
    value: *mut u8,
) -> i64 {
    // SAFETY: see above; `key` and `value` point to pointers.
    unsafe {
        let mut entries = Entries::from(map, desc(of), cursor as usize);
        let Some(entry) = entries.next() else {
            return -1;
        };
        key.cast::<*mut u8>().write(entry.key);
        value.cast::<*mut u8>().write(entry.value);
        ((*map.cast::<MapBlock>()).used - entries.remaining) as i64
    }
}
