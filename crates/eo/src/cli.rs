//! The command line as types. What the options mean is said here, once; `--help` prints it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use echo_runtime::program::{parse_max_stack, parse_workers};

/// The Echo compiler: runs, builds and checks programs.
#[derive(Debug, Parser)]
#[command(
    name = "eo",
    version,
    after_help = "Examples:
  eo run hello.eo              compile in memory and run
  eo build hello.eo            make the executable `hello`
  eo check hello.eo            only look for mistakes
  eo help run                  all options of a command"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    Build(Build),
    Check(Check),
    Version(Version),
}

/// Compile a program in memory and run it.
#[derive(Debug, Args)]
#[command(
    override_usage = "eo run [OPTIONS] <FILE>",
    after_help = "Examples:
  eo run hello.eo
  eo run --workers 1 hello.eo         on one worker thread
  eo run --leaks hello.eo             list coroutines that were still blocked at the end
  eo run -                            read the program from standard input

The exit code is the program's own: what `main` returned or `exit` was given, 2 after a
panic or a deadlock. It is 1 when the program does not compile."
)]
pub struct Run {
    /// How many worker threads run coroutines [default: $ECHO_WORKERS, or one per core]
    #[arg(long, value_name = "N", value_parser = parse_workers)]
    pub workers: Option<usize>,

    /// The largest stack a coroutine may grow to, as in `65536`, `64K`, `8M` [default: 1M]
    #[arg(long, value_name = "SIZE", value_parser = parse_max_stack)]
    pub max_stack: Option<usize>,

    /// Print what the scheduler did, at the end, on standard error
    #[arg(long)]
    pub stats: bool,

    /// List the coroutines that were still blocked when the program ended
    #[arg(long)]
    pub leaks: bool,

    /// End the program when main ends, whatever other coroutines do
    #[arg(long)]
    pub main_exit: bool,

    /// Compile anew and keep nothing for the next run
    #[arg(long)]
    pub no_cache: bool,

    #[command(flatten)]
    pub optimise: Optimise,

    /// The program's source file
    // One positional: options behind the file are the program's, which cannot read them yet.
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "FILE")]
    pub file_and_args: Vec<OsString>,
}

/// Compile a program to an executable.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  eo build hello.eo                        makes `hello`
  eo build -O3 --strip hello.eo -o app     makes a small `app`
  eo build --emit llvm hello.eo            prints the LLVM IR
  eo build --emit obj hello.eo -o hello.o

The executable needs nothing of Echo: the runtime is linked into it. A C compiler does the
linking: `$CC` if set, otherwise the first of cc, gcc and clang.")]
pub struct Build {
    /// Where to write, `-` for standard output [default: the name of FILE without `.eo`; standard output with --emit]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,

    /// Stop at a stage of the compilation, and print it
    #[arg(long, value_name = "STAGE")]
    pub emit: Option<Stage>,

    /// Keep debug information, for debuggers and profilers
    #[arg(short = 'g', long)]
    pub debug: bool,

    /// Tell a sanitizer what the program does; see tests/sanitize/run
    #[arg(long, hide = true)]
    pub sanitize: Option<Sanitizer>,

    /// Leave out the symbol table too
    #[arg(long, conflicts_with = "debug")]
    pub strip: bool,

    #[command(flatten)]
    pub optimise: Optimise,

    /// The program's source file, `-` for standard input
    pub file: PathBuf,
}

/// For a runtime that is compiled with the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sanitizer {
    Address,
    Thread,
}

/// A form of the program on its way to machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The syntax tree
    Ast,
    /// Echo IR, with ownership made explicit
    Ir,
    /// LLVM IR as the compiler writes it, with the source lines as comments
    Llvm,
    /// LLVM IR after the passes of -O
    LlvmOpt,
    /// Assembly
    Asm,
    /// A relocatable object
    Obj,
}

/// Look for mistakes without running anything.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  eo check hello.eo
  eo check --json hello.eo     one JSON object per finding, for editors

The exit code is 1 when there are errors; warnings alone leave it 0.")]
pub struct Check {
    /// Print findings as JSON on standard output, one object per line
    #[arg(long)]
    pub json: bool,

    /// The program's source file, `-` for standard input
    pub file: PathBuf,
}

/// Print the version.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  eo version
  eo version --verbose         also which libLLVM and which linker are used")]
pub struct Version {
    /// Also tell which libLLVM and which linker are used
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct Optimise {
    /// How hard to optimise: 0 (fast to compile) to 3 (fast to run)
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 2,
          value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
}

impl Cli {
    /// What the command line asks for. Wrong usage ends the process, with advice.
    pub fn from_command_line() -> Cli {
        let parsed = Cli::try_parse().map_err(with_run_suggested);
        let checked = parsed.and_then(|cli| match unread_argument(&cli) {
            Some(argument) => Err(reject_argument(&argument)),
            None => Ok(cli),
        });
        checked.unwrap_or_else(|error| error.exit())
    }
}

/// `eo hello.eo`
fn with_run_suggested(mut error: clap::Error) -> clap::Error {
    let file = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if word.ends_with(".eo") => word.clone(),
        _ => return error,
    };
    let advice = format!("did you mean `eo run {file}`?");
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![advice.into()]),
    );
    error.remove(ContextKind::SuggestedSubcommand);
    error
}

/// What stands behind the program's file.
fn unread_argument(cli: &Cli) -> Option<Cow<'_, str>> {
    let Command::Run(run) = &cli.command else {
        return None;
    };
    let mut arguments = run.file_and_args[1..].iter();
    let argument = arguments.find(|argument| *argument != "--")?;
    Some(argument.to_string_lossy())
}

fn reject_argument(argument: &str) -> clap::Error {
    let advice = match argument.starts_with('-') {
        true => "options of `eo run` stand before the file",
        false => "leave it out",
    };
    let message = format!(
        "programs cannot read arguments yet, so nothing would come of '{argument}'; {advice}"
    );
    Cli::command().error(ErrorKind::UnknownArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn options_behind_the_file_are_the_programs() {
        let cli = Cli::parse_from([
            "eo", "run", "-O0", "--stats", "a.eo", "--leaks", "-x", "--", "y",
        ]);
        let Command::Run(run) = cli.command else {
            panic!("not a run")
        };
        assert!(run.stats && !run.leaks && run.optimise.level == 0);
        assert_eq!(run.file_and_args, ["a.eo", "--leaks", "-x", "--", "y"]);
    }
}
