//! One function: its frame, its blocks, its landing pads.

use std::collections::HashMap;
use std::fmt::Write as _;

use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::types::Helper;
use super::{Emitter, text, unfold};
use crate::ir::{self, Const, FnId, Function, FunctionKind, Instr, Op, Operand, Terminator, Var};
use crate::layout;

/// A function being printed.
pub struct Body<'e, 'a> {
    pub emitter: &'e mut Emitter<'a>,
    pub function: &'a Function,
    /// Index into the module's table of function names.
    index: u32,
    /// The function's number, and the symbol that it calls itself by.
    pub itself: (FnId, String),
    /// The entry block's allocas.
    allocas: String,
    out: String,
    temps: usize,
    labels: usize,
    subprogram: usize,
    /// Of the instruction being printed.
    span: Span,
    /// `, !dbg !N`
    dbg: String,
    /// What to drop if the instruction being printed unwinds.
    pub unwind: Vec<Var>,
    /// There is a slot for a block that the runtime replaces.
    pub has_block_slot: bool,
    /// Landing pads: what each drops, and the number in its label.
    pads: HashMap<Vec<Var>, usize>,
    commented_line: u32,
}

/// The text of a function's definition, and of the copies that are inlined into it.
pub fn emit<'a>(emitter: &mut Emitter<'a>, function: &'a Function, index: u32) -> String {
    // The table of names begins with one that is no function's.
    let id = FnId(index - 1);
    let count = unfold::copies(function, id) + 1;
    let symbols: Vec<String> = (0..count)
        .map(|copy| unfold::symbol(function, copy))
        .collect();
    let next = symbols.iter().cycle().skip(1);
    let attributes = std::iter::once("").chain(std::iter::repeat(" alwaysinline"));
    let definitions = symbols.iter().zip(next).zip(attributes);
    definitions
        .map(|((symbol, next), attributes)| {
            let itself = (id, next.as_str());
            definition(emitter, function, index, symbol, itself, attributes)
        })
        .collect()
}

/// One definition, which calls something else for itself.
fn definition<'a>(
    emitter: &mut Emitter<'a>,
    function: &'a Function,
    index: u32,
    symbol: &str,
    itself: (FnId, &str),
    attributes: &str,
) -> String {
    let (name, linkage) = (text::debug_name(function), text::linkage_name(function));
    let subprogram = emitter.subprogram(name, &linkage, function.span);
    let mut body = Body {
        emitter,
        function,
        index,
        itself: (itself.0, itself.1.to_string()),
        allocas: String::new(),
        out: String::new(),
        temps: 0,
        labels: 0,
        subprogram,
        span: function.span,
        dbg: String::new(),
        unwind: Vec::new(),
        has_block_slot: false,
        pads: HashMap::new(),
        commented_line: 0,
    };
    body.at(function.span);
    body.frame();
    for number in 0..function.blocks.len() {
        body.block(number);
    }
    let personality = if body.pads.is_empty() {
        ""
    } else {
        " personality ptr @__gcc_personality_v0"
    };
    body.landing_pads();
    let signature = body.signature();
    format!(
        "\ndefine internal {} {symbol}({}) #0{attributes}{personality} !dbg !{subprogram} {{\nentry:\n{}{}}}\n",
        signature.0, signature.1, body.allocas, body.out
    )
}

impl<'a> Body<'_, 'a> {
    // ------------------------------------------------------------ the frame

    /// Result and parameters.
    fn signature(&self) -> (String, String) {
        if self.function.kind == FunctionKind::Entry {
            // The arguments may lie where the result goes.
            return ("void".to_string(), "ptr %args, ptr %result".to_string());
        }
        let mut params: Vec<String> = Vec::new();
        if self.function.kind == FunctionKind::Closure {
            params.push("ptr %self".to_string());
        }
        for (number, var) in self.params().iter().enumerate() {
            let llvm = self.emitter.ty(var.ty);
            // The checker lets no two references of a call overlap; nothing else leads to what they refer to.
            let alone = match self.emitter.program.types.kind(var.ty) {
                TyKind::Ref(_) => " noalias",
                _ => "",
            };
            params.push(format!("{llvm}{alone} %p{number}"));
        }
        (
            self.emitter.result_ty(self.function.result),
            params.join(", "),
        )
    }

    fn params(&self) -> &'a [crate::ir::VarInfo] {
        &self.function.vars[..self.function.parameter_count]
    }

    /// A slot for every variable; the parameters in theirs.
    fn frame(&mut self) {
        for (number, var) in self.function.vars.iter().enumerate() {
            let name = var
                .name
                .as_deref()
                .map_or(String::new(), |name| format!(" ; {}", text::comment(name)));
            let ty = self.emitter.ty(var.ty);
            writeln!(self.allocas, "  %v{number} = alloca {ty}{name}")
                .expect("writing to a string cannot fail");
        }
        if self.function.defers {
            self.allocas.push_str("  %defers = alloca ptr\n");
            self.line("store ptr null, ptr %defers");
        }
        let params = self.params();
        if self.function.kind == FunctionKind::Entry {
            let types: Vec<Ty> = params.iter().map(|var| var.ty).collect();
            let tuple = self.emitter.struct_of(&types);
            for (number, &ty) in types.iter().enumerate() {
                let place = self.temp(&format!(
                    "getelementptr {tuple}, ptr %args, i32 0, i32 {number}"
                ));
                let llvm = self.emitter.ty(ty);
                let value = self.temp(&format!("load {llvm}, ptr {place}"));
                self.line(&format!("store {llvm} {value}, ptr %v{number}"));
            }
        } else {
            for (number, var) in params.iter().enumerate() {
                let llvm = self.emitter.ty(var.ty);
                self.line(&format!("store {llvm} %p{number}, ptr %v{number}"));
            }
        }
        self.line("br label %b0");
    }

    /// A slot in the entry block for a temporary that needs an address.
    pub fn slot(&mut self, llvm: &str) -> String {
        self.temps += 1;
        let name = format!("%s{}", self.temps);
        writeln!(self.allocas, "  {name} = alloca {llvm}, align 8")
            .expect("writing to a string cannot fail");
        name
    }

    /// Cold: lets the runtime replace the block at the address, in a slot of its own: the variable whose address it is could not live in a register otherwise.
    /// `args` are those behind the address.
    pub fn replace_block(&mut self, name: &'static str, address: &str, block: &str, args: &str) {
        const SLOT: &str = "%block";
        if !std::mem::replace(&mut self.has_block_slot, true) {
            self.allocas.push_str("  %block = alloca ptr, align 8\n");
        }
        self.line(&format!("store ptr {block}, ptr {SLOT}"));
        self.call_plain(name, &format!("ptr {SLOT}, {args}"));
        let new = self.temp(&format!("load ptr, ptr {SLOT}"));
        self.line(&format!("store ptr {new}, ptr {address}"));
    }

    // ------------------------------------------------------------ lines, temporaries, labels

    /// One instruction without a result.
    pub fn line(&mut self, instruction: &str) {
        writeln!(self.out, "  {instruction}{}", self.dbg).expect("writing to a string cannot fail");
    }

    /// One instruction with a result; its name.
    pub fn temp(&mut self, instruction: &str) -> String {
        self.temps += 1;
        let name = format!("%t{}", self.temps);
        writeln!(self.out, "  {name} = {instruction}{}", self.dbg)
            .expect("writing to a string cannot fail");
        name
    }

    /// A label that nothing uses yet.
    pub fn label(&mut self, stem: &str) -> String {
        self.labels += 1;
        format!("{stem}.{}", self.labels)
    }

    /// Starts a block.
    pub fn start(&mut self, label: &str) {
        writeln!(self.out, "{label}:").expect("writing to a string cannot fail");
    }

    fn at(&mut self, span: Span) {
        self.span = span;
        let location = self.emitter.location(span, self.subprogram);
        self.dbg = format!(", !dbg !{location}");
    }

    /// Index of the current instruction's position.
    pub fn position(&mut self) -> usize {
        self.emitter.position(self.span, self.index)
    }

    /// Runs `f` with the position of another span.
    pub fn position_of(&mut self, span: Span) -> usize {
        self.emitter.position(span, self.index)
    }

    fn comment(&mut self) {
        let (line, _) = self.emitter.line_column(self.span);
        if !self.emitter.options.comments || line == self.commented_line {
            return;
        }
        self.commented_line = line;
        let file = self.emitter.sources.file(self.span.file);
        let source = ir::source_line(file, self.span);
        writeln!(
            self.out,
            "  ; {}:{line}: {}",
            text::comment(file.name()),
            text::comment(source)
        )
        .expect("writing to a string cannot fail");
    }

    // ------------------------------------------------------------ variables and operands

    pub fn var_ty(&self, var: Var) -> Ty {
        self.function.vars[var.0 as usize].ty
    }

    pub fn operand_ty(&self, operand: &Operand) -> Ty {
        match operand {
            Operand::Var(var) => self.var_ty(*var),
            Operand::Const(constant) => constant.ty(),
        }
    }

    /// The operand's value, without its type.
    pub fn value(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Var(var) => {
                let llvm = self.emitter.ty(self.var_ty(*var));
                if llvm == "{}" {
                    return "zeroinitializer".to_string();
                }
                self.temp(&format!("load {llvm}, ptr {}", slot_of(*var)))
            }
            Operand::Const(constant) => match constant {
                Const::Int(value, _) => value.to_string(),
                Const::Float(value, ty) => text::float(*value, *ty == Ty::F32),
                Const::Bool(value) => value.to_string(),
                Const::Char(value) => (*value as u32).to_string(),
                Const::Str(value) => self.emitter.string_constant(value),
                Const::Unit => "zeroinitializer".to_string(),
                Const::Zero(ty) => self.emitter.zero_constant(*ty),
                Const::Closure(function, _) => self.emitter.closure(*function),
            },
        }
    }

    /// The operand as `type value`.
    pub fn typed(&mut self, operand: &Operand) -> String {
        let ty = self.operand_ty(operand);
        let llvm = self.emitter.ty(ty);
        let value = self.value(operand);
        format!("{llvm} {value}")
    }

    /// The variable takes a value (without counting).
    pub fn assign(&mut self, var: Var, value: &str) {
        let llvm = self.emitter.ty(self.var_ty(var));
        if llvm != "{}" {
            self.line(&format!("store {llvm} {value}, ptr {}", slot_of(var)));
        }
    }

    // ------------------------------------------------------------ calls

    /// A call that may unwind: an `invoke` where something is to be dropped. The name of the result, empty for `void`.
    pub fn call(&mut self, result: &str, callee: &str, args: &str) -> String {
        self.call_marked(result, callee, args, "")
    }

    /// As [`Body::call`]; `marks` are attributes of the call.
    fn call_marked(&mut self, result: &str, callee: &str, args: &str, marks: &str) -> String {
        let pad = self.pad();
        let (verb, after) = match &pad {
            None => ("call", None),
            Some(_) => ("invoke", Some(self.label("after"))),
        };
        let mut text = format!("{verb} {result} {callee}({args}){marks}");
        if let (Some(pad), Some(after)) = (&pad, &after) {
            write!(text, " to label %{after} unwind label %{pad}")
                .expect("writing to a string cannot fail");
        }
        let name = if result == "void" {
            self.line(&text);
            String::new()
        } else {
            self.temp(&text)
        };
        if let Some(after) = after {
            self.start(&after);
        }
        name
    }

    /// Calls something that panics and never returns; ends the block. Where two such calls were made one, a trace would tell the line of the other.
    pub fn call_never(&mut self, name: &'static str, args: &str) {
        self.emitter.runtime.insert(name);
        self.call_marked("void", &format!("@{name}"), args, " nomerge");
        self.line("unreachable");
    }

    /// A runtime function that does not unwind.
    pub fn call_plain(&mut self, name: &'static str, args: &str) {
        self.emitter.runtime.insert(name);
        self.line(&format!("call void @{name}({args})"));
    }

    /// The label of the landing pad for the current unwind list; none where there is nothing to do.
    fn pad(&mut self) -> Option<String> {
        if self.unwind.is_empty() && !self.function.defers {
            return None;
        }
        let next = self.pads.len();
        let number = match self.pads.get(&self.unwind) {
            Some(&number) => number,
            None => {
                self.pads.insert(self.unwind.clone(), next);
                next
            }
        };
        Some(format!("pad.{number}"))
    }

    /// Each pad keeps the exception, runs the deferred calls and goes to the drops; lists that end alike share the drops at their ends.
    fn landing_pads(&mut self) {
        if self.pads.is_empty() {
            return;
        }
        self.at(self.function.span);
        self.allocas
            .push_str("  %exception = alloca { ptr, i32 }\n");
        let mut chains = Chains::default();
        let mut pads: Vec<(Vec<Var>, usize)> = self.pads.drain().collect();
        pads.sort_unstable_by_key(|&(_, number)| number);
        let in_memory = pads.iter().map(|(vars, _)| vars.len()).sum::<usize>() > MOST_LIVE;
        for (vars, number) in pads {
            let drops = chains.label(&vars);
            self.start(&format!("pad.{number}"));
            self.catch(&format!("%e{number}"));
            if self.function.defers {
                // A deferred call that panics replaces the exception.
                self.line(&format!(
                    "invoke void @echo.run_defers(ptr %defers) to label %{drops} unwind label %pad.{number}.again"
                ));
                self.start(&format!("pad.{number}.again"));
                self.catch(&format!("%f{number}"));
            }
            self.line(&format!("br label %{drops}"));
        }
        for (label, var, next) in chains.drops() {
            self.start(&label);
            self.release(var, in_memory);
            self.line(&format!("br label %{next}"));
        }
        self.start(END_OF_DROPS);
        let exception = self.temp("load { ptr, i32 }, ptr %exception");
        self.line(&format!("resume {{ ptr, i32 }} {exception}"));
    }

    fn catch(&mut self, name: &str) {
        self.line(&format!("{name} = landingpad {{ ptr, i32 }} cleanup"));
        self.line(&format!("store {{ ptr, i32 }} {name}, ptr %exception"));
    }

    /// Cold: by a call of the runtime. One that is given the variable's address keeps the variable in memory.
    fn release(&mut self, var: Var, in_memory: bool) {
        let ty = self.var_ty(var);
        let desc = self.emitter.desc(ty);
        let slot = slot_of(var);
        if layout::is_block(self.emitter.program, ty) && !in_memory {
            let block = self.temp(&format!("load ptr, ptr {slot}"));
            self.call_plain("echo_release", &format!("ptr {block}, ptr {desc}"));
        } else {
            self.call_plain("echo_drop", &format!("ptr {slot}, ptr {desc}"));
        }
    }

    // ------------------------------------------------------------ counting

    /// One more owner of what is at the address.
    pub fn dup_at(&mut self, address: &str, ty: Ty) {
        self.help(Helper::Dup, address, ty);
    }

    /// Gives up what is at the address.
    pub fn drop_at(&mut self, address: &str, ty: Ty) {
        self.help(Helper::Drop, address, ty);
    }

    fn help(&mut self, helper: Helper, address: &str, ty: Ty) {
        if layout::is_managed(self.emitter.program, ty) {
            let callee = self.emitter.helper(helper, ty);
            self.line(&format!("call void {callee}(ptr {address})"));
        }
    }

    // ------------------------------------------------------------ blocks

    fn block(&mut self, number: usize) {
        self.start(&format!("b{number}"));
        let block = &self.function.blocks[number];
        let mut instrs = &block.instrs[..];
        while let Some((instr, rest)) = instrs.split_first() {
            instrs = &rest[self.instr(instr, rest.first())..];
        }
        self.unwind.clear();
        match &block.terminator {
            None | Some(Terminator::Unreachable) => self.line("unreachable"),
            Some(terminator) => self.terminator(terminator),
        }
    }

    /// How many of those that follow are done with it.
    fn instr(&mut self, instr: &Instr, next: Option<&Instr>) -> usize {
        self.at(instr.span);
        if !matches!(
            instr.op,
            Op::Dup(_) | Op::Drop(_) | Op::Define(_) | Op::Forget(_)
        ) {
            self.comment();
        }
        self.unwind.clone_from(&instr.unwind);
        self.await_path(instr, next).unwrap_or_else(|| {
            if !self.spawn_path(&instr.op) {
                self.op(&instr.op, instr);
            }
            0
        })
    }

    fn terminator(&mut self, terminator: &Terminator) {
        match terminator {
            Terminator::Jump(target) => self.line(&format!("br label %b{}", target.0)),
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.value(condition);
                self.line(&format!(
                    "br i1 {condition}, label %b{}, label %b{}",
                    then.0, otherwise.0
                ));
            }
            Terminator::Switch {
                value,
                ty,
                cases,
                otherwise,
            } => {
                let llvm = self.emitter.ty(*ty);
                let value = self.value(value);
                let cases: Vec<String> = cases
                    .iter()
                    .map(|(constant, target)| format!("{llvm} {constant}, label %b{}", target.0))
                    .collect();
                self.line(&format!(
                    "switch {llvm} {value}, label %b{} [ {} ]",
                    otherwise.0,
                    cases.join(" ")
                ));
            }
            Terminator::Return(value) => self.ret(value.as_ref()),
            Terminator::Unreachable => self.line("unreachable"),
        }
    }

    fn ret(&mut self, value: Option<&Operand>) {
        let void = self.emitter.result_ty(self.function.result) == "void";
        let value = match value {
            Some(value) if !void => Some(self.typed(value)),
            _ => None,
        };
        match value {
            Some(value) if self.function.kind == FunctionKind::Entry => {
                self.line(&format!("store {value}, ptr %result"));
                self.line("ret void");
            }
            Some(value) => self.line(&format!("ret {value}")),
            None => self.line("ret void"),
        }
    }
}

/// So many variables in the lists of all landing pads may live in registers: LLVM's time grows with more than the square of how many live at many calls.
const MOST_LIVE: usize = 4096;

const END_OF_DROPS: &str = "unwind";

/// The drops of landing pads, as a tree: a list's first variable, then the rest of the list. As the order does not matter, a list may be dropped backwards:
/// lists that grow by the youngest variable share their ends one way, lists that lose the oldest one the other way.
#[derive(Default)]
struct Chains {
    /// By what is dropped and the number of the rest, if there is one.
    numbers: HashMap<Link, usize>,
    /// By number.
    links: Vec<Link>,
}

type Link = (Var, Option<usize>);

impl Chains {
    /// Where that list is dropped.
    fn label(&mut self, vars: &[Var]) -> String {
        let backwards: Vec<Var> = vars.iter().rev().copied().collect();
        let vars = match self.shared(vars) > self.shared(&backwards) {
            true => vars,
            false => &backwards,
        };
        let mut rest = None;
        for &var in vars.iter().rev() {
            let link = (var, rest);
            let next = self.links.len();
            let number = *self.numbers.entry(link).or_insert(next);
            if number == next {
                self.links.push(link);
            }
            rest = Some(number);
        }
        drop_label(rest)
    }

    /// How much of the list's end is there.
    fn shared(&self, vars: &[Var]) -> usize {
        let mut rest = None;
        let known = vars.iter().rev().map_while(|&var| {
            rest = Some(*self.numbers.get(&(var, rest))?);
            rest
        });
        known.count()
    }

    /// Label, variable and next label of each drop.
    fn drops(self) -> impl Iterator<Item = (String, Var, String)> {
        let links = self.links.into_iter().enumerate();
        links.map(|(number, (var, next))| (drop_label(Some(number)), var, drop_label(next)))
    }
}

fn drop_label(number: Option<usize>) -> String {
    number.map_or(END_OF_DROPS.to_string(), |number| format!("drop.{number}"))
}

/// The name of the variable's slot.
pub fn slot_of(var: Var) -> String {
    format!("%v{}", var.0)
}

impl Emitter<'_> {
    /// The result type of a function: no bytes are no result.
    pub fn result_ty(&self, ty: Ty) -> String {
        match self.program.types.kind(ty) {
            TyKind::Void | TyKind::Never | TyKind::Error => "void".to_string(),
            _ => self.ty(ty),
        }
    }
}
