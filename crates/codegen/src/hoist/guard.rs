//! The tests before a loop, and the views they look at.

use echo_sema::typed::CompareOp;
use echo_sema::types::Ty;
use echo_syntax::span::Span;

use super::counted::Counted;
use super::{Plan, View};
use crate::ir::{
    Block, BlockId, Const, Function, Header, Instr, Op, Operand, Place, Terminator, Var, VarInfo,
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
    /// Loads all views, and tests that what the second version takes for granted holds. Each view's variable.
    pub fn views(&mut self, plan: &Plan, counted: &Counted) -> Vec<Var> {
        let counter = Operand::Var(counted.counter);
        if plan.views.iter().any(|view| view.counted) {
            self.require(CompareOp::Ge, counter, int(0));
        }
        let mut vars: Vec<Var> = Vec::with_capacity(plan.views.len());
        for view in &plan.views {
            self.span = view.span;
            let root = view.above.map_or(view.way.0, |above| vars[above]);
            let var = self.load(view, root);
            self.view(view, var, counted);
            vars.push(var);
        }
        vars
    }

    fn view(&mut self, view: &View, var: Var, counted: &Counted) {
        let len = self.var(Ty::INT);
        if view.counted || !view.fixed.is_empty() {
            self.op(Op::Header {
                dst: len,
                value: Operand::Var(var),
                which: Header::ArrayLen,
            });
        }
        if view.counted {
            self.require(CompareOp::Le, counted.stop.clone(), Operand::Var(len));
        }
        for index in &view.fixed {
            self.require(CompareOp::Ge, index.clone(), int(0));
            self.require(CompareOp::Lt, index.clone(), Operand::Var(len));
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

    fn load(&mut self, view: &View, root: Var) -> Var {
        let dst = self.var(view.ty);
        self.function.vars[dst.0 as usize].borrowed = true;
        self.op(Op::Load {
            dst,
            place: Place {
                root,
                path: view.path.clone(),
                ty: view.ty,
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
        });
        Var(self.function.vars.len() as u32 - 1)
    }
}

fn int(value: i128) -> Operand {
    Operand::Const(Const::Int(value, Ty::INT))
}
