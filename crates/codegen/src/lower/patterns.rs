//! `match`: decisions and bindings.
//!
//! Every alternative (an arm, or one side of `|` in it) has a *test* block, which looks at the whole pattern, and an *inside* block, which takes the
//! pattern's head (tag or number) for granted. A failed test leads to the next alternative's test. Where heads are tags or integers, a switch leads
//! straight to the inside of the first alternative that fits.
//!
//! A pattern's bindings are made once all of it has matched; under a nested `|`, when that side has.

use echo_sema::typed::{CompareOp, Expr, ExprKind, Literal, Match, Pattern, PatternKind};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, int, tag_const, value_of, whole};
use super::effects::changes;
use crate::ir::{BlockId, Const, Operand, Place, Step, Terminator, Var};

/// What the outermost part of a pattern asks.
enum Head {
    Nothing,
    /// This tag or number.
    Key(i128),
    /// A number between these.
    Between(i128, i128),
    Other,
}

struct Alternative<'p> {
    pattern: &'p Pattern,
    arm: usize,
    test: BlockId,
    inside: BlockId,
}

impl<'p> Body<'_, 'p> {
    pub fn matching(&mut self, matching: &'p Match, ty: Ty) -> Operand {
        let subject = self.subject(matching);
        let result = self.result_var(ty);
        let [end, unmatched] = [(); 2].map(|()| self.builder.block());
        let alternatives = self.alternatives(matching);
        let bodies: Vec<BlockId> = matching.arms.iter().map(|_| self.builder.block()).collect();
        self.dispatch(subject, &alternatives, unmatched);
        for (number, alternative) in alternatives.iter().enumerate() {
            let otherwise = alternatives
                .get(number + 1)
                .map_or(unmatched, |next| next.test);
            self.alternative(alternative, subject, bodies[alternative.arm], otherwise);
        }
        for (number, arm) in matching.arms.iter().enumerate() {
            self.builder.start(bodies[number]);
            if let Some(guard) = &arm.guard {
                let otherwise = alternatives
                    .iter()
                    .find(|alternative| alternative.arm > number)
                    .map_or(unmatched, |next| next.test);
                let body = self.builder.block();
                self.condition(guard, body, otherwise);
                self.builder.start(body);
            }
            let value = self.expr(&arm.body);
            self.give(result, value, arm.body.span);
            self.builder.jump(end);
        }
        self.builder.start(unmatched);
        if matching.exhaustive {
            self.builder.end(Terminator::Unreachable);
        } else {
            self.builder.jump(end);
        }
        self.builder.start(end);
        value_of(result)
    }

    /// The matched value; out of reach of guards that would change it.
    fn subject(&mut self, matching: &'p Match) -> Var {
        let value: &Expr = &matching.value;
        let operand = self.expr(value);
        let changing = match value.kind {
            ExprKind::Local(local) => matching
                .arms
                .iter()
                .filter_map(|arm| arm.guard.as_ref())
                .any(|guard| changes(guard, local)),
            _ => false,
        };
        if changing {
            self.copied(operand, value.span)
        } else {
            self.in_var(operand, value.span)
        }
    }

    fn alternatives(&mut self, matching: &'p Match) -> Vec<Alternative<'p>> {
        let mut list = Vec::new();
        for (arm, of) in matching.arms.iter().enumerate() {
            let mut open = vec![&of.pattern];
            while let Some(pattern) = open.pop() {
                if let PatternKind::Or(sides) = &pattern.kind {
                    open.extend(sides.iter().rev());
                    continue;
                }
                list.push(Alternative {
                    pattern,
                    arm,
                    test: self.builder.block(),
                    inside: self.builder.block(),
                });
            }
        }
        list
    }

    fn alternative(
        &mut self,
        alternative: &Alternative<'p>,
        subject: Var,
        body: BlockId,
        otherwise: BlockId,
    ) {
        let pattern = alternative.pattern;
        let place = whole(subject, self.builder.ty(subject));
        self.builder.start(alternative.test);
        self.test_head(pattern, &place, otherwise);
        self.builder.jump(alternative.inside);
        self.builder.start(alternative.inside);
        self.test_parts(pattern, &place, otherwise);
        self.bind(pattern, &place);
        self.builder.jump(body);
    }

    // ------------------------------------------------------------ the first decision

    fn dispatch(&mut self, subject: Var, alternatives: &[Alternative<'p>], unmatched: BlockId) {
        let heads: Vec<Head> = alternatives
            .iter()
            .map(|alternative| head(alternative.pattern))
            .collect();
        let keys = heads.iter().filter(|head| matches!(head, Head::Key(_)));
        if keys.count() < 2 || heads.iter().any(|head| matches!(head, Head::Other)) {
            let first = alternatives.first();
            self.builder
                .jump(first.map_or(unmatched, |first| first.test));
            return;
        }
        let mut cases: Vec<(i128, BlockId)> = Vec::new();
        for head in &heads {
            if let Head::Key(key) = *head
                && cases.iter().all(|case| case.0 != key)
            {
                cases.push((key, first_for(alternatives, &heads, key)));
            }
        }
        let otherwise = first_for_others(alternatives, &heads, unmatched);
        let span = alternatives[0].pattern.span;
        let ty = self.builder.ty(subject);
        let (value, ty) = match self.kind(ty) {
            TyKind::Int(_) | TyKind::Char | TyKind::Bool => (Operand::Var(subject), ty),
            _ => (self.tag(subject, span), Ty::I32),
        };
        self.builder.end(Terminator::Switch {
            value,
            ty,
            cases,
            otherwise,
        });
    }

    // ------------------------------------------------------------ tests

    /// Goes to `fail` unless the value in the place matches; on success goes on.
    fn test(&mut self, pattern: &'p Pattern, place: &Place, fail: BlockId) {
        if let PatternKind::Or(sides) = &pattern.kind {
            self.test_sides(sides, place, fail);
            return;
        }
        self.test_head(pattern, place, fail);
        self.test_parts(pattern, place, fail);
    }

    fn test_sides(&mut self, sides: &'p [Pattern], place: &Place, fail: BlockId) {
        let matched = self.builder.block();
        for (number, side) in sides.iter().enumerate() {
            let last = number + 1 == sides.len();
            let next = if last { fail } else { self.builder.block() };
            self.test(side, place, next);
            self.bind(side, place);
            self.builder.jump(matched);
            if !last {
                self.builder.start(next);
            }
        }
        self.builder.start(matched);
    }

    /// The tag, number or length.
    fn test_head(&mut self, pattern: &'p Pattern, place: &Place, fail: BlockId) {
        let span = pattern.span;
        match &pattern.kind {
            PatternKind::Wildcard
            | PatternKind::Bind(_)
            | PatternKind::Struct(_)
            | PatternKind::Tuple(_)
            | PatternKind::Or(_) => {}
            PatternKind::Literal(literal) => {
                self.test_compare(CompareOp::Eq, literal, place, fail, span);
            }
            PatternKind::Range(from, to) => {
                self.test_compare(CompareOp::Ge, from, place, fail, span);
                self.test_compare(CompareOp::Le, to, place, fail, span);
            }
            PatternKind::Variant(_, tag, _) => self.test_tag(*tag as u32, place, fail, span),
            PatternKind::Some(_) | PatternKind::Err(_) => self.test_tag(1, place, fail, span),
            PatternKind::None | PatternKind::Ok(_) => self.test_tag(0, place, fail, span),
            PatternKind::Array { elements, rest } => {
                self.test_len(elements.len(), rest.is_some(), place, fail, span);
            }
        }
    }

    /// What is inside, the head having matched.
    fn test_parts(&mut self, pattern: &'p Pattern, place: &Place, fail: BlockId) {
        for (part, place) in parts(pattern, place) {
            self.test(part, &place, fail);
        }
    }

    fn test_compare(
        &mut self,
        op: CompareOp,
        literal: &Literal,
        place: &Place,
        fail: BlockId,
        span: Span,
    ) {
        let value = self.operand_in(place, span);
        let literal = literal_operand(literal, place.ty);
        let matches = self.compare(op, [value, literal], place.ty, span);
        self.go_on_if(matches, fail);
    }

    fn test_tag(&mut self, tag: u32, place: &Place, fail: BlockId, span: Span) {
        let value = self.operand_in(place, span);
        let value = self.in_var(value, span);
        let found = self.tag(value, span);
        let matches = self.compare_scalars(CompareOp::Eq, found, tag_const(tag), Ty::I32, span);
        self.go_on_if(matches, fail);
    }

    fn test_len(&mut self, len: usize, open: bool, place: &Place, fail: BlockId, span: Span) {
        if open && len == 0 {
            return;
        }
        let array = self.operand_in(place, span);
        let found = self.len(&array, span);
        let op = if open { CompareOp::Ge } else { CompareOp::Eq };
        let matches = self.compare_scalars(op, found, int(len as i128), Ty::INT, span);
        self.go_on_if(matches, fail);
    }

    fn go_on_if(&mut self, condition: Operand, fail: BlockId) {
        let on = self.builder.block();
        self.builder.branch(condition, on, fail);
        self.builder.start(on);
    }

    /// What is in the place; a variable is its own value.
    fn operand_in(&mut self, place: &Place, span: Span) -> Operand {
        if place.path.is_empty() {
            return Operand::Var(place.root);
        }
        Operand::Var(self.load(place.clone(), span))
    }

    // ------------------------------------------------------------ bindings

    fn bind(&mut self, pattern: &'p Pattern, place: &Place) {
        match &pattern.kind {
            PatternKind::Bind(local) => {
                let local = self.local(*local);
                if place.path.is_empty() {
                    self.set(local, Operand::Var(place.root), pattern.span);
                } else {
                    self.load_into(local, place.clone(), pattern.span);
                }
            }
            // Bound where it matched.
            PatternKind::Or(_) => {}
            _ => {
                for (part, place) in parts(pattern, place) {
                    self.bind(part, &place);
                }
                self.bind_rest(pattern, place);
            }
        }
    }

    fn bind_rest(&mut self, pattern: &'p Pattern, place: &Place) {
        let PatternKind::Array {
            elements,
            rest: Some(Some(local)),
        } = &pattern.kind
        else {
            return;
        };
        let (span, ty) = (pattern.span, place.ty);
        let array = self.operand_in(place, span);
        let len = self.len(&array, span);
        let rest = self.slice_of(array, int(elements.len() as i128), len, ty, span);
        self.set(self.local(*local), rest, span);
    }
}

fn head(pattern: &Pattern) -> Head {
    match &pattern.kind {
        PatternKind::Wildcard | PatternKind::Bind(_) => Head::Nothing,
        PatternKind::Literal(literal) => number(literal).map_or(Head::Other, Head::Key),
        PatternKind::Range(from, to) => match (number(from), number(to)) {
            (Some(from), Some(to)) => Head::Between(from, to),
            _ => Head::Other,
        },
        PatternKind::Variant(_, tag, _) => Head::Key(*tag as i128),
        PatternKind::Some(_) | PatternKind::Err(_) => Head::Key(1),
        PatternKind::None | PatternKind::Ok(_) => Head::Key(0),
        PatternKind::Struct(_)
        | PatternKind::Tuple(_)
        | PatternKind::Array { .. }
        | PatternKind::Or(_) => Head::Other,
    }
}

fn number(literal: &Literal) -> Option<i128> {
    match literal {
        Literal::Int(value) => Some(*value),
        Literal::Bool(value) => Some(i128::from(*value)),
        Literal::Char(value) => Some(i128::from(u32::from(*value))),
        Literal::Float(_) | Literal::Str(_) => None,
    }
}

/// Where the switch leads for a key that some head asks for.
fn first_for(alternatives: &[Alternative<'_>], heads: &[Head], key: i128) -> BlockId {
    let fits = |head: &Head| match *head {
        Head::Nothing => true,
        Head::Key(own) => own == key,
        Head::Between(from, to) => (from..=to).contains(&key),
        Head::Other => false,
    };
    let first = heads
        .iter()
        .position(fits)
        .expect("the head that asks for it fits");
    alternatives[first].inside
}

/// Where the switch leads for all other values.
fn first_for_others(
    alternatives: &[Alternative<'_>],
    heads: &[Head],
    unmatched: BlockId,
) -> BlockId {
    let candidates = alternatives.iter().zip(heads);
    for (alternative, head) in candidates {
        match head {
            Head::Nothing => return alternative.inside,
            Head::Between(..) => return alternative.test,
            Head::Key(_) | Head::Other => {}
        }
    }
    unmatched
}

/// The patterns directly inside, each with its place.
fn parts<'p>(pattern: &'p Pattern, place: &Place) -> Vec<(&'p Pattern, Place)> {
    let at = |part: &'p Pattern, steps: &[Step]| {
        let path = place.path.iter().chain(steps).cloned().collect();
        let place = Place {
            root: place.root,
            path,
            ty: part.ty,
        };
        (part, place)
    };
    match &pattern.kind {
        PatternKind::Wildcard
        | PatternKind::Bind(_)
        | PatternKind::Literal(_)
        | PatternKind::Range(..)
        | PatternKind::None
        | PatternKind::Or(_) => Vec::new(),
        PatternKind::Some(part) | PatternKind::Ok(part) => vec![at(part, &[Step::Payload(0)])],
        PatternKind::Err(part) => vec![at(part, &[Step::Payload(1)])],
        PatternKind::Variant(_, tag, list) => list
            .iter()
            .enumerate()
            .map(|(number, part)| at(part, &[Step::Payload(*tag), Step::Field(number)]))
            .collect(),
        PatternKind::Struct(fields) => fields
            .iter()
            .map(|(field, part)| at(part, &[Step::Field(*field)]))
            .collect(),
        PatternKind::Tuple(list) => list
            .iter()
            .enumerate()
            .map(|(number, part)| at(part, &[Step::Field(number)]))
            .collect(),
        PatternKind::Array { elements, .. } => elements
            .iter()
            .enumerate()
            .map(|(number, part)| {
                let index = Step::Index {
                    index: int(number as i128),
                    checked: false,
                    alone: false,
                };
                at(part, &[index])
            })
            .collect(),
    }
}

fn literal_operand(literal: &Literal, ty: Ty) -> Operand {
    Operand::Const(match literal {
        Literal::Int(value) => Const::Int(*value, ty),
        Literal::Float(value) => Const::Float(*value, ty),
        Literal::Bool(value) => Const::Bool(*value),
        Literal::Char(value) => Const::Char(*value),
        Literal::Str(value) => Const::Str(value.clone()),
    })
}
