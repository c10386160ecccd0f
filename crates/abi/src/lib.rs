//! What the Echo compiler and the Echo runtime agree on.
//!
//! Two things live here and nowhere else: the table of runtime symbols (module
//! [`symbols`]) and the layouts both sides read and write (module [`layout`]).
//! The compiler prints its `declare` lines from the table, the runtime generates its
//! exported stubs from it, and `include/echo.h` is checked against it.
//!
//! Nothing here allocates or does I/O.

pub mod layout;
pub mod symbols;

/// Version of the contract; a program compiled against another version is refused at start.
pub const ABI_VERSION: u32 = 1;
