//! No positions.

pub struct Site {
    pub function: &'static str,
    pub file: &'static str,
    pub line: u32,
}

pub fn site(_position: u32) -> Option<Site> {
    None
}

pub fn of_address(_address: usize) -> impl Iterator<Item = Site> {
    std::iter::empty()
}

pub unsafe fn str_from_raw(_bytes: *const u8, _len: usize) -> &'static str {
    ""
}
