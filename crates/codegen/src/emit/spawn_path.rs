//! Spawning with few arguments: they go to the runtime in registers.

use super::function::Body;
use crate::ir::{Op, Operand, RtArg, Var};

/// So many words that `echo_spawn_words` takes.
const WORDS: usize = 2;

impl Body<'_, '_> {
    /// Emits the operation if it spawns a coroutine whose arguments are a few words; whether it does.
    pub fn spawn_path(&mut self, op: &Op) -> bool {
        let Op::Runtime { dst, symbol, args } = op else {
            return false;
        };
        let ("echo_spawn", Some(dst), [RtArg::Entry(entry), RtArg::Tuple(vars), ..]) =
            (*symbol, *dst, &args[..])
        else {
            return false;
        };
        if vars.len() > WORDS || !vars.iter().all(|&var| self.is_word(var)) {
            return false;
        }
        let entry = self.emitter.entry(*entry);
        let mut words = vec!["poison".to_string(); WORDS];
        for (word, &var) in words.iter_mut().zip(vars) {
            *word = self.word(var);
        }
        let position = self.position();
        self.emitter.runtime.insert("echo_spawn_words");
        let arguments = format!("ptr {entry}, i64 {}, i32 {position}", words.join(", i64 "));
        let future = self.call("ptr", "@echo_spawn_words", &arguments);
        self.assign(dst, &future);
        true
    }

    fn is_word(&self, var: Var) -> bool {
        matches!(
            self.emitter.ty(self.var_ty(var)).as_str(),
            "i64" | "double" | "ptr"
        )
    }

    /// The bits of a variable that is one word.
    fn word(&mut self, var: Var) -> String {
        let llvm = self.emitter.ty(self.var_ty(var));
        let value = self.value(&Operand::Var(var));
        match llvm.as_str() {
            "double" => self.temp(&format!("bitcast double {value} to i64")),
            "ptr" => self.temp(&format!("ptrtoint ptr {value} to i64")),
            _ => value,
        }
    }
}
