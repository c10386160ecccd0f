//! Rewrites a function so that the rule for counting fits every instruction:
//! - the entry block has no predecessor, unreachable blocks are empty;
//! - reading a whole variable is a `Set`, not a `Load`;
//! - no instruction borrows a variable that it also mutates, nor uses one that it defines;
//! - the only counted part of a variable that is not used again is moved out of it, not copied.

use echo_sema::typed::Program;
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::{Owners, is_callers, liveness, managed};
use crate::ir::{
    Arg, Block, BlockId, Function, Instr, Op, Operand, Place, RtArg, Step, Terminator, Use, Var,
    VarInfo, VarSet,
};
use crate::layout;

pub fn prepare(program: &Program, function: &mut Function) {
    clear_unreachable(function);
    free_entry(function);
    let counted = managed(program, function);
    for number in 0..function.blocks.len() {
        let instrs = std::mem::take(&mut function.blocks[number].instrs);
        let mut out = Vec::with_capacity(instrs.len());
        for mut instr in instrs {
            whole_load(program, function, &mut instr.op);
            if matches!(&instr.op, Op::Set { dst, value: Operand::Var(var) } if dst == var) {
                continue;
            }
            copy_what_is_mutated(function, &counted, &mut instr, &mut out);
            let after = define_another(function, &counted, &mut instr);
            out.push(instr);
            out.extend(after);
        }
        function.blocks[number].instrs = out;
    }
    move_last_parts(program, function);
}

fn clear_unreachable(function: &mut Function) {
    let reachable = function.reachable();
    for (block, reached) in function.blocks.iter_mut().zip(reachable) {
        if !reached {
            block.instrs.clear();
            block.terminator = Some(Terminator::Unreachable);
        }
    }
}

/// What is dropped at the start of the entry must not be dropped again in a loop.
fn free_entry(function: &mut Function) {
    if function.edge_counts()[0] == 0 {
        return;
    }
    let moved = BlockId(function.blocks.len() as u32);
    let entry = Block {
        instrs: Vec::new(),
        terminator: Some(Terminator::Jump(BlockId(0))),
    };
    let mut body = std::mem::replace(&mut function.blocks[0], entry);
    let is_address = |instr: &Instr| matches!(instr.op, Op::GlobalAddress { .. });
    let addresses = body.instrs.iter().take_while(|instr| is_address(instr));
    let rest = body.instrs.split_off(addresses.count());
    function.blocks[0].instrs = std::mem::replace(&mut body.instrs, rest);
    function.blocks.push(body);
    for block in &mut function.blocks {
        if let Some(terminator) = &mut block.terminator {
            terminator.retarget(|target| if target.0 == 0 { moved } else { target });
        }
    }
}

/// A load of a variable itself (not of what a reference refers to).
fn whole_load(program: &Program, function: &Function, op: &mut Op) {
    let Op::Load {
        dst,
        place,
        borrow: false,
    } = op
    else {
        return;
    };
    let root = function.vars[place.root.0 as usize].ty;
    let through_reference = matches!(program.types.kind(root), TyKind::Ref(_)) && root != place.ty;
    if place.path.is_empty() && !through_reference {
        let (dst, root) = (*dst, place.root);
        *op = Op::Set {
            dst,
            value: Operand::Var(root),
        };
    }
}

fn new_var(function: &mut Function, ty: Ty) -> Var {
    let var = Var(function.vars.len() as u32);
    function.vars.push(VarInfo {
        ty,
        name: None,
        borrowed: false,
        global: false,
    });
    var
}

fn set(dst: Var, value: Var, span: Span) -> Instr {
    Instr {
        op: Op::Set {
            dst,
            value: Operand::Var(value),
        },
        span,
        unwind: Vec::new(),
    }
}

/// A call that mutates a variable gets a copy of it where it also borrows it: the callee would see it change, or go.
fn copy_what_is_mutated(
    function: &mut Function,
    counted: &VarSet,
    instr: &mut Instr,
    out: &mut Vec<Instr>,
) {
    let mut mutated = Vec::new();
    instr.op.visit_uses(&mut |var, how| {
        if how == Use::Mutate && counted.contains(var) {
            mutated.push(var);
        }
    });
    if mutated.is_empty() {
        return;
    }
    let span = instr.span;
    visit_borrowed_mut(&mut instr.op, &mut |var| {
        if mutated.contains(var) {
            let copy = new_var(function, function.vars[var.0 as usize].ty);
            out.push(set(copy, *var, span));
            *var = copy;
        }
    });
}

/// Calls `f` with the variables a call borrows while it runs.
fn visit_borrowed_mut(op: &mut Op, f: &mut impl FnMut(&mut Var)) {
    let operand = |operand: &mut Operand, f: &mut dyn FnMut(&mut Var)| {
        if let Operand::Var(var) = operand {
            f(var);
        }
    };
    match op {
        Op::Call { args, .. } => {
            for arg in args {
                if let Arg::Value(value) = arg {
                    operand(value, f);
                }
            }
        }
        Op::CallValue { callee, args, .. } => {
            operand(callee, f);
            for arg in args {
                if let Arg::Value(value) = arg {
                    operand(value, f);
                }
            }
        }
        Op::Runtime { args, .. } => {
            for arg in args {
                match arg {
                    RtArg::Value(value) => operand(value, f),
                    RtArg::Borrow(var) => f(var),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Where an instruction uses a variable that it defines, it defines another, from which the variable then gets its value: in between the
/// old value can be dropped.
fn define_another(function: &mut Function, counted: &VarSet, instr: &mut Instr) -> Vec<Instr> {
    let mut used = Vec::new();
    instr.op.visit_uses(&mut |var, _| used.push(var));
    let mut after = Vec::new();
    let span = instr.span;
    visit_definitions_mut(&mut instr.op, &mut |var| {
        if counted.contains(*var) && used.contains(var) {
            let new = new_var(function, function.vars[var.0 as usize].ty);
            after.push(set(*var, new, span));
            *var = new;
        }
    });
    after
}

fn visit_definitions_mut(op: &mut Op, f: &mut impl FnMut(&mut Var)) {
    match op {
        Op::Set { dst, .. }
        | Op::Load { dst, .. }
        | Op::Make { dst, .. }
        | Op::Variant { dst, .. }
        | Op::Array { dst, .. } => f(dst),
        Op::Call { dst, .. } | Op::CallValue { dst, .. } => dst.iter_mut().for_each(f),
        Op::Runtime { dst, args, .. } => {
            for arg in args {
                if let RtArg::Out(var) = arg {
                    f(var);
                }
            }
            dst.iter_mut().for_each(f);
        }
        // The others define scalars, or use nothing.
        _ => {}
    }
}

/// `x = load r.path`, where `r` is not used any more and the place is all that is counted in it: the count goes over to `x`.
fn move_last_parts(program: &Program, function: &mut Function) {
    let owners = Owners::all_owned(program, function);
    let ends = liveness::solve(function, &owners).end;
    let mut live = VarSet::new(function.vars.len());
    for (number, end) in ends.iter().enumerate() {
        live.become_those(end);
        let block = &function.blocks[number];
        if let Some(terminator) = &block.terminator {
            liveness::before_terminator(&mut live, terminator, &owners);
        }
        let mut moved = Vec::new();
        for (index, instr) in block.instrs.iter().enumerate().rev() {
            if let Op::Load { dst, place, .. } = &instr.op
                && !live.contains(place.root)
                && owners.is_owned(*dst)
                && live.contains(*dst)
                && is_only_part(program, function, place)
            {
                moved.push((index, place.root));
            }
            liveness::before(&mut live, &instr.op, &owners);
        }
        forget_behind(&mut function.blocks[number], &moved);
    }
}

/// Lets the roots go behind the loads with these indexes, the last one first.
fn forget_behind(block: &mut Block, moved: &[(usize, Var)]) {
    let mut moved = moved.iter().rev().peekable();
    if moved.peek().is_none() {
        return;
    }
    let instrs = std::mem::take(&mut block.instrs);
    for (index, mut instr) in instrs.into_iter().enumerate() {
        let root = moved.next_if(|(at, _)| *at == index).map(|&(_, root)| root);
        if let (Some(_), Op::Load { borrow, .. }) = (root, &mut instr.op) {
            *borrow = true;
        }
        let span = instr.span;
        block.instrs.push(instr);
        block.instrs.extend(root.map(|root| Instr {
            op: Op::Forget(root),
            span,
            unwind: Vec::new(),
        }));
    }
}

/// Whether the place lies in the variable itself, and nothing beside it is counted. (A payload is alone: its tag has been tested.)
fn is_only_part(program: &Program, function: &Function, place: &Place) -> bool {
    let mut ty = function.vars[place.root.0 as usize].ty;
    if is_callers(function, place.root) || matches!(program.types.kind(ty), TyKind::Ref(_)) {
        return false;
    }
    for step in &place.path {
        let parts = layout::parts(program, ty);
        match step {
            Step::Payload(index) => match program.types.kind(ty) {
                TyKind::Option(_) => ty = parts[0],
                TyKind::Result(..) => ty = parts[*index],
                // In a block of its own, which may have other owners.
                _ => return false,
            },
            Step::Field(index) => {
                let mut others = parts.iter().enumerate().filter(|(other, _)| other != index);
                if others.any(|(_, &part)| layout::is_managed(program, part)) {
                    return false;
                }
                ty = parts[*index];
            }
            Step::Index { .. } | Step::Key(_) => return false,
        }
    }
    !place.path.is_empty()
}
