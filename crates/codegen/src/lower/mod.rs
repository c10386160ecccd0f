//! Typed tree to Echo IR. Nothing is counted here: every use only says whether it borrows or consumes, as [`crate::ir`] explains.
//!
//! # Which functions there are
//! - Every function of the program is lowered once, as `Normal` (the program's entry as `Entry`), under its own number.
//! - What else is needed is a [`Wrapper`], made on first use: `f$entry` starts `f` as a coroutine, `f$deferred` runs it at a function's end,
//!   `f$closure` is `f` as a value, `Mutex.update` and `Once.do` hold what must be given up also when the function they call panics.
//! - `await f(x)` of an async function is a plain call: the caller has nothing else to do, and a panic passes through either way.
//!
//! # Values that cross to other coroutines
//! The runtime makes them shared, always in the function that takes them over: `echo_spawn` and `echo_future_on_done` (arguments), the end of
//! a coroutine (its result), `echo_promise_resolve`, sends and selects, `echo_mutex_new/set`, `echo_global_store`; emission, for what goes into a
//! global otherwise. Nothing here calls `echo_share`.
//!
//! # Order of evaluation
//! Operands are evaluated left to right. A local is an operand without a copy, so it is copied first where an operand evaluated after it
//! may change it ([`effects`]).
//!
//! # Globals
//! Only the main coroutine's code changes globals. It has a variable for the address of each, reads through it without a lock, and changes what it leads to
//! under the lock, which emission takes for one instruction: it must not fail, so all that can fail comes before. Functions of the program that
//! are given a reference to a global work on a copy that is stored back, as they may fail or wait. Either way readers see the old value or the new one.
//! Other functions read snapshots, but for globals that are assigned once.
//! For a global that may be read too early there is a hidden `bool`, set by the first assignment and looked at by every read in a function.

mod body;
mod brief;
mod builder;
mod builtins;
mod calls;
mod collections;
mod concurrency;
mod effects;
mod exprs;
mod globals;
mod locks;
mod loops;
mod operators;
mod options;
mod patterns;
mod places;
mod prepare;
mod stmts;
mod unsure;
mod wrappers;

use std::collections::{HashMap, HashSet};

use echo_sema::typed::{FuncId, Program};
use echo_syntax::span::Span;

use crate::ir::{FnId, Function, Module};
pub(crate) use loops::STRIP;

use body::Body;
use brief::Brief;
use prepare::Prepared;
use wrappers::Wrapper;

/// Lowers a checked program. Adds to the program the types and hidden globals that only the lowered form needs.
pub fn lower(program: &mut Program) -> Module {
    let prepared = prepare::prepare(program);
    let mut lowering = Lowering::new(program, prepared);
    for number in 0..program.functions.len() {
        let function = Body::function(&mut lowering, FuncId(number as u32));
        lowering.functions[number] = Some(function);
    }
    lowering.wrappers();
    Module {
        functions: lowering
            .functions
            .into_iter()
            .map(|function| function.expect("every function that was asked for has been lowered"))
            .collect(),
        main: Some(FnId(program.entry.0)),
    }
}

/// What is known across functions.
struct Lowering<'p> {
    program: &'p Program,
    prepared: Prepared,
    /// Those of the program under their own numbers, then wrappers; `None` until lowered.
    functions: Vec<Option<Function>>,
    wrappers: HashMap<Wrapper, FnId>,
    /// Wrappers still to be lowered, with the place that first asked for each.
    pending: Vec<(FnId, Wrapper, Span)>,
    symbols: HashSet<String>,
    brief: Brief,
}

impl<'p> Lowering<'p> {
    fn new(program: &'p Program, prepared: Prepared) -> Lowering<'p> {
        Lowering {
            program,
            prepared,
            functions: program.functions.iter().map(|_| None).collect(),
            wrappers: HashMap::new(),
            pending: Vec::new(),
            symbols: HashSet::new(),
            brief: Brief::default(),
        }
    }

    /// The number of a wrapper, which is lowered later.
    fn wrapper(&mut self, wrapper: Wrapper, span: Span) -> FnId {
        if let Some(&id) = self.wrappers.get(&wrapper) {
            return id;
        }
        let id = FnId(self.functions.len() as u32);
        self.functions.push(None);
        self.wrappers.insert(wrapper.clone(), id);
        self.pending.push((id, wrapper, span));
        id
    }

    /// Lowers what was asked for, and what that asks for.
    fn wrappers(&mut self) {
        while let Some((id, wrapper, span)) = self.pending.pop() {
            let function = wrappers::lower(self, &wrapper, span);
            self.functions[id.0 as usize] = Some(function);
        }
    }

    /// A symbol that no other function has.
    fn symbol(&mut self, name: &str) -> String {
        let mut symbol = name.to_string();
        let mut number = 1;
        while !self.symbols.insert(symbol.clone()) {
            number += 1;
            symbol = format!("{name}#{number}");
        }
        symbol
    }
}
