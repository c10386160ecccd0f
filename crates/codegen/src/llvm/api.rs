//! The functions of LLVM's C API that are used, as one table filled by `dlsym`.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::Path;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// Any of LLVM's opaque references.
pub type Handle = *mut c_void;

/// `LLVMFatalErrorHandler`. When it returns, LLVM ends the process.
pub type FatalErrorHandler = unsafe extern "C" fn(*const c_char);

/// LLVM 15 and older cannot tell their version; 15 has opaque pointers.
fn version(library: &Library) -> (u32, u32, u32) {
    type GetVersion = unsafe extern "C" fn(*mut c_uint, *mut c_uint, *mut c_uint);
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: the signature is the one of the C header; three out pointers, valid for the call. The other function is not called.
    unsafe {
        if library.get::<fn()>(b"LLVMPointerTypeIsOpaque\0").is_ok() {
            major = 15;
        }
        if let Ok(get) = library.get::<GetVersion>(b"LLVMGetVersion\0") {
            get(&mut major, &mut minor, &mut patch);
        }
    }
    (major, minor, patch)
}

macro_rules! api {
    ($($name:ident($($ty:ty),*) $(-> $result:ty)?;)*) => {
        /// Function pointers, named as in LLVM's headers.
        #[allow(non_snake_case)]
        pub struct Api {
            $(pub $name: unsafe extern "C" fn($($ty),*) $(-> $result)?,)*
            /// Major, minor, patch.
            pub version: (u32, u32, u32),
        }

        impl Api {
            /// Opens the library and looks all functions up.
            ///
            /// # Safety
            /// The file must be a libLLVM: its functions are trusted to have these signatures.
            pub unsafe fn open(path: &Path) -> Result<Api, String> {
                // SAFETY: the caller vouches for the library.
                let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
                    .map_err(|error| format!("cannot be opened ({error})"))?;
                let version = version(&library);
                let api = Api {
                    version,
                    $($name: {
                        // SAFETY: the signature is the one of the C header.
                        let symbol = unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) };
                        *symbol.map_err(|_| format!("has no {}", stringify!($name)))?
                    },)*
                };
                // Never closed: its options are set once.
                std::mem::forget(library);
                Ok(api)
            }
        }
    };
}

api! {
    LLVMParseCommandLineOptions(c_int, *const *const c_char, *const c_char);
    LLVMInstallFatalErrorHandler(FatalErrorHandler);
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();

    LLVMContextCreate() -> Handle;
    LLVMContextDispose(Handle);
    LLVMCreateMemoryBufferWithMemoryRangeCopy(*const c_char, usize, *const c_char) -> Handle;
    LLVMParseIRInContext(Handle, Handle, *mut Handle, *mut *mut c_char) -> c_int;
    LLVMVerifyModule(Handle, c_int, *mut *mut c_char) -> c_int;
    LLVMPrintModuleToString(Handle) -> *mut c_char;
    LLVMDisposeMessage(*mut c_char);
    LLVMGetErrorMessage(Handle) -> *mut c_char;
    LLVMDisposeErrorMessage(*mut c_char);

    LLVMGetTargetFromTriple(*const c_char, *mut Handle, *mut *mut c_char) -> c_int;
    LLVMCreateTargetMachine(Handle, *const c_char, *const c_char, *const c_char, c_int, c_int, c_int) -> Handle;
    LLVMDisposeTargetMachine(Handle);
    LLVMCreateTargetDataLayout(Handle) -> Handle;
    LLVMSetModuleDataLayout(Handle, Handle);
    LLVMDisposeTargetData(Handle);
    LLVMCreatePassBuilderOptions() -> Handle;
    LLVMDisposePassBuilderOptions(Handle);
    LLVMRunPasses(Handle, *const c_char, Handle, Handle) -> Handle;
    LLVMTargetMachineEmitToMemoryBuffer(Handle, Handle, c_int, *mut *mut c_char, *mut Handle) -> c_int;
    LLVMGetBufferStart(Handle) -> *const c_char;
    LLVMGetBufferSize(Handle) -> usize;
    LLVMDisposeMemoryBuffer(Handle);

    LLVMGetModuleContext(Handle) -> Handle;
    LLVMGetNamedFunction(Handle, *const c_char) -> Handle;
    LLVMAddFunction(Handle, *const c_char, Handle) -> Handle;
    LLVMFunctionType(Handle, *const Handle, c_uint, c_int) -> Handle;
    LLVMVoidTypeInContext(Handle) -> Handle;
    LLVMPointerTypeInContext(Handle, c_uint) -> Handle;
    LLVMGetFirstFunction(Handle) -> Handle;
    LLVMGetNextFunction(Handle) -> Handle;
    LLVMGetFirstBasicBlock(Handle) -> Handle;
    LLVMGetNextBasicBlock(Handle) -> Handle;
    LLVMGetBasicBlockTerminator(Handle) -> Handle;
    LLVMGetInstructionOpcode(Handle) -> c_int;
    LLVMGetOperand(Handle, c_uint) -> Handle;
    LLVMInstructionGetDebugLoc(Handle) -> Handle;
    LLVMSetCurrentDebugLocation2(Handle, Handle);
    LLVMCreateBuilderInContext(Handle) -> Handle;
    LLVMDisposeBuilder(Handle);
    LLVMPositionBuilderBefore(Handle, Handle);
    LLVMBuildExtractValue(Handle, Handle, c_uint, *const c_char) -> Handle;
    LLVMBuildCall2(Handle, Handle, Handle, *const Handle, c_uint, *const c_char) -> Handle;
    LLVMBuildUnreachable(Handle) -> Handle;
    LLVMInstructionEraseFromParent(Handle);

    LLVMGetEnumAttributeKindForName(*const c_char, usize) -> c_uint;
    LLVMCreateEnumAttribute(Handle, c_uint, u64) -> Handle;
    LLVMAddAttributeAtIndex(Handle, c_uint, Handle);
    LLVMIsDeclaration(Handle) -> c_int;
    LLVMGetValueName2(Handle, *mut usize) -> *const c_char;
    LLVMSetValueName2(Handle, *const c_char, usize);
    LLVMGetFirstInstruction(Handle) -> Handle;
    LLVMGetNextInstruction(Handle) -> Handle;
    LLVMTypeOf(Handle) -> Handle;
    LLVMGetPointerAddressSpace(Handle) -> c_uint;
    LLVMSetAtomicSingleThread(Handle, c_int);
}
