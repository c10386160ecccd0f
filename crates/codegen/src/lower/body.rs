//! A function being lowered: its variables, the loops around the current place, and what every other part of lowering builds with.

use std::collections::{HashMap, HashSet};

use echo_abi::symbols;
use echo_sema::typed::{Expr, ExprKind, FuncId, Function, GlobalId, LocalId, Program};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::builder::Builder;
use super::effects::{changed_locals, changes, has_defers};
use super::unsure::unsure_locals;
use super::{Lowering, Prepared};
use crate::ir::{self, BlockId, Const, FunctionKind, Op, Operand, Place, RtArg, Terminator, Var};

pub struct Body<'l, 'p> {
    pub lowering: &'l mut Lowering<'p>,
    pub builder: Builder,
    /// Where each local of the source lives.
    locals: Vec<Var>,
    /// Locals that may have no value.
    pub unsure: HashSet<LocalId>,
    pub loops: Vec<Loop>,
    /// What the function returns.
    pub result: Ty,
    /// Whether calls are deferred.
    pub defers: bool,
    /// It is what the main coroutine runs: only there globals are changed.
    pub is_main: bool,
    /// The variables that lead to globals.
    pub globals: HashMap<GlobalId, Var>,
}

/// Where `continue` and `break` lead.
pub struct Loop {
    pub next: BlockId,
    pub end: BlockId,
}

/// What a finished function is called.
pub struct Names {
    pub symbol: String,
    pub name: String,
    pub kind: FunctionKind,
    pub parameter_count: usize,
    pub span: Span,
}

impl<'l, 'p> Body<'l, 'p> {
    pub fn new(lowering: &'l mut Lowering<'p>, result: Ty) -> Body<'l, 'p> {
        Body {
            lowering,
            builder: Builder::new(),
            locals: Vec::new(),
            unsure: HashSet::new(),
            loops: Vec::new(),
            result,
            defers: false,
            is_main: false,
            globals: HashMap::new(),
        }
    }

    /// Lowers a function of the program.
    pub fn function(lowering: &'l mut Lowering<'p>, id: FuncId) -> ir::Function {
        let program = lowering.program;
        let function = &program.functions[id.0 as usize];
        let (kind, symbol) = if id == program.entry {
            (FunctionKind::Entry, "$main")
        } else {
            (FunctionKind::Normal, function.name.as_str())
        };
        let names = Names {
            symbol: lowering.symbol(symbol),
            name: function.name.clone(),
            kind,
            parameter_count: function.parameter_count,
            span: function.span,
        };
        let mut body = Body::new(lowering, function.result);
        body.is_main = id == program.entry;
        body.defers = has_defers(&function.body);
        body.declare_locals(function);
        body.block(&function.body);
        body.fall_off_the_end(function);
        body.finish(names)
    }

    /// The parameters come first; one that is changed gets a variable of its own, as parameters are borrowed.
    fn declare_locals(&mut self, function: &'p Function) {
        self.unsure = unsure_locals(self.program(), function)
            .into_iter()
            .collect();
        for (number, local) in (0..).zip(&function.locals) {
            let ty = match self.unsure.contains(&LocalId(number)) {
                true => self.prepared().option_of(local.ty),
                false => local.ty,
            };
            let var = self.builder.var(ty, Some(&local.name));
            self.locals.push(var);
        }
        let changed = changed_locals(&function.body);
        for (number, local) in function.locals[..function.parameter_count]
            .iter()
            .enumerate()
        {
            if changed.contains(&LocalId(number as u32)) && !self.is_reference(local.ty) {
                let copy = self.builder.var(local.ty, Some(&local.name));
                self.set(copy, Operand::Var(self.locals[number]), local.span);
                self.locals[number] = copy;
            }
        }
    }

    fn fall_off_the_end(&mut self, function: &Function) {
        if self.is_void(function.result) {
            self.return_value(None, function.body.span.after());
        } else {
            self.builder.end(Terminator::Unreachable);
        }
    }

    /// The function, complete.
    pub fn finish(self, names: Names) -> ir::Function {
        let (vars, blocks) = self.builder.finish();
        ir::Function {
            symbol: names.symbol,
            name: names.name,
            kind: names.kind,
            parameter_count: names.parameter_count,
            vars,
            result: self.result,
            blocks,
            defers: self.defers,
            span: names.span,
        }
    }

    // ------------------------------------------------------------ types

    pub fn program(&self) -> &'p Program {
        self.lowering.program
    }

    pub fn prepared(&self) -> &Prepared {
        &self.lowering.prepared
    }

    pub fn kind(&self, ty: Ty) -> &'p TyKind {
        self.lowering.program.types.kind(ty)
    }

    pub fn is_reference(&self, ty: Ty) -> bool {
        matches!(self.kind(ty), TyKind::Ref(_))
    }

    /// Whether there is no value to pass on: of type `void`, or none will come.
    pub fn is_void(&self, ty: Ty) -> bool {
        matches!(self.kind(ty), TyKind::Void | TyKind::Never)
    }

    /// What an array, channel, future, promise, lock or Option holds; the `Ok` payload of a Result.
    pub fn inner(&self, ty: Ty) -> Ty {
        match *self.kind(ty) {
            TyKind::Array(inner)
            | TyKind::Option(inner)
            | TyKind::Result(inner, _)
            | TyKind::Chan(inner)
            | TyKind::Future(inner)
            | TyKind::Promise(inner)
            | TyKind::Mutex(inner)
            | TyKind::RwLock(inner) => inner,
            ref other => unreachable!("the checker knows that something is in {other:?}"),
        }
    }

    /// Key and value of a map.
    pub fn map_parts(&self, ty: Ty) -> (Ty, Ty) {
        match *self.kind(ty) {
            TyKind::Map(key, value) => (key, value),
            ref other => unreachable!("the checker knows that {other:?} is a map"),
        }
    }

    /// What a function value gives.
    pub fn func_result(&self, ty: Ty) -> Ty {
        match *self.kind(ty) {
            TyKind::Func(_, result) => result,
            ref other => unreachable!("the checker knows that {other:?} is a function"),
        }
    }

    pub fn operand_ty(&self, operand: &Operand) -> Ty {
        match operand {
            Operand::Var(var) => self.builder.ty(*var),
            Operand::Const(constant) => match constant {
                Const::Int(_, ty)
                | Const::Float(_, ty)
                | Const::Zero(ty)
                | Const::Closure(_, ty) => *ty,
                Const::Bool(_) => Ty::BOOL,
                Const::Char(_) => Ty::CHAR,
                Const::Str(_) => Ty::STRING,
                Const::Unit => Ty::VOID,
            },
        }
    }

    // ------------------------------------------------------------ variables and operands

    pub fn local(&self, local: LocalId) -> Var {
        self.locals[local.0 as usize]
    }

    pub fn set(&mut self, dst: Var, value: Operand, span: Span) {
        self.builder.emit(Op::Set { dst, value }, span);
    }

    /// The operand in a variable; a variable stays what it is.
    pub fn in_var(&mut self, operand: Operand, span: Span) -> Var {
        match operand {
            Operand::Var(var) => var,
            Operand::Const(_) => self.copied(operand, span),
        }
    }

    /// The operand in a variable of its own.
    pub fn copied(&mut self, operand: Operand, span: Span) -> Var {
        let var = self.builder.temp(self.operand_ty(&operand));
        self.set(var, operand, span);
        var
    }

    /// The operand in a variable that nothing uses afterwards: what takes the value out may leave anything there.
    pub fn moved(&mut self, operand: Operand, span: Span) -> RtArg {
        let var = match operand {
            Operand::Var(var) if !self.builder.is_named(var) => var,
            _ => self.copied(operand, span),
        };
        RtArg::MoveOut(var)
    }

    /// A new variable for a result; none where there is no value.
    pub fn result_var(&mut self, ty: Ty) -> Option<Var> {
        (!self.is_void(ty)).then(|| self.builder.temp(ty))
    }

    /// The expressions' values, evaluated in order, to be used together afterwards.
    pub fn operands<const N: usize>(&mut self, exprs: [&'p Expr; N]) -> [Operand; N] {
        let operands = self.operand_list(&exprs);
        operands
            .try_into()
            .unwrap_or_else(|_| unreachable!("one operand for each expression"))
    }

    pub fn operand_list(&mut self, exprs: &[&'p Expr]) -> Vec<Operand> {
        exprs
            .iter()
            .enumerate()
            .map(|(number, expr)| self.stable(expr, &exprs[number + 1..]))
            .collect()
    }

    /// The expression's value, which stays what it is while those after it are evaluated.
    pub fn stable(&mut self, expr: &'p Expr, later: &[&'p Expr]) -> Operand {
        let operand = self.expr(expr);
        match expr.kind {
            ExprKind::Local(local) if later.iter().any(|later| changes(later, local)) => {
                Operand::Var(self.copied(operand, expr.span))
            }
            _ => operand,
        }
    }

    // ------------------------------------------------------------ instructions

    /// `dst` = what the place holds, in a new variable.
    pub fn load(&mut self, place: Place, span: Span) -> Var {
        let dst = self.builder.temp(place.ty);
        self.load_into(dst, place, span);
        dst
    }

    pub fn load_into(&mut self, dst: Var, place: Place, span: Span) {
        let load = Op::Load {
            dst,
            place,
            borrow: false,
        };
        self.builder.emit(load, span);
    }

    /// Calls a runtime function; its position argument, if it has one, is added. The variable of a result that is not void.
    pub fn runtime(
        &mut self,
        symbol: &'static str,
        mut args: Vec<RtArg>,
        result: Ty,
        span: Span,
    ) -> Operand {
        let row = symbols::find(symbol).expect("the name of a row of the table");
        if row
            .arguments
            .last()
            .is_some_and(|last| last.0 == "position")
        {
            args.push(RtArg::Position);
        }
        let dst = self.result_var(result);
        self.builder.emit(Op::Runtime { dst, symbol, args }, span);
        value_of(dst)
    }

    /// A value of an Option, Result or enum.
    pub fn variant(&mut self, ty: Ty, tag: u32, payload: Vec<Operand>, span: Span) -> Operand {
        let dst = self.builder.temp(ty);
        self.builder.emit(Op::Variant { dst, tag, payload }, span);
        Operand::Var(dst)
    }

    /// The tag of an Option, Result or enum.
    pub fn tag(&mut self, value: Var, span: Span) -> Operand {
        let dst = self.builder.temp(Ty::I32);
        self.builder.emit(Op::Tag { dst, value }, span);
        Operand::Var(dst)
    }

    /// Panics with that message.
    pub fn panic(&mut self, message: Operand, span: Span) {
        let message = self.in_var(message, span);
        self.runtime("echo_panic", vec![RtArg::Move(message)], Ty::VOID, span);
        self.builder.end(Terminator::Unreachable);
    }

    /// Ends the function, which gives the value; calls that were deferred are made before.
    pub fn return_value(&mut self, value: Option<Operand>, span: Span) {
        if self.defers {
            self.builder.emit(Op::RunDefers, span);
        }
        self.builder.end(Terminator::Return(value));
    }
}

/// The operand for the variable of a result.
pub fn value_of(var: Option<Var>) -> Operand {
    var.map_or(Operand::Const(Const::Unit), Operand::Var)
}

/// An `int` constant.
pub fn int(value: i128) -> Operand {
    Operand::Const(Const::Int(value, Ty::INT))
}

/// An `i32` constant, as tags are.
pub fn tag_const(value: u32) -> Operand {
    Operand::Const(Const::Int(i128::from(value), Ty::I32))
}

/// A string constant.
pub fn text(value: &str) -> Operand {
    Operand::Const(Const::Str(value.to_string()))
}

/// The variable itself as a place.
pub fn whole(var: Var, ty: Ty) -> Place {
    Place {
        root: var,
        path: Vec::new(),
        ty,
    }
}
