//! Methods of arrays and maps.

use echo_sema::typed::{Builtin, CompareOp};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, int, value_of, whole};
use super::builtins::Given;
use super::calls::Argument;
use crate::ir::{Arg, Const, Op, Operand, Place, RtArg, Step, Terminator, Var};
use crate::layout;

impl Body<'_, '_> {
    // ------------------------------------------------------------ arrays

    pub fn array_push(&mut self, given: &Given<'_>) -> Operand {
        let array = self.arg_place(given, 0);
        let value = self.arg_moved(given, 1);
        let desc = RtArg::Desc(self.inner(array.ty));
        let args = vec![RtArg::Place(array), desc, value];
        self.runtime("echo_array_push", args, Ty::VOID, given.span)
    }

    pub fn array_pop(&mut self, given: &Given<'_>) -> Operand {
        let array = self.arg_place(given, 0);
        if self.builder.is_global(array.root) {
            let len = self.len_in(&array, given.span);
            let is_empty = self.less(len, int(1), Ty::INT, given.span);
            self.fail_in_copy(is_empty, &array, given.span, |body, copy| {
                body.pop_from(copy, given);
            });
        }
        Operand::Var(self.pop_from(array, given))
    }

    fn pop_from(&mut self, array: Place, given: &Given<'_>) -> Var {
        let element = self.inner(array.ty);
        let out = self.builder.temp(element);
        let args = vec![RtArg::Place(array), RtArg::Desc(element), RtArg::Out(out)];
        self.runtime("echo_array_pop", args, Ty::VOID, given.span);
        out
    }

    pub fn array_insert(&mut self, given: &Given<'_>) -> Operand {
        let array = self.arg_place(given, 0);
        let value = self.arg_moved(given, 2);
        let span = given.span;
        if self.builder.is_global(array.root) {
            let len = self.len_in(&array, span);
            let negative = self.less(given.value(1), int(0), Ty::INT, span);
            let behind = self.less(len, given.value(1), Ty::INT, span);
            for outside in [negative, behind] {
                self.fail_in_copy(outside, &array, span, |body, copy| {
                    body.insert_into(copy, value.clone(), given);
                });
            }
        }
        self.insert_into(array, value, given)
    }

    fn insert_into(&mut self, array: Place, value: RtArg, given: &Given<'_>) -> Operand {
        let desc = RtArg::Desc(self.inner(array.ty));
        let args = vec![
            RtArg::Place(array),
            desc,
            RtArg::Value(given.value(1)),
            value,
        ];
        self.runtime("echo_array_insert", args, Ty::VOID, given.span)
    }

    pub fn array_remove(&mut self, given: &Given<'_>) -> Operand {
        let array = self.arg_place(given, 0);
        let index = Step::Index {
            index: given.value(1),
            checked: true,
            alone: false,
        };
        let kept = self.kept_part(&array, index, self.inner(array.ty), given.span);
        let result = self.array_change("echo_array_remove", given);
        self.last_use(kept, given.span);
        result
    }

    /// A change in place whose other arguments, if any, are numbers.
    pub fn array_change(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let array = self.arg_place(given, 0);
        let desc = RtArg::Desc(self.inner(array.ty));
        let mut args = vec![RtArg::Place(array), desc];
        args.extend((1..given.args.len()).map(|index| RtArg::Value(given.value(index))));
        self.runtime(symbol, args, Ty::VOID, given.span)
    }

    pub fn array_contains(&mut self, given: &Given<'_>) -> Operand {
        let (array, value) = (given.value(0), self.arg_var(given, 1));
        let desc = RtArg::Desc(self.inner(self.operand_ty(&array)));
        let args = vec![RtArg::Value(array), desc, RtArg::Borrow(value)];
        self.runtime("echo_array_contains", args, Ty::BOOL, given.span)
    }

    pub fn array_join(&mut self, given: &Given<'_>) -> Operand {
        let array = given.value(0);
        let desc = RtArg::Desc(self.inner(self.operand_ty(&array)));
        let args = vec![RtArg::Value(array), desc, RtArg::Value(given.value(1))];
        self.runtime("echo_array_join", args, Ty::STRING, given.span)
    }

    pub fn array_map(&mut self, given: &Given<'_>) -> Operand {
        self.build_array(given, |body, element, list| {
            let value = body.call_function(given.value(1), vec![Operand::Var(element)], given.span);
            let value = body.in_var(value, given.span);
            body.append(list, value, given);
        })
    }

    pub fn array_filter(&mut self, given: &Given<'_>) -> Operand {
        self.build_array(given, |body, element, list| {
            let keep = body.call_function(given.value(1), vec![Operand::Var(element)], given.span);
            let [kept, next] = [(); 2].map(|()| body.builder.block());
            body.builder.branch(keep, kept, next);
            body.builder.start(kept);
            body.append(list, element, given);
            body.builder.jump(next);
            body.builder.start(next);
        })
    }

    /// An array made in a loop over the elements of another.
    fn build_array(
        &mut self,
        given: &Given<'_>,
        turn: impl FnOnce(&mut Self, Var, Var),
    ) -> Operand {
        let span = given.span;
        let array = self.arg_var(given, 0);
        let list = self.copied(Operand::Const(Const::Zero(given.result)), span);
        let element = self.builder.temp(self.inner(self.builder.ty(array)));
        self.each_element(array, element, false, span, |this| {
            turn(this, element, list)
        });
        Operand::Var(list)
    }

    fn append(&mut self, list: Var, value: Var, given: &Given<'_>) {
        let args = vec![
            RtArg::Place(whole(list, given.result)),
            RtArg::Desc(self.inner(given.result)),
            RtArg::MoveOut(value),
        ];
        self.runtime("echo_array_push", args, Ty::VOID, given.span);
    }

    // ------------------------------------------------------------ maps

    pub fn map_to_array(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let map = given.value(0);
        let desc = RtArg::Desc(self.operand_ty(&map));
        let args = vec![RtArg::Value(map), desc];
        self.runtime(symbol, args, given.result, given.span)
    }

    /// The address of the value, of type `Ref`, and whether there is one. It is valid while the map is.
    fn map_find(&mut self, map: Operand, given: &Given<'_>) -> (Var, Operand) {
        let key = self.arg_var(given, 1);
        let map_ty = self.operand_ty(&map);
        let reference = self.prepared().reference_to(self.map_parts(map_ty).1);
        let args = vec![RtArg::Value(map), RtArg::Desc(map_ty), RtArg::Borrow(key)];
        let address = self.runtime("echo_map_get", args, reference, given.span);
        let null = Operand::Const(Const::Zero(reference));
        let found =
            self.compare_scalars(CompareOp::Ne, address.clone(), null, reference, given.span);
        (self.in_var(address, given.span), found)
    }

    pub fn map_contains(&mut self, given: &Given<'_>) -> Operand {
        self.map_find(given.value(0), given).1
    }

    pub fn map_get(&mut self, given: &Given<'_>) -> Operand {
        let map = given.value(0);
        let (address, found) = self.map_find(map.clone(), given);
        let value = self.inner(given.result);
        self.option_if(found, given.result, given.span, |body| {
            let value = body.load(whole(address, value), given.span);
            body.last_use(Some(map), given.span);
            value
        })
    }

    pub fn map_remove(&mut self, given: &Given<'_>) -> Operand {
        let map = self.arg_place(given, 0);
        let key = self.arg_var(given, 1);
        let step = Step::Key(Operand::Var(key));
        let value = self.map_parts(map.ty).1;
        let kept = match layout::is_managed(self.program(), value) {
            true => self.kept_part(&map, step, value, given.span),
            false => None,
        };
        let desc = RtArg::Desc(map.ty);
        let args = vec![RtArg::Place(map), desc, RtArg::Borrow(key)];
        let removed = self.runtime("echo_map_remove", args, given.result, given.span);
        self.last_use(kept, given.span);
        removed
    }

    pub fn map_clear(&mut self, given: &Given<'_>) -> Operand {
        let map = self.arg_place(given, 0);
        let desc = RtArg::Desc(map.ty);
        let args = vec![RtArg::Place(map), desc];
        self.runtime("echo_map_clear", args, Ty::VOID, given.span)
    }

    // ------------------------------------------------------------ in globals

    /// Whether a call of the built-in may change a global while its lock is held. What is dropped then must not be the last of anything.
    pub fn changes_in_place(&self, builtin: Builtin, args: &[Argument]) -> bool {
        let parts = |kept, dropped| self.can_be_kept(kept) && self.is_leaf(dropped);
        match builtin {
            Builtin::ArrayPush | Builtin::ArrayPop | Builtin::ArrayInsert => true,
            Builtin::ArrayRemove => parts(self.inner(self.referred(&args[0]).ty), Ty::INT),
            Builtin::MapRemove => {
                let (key, value) = self.map_parts(self.referred(&args[0]).ty);
                parts(value, key)
            }
            _ => false,
        }
    }

    fn can_be_kept(&self, ty: Ty) -> bool {
        let program = self.program();
        let is_enum = matches!(self.kind(ty), TyKind::Enum(_));
        let is_counted_once = layout::is_block(program, ty) && self.has_zero(ty) && !is_enum;
        !layout::is_managed(program, ty) || is_counted_once
    }

    fn is_leaf(&self, ty: Ty) -> bool {
        ty == Ty::STRING || !layout::is_managed(self.program(), ty)
    }

    /// One more owner of a part of a global that is about to be removed; it fails here where there is none.
    fn kept_part(&mut self, whole: &Place, step: Step, ty: Ty, span: Span) -> Option<Operand> {
        if !self.builder.is_global(whole.root) {
            return None;
        }
        let mut place = whole.clone();
        place.path.push(step);
        place.ty = ty;
        Some(Operand::Var(self.load(place, span)))
    }

    /// The value is needed until here: a use whose result is not needed says so.
    fn last_use(&mut self, value: Option<Operand>, span: Span) {
        if let Some(value) = value
            && layout::is_managed(self.program(), self.operand_ty(&value))
        {
            let dst = self.builder.temp(Ty::BOOL);
            self.builder.emit(Op::IsAlone { dst, array: value }, span);
        }
    }

    fn len_in(&mut self, array: &Place, span: Span) -> Operand {
        let array = self.load(array.clone(), span);
        self.len(&Operand::Var(array), span)
    }

    /// Where the condition holds, the change fails: it is made in a copy, as the lock of the global must not be held then.
    fn fail_in_copy(
        &mut self,
        fails: Operand,
        array: &Place,
        span: Span,
        change: impl FnOnce(&mut Self, Place),
    ) {
        let [failure, fine] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(fails, failure, fine);
        self.builder.start(failure);
        let copy = self.load(array.clone(), span);
        change(self, whole(copy, array.ty));
        self.builder.end(Terminator::Unreachable);
        self.builder.start(fine);
    }

    // ------------------------------------------------------------ function values

    /// Calls a function value with values.
    pub fn call_function(&mut self, callee: Operand, args: Vec<Operand>, span: Span) -> Operand {
        let result = self.func_result(self.operand_ty(&callee));
        let dst = self.result_var(result);
        let args = args.into_iter().map(Arg::Value).collect();
        self.builder.emit(Op::CallValue { dst, callee, args }, span);
        value_of(dst)
    }
}
