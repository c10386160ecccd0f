//! Functions that the program does not have: the entries of coroutines and deferred calls, functions as values, and those that hold a lock.

use std::rc::Rc;

use echo_sema::typed::{Builtin, FuncId, Function};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::Lowering;
use super::body::{Body, Names, value_of};
use super::builtins::Given;
use super::calls::Argument;
use super::locks::Lock;
use crate::ir::{self, Arg, FnId, FunctionKind, Op, Operand, RtArg, Var};

/// A function made on demand, once for everything it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wrapper {
    /// Runs a call whose arguments are in a tuple.
    Entry {
        runs: Target,
        params: Vec<Ty>,
        /// What the call gives.
        call: Ty,
        /// What the entry gives: the same, or nothing for a deferred call.
        result: Ty,
    },
    /// The function as a value of that type.
    Closure(FuncId, Ty),
    /// Calls a function with the end of a future.
    OnDone { future: Ty, function: Ty },
    /// With the lock acquired: applies the function to its value, and releases it.
    Update {
        lock: Lock,
        handle: Ty,
        function: Ty,
    },
    /// Calls the function of a `Once`.
    Once { function: Ty },
}

/// What an entry runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Function(FuncId),
    /// A function value, the first argument; and what reports call it.
    Value(Rc<str>),
    Builtin(Builtin),
    /// A runtime function that takes the arguments as they are.
    Runtime(&'static str),
}

/// Lowers a wrapper that was first asked for at `span`.
pub fn lower(lowering: &mut Lowering<'_>, wrapper: &Wrapper, span: Span) -> ir::Function {
    match wrapper {
        Wrapper::Entry {
            runs,
            params,
            call,
            result,
        } => entry(lowering, runs, params, *call, *result, span),
        Wrapper::Closure(function, ty) => closure(lowering, *function, *ty),
        Wrapper::OnDone { future, function } => on_done(lowering, *future, *function, span),
        Wrapper::Update {
            lock,
            handle,
            function,
        } => update(lowering, *lock, *handle, *function, span),
        Wrapper::Once { function } => once(lowering, *function, span),
    }
}

fn entry(
    lowering: &mut Lowering<'_>,
    runs: &Target,
    params: &[Ty],
    call: Ty,
    result: Ty,
    span: Span,
) -> ir::Function {
    let (name, span) = target_name(lowering, runs, span);
    let suffix = if result == call { "entry" } else { "deferred" };
    let symbol = lowering.symbol(&format!("{name}${suffix}"));
    let mut body = Body::new(lowering, result);
    let params: Vec<Var> = params.iter().map(|&ty| body.builder.temp(ty)).collect();
    let args: Vec<Operand> = params.iter().copied().map(Operand::Var).collect();
    let value = body.run(runs, args, call, span);
    body.unreachable_after(call);
    let value = (!body.is_void(result)).then_some(value);
    body.return_value(value, span);
    body.finish(Names {
        symbol,
        name,
        kind: FunctionKind::Entry,
        parameter_count: params.len(),
        span,
    })
}

/// As reports name it, and where it is.
fn target_name(lowering: &Lowering<'_>, runs: &Target, span: Span) -> (String, Span) {
    match runs {
        Target::Function(id) => {
            let function = &lowering.program.functions[id.0 as usize];
            (function.name.clone(), function.span)
        }
        Target::Value(name) => (name.to_string(), span),
        Target::Builtin(builtin) => (format!("{builtin:?}"), span),
        Target::Runtime(symbol) => (symbol.to_string(), span),
    }
}

impl Body<'_, '_> {
    /// Makes the call of an entry.
    fn run(&mut self, runs: &Target, mut args: Vec<Operand>, call: Ty, span: Span) -> Operand {
        match runs {
            &Target::Function(function) => {
                let dst = self.result_var(call);
                let op = Op::Call {
                    dst,
                    function: FnId(function.0),
                    args: args.into_iter().map(Arg::Value).collect(),
                };
                self.builder.emit(op, span);
                value_of(dst)
            }
            Target::Value(_) => {
                let callee = args.remove(0);
                self.call_function(callee, args, span)
            }
            &Target::Builtin(builtin) => {
                let args: Vec<Argument> = args.into_iter().map(Argument::Value).collect();
                let given = Given {
                    args: &args,
                    result: call,
                    span,
                };
                self.builtin(builtin, &given)
            }
            &Target::Runtime(symbol) => {
                let args = args.into_iter().map(RtArg::Value).collect();
                self.runtime(symbol, args, call, span)
            }
        }
    }

    /// Makes a call of a runtime function at the end of this one, however it ends.
    fn defer_runtime(&mut self, symbol: &'static str, handle: Var, span: Span) {
        let wrapper = Wrapper::Entry {
            runs: Target::Runtime(symbol),
            params: vec![self.builder.ty(handle)],
            call: Ty::VOID,
            result: Ty::VOID,
        };
        let entry = self.lowering.wrapper(wrapper, span);
        self.defers = true;
        let args = vec![handle];
        self.builder.emit(Op::Defer { entry, args }, span);
    }
}

/// Calls the function; of an async one, starts it and gives the future.
fn closure(lowering: &mut Lowering<'_>, id: FuncId, ty: Ty) -> ir::Function {
    let program = lowering.program;
    let function: &Function = &program.functions[id.0 as usize];
    let span = function.span;
    let symbol = lowering.symbol(&format!("{}$closure", function.name));
    let TyKind::Func(_, result) = *program.types.kind(ty) else {
        unreachable!("a function as a value has a function's type");
    };
    let mut body = Body::new(lowering, result);
    let params: Vec<Var> = function.locals[..function.parameter_count]
        .iter()
        .map(|local| body.builder.var(local.ty, Some(&local.name)))
        .collect();
    let value = if function.is_async {
        let wrapper = Wrapper::Entry {
            runs: Target::Function(id),
            params: params.iter().map(|&var| body.builder.ty(var)).collect(),
            call: function.result,
            result: function.result,
        };
        let entry = body.lowering.wrapper(wrapper, span);
        let args = vec![RtArg::Entry(entry), RtArg::Tuple(params)];
        body.runtime("echo_spawn", args, result, span)
    } else {
        let args = params.into_iter().map(Operand::Var).collect();
        body.run(&Target::Function(id), args, result, span)
    };
    let value = (!body.is_void(result)).then_some(value);
    body.return_value(value, span);
    body.finish(Names {
        symbol,
        name: function.name.clone(),
        kind: FunctionKind::Closure,
        parameter_count: function.parameter_count,
        span,
    })
}

fn on_done(lowering: &mut Lowering<'_>, future: Ty, function: Ty, span: Span) -> ir::Function {
    let symbol = lowering.symbol("on_done$entry");
    let mut body = Body::new(lowering, Ty::VOID);
    let params = [future, function].map(|ty| body.builder.temp(ty));
    let [future, callback] = params.map(Operand::Var);
    let outcome = body.only_parameter(function);
    let end = body.try_await(future, outcome, span);
    body.call_function(callback, vec![end], span);
    body.return_value(None, span);
    body.finish(Names {
        symbol,
        name: "on_done".to_string(),
        kind: FunctionKind::Entry,
        parameter_count: params.len(),
        span,
    })
}

fn update(
    lowering: &mut Lowering<'_>,
    lock: Lock,
    handle_ty: Ty,
    function_ty: Ty,
    span: Span,
) -> ir::Function {
    let name = format!("{}.update", lock.name());
    let symbol = lowering.symbol(&name);
    let TyKind::Func(_, result) = *lowering.program.types.kind(function_ty) else {
        unreachable!("the checker knows that it is a function");
    };
    let mut body = Body::new(lowering, result);
    let [handle, function] = [handle_ty, function_ty].map(|ty| body.builder.temp(ty));
    body.defer_runtime(lock.release(), handle, span);
    let old = body.builder.temp(result);
    let args = vec![RtArg::Value(Operand::Var(handle)), RtArg::Out(old)];
    body.runtime(lock.get(), args, Ty::VOID, span);
    let new = body.call_function(Operand::Var(function), vec![Operand::Var(old)], span);
    let stored = body.copied(new.clone(), span);
    let args = vec![RtArg::Value(Operand::Var(handle)), RtArg::MoveOut(stored)];
    body.runtime(lock.set(), args, Ty::VOID, span);
    body.return_value(Some(new), span);
    body.finish(Names {
        symbol,
        name,
        kind: FunctionKind::Normal,
        parameter_count: 2,
        span,
    })
}

fn once(lowering: &mut Lowering<'_>, function: Ty, span: Span) -> ir::Function {
    let symbol = lowering.symbol("Once.do");
    let mut body = Body::new(lowering, Ty::VOID);
    let [once, function] = [Ty::ONCE, function].map(|ty| body.builder.temp(ty));
    body.defer_runtime("echo_once_end", once, span);
    body.call_function(Operand::Var(function), Vec::new(), span);
    body.return_value(None, span);
    body.finish(Names {
        symbol,
        name: "Once.do".to_string(),
        kind: FunctionKind::Normal,
        parameter_count: 2,
        span,
    })
}
