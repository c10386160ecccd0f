//! The compilation, read aloud: lex, parse, check, lower, emit, machine code.

use std::path::Path;

use echo_codegen::compile::{JitImage, Purpose, Unit};
use echo_codegen::llvm::{Llvm, Output};
use echo_sema::typed::Program;
use echo_syntax::ast::File;
use echo_syntax::{Diagnostic, SourceMap};

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

/// Reads a file and finds all that is wrong with it: first in its bytes, then its grammar, then its meaning. The first of these that has
/// errors is the last one looked at, as the next would only see consequences.
pub fn front(path: &Path) -> Result<Front, Failure> {
    let source = source::read(path)?;
    let mut sources = SourceMap::new();
    let (file, not_text) = sources.add_bytes(source.name, source.bytes);
    if let Some(not_text) = not_text {
        let nothing = echo_syntax::parse(file, "");
        return Ok(Front {
            sources,
            tree: nothing.file,
            program: None,
            diagnostics: vec![not_text],
        });
    }
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    let mut front = Front {
        program: None,
        diagnostics: parsed.diagnostics,
        tree: parsed.file,
        sources,
    };
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

/// The program of a file without errors; what was found is reported.
fn checked(front: &Front) -> Result<&Program, Failure> {
    report::diagnostics(&front.sources, &front.diagnostics);
    front.program.as_ref().ok_or(Failure::Diagnosed)
}

/// Lowered to Echo IR, with ownership made explicit.
fn lower<'a>(program: &'a Program, sources: &'a SourceMap) -> Unit<'a> {
    let mut module = echo_codegen::lower::lower(program);
    echo_codegen::ownership::insert(program, &mut module);
    Unit::from_ir(program, sources, module)
}

/// For `eo run`: machine code for this process, from the cache where it is there.
pub fn image(path: &Path, level: u8, images: &Images) -> Result<(Llvm, JitImage), Failure> {
    let front = front(path)?;
    let program = checked(&front)?;
    let llvm = Llvm::load()?;
    let key = Key::new(&front.sources, &llvm, level);
    if let Some(image) = images.find(&key) {
        return Ok((llvm, image));
    }
    let image = lower(program, &front.sources).object_for_jit(&llvm, level)?;
    images.keep(&key, &image);
    Ok((llvm, image))
}

/// For `eo build`: the objects to link, and the libLLVM that made them.
pub fn objects(path: &Path, level: u8) -> Result<(Llvm, [Vec<u8>; 2]), Failure> {
    let front = front(path)?;
    let program = checked(&front)?;
    let llvm = Llvm::load()?;
    let objects = lower(program, &front.sources).objects_for_link(&llvm, level)?;
    Ok((llvm, objects))
}

/// For `eo build --emit`: what the program is at a stage.
pub fn stage(path: &Path, level: u8, stage: Stage) -> Result<Vec<u8>, Failure> {
    let front = front(path)?;
    let program = checked(&front)?;
    let lower = || lower(program, &front.sources);
    let output = match stage {
        Stage::Ast => return Ok(echo_syntax::dump_ast(&front.tree).into_bytes()),
        Stage::Ir => return Ok(lower().ir_text().into_bytes()),
        Stage::Llvm if level == 0 => {
            return Ok(lower().llvm_text(Purpose::Executable).into_bytes());
        }
        Stage::Llvm => Output::OptimisedIr,
        Stage::Asm => Output::Assembly,
        Stage::Obj => Output::Object,
    };
    Ok(lower().output(&Llvm::load()?, level, output)?)
}
