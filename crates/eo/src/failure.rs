//! Why a command did not succeed, other than by mistakes in the program's text.

use std::io;
use std::path::Path;

use echo_codegen::{llvm, loader};

/// What the user is told in the end.
#[derive(Debug)]
pub enum Failure {
    /// The program's text has errors, which have been reported.
    Diagnosed,
    /// The world is not as it should be: a missing file, a full disk, no linker.
    Environment(Box<Message>),
    /// `eo` is at fault; what happened.
    Bug(String),
}

impl Failure {
    pub fn exit_code(&self) -> i32 {
        match self {
            Failure::Diagnosed | Failure::Environment(_) => 1,
            Failure::Bug(_) => 101,
        }
    }
}

/// An error that belongs to no place in a text.
#[derive(Debug, Default)]
pub struct Message {
    pub text: String,
    /// The file it is about, if one.
    pub file: Option<String>,
    pub notes: Vec<String>,
    pub help: Option<String>,
}

impl Message {
    pub fn new(text: impl Into<String>) -> Message {
        Message {
            text: text.into(),
            ..Message::default()
        }
    }

    /// `cannot write `x`: why`
    pub fn cannot(doing: &str, path: &Path, error: &io::Error) -> Message {
        let name = path.display().to_string();
        Message::new(format!("cannot {doing} `{name}`: {}", reason(error))).in_file(name)
    }

    pub fn in_file(mut self, name: impl Into<String>) -> Message {
        self.file = Some(name.into());
        self
    }

    pub fn note(mut self, text: impl Into<String>) -> Message {
        self.notes.push(text.into());
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Message {
        self.help = Some(text.into());
        self
    }
}

/// The system's reasons in words, without its error numbers.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory".to_string(),
        io::ErrorKind::IsADirectory => "it is a directory".to_string(),
        io::ErrorKind::NotADirectory => "a part of its path is a file".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_string(),
        io::ErrorKind::StorageFull => "the disk is full".to_string(),
        _ => error.to_string(),
    }
}

impl From<Message> for Failure {
    fn from(message: Message) -> Failure {
        Failure::Environment(Box::new(message))
    }
}

impl From<llvm::Error> for Failure {
    fn from(error: llvm::Error) -> Failure {
        match error {
            llvm::Error::NotFound(tried) => no_llvm(&tried).into(),
            llvm::Error::Module { .. } => Failure::Bug(error.to_string()),
        }
    }
}

impl From<loader::Error> for Failure {
    fn from(error: loader::Error) -> Failure {
        match error {
            loader::Error::Memory(_) => Message::new(error.to_string()).into(),
            loader::Error::Object(_) | loader::Error::Undefined(_) => {
                Failure::Bug(error.to_string())
            }
        }
    }
}

fn no_llvm(tried: &[String]) -> Message {
    let message = Message::new("no usable libLLVM found; version 15 or later is needed");
    let message = tried.iter().fold(message, |message, line| {
        message.note(format!("tried {line}"))
    });
    message.help(
        "install one (`apt install libllvm19`, `dnf install llvm-libs`) or a Rust toolchain (https://rustup.rs), \
         or name one: ECHO_LLVM=/path/to/libLLVM.so",
    )
}
