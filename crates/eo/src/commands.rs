//! What each command does.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use echo_codegen::llvm::{self, Llvm};
use echo_runtime::program;

use crate::bug;
use crate::cli::{Build, Check, Command, Run, Sanitizer, Stage, Version};
use crate::compile;
use crate::failure::{Failure, Message};
use crate::images::Images;
use crate::library::{self, Library};
use crate::link::{Linker, Symbols};
use crate::output::{Target, print};
use crate::report;
use crate::store;

/// Does what was asked for; the exit code.
pub fn execute(command: &Command) -> Result<i32, Failure> {
    match command {
        Command::Run(options) => run(options),
        Command::Build(options) => build(options),
        Command::Check(options) => check(options),
        Command::Version(options) => version(options),
    }
}

fn run(options: &Run) -> Result<i32, Failure> {
    let settings = settings(options)?;
    let images = if options.no_cache {
        Images::none()
    } else {
        Images::open()
    };
    let file = Path::new(&options.file_and_args[0]);
    let image = bug::guarded(|| compile::image(file, options.optimise.level, &images))?;
    let module = image.load(program::symbols())?;
    // SAFETY: the image was made from a checked program, and is never unloaded.
    let code = unsafe { program::run(module, settings) };
    program::exit_process(code)
}

/// What the environment says, unless the command line says otherwise.
fn settings(options: &Run) -> Result<program::Options, Message> {
    let environment = program::Options::from_environment().map_err(Message::new)?;
    Ok(program::Options {
        workers: options.workers.or(environment.workers),
        max_stack: options.max_stack.or(environment.max_stack),
        stats: options.stats || environment.stats,
        leaks: options.leaks || environment.leaks,
        main_exit: options.main_exit || environment.main_exit,
        one_node: environment.one_node,
        check_leaks: environment.check_leaks,
    })
}

fn build(options: &Build) -> Result<i32, Failure> {
    spare_source(options)?;
    if let Some(stage) = options.emit {
        return emit(options, stage);
    }
    let target = match &options.output {
        Some(output) => Target::new(output),
        None => default_target(&options.file)?,
    };
    let level = options.optimise.level;
    let (llvm, objects) =
        bug::guarded(|| compile::objects(&options.file, level, sanitizer(options)))?;
    let linker = Linker::find(llvm.path())?;
    let library = Library::unpack()?;
    let symbols = match (options.debug, options.strip) {
        (true, _) => Symbols::Debug,
        (false, false) => Symbols::Names,
        (false, true) => Symbols::None,
    };
    target.write(|path| linker.link(&objects, &library, symbols, path))?;
    Ok(0)
}

fn sanitizer(options: &Build) -> Option<llvm::Sanitizer> {
    options.sanitize.map(|sanitizer| match sanitizer {
        Sanitizer::Address => llvm::Sanitizer::Address,
        Sanitizer::Thread => llvm::Sanitizer::Thread,
    })
}

/// A slip of the tab key must not cost the program.
fn spare_source(options: &Build) -> Result<(), Message> {
    let Some(output) = &options.output else {
        return Ok(());
    };
    match (options.file.canonicalize(), output.canonicalize()) {
        (Ok(file), Ok(there)) if file == there && file.is_file() => Err(Message::new(format!(
            "`{}` is the source file",
            output.display()
        ))
        .help("name another file with -o")),
        _ => Ok(()),
    }
}

/// `dir/hello.eo` is built to `hello`, here.
fn default_target(file: &Path) -> Result<Target, Message> {
    match file.file_stem() {
        Some(stem) if file.extension().is_some() => Ok(Target::File(PathBuf::from(stem))),
        _ => Err(Message::new("the executable has no name").help("name it with -o")),
    }
}

fn emit(options: &Build, stage: Stage) -> Result<i32, Failure> {
    let target = options
        .output
        .as_deref()
        .map_or(Target::Stdout, Target::new);
    if stage == Stage::Obj && target == Target::Stdout && io::stdout().is_terminal() {
        return Err(Message::new("an object is not for a terminal")
            .help("name a file with -o")
            .into());
    }
    let level = options.optimise.level;
    let bytes = bug::guarded(|| compile::stage(&options.file, level, sanitizer(options), stage))?;
    target.write_bytes(&bytes)?;
    Ok(0)
}

fn check(options: &Check) -> Result<i32, Failure> {
    let front = match bug::guarded(|| compile::front(&options.file)) {
        Err(Failure::Environment(message)) if options.json => {
            report::json::message(&message);
            return Err(Failure::Diagnosed);
        }
        front => front?,
    };
    if options.json {
        report::json::diagnostics(&front.sources, &front.diagnostics);
    } else {
        report::diagnostics(&front.sources, &front.diagnostics);
    }
    if front.has_errors() {
        return Err(Failure::Diagnosed);
    }
    Ok(0)
}

fn version(options: &Version) -> Result<i32, Failure> {
    let mut text = format!("eo {}\n", env!("CARGO_PKG_VERSION"));
    if options.verbose {
        text += &installation();
    }
    print(text.as_bytes())?;
    Ok(0)
}

/// What this `eo` is made of and works with.
fn installation() -> String {
    let llvm = Llvm::load();
    let (libllvm, linker) = match &llvm {
        Ok(llvm) => {
            let (major, minor, patch) = llvm.version();
            (
                format!("{major}.{minor}.{patch} at {}", llvm.path().display()),
                Linker::find(llvm.path()),
            )
        }
        Err(_) => ("not found".to_string(), Linker::find(Path::new(""))),
    };
    let linker = linker.map_or("not found".to_string(), |linker| linker.describe());
    let cache = store::root().map_or("none".to_string(), |cache| cache.display().to_string());
    format!(
        "sources:         {}
runtime:         interface {}, {} KiB
target:          x86_64-unknown-linux-gnu
libLLVM:         {libllvm}
linker:          {linker}
cache:           {cache}
",
        env!("ECHO_SOURCES"),
        echo_abi::ABI_VERSION,
        library::BYTES.len() >> 10,
    )
}
