//! The module around the functions: types, globals, tables, entry points, declarations.

use std::fmt::Write as _;

use echo_abi::ABI_VERSION;
use echo_abi::layout::TLS_OFFSET_SYMBOL;
use echo_abi::symbols::{self, Class, Machine, Symbol};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::FileId;

use super::{ANCHOR, Emitter, text};
use crate::ir::FnId;
use crate::layout;

/// The data layout is for reading the text (how values are aligned); the library then puts its own in its place.
const HEADER: &str =
    "target datalayout = \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128\"
target triple = \"x86_64-unknown-linux-gnu\"

%TypeDesc = type { i8, i8, i16, i32, ptr, i32, i32, ptr, ptr }
%FieldDesc = type { ptr, ptr, i32, i32 }
%EntryDesc = type { ptr, ptr, i32, i32, ptr, ptr, i32, i32 }
%SelectCase = type { ptr, ptr, i32, i32, i32, i32 }
";

/// Runs a list of deferred calls, last first, also when one of them panics. A node is
/// `{ header, next, code, arguments… }`.
const RUN_DEFERS: &str = "
define internal void @echo.run_defers(ptr %list) #0 personality ptr @__gcc_personality_v0 {
entry:
  br label %loop
loop:
  %node = load ptr, ptr %list
  %done = icmp eq ptr %node, null
  br i1 %done, label %exit, label %run
run:
  %next.place = getelementptr i8, ptr %node, i64 8
  %next = load ptr, ptr %next.place
  store ptr %next, ptr %list
  %code.place = getelementptr i8, ptr %node, i64 16
  %code = load ptr, ptr %code.place
  %args = getelementptr i8, ptr %node, i64 24
  invoke void %code(ptr %args, ptr null) to label %after unwind label %failed
after:
  call void @echo_free(ptr %node)
  br label %loop
failed:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_free(ptr %node)
  call void @echo.run_defers(ptr %list)
  resume { ptr, i32 } %exception
exit:
  ret void
}
";

impl Emitter<'_> {
    /// Puts the module together.
    pub fn finish(mut self) -> String {
        let main_file = self.main_file();
        self.define_struct_types();
        let globals = self.define_globals();
        let info = self.module_info();
        self.define_callables();
        let helpers = self.define_helpers();
        let mut runners = String::new();
        if self.functions.contains("@echo.run_defers") {
            self.runtime.insert("echo_free");
            runners.push_str(RUN_DEFERS);
        }
        let mut out = String::from(HEADER);
        out.push_str(&self.type_lines);
        out.push('\n');
        out.push_str(&self.declarations());
        out.push('\n');
        out.push_str(&self.constants);
        out.push_str(&globals);
        out.push_str(&info);
        out.push_str(&self.functions);
        out.push_str(&helpers);
        out.push_str(&runners);
        if self.options.executable {
            out.push_str(
                "
declare i32 @echo_start(i32, ptr, ptr)
define i32 @main(i32 %argc, ptr %argv) uwtable {
  %code = call i32 @echo_start(i32 %argc, ptr %argv, ptr @echo_module)
  ret i32 %code
}
",
            );
        }
        // A call in tail position would take the caller's frame out of traces, and make a loop that never polls of an endless recursion.
        out.push_str(
            "\nattributes #0 = { uwtable \"split-stack\" \"disable-tail-calls\"=\"true\" }\n",
        );
        out.push_str(&self.debug_metadata(main_file));
        out
    }

    fn main_file(&self) -> FileId {
        self.module.main.map_or(FileId(0), |FnId(main)| {
            self.module.functions[main as usize].span.file
        })
    }

    /// Storage of the globals, each followed by its lock, and the function that drops them.
    fn define_globals(&mut self) -> String {
        let mut out = String::new();
        let mut drops = String::new();
        let program = self.program;
        for (number, global) in program.globals.iter().enumerate() {
            let name = global_symbol(number, &global.name);
            let has_zero = layout::has_zero(program, global.ty);
            let zero = match has_zero {
                true => self.zero_constant(global.ty),
                false => "zeroinitializer".to_string(),
            };
            let llvm = self.global_type(global.ty);
            writeln!(
                out,
                "{name} = internal global <{{ {llvm}, i8 }}> <{{ {llvm} {zero}, i8 0 }}>, align 8"
            )
            .expect("writing to a string cannot fail");
            if layout::is_managed(program, global.ty) {
                if !has_zero {
                    drops.push_str(&self.skip_unset(number, &name, global.ty));
                }
                let desc = self.desc(global.ty);
                self.runtime.insert("echo_drop");
                writeln!(drops, "  call void @echo_drop(ptr {name}, ptr {desc})")
                    .expect("writing to a string cannot fail");
                if !has_zero {
                    writeln!(drops, "  br label %next{number}\nnext{number}:")
                        .expect("writing to a string cannot fail");
                }
            }
        }
        write!(
            out,
            "\ndefine hidden void @{ANCHOR}() uwtable {{\n{drops}  ret void\n}}\n"
        )
        .expect("writing to a string cannot fail");
        out
    }

    /// Goes to `next` unless the global of a type without zero value has been assigned: until then all its bits are zero, which no value's are.
    fn skip_unset(&self, number: usize, name: &str, ty: Ty) -> String {
        let words = layout::layout(self.program, ty).size.div_ceil(8);
        format!(
            "  %words{number} = load i{bits}, ptr {name}, align 8
  %unset{number} = icmp eq i{bits} %words{number}, 0
  br i1 %unset{number}, label %next{number}, label %drop{number}
drop{number}:
",
            bits = words * 64
        )
    }

    /// Globals are read and written atomically, so a bool is a byte.
    pub fn global_type(&self, ty: Ty) -> String {
        match self.program.types.kind(ty) {
            TyKind::Bool => "i8".to_string(),
            _ => self.ty(ty),
        }
    }

    fn module_info(&mut self) -> String {
        let main = self
            .module
            .main
            .map_or("null".to_string(), |main| self.entry(main));
        let positions: Vec<String> = self
            .positions
            .rows
            .iter()
            .map(|(file, line, column, function)| {
                format!("{{ i32, i32, i32, i32 }} {{ i32 {file}, i32 {line}, i32 {column}, i32 {function} }}")
            })
            .collect();
        let files: Vec<String> = self
            .sources
            .files()
            .map(|(_, file)| file.name().to_string())
            .collect();
        let functions = std::mem::take(&mut self.positions.functions);
        let file_rows = self.text_rows(&files);
        let function_rows = self.text_rows(&functions);
        let (lines, declare) = if self.options.line_table {
            (
                "@echo_line_table",
                "@echo_line_table = external hidden constant i8\n",
            )
        } else {
            ("null", "")
        };
        format!(
            "{declare}@positions = internal constant [{positions_len} x {{ i32, i32, i32, i32 }}] [{positions}]
@files = internal constant [{files_len} x {{ ptr, i64 }}] [{file_rows}]
@functions = internal constant [{functions_len} x {{ ptr, i64 }}] [{function_rows}]
@echo_module = global {{ i32, i32, ptr, ptr, ptr, i32, i32, ptr, ptr, ptr }} {{ i32 {ABI_VERSION}, i32 {positions_len}, ptr @positions, ptr @files, ptr @functions, i32 {files_len}, i32 {functions_len}, ptr {main}, ptr {lines}, ptr @{ANCHOR} }}
",
            positions_len = positions.len(),
            positions = positions.join(", "),
            files_len = files.len(),
            functions_len = functions.len(),
        )
    }

    fn text_rows(&mut self, names: &[String]) -> String {
        let rows: Vec<String> = names
            .iter()
            .map(|name| {
                let symbol = self.text_constant(name);
                format!("{{ ptr, i64 }} {{ ptr {symbol}, i64 {} }}", name.len())
            })
            .collect();
        rows.join(", ")
    }

    /// The `declare` lines of what is in use, from the one table.
    fn declarations(&self) -> String {
        let mut out = String::from("@echo_empty = external global i8, align 8\n");
        if self.uses_tls {
            writeln!(out, "@{TLS_OFFSET_SYMBOL} = external constant i64, align 8")
                .expect("writing to a string cannot fail");
        }
        for symbol in symbols::SYMBOLS {
            if self.runtime.contains(symbol.name) {
                out.push_str(&declaration(symbol));
            }
        }
        writeln!(
            out,
            "declare void @{}(ptr) noreturn",
            symbols::UNWIND_RESUME
        )
        .expect("writing to a string cannot fail");
        out.push_str("declare i32 @__gcc_personality_v0(...)\n");
        for line in &self.intrinsics {
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

fn declaration(symbol: &Symbol) -> String {
    let arguments: Vec<String> = symbol
        .arguments
        .iter()
        .map(|&(name, machine)| {
            let uncaptured = if points_to_caller(symbol.name, name, machine) {
                " nocapture"
            } else {
                ""
            };
            format!("{}{uncaptured}", machine_type(machine))
        })
        .collect();
    let attributes = match symbol.class {
        Class::Plain if symbol.name == "echo_exit" => " nounwind noreturn",
        Class::Plain => " nounwind",
        Class::Never => " noreturn cold",
        Class::Raise | Class::Park => "",
    };
    format!(
        "declare {} @{}({}){attributes}\n",
        result_type(symbol.result),
        symbol.name,
        arguments.join(", ")
    )
}

/// Whether the argument is an address in the caller's memory, which the callee does not keep: see the table's conventions. Variables stay in
/// registers around other calls.
fn points_to_caller(symbol: &str, name: &str, machine: Machine) -> bool {
    let of_any_type = matches!(symbol, "echo_equal" | "echo_compare");
    machine == Machine::Ptr
        && match name {
            "value" | "out" | "place" | "key" | "error" | "offset" | "cases" | "args" => true,
            "left" | "right" => of_any_type,
            _ => false,
        }
}

/// The type of an argument.
pub fn machine_type(machine: Machine) -> &'static str {
    match machine {
        Machine::Void => "void",
        Machine::Bool => "i1 zeroext",
        Machine::I32 => "i32",
        Machine::I64 => "i64",
        Machine::F64 => "double",
        Machine::Ptr => "ptr",
    }
}

/// The type of a result, with its attribute.
pub fn result_type(machine: Machine) -> &'static str {
    match machine {
        Machine::Bool => "zeroext i1",
        other => machine_type(other),
    }
}

/// The symbol of a global variable.
pub fn global_symbol(number: usize, name: &str) -> String {
    text::symbol(&format!("global.{number}.{name}"))
}
