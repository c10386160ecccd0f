//! Nothing runs in place: there are no coroutines.

use crate::future::Future;
use crate::outcome::Outcome;
use crate::waiter::Waiting;

pub struct InPlace;

pub unsafe fn begin(_future: *mut Future, _waiting: Waiting) -> Option<Outcome> {
    None
}
