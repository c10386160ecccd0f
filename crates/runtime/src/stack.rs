//! Memory for stacks and control blocks.
