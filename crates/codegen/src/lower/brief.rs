//! Which parts of a program end soon, so that a loop around them may do without polling at every turn.

use std::collections::HashMap;

use echo_sema::typed::{Block, Builtin, Callee, ExprKind, FuncId, Program, StmtKind};

use echo_sema::walk::{Node, walk_block};

use super::effects::is_quiet_kind;

/// A call of a function that takes more steps than this is not brief: a strip of turns must end within a fraction of a millisecond.
const MOST_STEPS: usize = 128;
/// Functions that call each other deeper than this are not looked at.
const MOST_CALLS: usize = 8;

/// What is known about functions so far.
#[derive(Default)]
pub struct Brief {
    /// How many steps a call takes at most; none where that may be many.
    steps: HashMap<FuncId, Option<usize>>,
}

impl Brief {
    /// Whether each turn of a loop around the block ends soon: the block has no loop, calls nothing of the program but brief functions, and never
    /// waits.
    pub fn is_brief(&mut self, program: &Program, block: &Block) -> bool {
        self.block(program, block, 0).is_some()
    }

    fn block(&mut self, program: &Program, block: &Block, depth: usize) -> Option<usize> {
        let mut steps = Some(0_usize);
        walk_block(block, &mut |node| {
            let taken = match node {
                Node::Expr(expr) => self.expr(program, &expr.kind, depth),
                Node::Stmt(stmt) => is_simple(&stmt.kind).then_some(1),
                Node::Call(_) | Node::Changed(_) => Some(0),
            };
            steps = steps
                .zip(taken)
                .map(|(sum, taken)| sum.saturating_add(taken));
        });
        steps
    }

    fn expr(&mut self, program: &Program, kind: &ExprKind, depth: usize) -> Option<usize> {
        match kind {
            ExprKind::Ref(_)
            | ExprKind::Match(_)
            | ExprKind::Diverge(_)
            | ExprKind::Question(_) => Some(1),
            ExprKind::Call(call) => match call.callee {
                Callee::Function(function) => self.function(program, function, depth + 1),
                // Growing copies, but each element only once on average.
                Callee::Builtin(Builtin::ArrayPush | Builtin::ArrayPop) => Some(1),
                _ => is_quiet_kind(kind).then_some(1),
            },
            _ => is_quiet_kind(kind).then_some(1),
        }
    }

    fn function(&mut self, program: &Program, id: FuncId, depth: usize) -> Option<usize> {
        if let Some(&steps) = self.steps.get(&id) {
            return steps;
        }
        let function = &program.functions[id.0 as usize];
        if depth > MOST_CALLS || function.is_async {
            return None;
        }
        // One that calls itself is not brief.
        self.steps.insert(id, None);
        let steps = self.block(program, &function.body, depth);
        let steps = steps.filter(|&steps| steps <= MOST_STEPS);
        self.steps.insert(id, steps);
        steps
    }
}

fn is_simple(stmt: &StmtKind) -> bool {
    !matches!(
        stmt,
        StmtKind::While(..)
            | StmtKind::Loop(_)
            | StmtKind::ForRange { .. }
            | StmtKind::ForEach { .. }
            | StmtKind::ForMap { .. }
            | StmtKind::Select(_)
            | StmtKind::Defer(_)
    )
}
