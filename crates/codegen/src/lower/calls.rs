//! Calls and their arguments.

use echo_sema::typed::{Call, Callee, Expr, ExprKind, Place};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, value_of, whole};
use super::effects::{changes, root_local};
use super::places::Target;
use super::wrappers::{Target as Runs, Wrapper};
use crate::ir::{self, Arg, FnId, Op, Operand, Var};

/// An evaluated argument.
pub enum Argument {
    Value(Operand),
    /// A reference.
    Place(Target),
}

impl<'p> Body<'_, 'p> {
    /// A call that is made here and now; also of an async function's body.
    pub fn call(&mut self, call: &'p Call) -> Operand {
        let span = call.span;
        match &call.callee {
            Callee::Function(function) => {
                let args = self.arguments(&call.args, &[]);
                let dst = self.result_var(call.result);
                let function = FnId(function.0);
                self.with_targets(args, span, |body, args| {
                    let op = Op::Call {
                        dst,
                        function,
                        args,
                    };
                    body.builder.emit(op, span);
                });
                self.unreachable_after(call.result);
                value_of(dst)
            }
            Callee::Value(callee) => {
                let others: Vec<&Expr> = call.args.iter().collect();
                let callee = self.stable(callee, &others);
                let result = self.func_result(self.operand_ty(&callee));
                let args = self.arguments(&call.args, &[]);
                let dst = self.result_var(result);
                self.with_targets(args, span, |body, args| {
                    let op = Op::CallValue { dst, callee, args };
                    body.builder.emit(op, span);
                });
                value_of(dst)
            }
            Callee::Builtin(builtin) => self.builtin_call(*builtin, call),
        }
    }

    /// `await f(x)`: as a call. A value whose calls make futures is called and its future awaited.
    pub fn await_call(&mut self, call: &'p Call) -> Operand {
        let value = self.call(call);
        if self.makes_future(call) {
            return self.await_future(value, call.result, call.span);
        }
        value
    }

    /// Whether the callee is the value of an async function, so that its call gives the future of the result.
    pub fn makes_future(&self, call: &Call) -> bool {
        let Callee::Value(callee) = &call.callee else {
            return false;
        };
        let result = self.func_result(callee.ty);
        result != call.result
            && matches!(self.kind(result), TyKind::Future(inner) if *inner == call.result)
    }

    // ------------------------------------------------------------ arguments

    /// Evaluated in order. A value stays what it is while `later` expressions are evaluated, and while the call changes what its references lead to.
    pub fn arguments(&mut self, args: &'p [Expr], later: &[&'p Expr]) -> Vec<Argument> {
        let changed: Vec<_> = args.iter().filter_map(reference).collect();
        let mut list = Vec::with_capacity(args.len());
        for (number, arg) in args.iter().enumerate() {
            let later: Vec<&Expr> = args[number + 1..]
                .iter()
                .chain(later.iter().copied())
                .collect();
            list.push(match &arg.kind {
                ExprKind::Ref(place) => Argument::Place(self.target(place, &later)),
                ExprKind::Local(local)
                    if changed
                        .iter()
                        .any(|place| root_local(place) == Some(*local))
                        || later.iter().any(|later| changes(later, *local)) =>
                {
                    let value = self.expr(arg);
                    Argument::Value(Operand::Var(self.copied(value, arg.span)))
                }
                _ => Argument::Value(self.expr(arg)),
            });
        }
        list
    }

    /// Makes a call whose references lead to places that are ready for it.
    pub fn with_targets(
        &mut self,
        mut args: Vec<Argument>,
        span: Span,
        call: impl FnOnce(&mut Self, Vec<Arg>),
    ) {
        for arg in &mut args {
            if let Argument::Place(target) = arg {
                self.open(target, span);
            }
        }
        let list = args
            .iter()
            .map(|arg| match arg {
                Argument::Value(value) => Arg::Value(value.clone()),
                Argument::Place(target) => Arg::Ref(target.place.clone()),
            })
            .collect();
        call(self, list);
        for arg in &args {
            if let Argument::Place(target) = arg {
                self.close(target, span);
            }
        }
    }

    // ------------------------------------------------------------ calls made elsewhere

    /// The entry for a call that another coroutine, or this function's end, makes, and the evaluated arguments as it takes them.
    pub fn crossing_call(&mut self, call: &'p Call, result: Ty) -> (FnId, Vec<Var>) {
        let mut vars = Vec::with_capacity(call.args.len() + 1);
        let runs = match &call.callee {
            Callee::Function(function) => Runs::Function(*function),
            Callee::Builtin(builtin) => Runs::Builtin(*builtin),
            Callee::Value(callee) => {
                let others: Vec<&Expr> = call.args.iter().collect();
                let callee_value = self.stable(callee, &others);
                vars.push(self.in_var(callee_value, callee.span));
                Runs::Value(self.value_name(callee).into())
            }
        };
        let args = self.arguments(&call.args, &[]);
        for (arg, expr) in args.into_iter().zip(&call.args) {
            let Argument::Value(value) = arg else {
                unreachable!("the checker admits no references in `spawn` and `defer`");
            };
            vars.push(self.in_var(value, expr.span));
        }
        let params = self.parameter_types(call, &vars);
        let wrapper = Wrapper::Entry {
            runs,
            params,
            call: call.result,
            result,
        };
        (self.lowering.wrapper(wrapper, call.span), vars)
    }

    /// What reports call a function value: as the variable it was in.
    fn value_name(&self, callee: &Expr) -> &str {
        match callee.kind {
            ExprKind::Local(local) => self.builder.name(self.local(local)),
            ExprKind::Global(global) => &self.program().globals[global.0 as usize].name,
            _ => "function value",
        }
    }

    /// As declared, where they are: an argument that never comes has no type of its own.
    fn parameter_types(&self, call: &Call, vars: &[Var]) -> Vec<Ty> {
        match &call.callee {
            Callee::Function(id) => {
                let function = &self.program().functions[id.0 as usize];
                let params = &function.locals[..function.parameter_count];
                params.iter().map(|local| local.ty).collect()
            }
            Callee::Value(_) | Callee::Builtin(_) => {
                vars.iter().map(|&var| self.builder.ty(var)).collect()
            }
        }
    }

    /// The place that a reference leads to, also one that is passed on.
    pub fn referred(&self, arg: &Argument) -> ir::Place {
        match arg {
            Argument::Place(target) => target.place.clone(),
            Argument::Value(Operand::Var(var)) => match *self.kind(self.builder.ty(*var)) {
                TyKind::Ref(target) => whole(*var, target),
                ref other => unreachable!("a reference, not {other:?}"),
            },
            Argument::Value(Operand::Const(_)) => unreachable!("no constant is a reference"),
        }
    }
}

/// The place an argument refers to.
pub fn reference(arg: &Expr) -> Option<&Place> {
    match &arg.kind {
        ExprKind::Ref(place) => Some(place),
        _ => None,
    }
}
