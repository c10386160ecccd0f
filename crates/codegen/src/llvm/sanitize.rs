//! Generated code for `tests/sanitize/run`: every access that it makes to memory is told to a sanitizer.
//!
//! LLVM's own passes do it, after the optimisation. What they insert calls functions of the sanitizer's runtime, which need more stack than a coroutine has:
//! these are called by names with [`PREFIX`], under which Echo's runtime has stubs that go to the worker's stack, as for its own functions.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::{Once, PoisonError};

use super::api::Handle;
use super::{Error, INITIALISED, Llvm};

/// What looks at accesses to memory while a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitizer {
    /// Finds uses of memory that is not allocated.
    Address,
    /// Finds data races.
    Thread,
}

/// Of the stubs in Echo's runtime.
const PREFIX: &str = "echo";

/// Options of the passes.
const OPTIONS: &[&CStr] = &[
    c"eo",
    // Coroutines change stacks and threads where the sanitizer would keep a stack of calls.
    c"-tsan-instrument-func-entry-exit=0",
    // Frames of coroutines are small and have no room for red zones; only what lies elsewhere is checked.
    c"-asan-stack=0",
    c"-asan-globals=0",
    // It would have a number in its name.
    c"-asan-guard-against-version-mismatch=0",
];
static SET_OPTIONS: Once = Once::new();

impl Sanitizer {
    fn attribute(self) -> &'static str {
        match self {
            Sanitizer::Address => "sanitize_address",
            Sanitizer::Thread => "sanitize_thread",
        }
    }

    fn passes(self) -> &'static str {
        match self {
            Sanitizer::Address => "asan",
            Sanitizer::Thread => "tsan-module,function(tsan)",
        }
    }

    /// Of the functions of its runtime.
    fn prefix(self) -> &'static str {
        match self {
            Sanitizer::Address => "__asan_",
            Sanitizer::Thread => "__tsan_",
        }
    }
}

impl Llvm {
    /// # Safety
    /// A valid module, and the machine that it is compiled for.
    pub(super) unsafe fn instrument(
        &self,
        module: Handle,
        machine: Handle,
        sanitizer: Sanitizer,
    ) -> Result<(), Error> {
        SET_OPTIONS.call_once(|| {
            let _initialising = INITIALISED.lock().unwrap_or_else(PoisonError::into_inner);
            let options: Vec<*const c_char> = OPTIONS.iter().map(|text| text.as_ptr()).collect();
            // SAFETY: a list of C strings.
            unsafe {
                (self.api.LLVMParseCommandLineOptions)(
                    options.len() as i32,
                    options.as_ptr(),
                    ptr::null(),
                )
            };
        });
        // SAFETY: the module is valid, here and below.
        unsafe {
            self.mark_functions(module, sanitizer.attribute());
            self.spare_thread_words(module);
            self.run_passes(module, machine, sanitizer.passes())?;
            self.rename_functions(module, sanitizer.prefix());
        }
        Ok(())
    }

    /// The passes change what is marked.
    unsafe fn mark_functions(&self, module: Handle, attribute: &str) {
        /// The place of a function's own attributes, beside those of its result and its parameters.
        const OF_FUNCTION: u32 = u32::MAX;
        let api = &self.api;
        // SAFETY: a known attribute, of the module's context; the functions are the module's.
        unsafe {
            let kind =
                (api.LLVMGetEnumAttributeKindForName)(attribute.as_ptr().cast(), attribute.len());
            let context = (api.LLVMGetModuleContext)(module);
            let attribute = (api.LLVMCreateEnumAttribute)(context, kind, 0);
            self.for_each_function(module, |function| {
                if (api.LLVMIsDeclaration)(function) == 0 {
                    (api.LLVMAddAttributeAtIndex)(function, OF_FUNCTION, attribute);
                }
            });
        }
    }

    /// The limit of the stack is read relative to a segment register. The passes take such addresses for what they are not, unless the access is said to
    /// be of no concern to other threads.
    unsafe fn spare_thread_words(&self, module: Handle) {
        const LOAD: i32 = 27;
        let api = &self.api;
        // SAFETY: walks the module's own lists; a load has one operand, a pointer.
        unsafe {
            self.for_each_function(module, |function| {
                let mut block = (api.LLVMGetFirstBasicBlock)(function);
                while !block.is_null() {
                    let mut instruction = (api.LLVMGetFirstInstruction)(block);
                    while !instruction.is_null() {
                        if (api.LLVMGetInstructionOpcode)(instruction) == LOAD {
                            let pointer = (api.LLVMTypeOf)((api.LLVMGetOperand)(instruction, 0));
                            if (api.LLVMGetPointerAddressSpace)(pointer) != 0 {
                                (api.LLVMSetAtomicSingleThread)(instruction, 1);
                            }
                        }
                        instruction = (api.LLVMGetNextInstruction)(instruction);
                    }
                    block = (api.LLVMGetNextBasicBlock)(block);
                }
            });
        }
    }

    unsafe fn rename_functions(&self, module: Handle, prefix: &str) {
        let api = &self.api;
        // SAFETY: the functions are the module's; names are copied.
        unsafe {
            self.for_each_function(module, |function| {
                let mut length = 0;
                let name = (api.LLVMGetValueName2)(function, &mut length);
                let name = std::slice::from_raw_parts(name.cast::<u8>(), length);
                if name.starts_with(prefix.as_bytes()) {
                    let name = [PREFIX.as_bytes(), name].concat();
                    (api.LLVMSetValueName2)(function, name.as_ptr().cast(), name.len());
                }
            });
        }
    }

    unsafe fn for_each_function(&self, module: Handle, mut each: impl FnMut(Handle)) {
        // SAFETY: walks the module's own list.
        unsafe {
            let mut function = (self.api.LLVMGetFirstFunction)(module);
            while !function.is_null() {
                each(function);
                function = (self.api.LLVMGetNextFunction)(function);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llvm::Output;

    #[test]
    fn accesses_are_told_to_stubs_and_those_to_the_limit_are_not() {
        const IR: &str = "
define i64 @read(ptr %place) {
  %limit = load atomic i64, ptr addrspace(257) inttoptr (i64 112 to ptr addrspace(257)) monotonic, align 8
  %value = load i64, ptr %place, align 8
  %sum = add i64 %limit, %value
  ret i64 %sum
}
";
        for (sanitizer, stub) in [
            (Sanitizer::Address, "@echo__asan_report_load8("),
            (Sanitizer::Thread, "@echo__tsan_read8("),
        ] {
            let llvm = Llvm::load().expect("an LLVM").sanitizing(Some(sanitizer));
            let text = llvm
                .compile(IR, 2, Output::OptimisedIr)
                .expect("it compiles");
            let text = String::from_utf8(text).expect("text");
            assert_eq!(
                text.matches(&format!("call void {stub}")).count(),
                1,
                "{text}"
            );
            assert!(
                text.contains("load atomic i64, ptr addrspace(257)"),
                "{text}"
            );
            let calls_by_its_name = text
                .lines()
                .any(|line| line.contains("call ") && line.contains("@__"));
            assert!(!calls_by_its_name, "{text}");
        }
    }
}
