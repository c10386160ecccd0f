//! What evaluating a part of the typed tree may do.

use std::collections::HashSet;

use echo_sema::typed::{
    Block, Builtin, Callee, Expr, ExprKind, LocalId, Place, Root, Stmt, StmtKind,
};
use echo_sema::walk::{Node, walk_block, walk_expr};

/// Whether evaluating the expression may change the local (or what it refers to).
pub fn changes(expr: &Expr, local: LocalId) -> bool {
    let mut found = false;
    walk_expr(expr, &mut |node| {
        found |= matches!(node, Node::Changed(place) if root_local(place) == Some(local));
    });
    found
}

/// All locals that the block changes through places.
pub fn changed_locals(block: &Block) -> HashSet<LocalId> {
    let mut found = HashSet::new();
    walk_block(block, &mut |node| {
        if let Node::Changed(place) = node {
            found.extend(root_local(place));
        }
    });
    found
}

/// Whether the block defers calls.
pub fn has_defers(block: &Block) -> bool {
    let mut found = false;
    walk_block(block, &mut |node| {
        found |= matches!(
            node,
            Node::Stmt(Stmt {
                kind: StmtKind::Defer(_),
                ..
            })
        );
    });
    found
}

/// The local at the root of a place.
pub fn root_local(place: &Place) -> Option<LocalId> {
    match place.root {
        Root::Local(local) => Some(local),
        Root::Global(_) | Root::Discard => None,
    }
}

/// Whether the expression only reads and computes: it may panic, but changes nothing, waits for nothing and calls nothing of the program.
pub fn is_quiet(expr: &Expr) -> bool {
    let mut quiet = true;
    walk_expr(expr, &mut |node| {
        quiet &= match node {
            Node::Expr(expr) => is_quiet_kind(&expr.kind),
            Node::Call(_) => true,
            Node::Stmt(_) | Node::Changed(_) => false,
        };
    });
    quiet
}

pub fn is_quiet_kind(kind: &ExprKind) -> bool {
    match kind {
        ExprKind::Call(call) => {
            matches!(call.callee, Callee::Builtin(builtin) if is_quiet_builtin(builtin))
        }
        ExprKind::Spawn(_)
        | ExprKind::AwaitCall(_)
        | ExprKind::Await(_)
        | ExprKind::TryAwait(_)
        | ExprKind::NewChan(_)
        | ExprKind::Receive(_)
        | ExprKind::ReceiveOk(_)
        | ExprKind::Send(..)
        | ExprKind::Ref(_)
        | ExprKind::Match(_)
        | ExprKind::Diverge(_)
        | ExprKind::Question(_) => false,
        _ => true,
    }
}

fn is_quiet_builtin(builtin: Builtin) -> bool {
    matches!(
        builtin,
        Builtin::SizeOf(_)
            | Builtin::ArrayLen
            | Builtin::MapLen
            | Builtin::StringLen
            | Builtin::StringByteLen
            | Builtin::StringIsEmpty
            | Builtin::IsSome
            | Builtin::IsNone
            | Builtin::IsOk
            | Builtin::IsErr
            | Builtin::MathSqrt
            | Builtin::MathAbsFloat
            | Builtin::MathAbsInt
            | Builtin::MathMin
            | Builtin::MathMax
            | Builtin::MathIsNan
            | Builtin::MathIsInf
            | Builtin::WrappingAdd
            | Builtin::WrappingSub
            | Builtin::WrappingMul
            | Builtin::WrappingNeg
    )
}
