//! `eo`, the command: runs, builds and checks Echo programs.
//!
//! - `cli` says what can be asked for, `commands` does it, `compile` is the pipeline;
//! - `report` is the only place that renders diagnostics and errors, `bug` turns the compiler's own faults into such errors;
//! - nothing outside of this crate reads or writes files, but for the search for libLLVM.

mod bug;
mod cli;
mod commands;
mod compile;
mod failure;
mod images;
mod library;
mod link;
mod output;
mod report;
mod source;
mod store;

use std::process;

fn main() {
    let cli = cli::Cli::from_command_line();
    bug::watch_llvm();
    let code = commands::execute(&cli.command).unwrap_or_else(|failure| {
        report::failure(&failure);
        failure.exit_code()
    });
    process::exit(code);
}
