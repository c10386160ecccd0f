//! Calls of runtime functions, select, deferred calls: what the runtime sees as memory.

use echo_abi::layout::{CASE_RECEIVE, CASE_SEND, SELECT_DEFAULT, SELECT_POLL};
use echo_abi::symbols::{self, Class};
use echo_sema::types::Ty;

use super::debug::LIKELY;
use super::fast_path::{Done, FastPath};
use super::function::{Body, slot_of};
use super::program::{machine_type, result_type};
use crate::ir::{Const, FnId, Instr, Operand, RtArg, SelectCase, Var};
use crate::layout;

/// Behind header, next and code of a deferred call.
const DEFER_ARGS: u32 = 24;

impl Body<'_, '_> {
    pub fn runtime_call(
        &mut self,
        dst: Option<Var>,
        name: &'static str,
        args: &[RtArg],
        instr: &Instr,
    ) {
        let symbol = symbols::find(name)
            .unwrap_or_else(|| panic!("`{name}` is not in the table of runtime symbols"));
        assert_eq!(
            symbol.arguments.len(),
            args.len(),
            "arguments of `{name}` in {}",
            self.function.name
        );
        let pushed = self.pushed(name, args);
        let global = self.changed_global(args);
        let lock = global.map(|place| {
            self.share_moved(args);
            self.lock_global(place.root)
        });
        // Until the call itself takes over, what it consumes is still ours.
        self.unwind_with_consumed(instr);
        let values: Vec<String> = args.iter().map(|arg| self.runtime_arg(arg)).collect();
        self.unwind.clone_from(&instr.unwind);
        let arguments: Vec<String> = symbol
            .arguments
            .iter()
            .zip(&values)
            .map(|(&(_, machine), value)| format!("{} {value}", machine_type(machine)))
            .collect();
        let (callee, arguments) = (format!("@{name}"), arguments.join(", "));
        let result = result_type(symbol.result);
        let end = match self.fast_path(name, args, &values) {
            FastPath::None => self
                .lock_path(name, args, &values, dst)
                .or_else(|| self.counter_path(name, &values, dst))
                .or_else(|| self.channel_path(name, args, &values, dst))
                .or_else(|| self.callback_path(name, args, &values)),
            FastPath::Instead(value) => {
                self.assign_result(dst, &value);
                return;
            }
            FastPath::If(done, value) => Some(self.unless(&done, dst, value, None)),
            FastPath::IfSo(done, value, what) => Some(self.unless(&done, dst, value, Some(&what))),
        };
        self.emitter.runtime.insert(name);
        let value = match symbol.class {
            Class::Plain if result == "void" => {
                match pushed {
                    Some(value) => self.push(&values[0], &values[1], value, lock.is_some()),
                    None => self.line(&format!("call void {callee}({arguments})")),
                }
                String::new()
            }
            Class::Plain => self.temp(&format!("call {result} {callee}({arguments})")),
            Class::Raise | Class::Park | Class::Never => self.call(result, &callee, &arguments),
        };
        self.assign_result(dst, &value);
        if let (Some(place), Some(lock)) = (global, lock) {
            if layout::is_block(self.emitter.program, place.ty) && pushed.is_none() {
                self.share_block(&values[0]);
            }
            self.unlock(&lock);
        }
        if let Some(end) = end {
            self.line(&format!("br label %{end}"));
            self.start(&end);
        }
    }

    /// `value` is empty where there is none.
    fn assign_result(&mut self, dst: Option<Var>, value: &str) {
        if let Some(dst) = dst
            && !value.is_empty()
        {
            self.assign(dst, value);
        }
    }

    /// Goes to the end, whose label is given back, with that result if the condition holds; what follows is for the other case.
    fn unless(&mut self, done: &str, dst: Option<Var>, value: &str, what: Option<&Done>) -> String {
        let [fast, slow, end] = ["fast", "slow", "done"].map(|stem| self.label(stem));
        let weights = if what.is_some() { LIKELY } else { "" };
        self.line(&format!(
            "br i1 {done}, label %{fast}, label %{slow}{weights}"
        ));
        self.start(&fast);
        if let Some(what) = what {
            self.do_fast(what);
        }
        self.assign_result(dst, value);
        self.line(&format!("br label %{end}"));
        self.start(&slow);
        end
    }

    fn runtime_arg(&mut self, arg: &RtArg) -> String {
        match arg {
            RtArg::Value(operand) => self.value(operand),
            RtArg::Move(var) => self.value(&Operand::Var(*var)),
            RtArg::Borrow(var) | RtArg::MoveOut(var) | RtArg::Out(var) | RtArg::Address(var) => {
                slot_of(*var)
            }
            RtArg::Place(place) => self.address_mut(place).pointer,
            RtArg::Global(var) => self.value(&Operand::Var(*var)),
            RtArg::Desc(ty) => self.emitter.desc(*ty),
            RtArg::DescOrNull(ty) => self.emitter.desc_or_null(*ty),
            RtArg::Entry(function) => self.emitter.entry(*function),
            RtArg::Tuple(vars) => self.tuple(vars),
            RtArg::Position => self.position().to_string(),
        }
    }

    /// A tuple of the variables' values in memory.
    fn tuple(&mut self, vars: &[Var]) -> String {
        if vars.is_empty() {
            return "null".to_string();
        }
        let types: Vec<Ty> = vars.iter().map(|&var| self.var_ty(var)).collect();
        let llvm = self.emitter.struct_of(&types);
        let slot = self.slot(&llvm);
        self.store_members(&slot, &llvm, vars);
        slot
    }

    fn store_members(&mut self, address: &str, llvm: &str, vars: &[Var]) {
        for (number, &var) in vars.iter().enumerate() {
            let value = self.typed(&Operand::Var(var));
            let place = self.temp(&format!(
                "getelementptr inbounds {llvm}, ptr {address}, i32 0, i32 {number}"
            ));
            self.line(&format!("store {value}, ptr {place}"));
        }
    }

    pub fn defer(&mut self, entry: FnId, args: &[Var]) {
        let types: Vec<Ty> = args.iter().map(|&var| self.var_ty(var)).collect();
        let llvm = self.emitter.struct_of(&types);
        let size = DEFER_ARGS
            + crate::layout::fields(self.emitter.program, &types, 0)
                .1
                .size;
        self.emitter.runtime.insert("echo_alloc");
        let node = self.temp(&format!("call ptr @echo_alloc(i64 {size})"));
        let next = self.temp("load ptr, ptr %defers");
        let symbol = super::text::function_symbol(&self.emitter.module.functions[entry.0 as usize]);
        for (offset, value) in [(8, next.as_str()), (16, symbol.as_str())] {
            let place = self.temp(&format!(
                "getelementptr inbounds i8, ptr {node}, i64 {offset}"
            ));
            self.line(&format!("store ptr {value}, ptr {place}"));
        }
        let members = self.temp(&format!(
            "getelementptr inbounds i8, ptr {node}, i64 {DEFER_ARGS}"
        ));
        self.store_members(&members, &llvm, args);
        self.line(&format!("store ptr {node}, ptr %defers"));
    }

    pub fn select(&mut self, dst: Var, cases: &[SelectCase], timeout: &Operand) {
        let end = match timeout {
            Operand::Const(Const::Int(time, _)) if *time == i128::from(SELECT_POLL) => {
                let blocked = self.all_blocked(cases);
                blocked.map(|blocked| {
                    self.unless(&blocked, Some(dst), &SELECT_DEFAULT.to_string(), None)
                })
            }
            _ => None,
        };
        self.select_call(dst, cases, timeout);
        if let Some(end) = end {
            self.line(&format!("br label %{end}"));
            self.start(&end);
        }
    }

    fn select_call(&mut self, dst: Var, cases: &[SelectCase], timeout: &Operand) {
        let array = format!("[{} x %SelectCase]", cases.len());
        let slot = self.slot(&array);
        let field = |number: usize, field: usize| {
            format!("getelementptr inbounds {array}, ptr {slot}, i32 0, i32 {number}, i32 {field}")
        };
        for (number, case) in cases.iter().enumerate() {
            let channel = self.value(&Operand::Var(case.channel));
            let kind = if case.send { CASE_SEND } else { CASE_RECEIVE };
            let position = self.position_of(case.span);
            for (index, value) in [
                (0, format!("ptr {channel}")),
                (1, format!("ptr {}", slot_of(case.value))),
                (2, format!("i32 {kind}")),
                (3, format!("i32 {position}")),
            ] {
                let place = self.temp(&field(number, index));
                self.line(&format!("store {value}, ptr {place}"));
            }
        }
        let timeout = self.value(timeout);
        let position = self.position();
        self.emitter.runtime.insert("echo_select");
        let chosen = self.call(
            "i64",
            "@echo_select",
            &format!(
                "ptr {slot}, i64 {}, i64 {timeout}, i32 {position}",
                cases.len()
            ),
        );
        self.assign(dst, &chosen);
        for (number, case) in cases.iter().enumerate() {
            if let Some(ok) = case.ok {
                let place = self.temp(&field(number, 4));
                let word = self.temp(&format!("load i32, ptr {place}"));
                let flag = self.temp(&format!("icmp eq i32 {word}, 1"));
                self.assign(ok, &flag);
            }
        }
    }
}
