//! The tests before a loop, and the views they look at.

use echo_sema::typed::{BinaryOp, CompareOp};
use echo_sema::types::Ty;
use echo_syntax::span::Span;

use super::counted::{Base, Counted, MOST_OFFSET, Step, Stop};
use super::{Plan, View};
use crate::ir::{
    self, Block, BlockId, Const, Function, Header, Instr, Intrinsic, Op, Operand, Place,
    Terminator, Var, VarInfo,
};

/// Appends blocks that go to `otherwise` as soon as a test fails.
pub struct Tests<'f> {
    pub function: &'f mut Function,
    pub otherwise: BlockId,
    /// Of the block being made.
    pub instrs: Vec<Instr>,
    pub span: Span,
}

impl Tests<'_> {
    /// Loads all views, and tests that what the second version takes for granted holds. Each view's variable, and where the counter stops.
    pub fn views(&mut self, plan: &Plan, counted: &Counted) -> (Vec<Var>, Operand) {
        let lowest = plan.views.iter().filter_map(|view| view.counted);
        if let Some(lowest) = lowest.map(|offsets| offsets.0).min() {
            let counter = Operand::Var(counted.counter);
            self.require(CompareOp::Ge, counter, int(-lowest));
        }
        if let Step::ByVar(step) = counted.step {
            self.require(CompareOp::Ge, Operand::Var(step), int(1));
            self.require(CompareOp::Le, Operand::Var(step), int(MOST_OFFSET));
        }
        let stop = self.stop(counted);
        let mut vars: Vec<Var> = Vec::with_capacity(plan.views.len());
        for view in &plan.views {
            self.span = view.span;
            let root = view.above.map_or(view.way.0, |above| vars[above]);
            let var = self.load(root, &view.path, view.ty);
            self.view(view, var, counted, &stop);
            vars.push(var);
        }
        (vars, stop)
    }

    /// Where the counter stops. Where the sum is out of range, the head will find out.
    fn stop(&mut self, counted: &Counted) -> Operand {
        let Stop { base, offset } = &counted.stop;
        let base = match base {
            Base::At(operand) => operand.clone(),
            Base::Len(place) => {
                let array = match place.path.is_empty() && place.ty == Ty::VOID {
                    true => place.root,
                    false => self.load(place.root, &place.path, place.ty),
                };
                Operand::Var(self.len(array))
            }
        };
        self.plus(base, *offset)
    }

    fn len(&mut self, array: Var) -> Var {
        let len = self.var(Ty::INT);
        self.op(Op::Header {
            dst: len,
            value: Operand::Var(array),
            which: Header::ArrayLen,
        });
        len
    }

    fn view(&mut self, view: &View, var: Var, counted: &Counted, stop: &Operand) {
        if view.counted.is_some() || !view.fixed.is_empty() {
            let len = self.len(var);
            if let Some((_, highest)) = view.counted {
                // No length is so large or small that the difference is out of range.
                let bound = self.plus(Operand::Var(len), -highest);
                let op = match counted.inclusive {
                    true => CompareOp::Lt,
                    false => CompareOp::Le,
                };
                self.require(op, stop.clone(), bound);
            }
            for index in &view.fixed {
                self.require(CompareOp::Ge, index.clone(), int(0));
                self.require(CompareOp::Lt, index.clone(), Operand::Var(len));
            }
        }
        if view.stored {
            let alone = self.var(Ty::BOOL);
            self.op(Op::IsAlone {
                dst: alone,
                array: Operand::Var(var),
            });
            self.branch(alone);
        }
    }

    /// Where a strip of turns ends that begins now: the counter is below the stop, and both are at most lengths.
    pub fn end_of_strip(&mut self, counted: &Counted, stop: Operand) -> Var {
        let turns = match counted.step {
            Step::By(step) => int(step.min(MOST_OFFSET) * STRIP),
            Step::ByVar(step) => {
                let turns = self.var(Ty::INT);
                self.op(Op::Wrap {
                    dst: turns,
                    op: BinaryOp::Mul,
                    left: Operand::Var(step),
                    right: int(STRIP),
                    ty: Ty::INT,
                });
                Operand::Var(turns)
            }
        };
        let [sum, end] = [(); 2].map(|()| self.var(Ty::INT));
        self.op(Op::Wrap {
            dst: sum,
            op: BinaryOp::Add,
            left: Operand::Var(counted.counter),
            right: turns,
            ty: Ty::INT,
        });
        self.op(Op::Intrinsic {
            dst: end,
            op: Intrinsic::Min,
            args: vec![Operand::Var(sum), stop],
            ty: Ty::INT,
        });
        end
    }

    fn plus(&mut self, base: Operand, offset: i128) -> Operand {
        if offset == 0 {
            return base;
        }
        let dst = self.var(Ty::INT);
        self.op(Op::Wrap {
            dst,
            op: BinaryOp::Add,
            left: base,
            right: int(offset),
            ty: Ty::INT,
        });
        Operand::Var(dst)
    }

    fn load(&mut self, root: Var, path: &[ir::Step], ty: Ty) -> Var {
        let dst = self.var(ty);
        self.function.vars[dst.0 as usize].borrowed = true;
        self.op(Op::Load {
            dst,
            place: Place {
                root,
                path: path.to_vec(),
                ty,
            },
            borrow: true,
        });
        dst
    }

    fn require(&mut self, op: CompareOp, left: Operand, right: Operand) {
        let dst = self.var(Ty::BOOL);
        self.op(Op::Compare {
            dst,
            op,
            left,
            right,
            ty: Ty::INT,
        });
        self.branch(dst);
    }

    fn branch(&mut self, condition: Var) {
        let next = BlockId(self.function.blocks.len() as u32 + 1);
        self.end(Terminator::Branch {
            condition: Operand::Var(condition),
            then: next,
            otherwise: self.otherwise,
        });
    }

    /// Ends the block being made.
    pub fn end(&mut self, terminator: Terminator) {
        self.function.blocks.push(Block {
            instrs: std::mem::take(&mut self.instrs),
            terminator: Some(terminator),
        });
    }

    fn op(&mut self, op: Op) {
        self.instrs.push(Instr {
            op,
            span: self.span,
            unwind: Vec::new(),
        });
    }

    fn var(&mut self, ty: Ty) -> Var {
        self.function.vars.push(VarInfo {
            ty,
            name: None,
            borrowed: false,
            global: false,
        });
        Var(self.function.vars.len() as u32 - 1)
    }
}

/// Turns between polls, as in loops that are lowered in strips.
const STRIP: i128 = crate::lower::STRIP;

fn int(value: i128) -> Operand {
    Operand::Const(Const::Int(value, Ty::INT))
}
