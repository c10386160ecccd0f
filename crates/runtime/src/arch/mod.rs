//! Everything that knows the machine. One file per architecture, the same names in each.
