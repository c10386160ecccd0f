//! Nothing runs in place: there are no coroutines.

use crate::coroutine::WaitInfo;
use crate::future::Future;
use crate::outcome::Outcome;
use crate::waiter::Waiting;
use echo_abi::layout::EntryDesc;

pub struct InPlace;

impl InPlace {
    pub fn wait(&self) -> WaitInfo {
        WaitInfo::NONE
    }
}

#[derive(Clone, Copy)]
pub struct Name(u64);

impl Name {
    pub const NONE: Name = Name(0);

    pub fn new<C>(_coroutine: *const C, id: u64, _entry: &EntryDesc) -> Name {
        Name(id)
    }

    pub fn of_id(id: u64) -> Name {
        Name(id)
    }

    pub fn word(self) -> u64 {
        self.0
    }

    pub fn from_word(word: u64) -> Name {
        Name(word)
    }

    pub fn id(self) -> Option<u64> {
        (self.0 != 0).then_some(self.0)
    }
}

pub unsafe fn begin(_future: *mut Future, _name: Name, _waiting: Waiting) -> Option<Outcome> {
    None
}
