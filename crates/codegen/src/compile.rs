//! From a lowered program to what `eo` runs, links or prints. Everything here is value in, value out: the command does the I/O.
//!
//! ```ignore
//! let mut module = lower::lower(&mut program);
//! ownership::insert(&program, &mut module);
//! let unit = Unit::from_ir(&program, &sources, module);
//! print!("{}", unit.ir_text());                       // --emit ir
//! print!("{}", unit.llvm_text(Purpose::Executable));  // --emit llvm
//! let llvm = Llvm::load()?;
//! // eo run; image.to_bytes() / JitImage::from_bytes() for the cache
//! let image = unit.object_for_jit(&llvm, 2)?;
//! let module: *const ModuleInfo = image.load(runtime_symbols)?;
//! // eo build: link both with the runtime's static library; without -g pass -Wl,--strip-debug
//! let [program, lines] = unit.objects_for_link(&llvm, 2)?;
//! ```
//!
//! The table of lines is made from the finished object, as only that knows addresses: see [`Lines`].

use std::collections::HashMap;

use echo_abi::layout::{LINE_TABLE_SYMBOL, LineRow, LineTable, MODULE_SYMBOL, ModuleInfo};
use echo_sema::typed::Program;
use echo_syntax::span::SourceMap;

use crate::ir::{FnId, FunctionKind};
use crate::llvm::{CodeLine, Error, Llvm, Output};
use crate::loader::{self, Loaded};
use crate::{emit, hoist, ir};

/// What LLVM text is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Loaded into this process; the table of lines is attached after loading.
    Jit,
    /// Linked with the runtime: defines `main`, refers to the table of lines.
    Executable,
}

/// A program ready for emission.
pub struct Unit<'a> {
    program: &'a Program,
    sources: &'a SourceMap,
    module: ir::Module,
}

impl<'a> Unit<'a> {
    /// From Echo IR to which the ownership pass has been applied.
    pub fn from_ir(
        program: &'a Program,
        sources: &'a SourceMap,
        mut module: ir::Module,
    ) -> Unit<'a> {
        hoist::checks_out_of_loops(program, &mut module);
        Unit {
            program,
            sources,
            module,
        }
    }

    /// Echo IR, for `--emit ir`.
    pub fn ir_text(&self) -> String {
        ir::dump(self.program, &self.module, self.sources)
    }

    /// LLVM IR before optimisation, for `--emit llvm`.
    pub fn llvm_text(&self, purpose: Purpose) -> String {
        let options = emit::Options {
            executable: purpose == Purpose::Executable,
            line_table: purpose == Purpose::Executable,
            comments: true,
        };
        emit::emit(self.program, &self.module, self.sources, options)
    }

    /// Assembly, optimised IR or a plain object, for `--emit asm` and `--emit obj`.
    ///
    /// # Errors
    /// [`Error::Module`] when LLVM refuses the module.
    pub fn output(&self, llvm: &Llvm, level: u8, output: Output) -> Result<Vec<u8>, Error> {
        llvm.compile(&self.llvm_text(Purpose::Executable), level, output)
    }

    /// An object for this process with its table of lines.
    ///
    /// # Errors
    /// [`Error::Module`] when LLVM refuses the module.
    pub fn object_for_jit(&self, llvm: &Llvm, level: u8) -> Result<JitImage, Error> {
        let object = llvm.compile(&self.llvm_text(Purpose::Jit), level, Output::Object)?;
        let lines = self.lines(&object);
        Ok(JitImage { object, lines })
    }

    /// The program's object (with debug information) and the object that defines `echo_line_table`. They refer to each other: link both.
    ///
    /// # Errors
    /// [`Error::Module`] when LLVM refuses a module.
    pub fn objects_for_link(&self, llvm: &Llvm, level: u8) -> Result<[Vec<u8>; 2], Error> {
        let program = llvm.compile(&self.llvm_text(Purpose::Executable), level, Output::Object)?;
        let lines = llvm.compile(&self.lines(&program).llvm_text(), 0, Output::Object)?;
        Ok([program, lines])
    }

    fn lines(&self, object: &[u8]) -> Lines {
        Lines::of_object(object, self.sources, &self.module)
    }
}

/// Return addresses to lines, for one object: rows sorted by offset, relative to the start of the object's code. Inlined code has several rows
/// at its offset: the innermost function comes last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Offset, file, line, function, as in [`LineRow`].
    pub rows: Vec<[u32; 4]>,
    /// Bytes of code.
    pub code_size: u64,
    /// Offset of the function `echo.drop_globals`, which tells where the code is.
    pub anchor: u64,
}

impl Lines {
    fn of_object(object: &[u8], sources: &SourceMap, module: &ir::Module) -> Lines {
        let file_number = |name: &str| {
            sources
                .files()
                .find(|(_, file)| file.name() == name)
                .map_or(0, |(id, _)| id.0)
        };
        let functions = Functions::new(module);
        let code = crate::llvm::object_code(object).unwrap_or_default();
        let mut rows: Vec<[u32; 4]> = Vec::with_capacity(code.lines.len());
        // File, line, function: of the function that was called, then of those inlined into it.
        let mut last: Vec<[u32; 3]> = Vec::new();
        for line in &code.lines {
            let frames: Vec<_> = functions
                .frames(line)
                .map(|(file, line, function)| [file_number(file), line, function])
                .collect();
            // What the compiler made up belongs to the line before it.
            let is_made_up = line.line == 0 && is_in_same_functions(&frames, &last);
            if !is_made_up && frames != last {
                rows.extend(frames.iter().map(|frame| {
                    let [file, line_number, function] = *frame;
                    [line.offset, file, line_number, function]
                }));
                last = frames;
            }
        }
        Lines {
            rows,
            code_size: code.size,
            anchor: code.offset_of(emit::ANCHOR).unwrap_or(0),
        }
    }

    /// A module that defines [`LINE_TABLE_SYMBOL`] for the object.
    fn llvm_text(&self) -> String {
        let count = self.rows.len();
        let bytes: Vec<u8> = self
            .rows
            .iter()
            .flatten()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        format!(
            "target triple = \"x86_64-unknown-linux-gnu\"
@\"{anchor}\" = external hidden global i8
@rows = private constant [{len} x i8] c\"{text}\", align 4
@{LINE_TABLE_SYMBOL} = hidden constant {{ ptr, ptr, i64, i64 }} {{ ptr getelementptr (i8, ptr @\"{anchor}\", i64 -{offset}), ptr @rows, i64 {count}, i64 {size} }}
",
            anchor = emit::ANCHOR,
            len = bytes.len(),
            text = emit::escape(&bytes),
            offset = self.anchor,
            size = self.code_size,
        )
    }

    /// The table of code whose anchor is at that address; lives as long as the process, as loaded code does.
    fn table(&self, anchor: usize) -> *const LineTable {
        let rows: Vec<LineRow> = self
            .rows
            .iter()
            .map(|&[offset, file, line, function]| LineRow {
                offset,
                file,
                line,
                function,
            })
            .collect();
        let rows = Box::leak(rows.into_boxed_slice());
        let base = anchor.wrapping_sub(self.anchor as usize);
        Box::leak(Box::new(LineTable {
            base: std::ptr::with_exposed_provenance(base),
            rows: rows.as_ptr(),
            count: rows.len() as u64,
            code_size: self.code_size,
        }))
    }
}

/// Whether two places are in the same functions, called from the same places.
fn is_in_same_functions(left: &[[u32; 3]], right: &[[u32; 3]]) -> bool {
    let (Some((left, left_around)), Some((right, right_around))) =
        (left.split_last(), right.split_last())
    else {
        return false;
    };
    left[2] == right[2] && left_around == right_around
}

/// The functions of a module as traces show them.
struct Functions<'a> {
    module: &'a ir::Module,
    /// To numbers in the module's table of functions, which count from 1.
    by_symbol: HashMap<String, u32>,
    by_name: HashMap<&'a str, u32>,
}

impl Functions<'_> {
    fn new(module: &ir::Module) -> Functions<'_> {
        let numbered = || (1..).zip(&module.functions);
        Functions {
            module,
            by_symbol: numbered()
                .map(|(number, function)| (emit::linkage_name(function), number))
                .collect(),
            by_name: numbered()
                .map(|(number, function)| (emit::debug_name(function), number))
                .collect(),
        }
    }

    /// File, line and number of the function that code is in, then of those inlined into it.
    fn frames<'c>(&'c self, code: &'c CodeLine) -> impl Iterator<Item = (&'c str, u32, u32)> {
        let callees = code.inlined.iter().map(|call| &*call.function);
        let names = callees.clone().map(|name| self.by_name.get(name));
        let numbers = std::iter::once(self.by_symbol.get(&code.function)).chain(names);
        let calls = code.inlined.iter().map(|call| (&*call.file, call.line));
        let places = calls.chain([(&*code.file, code.line)]);
        let callees = callees.map(Some).chain([None]);
        let frames = numbers.zip(places).zip(callees);
        frames.map(move |((number, (file, line)), callee)| {
            let number = number.copied().unwrap_or(0);
            match self.is_unwritten(number, callee) {
                true => (file, 0, number),
                false => (file, line, number),
            }
        })
    }

    /// Whether nobody wrote what a function does there: wrappers have no text, and nothing in it calls `main` for the top level.
    fn is_unwritten(&self, number: u32, callee: Option<&str>) -> bool {
        let index = number.checked_sub(1);
        let function = index.and_then(|index| self.module.functions.get(index as usize));
        let is_top_level = index.is_some_and(|index| self.module.main == Some(FnId(index)));
        match function.map(|function| function.kind) {
            _ if is_top_level => callee == Some("main"),
            Some(FunctionKind::Entry | FunctionKind::Closure) => true,
            Some(FunctionKind::Normal) | None => false,
        }
    }
}

/// What `eo run` loads, and its cache keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JitImage {
    object: Vec<u8>,
    lines: Lines,
}

impl JitImage {
    /// Loads the image into the process, attaches the table of lines, and gives the address of the program's `ModuleInfo`. It is never unloaded.
    /// `symbols` are names and addresses of everything the object may refer to: the table in `echo_abi::symbols`, `echo_empty`,
    /// `echo_unwind_resume`, `__morestack`, `__gcc_personality_v0`, …
    ///
    /// # Errors
    /// When the object cannot be loaded.
    pub fn load(
        &self,
        symbols: impl Iterator<Item = (&'static str, usize)>,
    ) -> Result<*const ModuleInfo, loader::Error> {
        let loaded = Loaded::new(&self.object, symbols)?;
        let module = loaded.lookup(MODULE_SYMBOL)?.cast::<ModuleInfo>();
        // SAFETY: the object defines the symbol as a writable ModuleInfo; nobody else knows it yet.
        unsafe {
            let anchor = (*module).drop_globals.expose_provenance();
            (*module).lines = self.lines.table(anchor);
        }
        Ok(module)
    }

    /// For the cache.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.object.len() + self.lines.rows.len() * 16 + 24);
        for word in [
            self.lines.rows.len() as u64,
            self.lines.code_size,
            self.lines.anchor,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for word in self.lines.rows.iter().flatten() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.object);
        bytes
    }

    /// From the cache; `None` when the bytes are not what [`JitImage::to_bytes`] makes.
    pub fn from_bytes(bytes: &[u8]) -> Option<JitImage> {
        let mut rest = bytes;
        let mut long = || {
            let (word, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(u64::from_le_bytes(*word))
        };
        let (count, code_size, anchor) = (long()?, long()?, long()?);
        let (rows, object) =
            rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(16)?)?;
        let rows = rows
            .chunks_exact(16)
            .map(|row| {
                std::array::from_fn(|at| {
                    let word = row[at * 4..].first_chunk().expect("four words a row");
                    u32::from_le_bytes(*word)
                })
            })
            .collect();
        Some(JitImage {
            object: object.to_vec(),
            lines: Lines {
                rows,
                code_size,
                anchor,
            },
        })
    }
}
