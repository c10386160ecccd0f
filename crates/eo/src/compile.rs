//! The compilation, read aloud: lex, parse, check, lower, emit, machine code.

use std::path::Path;

use echo_codegen::compile::{JitImage, Purpose, Unit};
use echo_codegen::llvm::{Llvm, Output, Sanitizer};
use echo_sema::typed::Program;
use echo_syntax::ast::File;
use echo_syntax::{Diagnostic, Parsed, SourceMap};

use crate::cli::Stage;
use crate::failure::Failure;
use crate::images::{Images, Key};
use crate::report;
use crate::source;

/// What the front end knows about a file. Nothing has been reported yet.
pub struct Front {
    pub sources: SourceMap,
    pub tree: File,
    /// Present exactly when there are no errors.
    pub program: Option<Program>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and parses a file.
fn parse(path: &Path) -> Result<Front, Failure> {
    let source = source::read(path)?;
    let mut sources = SourceMap::new();
    let (file, not_text) = sources.add_bytes(source.name, source.bytes);
    let parsed = match not_text {
        None => echo_syntax::parse(file, sources.file(file).text()),
        // The grammar of what stands in for bad bytes is of no interest.
        Some(not_text) => Parsed {
            diagnostics: vec![not_text],
            ..echo_syntax::parse(file, "")
        },
    };
    Ok(Front {
        sources,
        tree: parsed.file,
        program: None,
        diagnostics: parsed.diagnostics,
    })
}

/// Reads a file and finds all that is wrong with it: first in its grammar, then in its meaning. A text with errors in its grammar is not
/// looked at further, as that would only show consequences.
pub fn front(path: &Path) -> Result<Front, Failure> {
    let mut front = parse(path)?;
    if !front.has_errors() {
        let checked = echo_sema::check(&mut front.sources, &front.tree);
        front.diagnostics.extend(checked.diagnostics);
        front.program = checked.program;
    }
    Ok(front)
}

impl Front {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// A program without errors, and its sources; what was found is reported.
fn checked(path: &Path) -> Result<(SourceMap, Program), Failure> {
    let front = front(path)?;
    report::diagnostics(&front.sources, &front.diagnostics);
    let program = front.program.ok_or(Failure::Diagnosed)?;
    Ok((front.sources, program))
}

/// Lowered to Echo IR, with ownership made explicit.
fn lower<'a>(program: &'a mut Program, sources: &'a SourceMap) -> Unit<'a> {
    let mut module = echo_codegen::lower::lower(program);
    echo_codegen::ownership::insert(program, &mut module);
    Unit::from_ir(program, sources, module)
}

/// For `eo run`: machine code for this process, from the cache where it is there.
pub fn image(path: &Path, level: u8, images: &Images) -> Result<JitImage, Failure> {
    let (sources, mut program) = checked(path)?;
    let key = Key::new(&sources, level);
    if let Some(image) = images.find(&key) {
        return Ok(image);
    }
    let image = lower(&mut program, &sources).object_for_jit(&Llvm::load()?, level)?;
    images.keep(&key, &image);
    Ok(image)
}

/// For `eo build`: the objects to link, and the libLLVM that made them.
pub fn objects(
    path: &Path,
    level: u8,
    sanitizer: Option<Sanitizer>,
) -> Result<(Llvm, [Vec<u8>; 2]), Failure> {
    lowered(path, |unit| {
        let llvm = Llvm::load()?.sanitizing(sanitizer);
        let objects = unit.objects_for_link(&llvm, level)?;
        Ok((llvm, objects))
    })
}

/// For `eo build --emit`: what the program is at a stage.
pub fn stage(
    path: &Path,
    level: u8,
    sanitizer: Option<Sanitizer>,
    stage: Stage,
) -> Result<Vec<u8>, Failure> {
    let output = match stage {
        Stage::Ast => return tree(path),
        Stage::Ir => return lowered(path, |unit| Ok(unit.ir_text().into_bytes())),
        Stage::Llvm => {
            return lowered(path, |unit| {
                Ok(unit.llvm_text(Purpose::Executable).into_bytes())
            });
        }
        Stage::LlvmOpt => Output::OptimisedIr,
        Stage::Asm => Output::Assembly,
        Stage::Obj => Output::Object,
    };
    lowered(path, |unit| {
        let llvm = Llvm::load()?.sanitizing(sanitizer);
        Ok(unit.output(&llvm, level, output)?)
    })
}

fn lowered<T>(
    path: &Path,
    then: impl FnOnce(&Unit<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (sources, mut program) = checked(path)?;
    then(&lower(&mut program, &sources))
}

/// The syntax tree as text; what the program means does not matter here.
fn tree(path: &Path) -> Result<Vec<u8>, Failure> {
    let front = parse(path)?;
    report::diagnostics(&front.sources, &front.diagnostics);
    if front.has_errors() {
        return Err(Failure::Diagnosed);
    }
    Ok(echo_syntax::dump_ast(&front.tree).into_bytes())
}
