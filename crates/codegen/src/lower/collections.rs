//! Methods of arrays and maps.

use echo_sema::typed::CompareOp;
use echo_sema::types::Ty;
use echo_syntax::span::Span;

use super::body::{Body, value_of, whole};
use super::builtins::Given;
use crate::ir::{Arg, Const, Op, Operand, RtArg, Var};

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
        let element = self.inner(array.ty);
        let out = self.builder.temp(element);
        let args = vec![RtArg::Place(array), RtArg::Desc(element), RtArg::Out(out)];
        self.runtime("echo_array_pop", args, Ty::VOID, given.span);
        Operand::Var(out)
    }

    pub fn array_insert(&mut self, given: &Given<'_>) -> Operand {
        let array = self.arg_place(given, 0);
        let value = self.arg_moved(given, 2);
        let desc = RtArg::Desc(self.inner(array.ty));
        let args = vec![
            RtArg::Place(array),
            desc,
            RtArg::Value(given.value(1)),
            value,
        ];
        self.runtime("echo_array_insert", args, Ty::VOID, given.span)
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
            // The map is needed until here: its use, whose result is not, says so.
            let dst = body.builder.temp(Ty::BOOL);
            body.builder
                .emit(Op::IsAlone { dst, array: map }, given.span);
            value
        })
    }

    pub fn map_remove(&mut self, given: &Given<'_>) -> Operand {
        let map = self.arg_place(given, 0);
        let key = self.arg_var(given, 1);
        let desc = RtArg::Desc(map.ty);
        let args = vec![RtArg::Place(map), desc, RtArg::Borrow(key)];
        self.runtime("echo_map_remove", args, given.result, given.span)
    }

    pub fn map_clear(&mut self, given: &Given<'_>) -> Operand {
        let map = self.arg_place(given, 0);
        let desc = RtArg::Desc(map.ty);
        let args = vec![RtArg::Place(map), desc];
        self.runtime("echo_map_clear", args, Ty::VOID, given.span)
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
