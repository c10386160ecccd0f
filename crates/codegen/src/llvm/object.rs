//! What is done to the bytes of an object.

/// Tells a linker that the object was compiled for split stacks. lld then rewrites the prologues of functions that call code without
/// them, which must not happen: the runtime's stubs need no stack of the coroutine's.
const NOTE: &[u8] = b".note.GNU-split-stack\0";

/// The object with that section under a name no linker knows.
pub fn rename_split_stack_note(mut object: Vec<u8>) -> Vec<u8> {
    let mut from = 0;
    while let Some(at) = object[from..]
        .windows(NOTE.len())
        .position(|window| window == NOTE)
    {
        let start = from + at;
        object[start + 1..start + 5].copy_from_slice(b"echo");
        from = start + NOTE.len();
    }
    object
}
