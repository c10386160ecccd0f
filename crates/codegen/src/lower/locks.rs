//! Locks, and what runs while one is held.
//!
//! `update` and `do` call a function of the program in between. It may panic, and deferred calls of the functions around it then still run: so the lock is
//! given up by a deferred call of a wrapper around that call, not when the coroutine ends.

use echo_sema::types::Ty;

use super::body::Body;
use super::builtins::Given;
use super::wrappers::Wrapper;
use crate::ir::{Arg, Const, Op, Operand, RtArg};

/// The two kinds of locks around a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    Mutex,
    RwLock,
}

impl Lock {
    pub fn name(self) -> &'static str {
        match self {
            Lock::Mutex => "Mutex",
            Lock::RwLock => "RwLock",
        }
    }

    fn acquire(self) -> &'static str {
        match self {
            Lock::Mutex => "echo_mutex_lock",
            Lock::RwLock => "echo_rwlock_lock",
        }
    }

    pub fn release(self) -> &'static str {
        match self {
            Lock::Mutex => "echo_mutex_unlock",
            Lock::RwLock => "echo_rwlock_unlock",
        }
    }

    pub fn get(self) -> &'static str {
        match self {
            Lock::Mutex => "echo_mutex_get",
            Lock::RwLock => "echo_rwlock_get",
        }
    }

    pub fn set(self) -> &'static str {
        match self {
            Lock::Mutex => "echo_mutex_set",
            Lock::RwLock => "echo_rwlock_set",
        }
    }
}

impl Body<'_, '_> {
    pub fn new_lock(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let value = self.arg_moved(given, 0);
        let args = vec![RtArg::Desc(self.inner(given.result)), value];
        self.runtime(symbol, args, given.result, given.span)
    }

    pub fn lock_get(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let out = self.builder.temp(given.result);
        let args = vec![RtArg::Value(given.value(0)), RtArg::Out(out)];
        self.runtime(symbol, args, Ty::VOID, given.span);
        Operand::Var(out)
    }

    pub fn lock_set(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let value = self.arg_moved(given, 1);
        let args = vec![RtArg::Value(given.value(0)), value];
        self.runtime(symbol, args, Ty::VOID, given.span)
    }

    /// Acquires the lock here, where reports are to say that it was; the rest is done by the wrapper.
    pub fn lock_update(&mut self, lock: Lock, given: &Given<'_>) -> Operand {
        let args = vec![RtArg::Value(given.value(0))];
        self.runtime(lock.acquire(), args, Ty::VOID, given.span);
        let [handle, function] = [0, 1].map(|index| self.operand_ty(&given.value(index)));
        let wrapper = Wrapper::Update {
            lock,
            handle,
            function,
        };
        let dst = self.builder.temp(given.result);
        let update = Op::Call {
            dst: Some(dst),
            function: self.lowering.wrapper(wrapper, given.span),
            args: [0, 1].map(|index| Arg::Value(given.value(index))).to_vec(),
        };
        self.builder.emit(update, given.span);
        Operand::Var(dst)
    }

    pub fn once(&mut self, given: &Given<'_>) -> Operand {
        let args = vec![RtArg::Value(given.value(0))];
        let first = self.runtime("echo_once_begin", args, Ty::BOOL, given.span);
        let [run, end] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(first, run, end);
        self.builder.start(run);
        let function = self.operand_ty(&given.value(1));
        let wrapper = Wrapper::Once { function };
        let call = Op::Call {
            dst: None,
            function: self.lowering.wrapper(wrapper, given.span),
            args: [0, 1].map(|index| Arg::Value(given.value(index))).to_vec(),
        };
        self.builder.emit(call, given.span);
        self.builder.jump(end);
        self.builder.start(end);
        Operand::Const(Const::Unit)
    }
}
