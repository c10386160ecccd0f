//! The only place that knows LLVM: finds libLLVM at run time, and turns IR text into machine code.
//!
//! Nothing is linked at build time. [`Llvm::load`] opens the library once; [`Llvm::compile`] parses, verifies, optimises and emits.

mod api;
mod fatal;
mod find;
mod inlined;
mod lines;
mod object;
mod sanitize;

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Mutex, PoisonError};

pub use fatal::on_fatal_error;
pub use inlined::InlinedCall;
pub use lines::{CodeLine, ObjectCode, object_code};
pub use sanitize::Sanitizer;

use api::{Api, Handle};

/// Oldest version whose textual IR and passes we rely on.
const OLDEST: u32 = 15;

/// Options of LLVM's own command line; see the design notes in ARCHITECTURE.md.
const LLVM_OPTIONS: &[&CStr] = &[
    c"eo",
    // The split-stack prologue does not count pushed arguments.
    c"-no-x86-call-frame-opt",
    // A stack overflow in a leaf must run its caller's cleanups.
    c"-disable-nounwind-inference",
    // Functions that always fail would get a section of their own; the table of lines knows one.
    c"-profile-guided-section-prefix=false",
];

/// Why machine code could not be made.
#[derive(Debug)]
pub enum Error {
    /// There is no usable libLLVM; what was tried.
    NotFound(Vec<String>),
    /// LLVM refused the module: a fault of the compiler.
    Module {
        stage: &'static str,
        message: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFound(tried) => {
                writeln!(
                    f,
                    "no usable libLLVM found (version {OLDEST} or later is needed)"
                )?;
                for line in tried {
                    writeln!(f, "  {line}")?;
                }
                write!(
                    f,
                    "install one (`apt install libllvm19`, `dnf install llvm-libs`), or a Rust toolchain by rustup, or name one with ECHO_LLVM=/path/to/libLLVM.so"
                )
            }
            Error::Module { stage, message } => {
                write!(
                    f,
                    "internal compiler error: LLVM failed to {stage}: {message}"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// What [`Llvm::compile`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A relocatable ELF object.
    Object,
    /// Assembly text.
    Assembly,
    /// The module after the passes, as text.
    OptimisedIr,
}

/// What tells the libLLVM that [`Llvm::load`] tries first from others, without opening it.
pub fn identity() -> Option<String> {
    let path = find::candidates().next()?;
    let file = std::fs::metadata(&path).ok()?;
    Some(format!(
        "{path:?} {} {:?}",
        file.len(),
        file.modified().ok()?
    ))
}

/// A loaded libLLVM.
pub struct Llvm {
    api: Api,
    path: PathBuf,
    sanitizer: Option<Sanitizer>,
}

/// Libraries whose targets and options are set: they are global, so threads must not set them at the same time, nor again.
static INITIALISED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn initialise(api: &Api) {
    // SAFETY: initialisers without arguments, a handler that lives as long as the process, and an option list of C strings.
    unsafe {
        (api.LLVMInstallFatalErrorHandler)(fatal::fatal_error);
        (api.LLVMInitializeX86TargetInfo)();
        (api.LLVMInitializeX86Target)();
        (api.LLVMInitializeX86TargetMC)();
        (api.LLVMInitializeX86AsmPrinter)();
        (api.LLVMInitializeX86AsmParser)();
        let options: Vec<*const c_char> = LLVM_OPTIONS.iter().map(|text| text.as_ptr()).collect();
        (api.LLVMParseCommandLineOptions)(options.len() as i32, options.as_ptr(), ptr::null());
    }
}

const TRIPLE: &CStr = c"x86_64-unknown-linux-gnu";
/// What a `resume` is replaced by, `echo_abi::symbols::UNWIND_RESUME`.
const UNWIND_RESUME: &CStr = c"echo_unwind_resume";

impl Llvm {
    /// Finds and opens libLLVM.
    ///
    /// # Errors
    /// [`Error::NotFound`] with everything that was tried.
    pub fn load() -> Result<Llvm, Error> {
        let mut tried = Vec::new();
        for path in find::candidates() {
            match Llvm::open(&path) {
                Ok(llvm) => return Ok(llvm),
                Err(why) => tried.push(format!("{}: {why}", path.display())),
            }
        }
        Err(Error::NotFound(tried))
    }

    fn open(path: &std::path::Path) -> Result<Llvm, String> {
        // SAFETY: libLLVM's initialisers are those of a well-behaved library; the signatures in `api` are those of its C headers.
        let api = unsafe { Api::open(path)? };
        if api.version.0 < OLDEST {
            return Err(format!("is older than LLVM {OLDEST}"));
        }
        let mut initialised = INITIALISED.lock().unwrap_or_else(PoisonError::into_inner);
        if !initialised.iter().any(|other| other == path) {
            initialise(&api);
            initialised.push(path.to_path_buf());
        }
        Ok(Llvm {
            api,
            path: path.to_path_buf(),
            sanitizer: None,
        })
    }

    /// The same, for code that a sanitizer checks, with a runtime compiled for the same one.
    pub fn sanitizing(self, sanitizer: Option<Sanitizer>) -> Llvm {
        Llvm { sanitizer, ..self }
    }

    /// The library in use.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Major, minor, patch.
    pub fn version(&self) -> (u32, u32, u32) {
        self.api.version
    }

    /// Machine code (or text, by `output`) for a module, at optimisation level 0 to 3.
    ///
    /// # Errors
    /// [`Error::Module`] when the module is not valid: a fault of the compiler.
    pub fn compile(&self, ir: &str, level: u8, output: Output) -> Result<Vec<u8>, Error> {
        // SAFETY: the module's handles are used on this thread only and die with the context at the end.
        unsafe {
            let context = Context {
                api: &self.api,
                handle: (self.api.LLVMContextCreate)(),
            };
            let module = self.parse(&context, ir)?;
            self.verify(module)?;
            let machine = self.machine(level)?;
            let layout = (self.api.LLVMCreateTargetDataLayout)(machine);
            (self.api.LLVMSetModuleDataLayout)(module, layout);
            (self.api.LLVMDisposeTargetData)(layout);
            self.run_passes(module, machine, &format!("default<O{}>", level.min(3)))?;
            if let Some(sanitizer) = self.sanitizer {
                self.instrument(module, machine, sanitizer)?;
            }
            self.replace_resumes(module);
            let result = match output {
                Output::OptimisedIr => Ok(self.print(module)),
                Output::Assembly => self.emit(machine, module, 0),
                Output::Object => self
                    .emit(machine, module, 1)
                    .map(object::rename_split_stack_note),
            };
            (self.api.LLVMDisposeTargetMachine)(machine);
            result
        }
    }

    unsafe fn parse(&self, context: &Context<'_>, ir: &str) -> Result<Handle, Error> {
        let mut module = ptr::null_mut();
        let mut message = ptr::null_mut();
        // SAFETY: the text is copied into the buffer, which the parser takes.
        let failed = unsafe {
            let buffer = (self.api.LLVMCreateMemoryBufferWithMemoryRangeCopy)(
                ir.as_ptr().cast(),
                ir.len(),
                c"module.ll".as_ptr(),
            );
            (self.api.LLVMParseIRInContext)(context.handle, buffer, &mut module, &mut message)
        };
        if failed == 0 {
            Ok(module)
        } else {
            Err(self.module_error("parse the module", message))
        }
    }

    unsafe fn verify(&self, module: Handle) -> Result<(), Error> {
        const RETURN_STATUS: i32 = 2;
        let mut message = ptr::null_mut();
        // SAFETY: a valid module.
        let broken = unsafe { (self.api.LLVMVerifyModule)(module, RETURN_STATUS, &mut message) };
        if broken == 0 {
            // SAFETY: the verifier allocates a message, empty or not.
            unsafe { self.free_message(message) };
            Ok(())
        } else {
            Err(self.module_error("verify the module", message))
        }
    }

    unsafe fn machine(&self, level: u8) -> Result<Handle, Error> {
        const PIC: i32 = 2;
        const DEFAULT_CODE_MODEL: i32 = 0;
        let mut target = ptr::null_mut();
        let mut message = ptr::null_mut();
        // SAFETY: constant C strings; the target is static in LLVM.
        unsafe {
            if (self.api.LLVMGetTargetFromTriple)(TRIPLE.as_ptr(), &mut target, &mut message) != 0 {
                return Err(self.module_error("find the target", message));
            }
            Ok((self.api.LLVMCreateTargetMachine)(
                target,
                TRIPLE.as_ptr(),
                c"x86-64".as_ptr(),
                c"".as_ptr(),
                i32::from(level.min(3)),
                PIC,
                DEFAULT_CODE_MODEL,
            ))
        }
    }

    /// Runs what LLVM calls a pipeline.
    unsafe fn run_passes(
        &self,
        module: Handle,
        machine: Handle,
        passes: &str,
    ) -> Result<(), Error> {
        let passes = CString::new(passes).expect("no zero byte");
        // SAFETY: a valid module and machine; the options die here.
        unsafe {
            let options = (self.api.LLVMCreatePassBuilderOptions)();
            let error = (self.api.LLVMRunPasses)(module, passes.as_ptr(), machine, options);
            (self.api.LLVMDisposePassBuilderOptions)(options);
            self.check(error, "run the passes")
        }
    }

    /// `resume` becomes a call of the stub that goes on unwinding on the worker's stack.
    unsafe fn replace_resumes(&self, module: Handle) {
        const RESUME: i32 = 58;
        let api = &self.api;
        // SAFETY: walks the module's own lists; the instruction is erased after its successor block has been read.
        unsafe {
            let context = (api.LLVMGetModuleContext)(module);
            let void = (api.LLVMVoidTypeInContext)(context);
            let pointer = (api.LLVMPointerTypeInContext)(context, 0);
            let ty = (api.LLVMFunctionType)(void, &pointer, 1, 0);
            let name = UNWIND_RESUME.as_ptr();
            // The passes remove a declaration that nothing refers to yet.
            let declared = (api.LLVMGetNamedFunction)(module, name);
            let stub = if declared.is_null() {
                (api.LLVMAddFunction)(module, name, ty)
            } else {
                declared
            };
            let builder = (api.LLVMCreateBuilderInContext)(context);
            let mut function = (api.LLVMGetFirstFunction)(module);
            while !function.is_null() {
                let mut block = (api.LLVMGetFirstBasicBlock)(function);
                while !block.is_null() {
                    let last = (api.LLVMGetBasicBlockTerminator)(block);
                    if !last.is_null() && (api.LLVMGetInstructionOpcode)(last) == RESUME {
                        (api.LLVMPositionBuilderBefore)(builder, last);
                        let location = (api.LLVMInstructionGetDebugLoc)(last);
                        (api.LLVMSetCurrentDebugLocation2)(builder, location);
                        let pair = (api.LLVMGetOperand)(last, 0);
                        let exception = (api.LLVMBuildExtractValue)(builder, pair, 0, c"".as_ptr());
                        (api.LLVMBuildCall2)(builder, ty, stub, &exception, 1, c"".as_ptr());
                        (api.LLVMBuildUnreachable)(builder);
                        (api.LLVMInstructionEraseFromParent)(last);
                    }
                    block = (api.LLVMGetNextBasicBlock)(block);
                }
                function = (api.LLVMGetNextFunction)(function);
            }
            (api.LLVMDisposeBuilder)(builder);
        }
    }

    unsafe fn emit(&self, machine: Handle, module: Handle, kind: i32) -> Result<Vec<u8>, Error> {
        let mut buffer = ptr::null_mut();
        let mut message = ptr::null_mut();
        // SAFETY: the buffer's bytes are copied before it is disposed of.
        unsafe {
            let failed = (self.api.LLVMTargetMachineEmitToMemoryBuffer)(
                machine,
                module,
                kind,
                &mut message,
                &mut buffer,
            );
            if failed != 0 {
                return Err(self.module_error("emit machine code", message));
            }
            let start = (self.api.LLVMGetBufferStart)(buffer).cast::<u8>();
            let bytes =
                std::slice::from_raw_parts(start, (self.api.LLVMGetBufferSize)(buffer)).to_vec();
            (self.api.LLVMDisposeMemoryBuffer)(buffer);
            Ok(bytes)
        }
    }

    unsafe fn print(&self, module: Handle) -> Vec<u8> {
        // SAFETY: the text is copied before it is freed.
        unsafe {
            let text = (self.api.LLVMPrintModuleToString)(module);
            let bytes = CStr::from_ptr(text).to_bytes().to_vec();
            (self.api.LLVMDisposeMessage)(text);
            bytes
        }
    }

    unsafe fn free_message(&self, message: *mut c_char) {
        if !message.is_null() {
            // SAFETY: allocated by LLVM, freed once.
            unsafe { (self.api.LLVMDisposeMessage)(message) };
        }
    }

    fn module_error(&self, stage: &'static str, message: *mut c_char) -> Error {
        let text = if message.is_null() {
            "no message".to_string()
        } else {
            // SAFETY: a C string of LLVM's, freed after it is copied.
            unsafe {
                let text = CStr::from_ptr(message).to_string_lossy().into_owned();
                self.free_message(message);
                text
            }
        };
        Error::Module {
            stage,
            message: text,
        }
    }

    fn check(&self, error: Handle, stage: &'static str) -> Result<(), Error> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: getting the message consumes the error.
        let message = unsafe { (self.api.LLVMGetErrorMessage)(error) };
        // SAFETY: a C string that LLVMDisposeErrorMessage frees.
        let text = unsafe {
            let text = CStr::from_ptr(message).to_string_lossy().into_owned();
            (self.api.LLVMDisposeErrorMessage)(message);
            text
        };
        Err(Error::Module {
            stage,
            message: text,
        })
    }
}

/// Owns a context and everything made in it.
struct Context<'a> {
    api: &'a Api,
    handle: Handle,
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: made by LLVMContextCreate, disposed of once; its modules are not used afterwards.
        unsafe { (self.api.LLVMContextDispose)(self.handle) };
    }
}
