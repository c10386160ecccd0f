//! The codes of the checker's findings.

/// Part of the language, but not of this compiler yet.
pub const NOT_SUPPORTED: &str = "E0200";
/// No such variable, function, variant.
pub const UNKNOWN_NAME: &str = "E0201";
/// No such type.
pub const UNKNOWN_TYPE: &str = "E0202";
/// A name declared twice.
pub const DUPLICATE: &str = "E0203";
/// No such field, method, variant or member of a module.
pub const UNKNOWN_MEMBER: &str = "E0204";
/// No such module to import, or an import in the wrong place.
pub const BAD_IMPORT: &str = "E0205";
/// A name that may mean several things.
pub const AMBIGUOUS_NAME: &str = "E0206";
/// A type, module, method or built-in where a value is expected.
pub const NOT_A_VALUE: &str = "E0207";
/// A value, function or module where a type is expected.
pub const NOT_A_TYPE: &str = "E0208";
/// A value of another type than expected.
pub const TYPE_MISMATCH: &str = "E0209";
/// A type that nothing determines.
pub const CANNOT_INFER: &str = "E0210";
/// A literal that its type cannot hold.
pub const OUT_OF_RANGE: &str = "E0211";
/// An operator on values it does not take.
pub const BAD_OPERANDS: &str = "E0212";
/// A conversion that does not exist.
pub const BAD_CONVERSION: &str = "E0213";
/// Too few or too many arguments, elements, names.
pub const WRONG_COUNT: &str = "E0214";
/// A call of what is no function.
pub const NOT_CALLABLE: &str = "E0215";
/// Type arguments where none belong, or the wrong number of them.
pub const TYPE_ARGUMENTS: &str = "E0216";
/// A reference that would outlive its call, or is not to a place.
pub const BAD_REFERENCE: &str = "E0217";
/// An assignment to what cannot be assigned.
pub const BAD_ASSIGNMENT: &str = "E0218";
/// A function that ends without its result.
pub const MISSING_RETURN: &str = "E0219";
/// A `return` that does not fit its function.
pub const BAD_RETURN: &str = "E0220";
/// `break` or `continue` outside of a loop.
pub const OUTSIDE_LOOP: &str = "E0221";
/// A pattern that cannot match the value.
pub const BAD_PATTERN: &str = "E0222";
/// A `match` used as a value that leaves values out.
pub const NOT_EXHAUSTIVE: &str = "E0223";
/// A struct literal that misses or repeats a field.
pub const BAD_FIELDS: &str = "E0224";
/// A type that cannot be built this way (keys of maps, elements of type `void`).
pub const BAD_TYPE: &str = "E0225";
/// A type that contains itself, or an alias of itself.
pub const RECURSIVE_TYPE: &str = "E0226";
/// A constant expression that would always panic.
pub const CONSTANT_PANICS: &str = "E0227";
/// `?` where it cannot return from the function.
pub const BAD_PROPAGATION: &str = "E0228";
/// `await`, `spawn`, `defer` or a channel operation on the wrong thing.
pub const BAD_OPERATION: &str = "E0229";
/// A `select` with two defaults or timeouts.
pub const BAD_SELECT: &str = "E0230";
/// A `main` with parameters or another result than `int`.
pub const BAD_MAIN: &str = "E0231";
/// A nested function that uses a variable of the function around it.
pub const ENCLOSING_LOCAL: &str = "E0232";
/// A zero value of a type that has none.
pub const NO_ZERO_VALUE: &str = "E0233";
/// A type or expression beyond what the compiler handles.
pub const TOO_LARGE: &str = "E0234";
/// A type that lacks what an operation asks of it.
pub const UNFIT_TYPE: &str = "E0235";
/// A global that is read before it has a value.
pub const EARLY_READ: &str = "E0236";

/// A `let` in a loop that updates a variable outside of it.
pub const LET_UPDATES: &str = "W0001";
/// A variable that is never read.
pub const UNUSED_VARIABLE: &str = "W0002";
/// A function that is never used.
pub const UNUSED_FUNCTION: &str = "W0003";
/// An import that is never used.
pub const UNUSED_IMPORT: &str = "W0004";
/// Code that is never reached.
pub const UNREACHABLE_CODE: &str = "W0005";
/// An arm of `match` that no value reaches.
pub const UNREACHABLE_ARM: &str = "W0006";
/// A `match` statement that leaves values out.
pub const MISSING_ARM: &str = "W0007";
/// A `bool` that becomes an `int`.
pub const BOOL_TO_INT: &str = "W0008";
/// `select { }`.
pub const EMPTY_SELECT: &str = "W0009";
/// A call whose `Result` nobody looks at.
pub const UNUSED_RESULT: &str = "W0010";
/// A method that changes a copy of its receiver, and nobody sees it.
pub const COPY_CHANGED: &str = "W0011";
