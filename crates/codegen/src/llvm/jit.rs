//! Runs an object in the process.

use std::ffi::{CString, c_void};
use std::ptr;

use super::api::{Handle, SymbolPair};
use super::{Error, Llvm};

/// An object loaded into the process. It is never unloaded: coroutines may run its code until the process ends.
pub struct Jit<'a> {
    llvm: &'a Llvm,
    jit: Handle,
}

/// `LLVMJITSymbolGenericFlagsExported | …Callable`
const EXPORTED_CALLABLE: u8 = 1 | 4;

impl<'a> Jit<'a> {
    /// Loads an object whose undefined symbols are among `symbols`.
    ///
    /// # Errors
    /// [`Error::Module`] when the object cannot be loaded.
    pub fn load(
        llvm: &'a Llvm,
        object: &[u8],
        symbols: impl Iterator<Item = (&'static str, usize)>,
    ) -> Result<Jit<'a>, Error> {
        let api = &llvm.api;
        // SAFETY: the handles are used in the order the C API prescribes; the JIT takes the builder and the buffer.
        unsafe {
            let builder = (api.LLVMOrcCreateLLJITBuilder)();
            let machine =
                (api.LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine)(llvm.machine(2)?);
            (api.LLVMOrcLLJITBuilderSetJITTargetMachineBuilder)(builder, machine);
            let mut jit = ptr::null_mut();
            llvm.check((api.LLVMOrcCreateLLJIT)(&mut jit, builder), "start the JIT")?;
            let library = (api.LLVMOrcLLJITGetMainJITDylib)(jit);
            let pairs: Vec<SymbolPair> = symbols
                .map(|(name, address)| {
                    let name = CString::new(name).expect("no zero byte in a symbol");
                    SymbolPair {
                        name: (api.LLVMOrcLLJITMangleAndIntern)(jit, name.as_ptr()),
                        address: address as u64,
                        generic_flags: EXPORTED_CALLABLE,
                        target_flags: 0,
                    }
                })
                .collect();
            let unit = (api.LLVMOrcAbsoluteSymbols)(pairs.as_ptr(), pairs.len());
            llvm.check(
                (api.LLVMOrcJITDylibDefine)(library, unit),
                "define the runtime's symbols",
            )?;
            let buffer = (api.LLVMCreateMemoryBufferWithMemoryRangeCopy)(
                object.as_ptr().cast(),
                object.len(),
                c"program".as_ptr(),
            );
            llvm.check(
                (api.LLVMOrcLLJITAddObjectFile)(jit, library, buffer),
                "load the object",
            )?;
            Ok(Jit { llvm, jit })
        }
    }

    /// The address of a symbol of the object.
    ///
    /// # Errors
    /// [`Error::Module`] when there is none, or when the object has undefined symbols.
    pub fn lookup(&self, name: &str) -> Result<*mut c_void, Error> {
        let name = CString::new(name).expect("no zero byte in a symbol");
        let mut address = 0;
        // SAFETY: a live JIT and a C string.
        let error =
            unsafe { (self.llvm.api.LLVMOrcLLJITLookup)(self.jit, &mut address, name.as_ptr()) };
        self.llvm.check(error, "find a symbol of the program")?;
        Ok(ptr::with_exposed_provenance_mut(address as usize))
    }
}
