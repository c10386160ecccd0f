//! One instruction of Echo IR: arithmetic with its checks, comparisons, conversions, aggregates, calls.

use echo_abi::layout::STACK_LIMIT_FS_OFFSET;
use echo_sema::display::int_name;
use echo_sema::typed::{BinaryOp, CompareOp, Conversion};
use echo_sema::types::{IntKind, Ty, TyKind};

use super::debug::{CONTENTS, LENGTH};
use super::function::{Body, slot_of};
use super::place::Address;
use super::program::global_symbol;
use super::text;
use crate::ir::{Arg, FunctionKind, Header, Instr, Intrinsic, Op, Operand, Place, Use, Var};
use crate::layout;

/// Offsets of the length fields behind a block's header.
const ARRAY_LEN: usize = 8;
const STRING_BYTES: usize = 8;
const STRING_CHARS: usize = 16;

impl Body<'_, '_> {
    pub fn op(&mut self, op: &Op, instr: &Instr) {
        match op {
            Op::Set { dst, value } => {
                let value = self.value(value);
                self.assign(*dst, &value);
            }
            Op::Load { dst, place, borrow } => self.load(*dst, place, *borrow),
            Op::Store { place, value } => self.store(place, value, instr),
            Op::Update { place, op, value } => self.update(place, *op, value),
            Op::Arith {
                dst,
                op,
                left,
                right,
                ty,
            } => {
                let (left, right) = (self.value(left), self.value(right));
                let value = self.arith(*op, &left, &right, *ty);
                self.assign(*dst, &value);
            }
            Op::Wrap {
                dst,
                op,
                left,
                right,
                ty,
            } => self.wrap(*dst, *op, left, right, *ty),
            Op::Neg { dst, value, ty } => {
                let value = self.value(value);
                let value = match self.int_kind(*ty) {
                    Some(_) => self.arith(BinaryOp::Sub, "0", &value, *ty),
                    None => {
                        let llvm = self.emitter.ty(*ty);
                        self.temp(&format!("fneg {llvm} {value}"))
                    }
                };
                self.assign(*dst, &value);
            }
            Op::Not { dst, value } => {
                let value = self.value(value);
                let value = self.temp(&format!("xor i1 {value}, true"));
                self.assign(*dst, &value);
            }
            Op::Compare {
                dst,
                op,
                left,
                right,
                ty,
            } => {
                let (left, right) = (self.value(left), self.value(right));
                let value = self.compare(*op, &left, &right, *ty);
                self.assign(*dst, &value);
            }
            Op::Intrinsic { dst, op, args, ty } => self.intrinsic(*dst, *op, args, *ty),
            Op::Convert {
                dst,
                conversion,
                value,
                from,
                to,
            } => {
                let value = self.value(value);
                let value = self.convert(*conversion, &value, *from, *to);
                self.assign(*dst, &value);
            }
            Op::Make { dst, fields } => self.make(*dst, fields),
            Op::Variant { dst, tag, payload } => self.variant(*dst, *tag, payload),
            Op::Tag { dst, value } => {
                let tag = self.temp(&format!("load i32, ptr {}", slot_of(*value)));
                self.assign(*dst, &tag);
            }
            Op::Array {
                dst,
                element,
                elements,
            } => self.array(*dst, *element, elements, instr),
            Op::Header { dst, value, which } => self.header(*dst, value, *which),
            Op::IsAlone { dst, array } => {
                let block = self.value(array);
                let alone = self.is_alone(&block);
                self.assign(*dst, &alone);
            }
            Op::Call {
                dst,
                function,
                args,
            } => {
                let module = self.emitter.module;
                let callee = &module.functions[function.0 as usize];
                debug_assert_ne!(callee.kind, FunctionKind::Entry);
                let symbol = if *function == self.itself.0 {
                    self.itself.1.clone()
                } else {
                    text::function_symbol(callee)
                };
                let args = self.args(args);
                self.call_into(*dst, callee.result, &symbol, args);
            }
            Op::CallValue { dst, callee, args } => self.call_value(*dst, callee, args),
            Op::Runtime { dst, symbol, args } => self.runtime_call(*dst, symbol, args, instr),
            Op::GlobalLoad { dst, global } => {
                let symbol = self.global(global.0);
                let ty = self.var_ty(*dst);
                let llvm = self.emitter.global_type(ty);
                let align = layout::layout(self.emitter.program, ty).align;
                let mut value = self.temp(&format!(
                    "load atomic {llvm}, ptr {symbol} acquire, align {align}"
                ));
                if ty == Ty::BOOL {
                    value = self.temp(&format!("icmp ne i8 {value}, 0"));
                }
                self.assign(*dst, &value);
            }
            Op::GlobalStore { global, value } => {
                let symbol = self.global(global.0);
                let ty = self.emitter.program.globals[global.0 as usize].ty;
                let llvm = self.emitter.global_type(ty);
                let align = layout::layout(self.emitter.program, ty).align;
                let mut value = self.value(value);
                if ty == Ty::BOOL {
                    value = self.temp(&format!("zext i1 {value} to i8"));
                }
                self.line(&format!(
                    "store atomic {llvm} {value}, ptr {symbol} release, align {align}"
                ));
            }
            Op::GlobalAddress { dst, global } => {
                let symbol = self.global(global.0);
                self.assign(*dst, &symbol);
            }
            Op::Select {
                dst,
                cases,
                timeout,
            } => self.select(*dst, cases, timeout),
            Op::Define(_) | Op::Forget(_) => {}
            Op::Defer { entry, args } => self.defer(*entry, args),
            Op::RunDefers => {
                self.call("void", "@echo.run_defers", "ptr %defers");
            }
            Op::Poll => self.poll(),
            Op::Dup(var) => {
                let ty = self.var_ty(*var);
                self.dup_at(&slot_of(*var), ty);
            }
            Op::Drop(var) => {
                let ty = self.var_ty(*var);
                self.drop_at(&slot_of(*var), ty);
            }
        }
    }

    fn global(&self, number: u32) -> String {
        let name = &self.emitter.program.globals[number as usize].name;
        global_symbol(number as usize, name)
    }

    /// The unwind list while the instruction has not yet consumed its operands.
    pub fn unwind_with_consumed(&mut self, instr: &Instr) {
        self.unwind.clone_from(&instr.unwind);
        let mut consumed = Vec::new();
        instr.op.visit_uses(&mut |var, how| {
            if how == Use::Consume {
                consumed.push(var);
            }
        });
        consumed.retain(|&var| layout::is_managed(self.emitter.program, self.var_ty(var)));
        self.unwind.append(&mut consumed);
    }

    // ------------------------------------------------------------ memory

    fn load(&mut self, dst: Var, place: &Place, borrow: bool) {
        let llvm = self.emitter.ty(place.ty);
        let address = self.address(place);
        if llvm == "{}" {
            return;
        }
        let value = self.load_at(&address, &llvm);
        self.assign(dst, &value);
        if !borrow {
            self.dup_at(&slot_of(dst), place.ty);
        }
    }

    fn store(&mut self, place: &Place, value: &Operand, instr: &Instr) {
        let llvm = self.emitter.ty(place.ty);
        if self.is_global(place.root) {
            return self.store_in_global(place, value);
        }
        self.unwind_with_consumed(instr);
        let Address { pointer, kind, .. } = self.address_mut(place);
        self.unwind.clone_from(&instr.unwind);
        if llvm == "{}" {
            return;
        }
        if !layout::is_managed(self.emitter.program, place.ty) {
            let value = self.value(value);
            self.line(&format!("store {llvm} {value}, ptr {pointer}{kind}"));
            return;
        }
        let slot = self.slot(&llvm);
        let old = self.temp(&format!("load {llvm}, ptr {pointer}{kind}"));
        self.line(&format!("store {llvm} {old}, ptr {slot}"));
        let value = self.value(value);
        self.line(&format!("store {llvm} {value}, ptr {pointer}{kind}"));
        self.drop_at(&slot, place.ty);
    }

    fn update(&mut self, place: &Place, op: BinaryOp, value: &Operand) {
        let llvm = self.emitter.ty(place.ty);
        let value = self.value(value);
        let Address { pointer, kind, .. } = self.address_mut(place);
        let old = self.temp(&format!("load {llvm}, ptr {pointer}{kind}"));
        let new = self.arith(op, &old, &value, place.ty);
        self.line(&format!("store {llvm} {new}, ptr {pointer}{kind}"));
    }

    fn header(&mut self, dst: Var, value: &Operand, which: Header) {
        let offset = match which {
            Header::ArrayLen => ARRAY_LEN,
            Header::StringChars => STRING_CHARS,
            Header::StringBytes => STRING_BYTES,
        };
        let block = self.value(value);
        let place = self.temp(&format!(
            "getelementptr inbounds i8, ptr {block}, i64 {offset}"
        ));
        let value = self.temp(&format!("load i64, ptr {place}{LENGTH}"));
        self.assign(dst, &value);
    }

    fn make(&mut self, dst: Var, fields: &[Operand]) {
        let llvm = self.emitter.ty(self.var_ty(dst));
        for (number, field) in fields.iter().enumerate() {
            self.store_member(dst, &llvm, number, field);
        }
    }

    fn variant(&mut self, dst: Var, tag: u32, payload: &[Operand]) {
        let ty = self.var_ty(dst);
        let llvm = self.emitter.ty(ty);
        if let TyKind::Enum(_) = self.emitter.program.types.kind(ty) {
            self.assign(dst, &tag.to_string());
            return;
        }
        if let [payload] = payload {
            let field = match self.emitter.program.types.kind(ty) {
                TyKind::Option(_) => 1,
                _ => 1 + tag as usize,
            };
            self.store_member(dst, &llvm, field, payload);
        }
        self.line(&format!("store i32 {tag}, ptr {}", slot_of(dst)));
    }

    fn store_member(&mut self, dst: Var, llvm: &str, number: usize, value: &Operand) {
        if self.emitter.ty(self.operand_ty(value)) == "{}" {
            return;
        }
        let value = self.typed(value);
        let place = self.temp(&format!(
            "getelementptr inbounds {llvm}, ptr {}, i32 0, i32 {number}",
            slot_of(dst)
        ));
        self.line(&format!("store {value}, ptr {place}"));
    }

    fn array(&mut self, dst: Var, element: Ty, elements: &[Operand], instr: &Instr) {
        let desc = self.emitter.desc(element);
        let position = self.position();
        self.emitter.runtime.insert("echo_array_alloc");
        self.unwind_with_consumed(instr);
        let block = self.call(
            "ptr",
            "@echo_array_alloc",
            &format!("ptr {desc}, i64 {}, i32 {position}", elements.len()),
        );
        self.unwind.clone_from(&instr.unwind);
        let llvm = self.emitter.ty(element);
        if llvm != "{}" {
            let data = self.temp(&format!(
                "getelementptr inbounds i8, ptr {block}, i64 {}",
                echo_abi::layout::ARRAY_DATA_OFFSET
            ));
            for (number, value) in elements.iter().enumerate() {
                let value = self.typed(value);
                let place = self.temp(&format!(
                    "getelementptr inbounds {llvm}, ptr {data}, i64 {number}"
                ));
                self.line(&format!("store {value}, ptr {place}{CONTENTS}"));
            }
        }
        self.assign(dst, &block);
    }

    // ------------------------------------------------------------ calls

    /// Values first, then the references: nothing changes a place after its address is formed.
    fn args(&mut self, args: &[Arg]) -> Vec<String> {
        let mut values: Vec<String> = args
            .iter()
            .map(|arg| match arg {
                Arg::Value(operand) => self.typed(operand),
                Arg::Ref(_) => String::new(),
            })
            .collect();
        for (value, arg) in values.iter_mut().zip(args) {
            if let Arg::Ref(place) = arg {
                *value = format!("ptr {}", self.address_mut(place).pointer);
            }
        }
        values
    }

    fn call_value(&mut self, dst: Option<Var>, callee: &Operand, args: &[Arg]) {
        let TyKind::Func(_, result) = *self.emitter.program.types.kind(self.operand_ty(callee))
        else {
            unreachable!("only function values are called");
        };
        let block = self.value(callee);
        let place = self.temp(&format!("getelementptr inbounds i8, ptr {block}, i64 8"));
        let code = self.temp(&format!("load ptr, ptr {place}"));
        let mut args = self.args(args);
        args.insert(0, format!("ptr {block}"));
        self.call_into(dst, result, &code, args);
    }

    fn call_into(&mut self, dst: Option<Var>, result: Ty, callee: &str, args: Vec<String>) {
        let llvm = self.emitter.result_ty(result);
        let value = self.call(&llvm, callee, &args.join(", "));
        if let Some(dst) = dst
            && !value.is_empty()
        {
            self.assign(dst, &value);
        }
    }

    fn poll(&mut self) {
        let limit = self.temp(&format!("load atomic i64, ptr addrspace(257) inttoptr (i64 {STACK_LIMIT_FS_OFFSET} to ptr addrspace(257)) monotonic, align 8"));
        let asked = self.temp(&format!("icmp eq i64 {limit}, -1"));
        let (yields, on) = (self.label("preempt"), self.label("go"));
        self.line(&format!(
            "br i1 {asked}, label %{yields}, label %{on}, !prof !{{!\"branch_weights\", i32 1, i32 1000000}}"
        ));
        self.start(&yields);
        self.emitter.runtime.insert("echo_poll");
        self.call("void", "@echo_poll", "");
        self.line(&format!("br label %{on}"));
        self.start(&on);
    }

    // ------------------------------------------------------------ numbers

    /// The kind of an integer type; none for floats.
    fn int_kind(&self, ty: Ty) -> Option<IntKind> {
        match self.emitter.program.types.kind(ty) {
            TyKind::Int(kind) => Some(*kind),
            _ => None,
        }
    }

    fn arith(&mut self, op: BinaryOp, left: &str, right: &str, ty: Ty) -> String {
        match self.int_kind(ty) {
            Some(kind) => self.int_arith(op, left, right, kind),
            None => self.float_arith(op, left, right, ty),
        }
    }

    fn int_arith(&mut self, op: BinaryOp, left: &str, right: &str, kind: IntKind) -> String {
        let bits = kind.bits();
        let (sign, llvm) = (if kind.is_signed() { 's' } else { 'u' }, format!("i{bits}"));
        match op {
            BinaryOp::Add => self.overflowing(&format!("{sign}add"), left, right, &llvm),
            BinaryOp::Sub => self.overflowing(&format!("{sign}sub"), left, right, &llvm),
            BinaryOp::Mul => self.overflowing(&format!("{sign}mul"), left, right, &llvm),
            BinaryOp::Div | BinaryOp::Rem => {
                self.check_divisor(left, right, kind);
                let verb = if op == BinaryOp::Div { "div" } else { "rem" };
                self.temp(&format!("{sign}{verb} {llvm} {left}, {right}"))
            }
            BinaryOp::BitAnd => self.temp(&format!("and {llvm} {left}, {right}")),
            BinaryOp::BitOr => self.temp(&format!("or {llvm} {left}, {right}")),
            BinaryOp::BitXor => self.temp(&format!("xor {llvm} {left}, {right}")),
            BinaryOp::Shl | BinaryOp::Shr => {
                let outside = self.temp(&format!("icmp uge {llvm} {right}, {bits}"));
                self.fail_if(&outside, |body| {
                    body.panic_text(&format!("shift amount is not in 0..{bits}"));
                });
                let verb = match op {
                    BinaryOp::Shl => "shl",
                    _ if kind.is_signed() => "ashr",
                    _ => "lshr",
                };
                self.temp(&format!("{verb} {llvm} {left}, {right}"))
            }
        }
    }

    fn overflowing(&mut self, verb: &str, left: &str, right: &str, llvm: &str) -> String {
        let name = format!("@llvm.{verb}.with.overflow.{llvm}");
        self.intrinsic_declared(format!("declare {{ {llvm}, i1 }} {name}({llvm}, {llvm})"));
        let pair = self.temp(&format!(
            "call {{ {llvm}, i1 }} {name}({llvm} {left}, {llvm} {right})"
        ));
        let value = self.temp(&format!("extractvalue {{ {llvm}, i1 }} {pair}, 0"));
        let overflow = self.temp(&format!("extractvalue {{ {llvm}, i1 }} {pair}, 1"));
        self.fail_if(&overflow, |body| body.panic_at("echo_panic_overflow"));
        value
    }

    fn check_divisor(&mut self, left: &str, right: &str, kind: IntKind) {
        let llvm = format!("i{}", kind.bits());
        let zero = self.temp(&format!("icmp eq {llvm} {right}, 0"));
        self.fail_if(&zero, |body| body.panic_at("echo_panic_divide"));
        if kind.is_signed() {
            let least = self.temp(&format!("icmp eq {llvm} {left}, {}", kind.min()));
            let minus_one = self.temp(&format!("icmp eq {llvm} {right}, -1"));
            let overflow = self.temp(&format!("and i1 {least}, {minus_one}"));
            self.fail_if(&overflow, |body| body.panic_at("echo_panic_overflow"));
        }
    }

    fn float_arith(&mut self, op: BinaryOp, left: &str, right: &str, ty: Ty) -> String {
        let llvm = self.emitter.ty(ty);
        let verb = match op {
            BinaryOp::Add => "fadd",
            BinaryOp::Sub => "fsub",
            BinaryOp::Mul => "fmul",
            BinaryOp::Div => "fdiv",
            BinaryOp::Rem => return self.float_rem(left, right, ty),
            _ => unreachable!("the checker admits only arithmetic on floats"),
        };
        self.temp(&format!("{verb} {llvm} {left}, {right}"))
    }

    /// By the runtime: `frem` would call libm on the coroutine's stack.
    fn float_rem(&mut self, left: &str, right: &str, ty: Ty) -> String {
        self.emitter.runtime.insert("echo_math_fmod");
        let single = ty == Ty::F32;
        let wide = |body: &mut Self, value: &str| {
            if single {
                body.temp(&format!("fpext float {value} to double"))
            } else {
                value.to_string()
            }
        };
        let (left, right) = (wide(self, left), wide(self, right));
        let value = self.temp(&format!(
            "call double @echo_math_fmod(double {left}, double {right})"
        ));
        if single {
            self.temp(&format!("fptrunc double {value} to float"))
        } else {
            value
        }
    }

    fn wrap(&mut self, dst: Var, op: BinaryOp, left: &Operand, right: &Operand, ty: Ty) {
        let verb = match op {
            BinaryOp::Add => "add",
            BinaryOp::Sub => "sub",
            BinaryOp::Mul => "mul",
            _ => unreachable!("only these wrap"),
        };
        let llvm = self.emitter.ty(ty);
        let (left, right) = (self.value(left), self.value(right));
        let value = self.temp(&format!("{verb} {llvm} {left}, {right}"));
        self.assign(dst, &value);
    }

    fn compare(&mut self, op: CompareOp, left: &str, right: &str, ty: Ty) -> String {
        let llvm = self.emitter.ty(ty);
        if matches!(llvm.as_str(), "float" | "double") {
            let predicate = match op {
                CompareOp::Eq => "oeq",
                CompareOp::Ne => "une",
                CompareOp::Lt => "olt",
                CompareOp::Le => "ole",
                CompareOp::Gt => "ogt",
                CompareOp::Ge => "oge",
            };
            return self.temp(&format!("fcmp {predicate} {llvm} {left}, {right}"));
        }
        if llvm == "{}" {
            let equal = matches!(op, CompareOp::Eq | CompareOp::Le | CompareOp::Ge);
            return equal.to_string();
        }
        let signed = self.int_kind(ty).is_some_and(IntKind::is_signed);
        let predicate = match (op, signed) {
            (CompareOp::Eq, _) => "eq",
            (CompareOp::Ne, _) => "ne",
            (CompareOp::Lt, true) => "slt",
            (CompareOp::Le, true) => "sle",
            (CompareOp::Gt, true) => "sgt",
            (CompareOp::Ge, true) => "sge",
            (CompareOp::Lt, false) => "ult",
            (CompareOp::Le, false) => "ule",
            (CompareOp::Gt, false) => "ugt",
            (CompareOp::Ge, false) => "uge",
        };
        self.temp(&format!("icmp {predicate} {llvm} {left}, {right}"))
    }

    fn intrinsic(&mut self, dst: Var, op: Intrinsic, args: &[Operand], ty: Ty) {
        let llvm = self.emitter.ty(ty);
        let suffix = match llvm.as_str() {
            "float" => "f32".to_string(),
            "double" => "f64".to_string(),
            other => other.to_string(),
        };
        let values: Vec<String> = args.iter().map(|arg| self.value(arg)).collect();
        let value = match op {
            Intrinsic::IsNan => self.temp(&format!("fcmp uno {llvm} {0}, {0}", values[0])),
            Intrinsic::IsInf => {
                let size = self.intrinsic_call(&format!("llvm.fabs.{suffix}"), &llvm, &values);
                let infinity = text::float(f64::INFINITY, llvm == "float");
                self.temp(&format!("fcmp oeq {llvm} {size}, {infinity}"))
            }
            Intrinsic::Sqrt => self.intrinsic_call(&format!("llvm.sqrt.{suffix}"), &llvm, &values),
            Intrinsic::Fabs => self.intrinsic_call(&format!("llvm.fabs.{suffix}"), &llvm, &values),
            Intrinsic::Min | Intrinsic::Max => self.extreme(op, &llvm, &values, ty),
        };
        self.assign(dst, &value);
    }

    /// The smaller or larger of two numbers. (For floats LLVM 15 has no such instruction on this machine.)
    fn extreme(&mut self, op: Intrinsic, llvm: &str, values: &[String], ty: Ty) -> String {
        let least = op == Intrinsic::Min;
        if let Some(kind) = self.int_kind(ty) {
            let stem = match (kind.is_signed(), least) {
                (true, true) => "smin",
                (true, false) => "smax",
                (false, true) => "umin",
                (false, false) => "umax",
            };
            return self.intrinsic_call(&format!("llvm.{stem}.{llvm}"), llvm, values);
        }
        let [left, right] = [&values[0], &values[1]];
        let predicate = if least { "olt" } else { "ogt" };
        let first = self.temp(&format!("fcmp {predicate} {llvm} {left}, {right}"));
        let number = self.temp(&format!("select i1 {first}, {llvm} {left}, {llvm} {right}"));
        let unordered = self.temp(&format!("fcmp uno {llvm} {left}, {right}"));
        let nan = self.temp(&format!("fadd {llvm} {left}, {right}"));
        self.temp(&format!(
            "select i1 {unordered}, {llvm} {nan}, {llvm} {number}"
        ))
    }

    fn intrinsic_call(&mut self, name: &str, llvm: &str, args: &[String]) -> String {
        let types = vec![llvm; args.len()].join(", ");
        self.intrinsic_declared(format!("declare {llvm} @{name}({types})"));
        let args: Vec<String> = args.iter().map(|arg| format!("{llvm} {arg}")).collect();
        self.temp(&format!("call {llvm} @{name}({})", args.join(", ")))
    }

    fn intrinsic_declared(&mut self, line: String) {
        self.emitter.intrinsics.insert(line);
    }

    // ------------------------------------------------------------ failing checks

    /// Goes to a cold block that panics when the condition (an `i1`) holds.
    pub fn fail_if(&mut self, condition: &str, panic: impl FnOnce(&mut Self)) {
        let (failed, on) = (self.label("fail"), self.label("ok"));
        self.line(&format!(
            "br i1 {condition}, label %{failed}, label %{on}, !prof !{{!\"branch_weights\", i32 1, i32 1000000}}"
        ));
        self.start(&failed);
        panic(self);
        self.start(&on);
    }

    fn panic_at(&mut self, name: &'static str) {
        let position = self.position();
        self.call_never(name, &format!("i32 {position}"));
    }

    fn panic_text(&mut self, message: &str) {
        let text = self.emitter.text_constant(message);
        let position = self.position();
        self.call_never(
            "echo_panic_text",
            &format!("ptr {text}, i64 {}, i32 {position}", message.len()),
        );
    }

    // ------------------------------------------------------------ conversions

    fn convert(&mut self, conversion: Conversion, value: &str, from: Ty, to: Ty) -> String {
        match (self.scalar(from), self.scalar(to)) {
            (Scalar::Int(from), Scalar::Int(to)) => self.int_to_int(conversion, value, from, to),
            (Scalar::Int(from), Scalar::Float(to)) => {
                let verb = if from.is_signed() { "sitofp" } else { "uitofp" };
                self.temp(&format!("{verb} i{} {value} to {to}", from.bits()))
            }
            (Scalar::Float(from), Scalar::Int(to)) => {
                self.float_to_int(conversion, value, from, to)
            }
            (Scalar::Float(from), Scalar::Float(to)) => match (from, to) {
                ("float", "double") => self.temp(&format!("fpext float {value} to double")),
                ("double", "float") => self.temp(&format!("fptrunc double {value} to float")),
                _ => value.to_string(),
            },
            (Scalar::Bool, to) => {
                let wide = self.temp(&format!("zext i1 {value} to i64"));
                self.int_to_scalar(conversion, &wide, to)
            }
            (Scalar::Char, Scalar::Char) => value.to_string(),
            (Scalar::Char, to) => {
                let wide = self.temp(&format!("zext i32 {value} to i64"));
                self.int_to_scalar(conversion, &wide, to)
            }
            (Scalar::Int(from), Scalar::Char) => self.int_to_char(conversion, value, from),
            (Scalar::Float(from), Scalar::Char) => {
                let int = self.float_to_int(conversion, value, from, IntKind::I64);
                self.int_to_char(conversion, &int, IntKind::I64)
            }
            (_, Scalar::Bool) => {
                let zero = self.compare(CompareOp::Eq, value, "zeroinitializer", from);
                self.temp(&format!("xor i1 {zero}, true"))
            }
        }
    }

    fn int_to_scalar(&mut self, conversion: Conversion, value: &str, to: Scalar) -> String {
        match to {
            Scalar::Int(to) => self.int_to_int(conversion, value, IntKind::I64, to),
            Scalar::Float(to) => self.temp(&format!("sitofp i64 {value} to {to}")),
            Scalar::Char => self.int_to_char(conversion, value, IntKind::I64),
            Scalar::Bool => self.temp(&format!("icmp ne i64 {value}, 0")),
        }
    }

    fn int_to_int(
        &mut self,
        conversion: Conversion,
        value: &str,
        from: IntKind,
        to: IntKind,
    ) -> String {
        if conversion == Conversion::Checked {
            self.check_int_range(value, from, to);
        }
        self.resize(value, from, to)
    }

    /// Truncates or extends by the source's sign.
    fn resize(&mut self, value: &str, from: IntKind, to: IntKind) -> String {
        let (old, new) = (from.bits(), to.bits());
        if new == old {
            return value.to_string();
        }
        let verb = match (new < old, from.is_signed()) {
            (true, _) => "trunc",
            (false, true) => "sext",
            (false, false) => "zext",
        };
        self.temp(&format!("{verb} i{old} {value} to i{new}"))
    }

    fn check_int_range(&mut self, value: &str, from: IntKind, to: IntKind) {
        let message = format!("value out of range for {}", int_name(to));
        let (llvm, signed) = (format!("i{}", from.bits()), from.is_signed());
        let sign = if signed { 's' } else { 'u' };
        if to.min() > from.min() {
            let below = self.temp(&format!("icmp {sign}lt {llvm} {value}, {}", to.min()));
            self.fail_if(&below, |body| body.panic_text(&message));
        }
        if to.max() < from.max() {
            let above = self.temp(&format!("icmp {sign}gt {llvm} {value}, {}", to.max()));
            self.fail_if(&above, |body| body.panic_text(&message));
        }
    }

    fn float_to_int(
        &mut self,
        conversion: Conversion,
        value: &str,
        from: &'static str,
        to: IntKind,
    ) -> String {
        let llvm = format!("i{}", to.bits());
        let sign = if to.is_signed() { 's' } else { 'u' };
        if conversion != Conversion::Checked {
            let suffix = if from == "float" { "f32" } else { "f64" };
            let name = format!("@llvm.fpto{sign}i.sat.{llvm}.{suffix}");
            self.intrinsic_declared(format!("declare {llvm} {name}({from})"));
            return self.temp(&format!("call {llvm} {name}({from} {value})"));
        }
        let wide = match from {
            "float" => self.temp(&format!("fpext float {value} to double")),
            _ => value.to_string(),
        };
        // Truncation makes everything above min - 1 fit; where that is no double, min itself is the bound.
        let (low, low_test) = if to.bits() < 64 || !to.is_signed() {
            ((to.min() - 1) as f64, "ogt")
        } else {
            (to.min() as f64, "oge")
        };
        let high = (to.max() + 1) as f64;
        let above = self.temp(&format!(
            "fcmp {low_test} double {wide}, {}",
            text::float(low, false)
        ));
        let below = self.temp(&format!(
            "fcmp olt double {wide}, {}",
            text::float(high, false)
        ));
        let inside = self.temp(&format!("and i1 {above}, {below}"));
        let outside = self.temp(&format!("xor i1 {inside}, true"));
        let message = format!("value out of range for {}", int_name(to));
        self.fail_if(&outside, |body| body.panic_text(&message));
        self.temp(&format!("fpto{sign}i double {wide} to {llvm}"))
    }

    /// Checked: a panic where it is no scalar value; wrapping: U+FFFD.
    fn int_to_char(&mut self, conversion: Conversion, value: &str, from: IntKind) -> String {
        let wide = self.resize(
            value,
            from,
            if from.is_signed() {
                IntKind::I64
            } else {
                IntKind::U64
            },
        );
        let large = self.temp(&format!("icmp ugt i64 {wide}, 1114111"));
        let shifted = self.temp(&format!("sub i64 {wide}, 55296"));
        let surrogate = self.temp(&format!("icmp ult i64 {shifted}, 2048"));
        let invalid = self.temp(&format!("or i1 {large}, {surrogate}"));
        let narrow = self.temp(&format!("trunc i64 {wide} to i32"));
        if conversion == Conversion::Checked {
            self.fail_if(&invalid, |body| {
                body.panic_text("value out of range for char");
            });
            return narrow;
        }
        self.temp(&format!("select i1 {invalid}, i32 65533, i32 {narrow}"))
    }

    fn scalar(&self, ty: Ty) -> Scalar {
        match self.emitter.program.types.kind(ty) {
            TyKind::Bool => Scalar::Bool,
            TyKind::Char => Scalar::Char,
            TyKind::F32 => Scalar::Float("float"),
            TyKind::F64 => Scalar::Float("double"),
            TyKind::Int(kind) => Scalar::Int(*kind),
            TyKind::Enum(_) => Scalar::Int(IntKind::U32),
            other => unreachable!("no scalar: {other:?}"),
        }
    }
}

/// What conversions distinguish.
#[derive(Clone, Copy)]
enum Scalar {
    Bool,
    Char,
    Int(IntKind),
    Float(&'static str),
}
