//! Checks the structure of Echo IR: blocks end, variables exist, get a value before they are used, and types agree.
//!
//! Holds before and after the ownership pass; what that pass promises is checked in [`crate::ownership::verify`].

use echo_abi::symbols;
use echo_sema::display::type_name;
use echo_sema::typed::Program;
use echo_sema::types::{Ty, TyKind};

use super::{
    Arg, Const, Function, FunctionKind, Liveness, Module, Op, Operand, Place, RtArg, Step,
    Terminator, Use, Var,
};
use crate::layout;

/// The first fault found, as text for the compiler's authors.
///
/// # Errors
/// When the module is not well formed.
pub fn verify(program: &Program, module: &Module) -> Result<(), String> {
    for function in &module.functions {
        let checker = Checker {
            program,
            module,
            function,
        };
        checker
            .function()
            .map_err(|fault| format!("function {}: {fault}", function.symbol))?;
    }
    Ok(())
}

struct Checker<'a> {
    program: &'a Program,
    module: &'a Module,
    function: &'a Function,
}

type Check = Result<(), String>;

impl Checker<'_> {
    fn function(&self) -> Check {
        if self.function.parameter_count > self.function.vars.len() {
            return Err("more parameters than variables".to_string());
        }
        if self.function.blocks.is_empty() {
            return Err("no blocks".to_string());
        }
        self.blocks()?;
        for (number, block) in self.function.blocks.iter().enumerate() {
            for (index, instr) in block.instrs.iter().enumerate() {
                self.op(&instr.op)
                    .map_err(|fault| format!("b{number}, instruction {index}: {fault}"))?;
            }
            if let Some(terminator) = &block.terminator {
                self.terminator(terminator)
                    .map_err(|fault| format!("end of b{number}: {fault}"))?;
            }
        }
        self.definitions()
    }

    /// Ends, targets and variables are there.
    fn blocks(&self) -> Check {
        let known = |var: Var| (var.0 as usize) < self.function.vars.len();
        for (number, block) in self.function.blocks.iter().enumerate() {
            let Some(terminator) = &block.terminator else {
                return Err(format!("b{number} is not terminated"));
            };
            let mut targets = terminator.successors().into_iter();
            if let Some(target) =
                targets.find(|target| target.0 as usize >= self.function.blocks.len())
            {
                return Err(format!("b{number} goes to b{}", target.0));
            }
            let mut unknown = None;
            let mut note = |var: Var| {
                if !known(var) {
                    unknown = Some(var);
                }
            };
            terminator.visit_uses(&mut |var, _| note(var));
            for instr in &block.instrs {
                instr.op.visit_uses(&mut |var, _| note(var));
                instr.op.visit_definitions(&mut note);
                instr.op.visit_addresses(&mut note);
                instr.unwind.iter().copied().for_each(&mut note);
                if let Op::Select { cases, .. } = &instr.op {
                    cases.iter().for_each(|case| note(case.value));
                }
            }
            if let Some(var) = unknown {
                return Err(format!("b{number} names variable {}", var.0));
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ definitions

    /// On every way to a use the variable has got a value: at the start no variable is live but parameters.
    fn definitions(&self) -> Check {
        self.parameters_stay()?;
        let live = Liveness::solve(self.function, Some, |var| self.is_written_by_address(var));
        let without = live.start[0].iter();
        match without.copied().find(|&var| !self.is_parameter(var)) {
            Some(var) => Err(self.first_use_without_value(var)),
            None => Ok(()),
        }
    }

    fn is_written_by_address(&self, var: Var) -> bool {
        !layout::is_managed(self.program, self.ty(var))
    }

    /// Nothing assigns or mutates a parameter.
    fn parameters_stay(&self) -> Check {
        for (number, block) in self.function.blocks.iter().enumerate() {
            for (index, instr) in block.instrs.iter().enumerate() {
                let mut assigned = None;
                instr.op.visit_definitions(&mut |var| {
                    if self.is_parameter(var) {
                        assigned = Some(var);
                    }
                });
                let at = format_args!("b{number}, instruction {index}");
                if let Some(var) = assigned {
                    let name = self.name(var);
                    return Err(format!("{at}: parameter {name} is assigned"));
                }
                for (var, how) in instr.op.uses() {
                    self.parameter_stays(var, how)
                        .map_err(|fault| format!("{at}: {fault}"))?;
                }
            }
        }
        Ok(())
    }

    /// A use of the variable, which is live at the start, that comes before any definition.
    fn first_use_without_value(&self, var: Var) -> String {
        let name = self.name(var);
        let mut seen = vec![false; self.function.blocks.len()];
        let mut work = vec![0];
        'blocks: while let Some(number) = work.pop() {
            if std::mem::replace(&mut seen[number], true) {
                continue;
            }
            let block = &self.function.blocks[number];
            for (index, instr) in block.instrs.iter().enumerate() {
                if instr.op.uses().iter().any(|&(used, _)| used == var) {
                    return format!(
                        "b{number}, instruction {index}: {name} is used without a value"
                    );
                }
                let mut defined = false;
                instr
                    .op
                    .visit_definitions(&mut |other| defined |= other == var);
                instr.op.visit_addresses(&mut |other| {
                    defined |= other == var && self.is_written_by_address(var);
                });
                if defined {
                    continue 'blocks;
                }
            }
            let uses = block.terminator.iter().flat_map(Terminator::uses);
            if uses.into_iter().any(|(used, _)| used == var) {
                return format!("b{number}, end: {name} is used without a value");
            }
            work.extend(
                self.function
                    .successors(number)
                    .iter()
                    .map(|next| next.0 as usize),
            );
        }
        format!("{name} is used without a value")
    }

    fn is_parameter(&self, var: Var) -> bool {
        (var.0 as usize) < self.function.parameter_count
    }

    fn parameter_stays(&self, var: Var, how: Use) -> Check {
        let callers = self.is_parameter(var) && self.function.kind != FunctionKind::Entry;
        let reference = matches!(self.program.types.kind(self.ty(var)), TyKind::Ref(_));
        if how == Use::Mutate && callers && !reference {
            return Err(format!("parameter {} is mutated", self.name(var)));
        }
        Ok(())
    }

    // ------------------------------------------------------------ types

    fn ty(&self, var: Var) -> Ty {
        self.function.vars[var.0 as usize].ty
    }

    fn name(&self, var: Var) -> String {
        match &self.function.vars[var.0 as usize].name {
            Some(name) => format!("{name}.{}", var.0),
            None => format!("%{}", var.0),
        }
    }

    fn operand_ty(&self, operand: &Operand) -> Ty {
        match operand {
            Operand::Var(var) => self.ty(*var),
            Operand::Const(constant) => constant.ty(),
        }
    }

    fn agree(&self, what: &str, found: Ty, expected: Ty) -> Check {
        if found == expected {
            return Ok(());
        }
        let name = |ty| type_name(self.program, ty);
        Err(format!("{what} is {}, not {}", name(found), name(expected)))
    }

    fn has(&self, what: &str, operand: &Operand, expected: Ty) -> Check {
        if let Operand::Const(Const::Int(value, ty)) = operand
            && let TyKind::Int(kind) = self.program.types.kind(*ty)
            && !(kind.min()..=kind.max()).contains(value)
        {
            return Err(format!("{what}: {value} is out of range"));
        }
        self.agree(what, self.operand_ty(operand), expected)
    }

    fn all_have(&self, what: &str, operands: &[Operand], expected: &[Ty]) -> Check {
        if operands.len() != expected.len() {
            return Err(format!(
                "{} {what}s instead of {}",
                operands.len(),
                expected.len()
            ));
        }
        operands
            .iter()
            .zip(expected)
            .try_for_each(|(operand, &expected)| self.has(what, operand, expected))
    }

    fn place(&self, place: &Place) -> Check {
        let mut ty = self.ty(place.root);
        if let TyKind::Ref(target) = self.program.types.kind(ty)
            && !(place.path.is_empty() && place.ty == ty)
        {
            ty = *target;
        }
        let mut steps = place.path.iter();
        while let Some(step) = steps.next() {
            ty = match (step, self.program.types.kind(ty)) {
                (Step::Payload(variant), TyKind::Enum(id)) => {
                    let variants = &self.program.enums[id.0 as usize].variants;
                    let payload = variants.get(*variant).map(|variant| &variant.payload);
                    match (payload, steps.next()) {
                        (Some(payload), Some(Step::Field(index))) if *index < payload.len() => {
                            payload[*index]
                        }
                        _ => return Err("no such part of an enum's payload".to_string()),
                    }
                }
                _ => self.step(ty, step)?,
            };
        }
        self.agree("the place", ty, place.ty)
    }

    fn step(&self, ty: Ty, step: &Step) -> Result<Ty, String> {
        let kind = self.program.types.kind(ty);
        let parts = layout::parts(self.program, ty);
        let part = |index: usize| {
            let fault = || format!("{} has no part {index}", type_name(self.program, ty));
            parts.get(index).copied().ok_or_else(fault)
        };
        match (step, kind) {
            (Step::Field(index), TyKind::Struct(_) | TyKind::Tuple(_)) => part(*index),
            (Step::Payload(_), TyKind::Option(_)) => part(0),
            (Step::Payload(index), TyKind::Result(..)) => part(*index),
            (Step::Index { index, .. }, TyKind::Array(element)) => {
                self.has("the index", index, Ty::INT)?;
                Ok(*element)
            }
            (Step::Key(key), TyKind::Map(key_ty, value)) => {
                self.has("the key", key, *key_ty)?;
                Ok(*value)
            }
            _ => Err(format!(
                "a step {step:?} into {}",
                type_name(self.program, ty)
            )),
        }
    }

    fn op(&self, op: &Op) -> Check {
        match op {
            Op::Set { dst, value } => self.set(*dst, value),
            Op::Load { dst, place, .. } => {
                self.place(place)?;
                self.agree("the place", place.ty, self.ty(*dst))
            }
            Op::Store { place, value } => {
                self.place(place)?;
                self.has("the value", value, place.ty)
            }
            Op::Update { place, value, .. } => {
                if self.function.vars[place.root.0 as usize].global {
                    return Err("a global is updated while its lock is held".to_string());
                }
                self.place(place)?;
                self.has("the value", value, place.ty)
            }
            Op::Arith {
                dst,
                left,
                right,
                ty,
                ..
            }
            | Op::Wrap {
                dst,
                left,
                right,
                ty,
                ..
            } => {
                self.has("the left operand", left, *ty)?;
                self.has("the right operand", right, *ty)?;
                self.agree("the result", *ty, self.ty(*dst))
            }
            Op::Neg { dst, value, ty } => {
                self.has("the operand", value, *ty)?;
                self.agree("the result", *ty, self.ty(*dst))
            }
            Op::Not { dst, value } => {
                self.has("the operand", value, Ty::BOOL)?;
                self.agree("the result", Ty::BOOL, self.ty(*dst))
            }
            Op::Compare {
                dst,
                left,
                right,
                ty,
                ..
            } => {
                self.has("the left operand", left, *ty)?;
                self.has("the right operand", right, *ty)?;
                self.agree("the result", Ty::BOOL, self.ty(*dst))
            }
            Op::Intrinsic { args, ty, .. } => args
                .iter()
                .try_for_each(|arg| self.has("the argument", arg, *ty)),
            Op::Convert {
                dst,
                value,
                from,
                to,
                ..
            } => {
                self.has("the operand", value, *from)?;
                self.agree("the result", *to, self.ty(*dst))
            }
            Op::Make { dst, fields } => {
                let parts = layout::parts(self.program, self.ty(*dst));
                self.all_have("field", fields, &parts)
            }
            Op::Variant { dst, tag, payload } => self.variant(*dst, *tag, payload),
            Op::Tag { dst, .. } => self.agree("the result", Ty::I32, self.ty(*dst)),
            Op::Array {
                element, elements, ..
            } => elements
                .iter()
                .try_for_each(|value| self.has("the element", value, *element)),
            Op::Header { dst, .. } => self.agree("the result", Ty::INT, self.ty(*dst)),
            Op::IsAlone { dst, .. } => self.agree("the result", Ty::BOOL, self.ty(*dst)),
            Op::Call {
                dst,
                function,
                args,
            } => self.call(*dst, function.0, args),
            Op::CallValue { dst, callee, args } => self.call_value(*dst, callee, args),
            Op::Runtime { symbol, args, .. } => self.runtime(symbol, args),
            Op::GlobalStore { global, value } => self.has(
                "the value",
                value,
                self.program.globals[global.0 as usize].ty,
            ),
            Op::GlobalLoad { dst, global } => {
                let ty = self.program.globals[global.0 as usize].ty;
                self.agree("the global", ty, self.ty(*dst))
            }
            Op::Defer { entry, args } => self.entry(entry.0, args),
            Op::RunDefers if !self.function.defers => Err("no calls are deferred".to_string()),
            Op::GlobalAddress { .. }
            | Op::Select { .. }
            | Op::Define(_)
            | Op::Forget(_)
            | Op::RunDefers
            | Op::Poll
            | Op::Dup(_)
            | Op::Drop(_) => Ok(()),
        }
    }

    /// A promise is the block of its future.
    fn set(&self, dst: Var, value: &Operand) -> Check {
        let kind = |ty| self.program.types.kind(ty);
        match (kind(self.ty(dst)), kind(self.operand_ty(value))) {
            (TyKind::Future(found), TyKind::Promise(expected)) => {
                self.agree("the value's result", *found, *expected)
            }
            _ => self.has("the value", value, self.ty(dst)),
        }
    }

    fn variant(&self, dst: Var, tag: u32, payload: &[Operand]) -> Check {
        let ty = self.ty(dst);
        let expected = match (self.program.types.kind(ty), tag) {
            (TyKind::Option(_), 0) => Vec::new(),
            (TyKind::Option(payload), 1)
            | (TyKind::Result(payload, _), 0)
            | (TyKind::Result(_, payload), 1) => vec![*payload],
            (TyKind::Enum(id), _) => {
                let variants = &self.program.enums[id.0 as usize].variants;
                match variants.get(tag as usize) {
                    Some(variant) => variant.payload.clone(),
                    None => return Err(format!("no variant {tag}")),
                }
            }
            _ => {
                return Err(format!(
                    "{} has no variant {tag}",
                    type_name(self.program, ty)
                ));
            }
        };
        self.all_have("payload", payload, &expected)
    }

    fn call(&self, dst: Option<Var>, function: u32, args: &[Arg]) -> Check {
        let Some(callee) = self.module.functions.get(function as usize) else {
            return Err(format!("no function {function}"));
        };
        if callee.kind != FunctionKind::Normal {
            return Err(format!("{} is not called like that", callee.symbol));
        }
        let params: Vec<Ty> = callee.vars[..callee.parameter_count]
            .iter()
            .map(|var| var.ty)
            .collect();
        self.args(args, &params)?;
        match dst {
            Some(dst) => self.agree("the result", callee.result, self.ty(dst)),
            None if layout::is_managed(self.program, callee.result) => {
                Err("a counted result goes nowhere".to_string())
            }
            None => Ok(()),
        }
    }

    fn call_value(&self, dst: Option<Var>, callee: &Operand, args: &[Arg]) -> Check {
        let ty = self.operand_ty(callee);
        let TyKind::Func(params, result) = self.program.types.kind(ty) else {
            return Err(format!("{} is called", type_name(self.program, ty)));
        };
        self.args(args, params)?;
        match dst {
            Some(dst) => self.agree("the result", *result, self.ty(dst)),
            None if layout::is_managed(self.program, *result) => {
                Err("a counted result goes nowhere".to_string())
            }
            None => Ok(()),
        }
    }

    fn args(&self, args: &[Arg], params: &[Ty]) -> Check {
        if args.len() != params.len() {
            return Err(format!(
                "{} arguments instead of {}",
                args.len(),
                params.len()
            ));
        }
        for (arg, &param) in args.iter().zip(params) {
            match (arg, self.program.types.kind(param)) {
                (Arg::Value(value), _) => self.has("the argument", value, param)?,
                (Arg::Ref(place), TyKind::Ref(target)) => {
                    self.place(place)?;
                    self.agree("the argument", place.ty, *target)?;
                }
                (Arg::Ref(_), _) => return Err("a reference is passed as a value".to_string()),
            }
        }
        Ok(())
    }

    fn runtime(&self, name: &str, args: &[RtArg]) -> Check {
        let Some(symbol) = symbols::find(name) else {
            return Err(format!("no runtime function {name}"));
        };
        if symbol.arguments.len() != args.len() {
            return Err(format!(
                "{name} takes {} arguments, not {}",
                symbol.arguments.len(),
                args.len()
            ));
        }
        args.iter().try_for_each(|arg| match arg {
            RtArg::Place(place) => self.place(place),
            RtArg::Entry(entry) => self.entry(entry.0, &entry_args(name, args)),
            _ => Ok(()),
        })
    }

    fn entry(&self, function: u32, args: &[Var]) -> Check {
        let Some(entry) = self.module.functions.get(function as usize) else {
            return Err(format!("no function {function}"));
        };
        if entry.kind != FunctionKind::Entry {
            return Err(format!("{} is no entry", entry.symbol));
        }
        let params = &entry.vars[..entry.parameter_count];
        if params.len() != args.len() {
            return Err(format!(
                "{} arguments instead of {}",
                args.len(),
                params.len()
            ));
        }
        args.iter()
            .zip(params)
            .try_for_each(|(&arg, param)| self.agree("the argument", self.ty(arg), param.ty))
    }

    fn terminator(&self, terminator: &Terminator) -> Check {
        match terminator {
            Terminator::Jump(_) | Terminator::Unreachable => Ok(()),
            Terminator::Branch { condition, .. } => self.has("the condition", condition, Ty::BOOL),
            Terminator::Switch { value, ty, .. } => self.has("the value", value, *ty),
            Terminator::Return(Some(value)) => self.has("the result", value, self.function.result),
            Terminator::Return(None) => match self.program.types.kind(self.function.result) {
                TyKind::Void | TyKind::Never => Ok(()),
                _ => Err("the result is missing".to_string()),
            },
        }
    }
}

/// What the entry that is passed to a runtime function gets: the tuple, and before it the future that it is a callback of.
fn entry_args(name: &str, args: &[RtArg]) -> Vec<Var> {
    let passed = args.iter().flat_map(|arg| match arg {
        RtArg::Value(Operand::Var(var)) if name == "echo_future_on_done" => vec![*var],
        RtArg::Tuple(vars) => vars.clone(),
        _ => Vec::new(),
    });
    passed.collect()
}
