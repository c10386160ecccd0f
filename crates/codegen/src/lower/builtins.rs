//! Built-in functions and methods: one exhaustive match whose arms delegate.

use echo_sema::typed::{BinaryOp, Builtin, Call, CompareOp};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, int};
use super::calls::Argument;
use super::locks::Lock;
use crate::ir::{self, Const, Header, Intrinsic, Op, Operand, RtArg, Terminator, Var};
use crate::layout;

/// Evaluated arguments and what is to be known of the call.
pub struct Given<'a> {
    pub args: &'a [Argument],
    pub result: Ty,
    pub span: Span,
}

impl Given<'_> {
    pub fn value(&self, index: usize) -> Operand {
        match &self.args[index] {
            Argument::Value(value) => value.clone(),
            Argument::Place(_) => unreachable!("a value, not a reference"),
        }
    }

    /// All arguments as they are, for a runtime function that takes them so.
    fn values(&self) -> Vec<RtArg> {
        (0..self.args.len())
            .map(|index| RtArg::Value(self.value(index)))
            .collect()
    }
}

impl<'p> Body<'_, 'p> {
    pub fn builtin_call(&mut self, builtin: Builtin, call: &'p Call) -> Operand {
        let span = call.span;
        if let (Builtin::Assert, [condition, message]) = (builtin, call.args.as_slice()) {
            let [holds, fails] = [(); 2].map(|()| self.builder.block());
            self.condition(condition, holds, fails);
            self.builder.start(fails);
            let message = self.expr(message);
            self.panic(message, span);
            self.builder.start(holds);
            return Operand::Const(Const::Unit);
        }
        let mut args = self.arguments(&call.args, &[]);
        let in_place = self.changes_in_place(builtin, &args);
        for arg in &mut args {
            if let Argument::Place(target) = arg {
                match in_place {
                    true => target.place = self.ready(target, span),
                    false => self.open(target, span),
                }
            }
        }
        let given = Given {
            args: &args,
            result: call.result,
            span,
        };
        let value = self.builtin(builtin, &given);
        for arg in &args {
            if let Argument::Place(target) = arg
                && !in_place
            {
                self.close(target, span);
            }
        }
        value
    }

    /// Applies a built-in function to evaluated arguments.
    pub fn builtin(&mut self, builtin: Builtin, given: &Given<'_>) -> Operand {
        if let Some(symbol) = direct(builtin) {
            return self.runtime(symbol, given.values(), given.result, given.span);
        }
        match builtin {
            Builtin::Print => {
                let ty = self.operand_ty(&given.value(0));
                let value = self.arg_var(given, 0);
                let args = vec![RtArg::Borrow(value), RtArg::Desc(ty)];
                self.runtime("echo_print", args, Ty::VOID, given.span)
            }
            Builtin::Panic => {
                self.panic(given.value(0), given.span);
                Operand::Const(Const::Unit)
            }
            Builtin::Assert => self.assert(given),
            Builtin::Exit => {
                self.runtime("echo_exit", given.values(), Ty::VOID, given.span);
                self.builder.end(Terminator::Unreachable);
                Operand::Const(Const::Unit)
            }
            Builtin::SizeOf(ty) => int(i128::from(layout::layout(self.program(), ty).size)),

            Builtin::Promise => self.new_promise(given),
            Builtin::All | Builtin::Race => self.combined_future(builtin, given),
            Builtin::FutureOnDone => self.on_done(given),
            Builtin::PromiseResolve => self.resolve(given),
            Builtin::PromiseFuture => {
                let future = self.builder.temp(given.result);
                self.set(future, given.value(0), given.span);
                Operand::Var(future)
            }
            Builtin::ChanSend => self.chan_send(given),
            Builtin::ChanTrySend => self.chan_try_send(given),
            Builtin::ChanRecv => self.chan_receive("echo_chan_receive_option", given),
            Builtin::ChanTryRecv => self.chan_receive("echo_chan_try_receive", given),

            Builtin::ArrayLen => self.len(&given.value(0), given.span),
            Builtin::ArrayPush => self.array_push(given),
            Builtin::ArrayPop => self.array_pop(given),
            Builtin::ArrayInsert => self.array_insert(given),
            Builtin::ArrayRemove => self.array_remove(given),
            Builtin::ArrayClear => self.array_change("echo_array_clear", given),
            Builtin::ArraySort => self.array_change("echo_array_sort", given),
            Builtin::ArrayContains => self.array_contains(given),
            Builtin::ArrayMap => self.array_map(given),
            Builtin::ArrayFilter => self.array_filter(given),
            Builtin::ArrayJoin => self.array_join(given),

            Builtin::MapKeys => self.map_to_array("echo_map_keys", given),
            Builtin::MapValues => self.map_to_array("echo_map_values", given),
            Builtin::MapContains => self.map_contains(given),
            Builtin::MapGet => self.map_get(given),
            Builtin::MapRemove => self.map_remove(given),
            Builtin::MapClear => self.map_clear(given),

            Builtin::StringLen => self.header(given.value(0), Header::StringChars, given.span),
            Builtin::StringByteLen => self.header(given.value(0), Header::StringBytes, given.span),
            Builtin::StringIsEmpty => {
                let bytes = self.header(given.value(0), Header::StringBytes, given.span);
                self.compare_scalars(CompareOp::Eq, bytes, int(0), Ty::INT, given.span)
            }
            Builtin::ParseInt => self.parse("echo_string_parse_int", given),
            Builtin::ParseFloat => self.parse("echo_string_parse_float", given),

            Builtin::Unwrap => self.unwrap(given),
            Builtin::UnwrapOr => self.unwrap_or(given),
            Builtin::IsSome => self.has_tag(1, given),
            Builtin::IsNone => self.has_tag(0, given),
            Builtin::IsOk => self.has_tag(0, given),
            Builtin::IsErr => self.has_tag(1, given),
            Builtin::ResultOk => self.payload_as_option(0, given),
            Builtin::ResultErr => self.payload_as_option(1, given),
            Builtin::OptionOkOr => self.ok_or(given),
            Builtin::MapPayload => self.map_payload(given),
            Builtin::AndThen => self.and_then(given),

            Builtin::MutexNew => self.new_lock("echo_mutex_new", given),
            Builtin::MutexGet => self.lock_get("echo_mutex_get", given),
            Builtin::MutexSet => self.lock_set("echo_mutex_set", given),
            Builtin::MutexUpdate => self.lock_update(Lock::Mutex, given),
            Builtin::RwLockNew => self.new_lock("echo_rwlock_new", given),
            Builtin::RwLockGet => self.lock_get("echo_rwlock_get", given),
            Builtin::RwLockSet => self.lock_set("echo_rwlock_set", given),
            Builtin::RwLockUpdate => self.lock_update(Lock::RwLock, given),
            Builtin::AtomicIncrement => self.with_constant("echo_atomic_add", 1, given),
            Builtin::WaitGroupDone => self.with_constant("echo_wait_group_add", -1, given),
            Builtin::OnceDo => self.once(given),

            Builtin::TimeNowMs => {
                let ns = self.runtime("echo_time_now_ns", Vec::new(), Ty::INT, given.span);
                self.arith(BinaryOp::Div, ns, int(1_000_000), Ty::INT, given.span)
            }

            Builtin::MathSqrt => self.intrinsic(Intrinsic::Sqrt, given),
            Builtin::MathAbsFloat => self.intrinsic(Intrinsic::Fabs, given),
            Builtin::MathMin => self.intrinsic(Intrinsic::Min, given),
            Builtin::MathMax => self.intrinsic(Intrinsic::Max, given),
            Builtin::MathIsNan => self.intrinsic(Intrinsic::IsNan, given),
            Builtin::MathIsInf => self.intrinsic(Intrinsic::IsInf, given),
            Builtin::MathAbsInt => self.abs(given),
            Builtin::WrappingAdd => self.wrapping(BinaryOp::Add, given),
            Builtin::WrappingSub => self.wrapping(BinaryOp::Sub, given),
            Builtin::WrappingMul => self.wrapping(BinaryOp::Mul, given),
            Builtin::WrappingNeg => {
                let zero = Operand::Const(Const::Int(0, given.result));
                self.wrap(
                    BinaryOp::Sub,
                    zero,
                    given.value(0),
                    given.result,
                    given.span,
                )
            }

            Builtin::PrintString
            | Builtin::PrintInt
            | Builtin::Sleep
            | Builtin::Yield
            | Builtin::MapLen
            | Builtin::StringSplit
            | Builtin::StringContains
            | Builtin::StringStartsWith
            | Builtin::StringEndsWith
            | Builtin::StringTrim
            | Builtin::StringToUpper
            | Builtin::StringToLower
            | Builtin::StringReplace
            | Builtin::StringChars
            | Builtin::BuilderNew
            | Builtin::BuilderWrite
            | Builtin::BuilderLen
            | Builtin::BuilderText
            | Builtin::BuilderClear
            | Builtin::FutureIsDone
            | Builtin::PromiseReject
            | Builtin::ChanClose
            | Builtin::ChanIsClosed
            | Builtin::ChanLen
            | Builtin::ChanCap
            | Builtin::MutexLock
            | Builtin::MutexTryLock
            | Builtin::MutexUnlock
            | Builtin::MutexIsPoisoned
            | Builtin::RwLockLock
            | Builtin::RwLockTryLock
            | Builtin::RwLockUnlock
            | Builtin::RwLockReadLock
            | Builtin::RwLockReadUnlock
            | Builtin::RwLockIsPoisoned
            | Builtin::AtomicNew
            | Builtin::AtomicLoad
            | Builtin::AtomicStore
            | Builtin::AtomicSwap
            | Builtin::AtomicCompareAndSwap
            | Builtin::AtomicAdd
            | Builtin::WaitGroupNew
            | Builtin::WaitGroupAdd
            | Builtin::WaitGroupWait
            | Builtin::SemaphoreNew
            | Builtin::SemaphoreAcquire
            | Builtin::SemaphoreTryAcquire
            | Builtin::SemaphoreRelease
            | Builtin::OnceNew
            | Builtin::TimeNowNs
            | Builtin::TimeUnixNs
            | Builtin::TimeTicker
            | Builtin::MathPow
            | Builtin::MathExp
            | Builtin::MathLog
            | Builtin::MathLog2
            | Builtin::MathLog10
            | Builtin::MathSin
            | Builtin::MathCos
            | Builtin::MathTan
            | Builtin::MathAsin
            | Builtin::MathAcos
            | Builtin::MathAtan
            | Builtin::MathAtan2
            | Builtin::MathFloor
            | Builtin::MathCeil
            | Builtin::MathRound
            | Builtin::MathTrunc
            | Builtin::MathCbrt
            | Builtin::MathHypot => unreachable!("{builtin:?} is in the table of direct ones"),
        }
    }

    /// An argument in a variable.
    pub fn arg_var(&mut self, given: &Given<'_>, index: usize) -> Var {
        self.in_var(given.value(index), given.span)
    }

    /// An argument whose value is given away.
    pub fn arg_moved(&mut self, given: &Given<'_>, index: usize) -> RtArg {
        self.moved(given.value(index), given.span)
    }

    /// The place that an argument refers to.
    pub fn arg_place(&self, given: &Given<'_>, index: usize) -> ir::Place {
        self.referred(&given.args[index])
    }

    fn assert(&mut self, given: &Given<'_>) -> Operand {
        let [holds, fails] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(given.value(0), holds, fails);
        self.builder.start(fails);
        self.panic(given.value(1), given.span);
        self.builder.start(holds);
        Operand::Const(Const::Unit)
    }

    fn with_constant(
        &mut self,
        symbol: &'static str,
        constant: i128,
        given: &Given<'_>,
    ) -> Operand {
        let args = vec![RtArg::Value(given.value(0)), RtArg::Value(int(constant))];
        self.runtime(symbol, args, given.result, given.span)
    }

    /// Parses into a Result.
    fn parse(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let number = self.builder.temp(self.inner(given.result));
        let error = self.builder.temp(Ty::STRING);
        let args = vec![
            RtArg::Value(given.value(0)),
            RtArg::Address(number),
            RtArg::Address(error),
        ];
        let fine = self.runtime(symbol, args, Ty::BOOL, given.span);
        self.result_of(fine, number, error, given.result, given.span)
    }

    // ------------------------------------------------------------ numbers

    fn intrinsic(&mut self, op: Intrinsic, given: &Given<'_>) -> Operand {
        let args: Vec<Operand> = (0..given.args.len())
            .map(|index| given.value(index))
            .collect();
        let ty = self.operand_ty(&args[0]);
        let dst = self.builder.temp(given.result);
        let intrinsic = Op::Intrinsic { dst, op, args, ty };
        self.builder.emit(intrinsic, given.span);
        Operand::Var(dst)
    }

    fn wrapping(&mut self, op: BinaryOp, given: &Given<'_>) -> Operand {
        self.wrap(op, given.value(0), given.value(1), given.result, given.span)
    }

    /// Panics for the least number, as negation does.
    fn abs(&mut self, given: &Given<'_>) -> Operand {
        let (ty, span) = (given.result, given.span);
        debug_assert!(matches!(self.kind(ty), TyKind::Int(_)));
        let result = self.copied(given.value(0), span);
        let zero = Operand::Const(Const::Int(0, ty));
        let negative = self.less(Operand::Var(result), zero, ty, span);
        let [negate, end] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(negative, negate, end);
        self.builder.start(negate);
        let neg = Op::Neg {
            dst: result,
            value: given.value(0),
            ty,
        };
        self.builder.emit(neg, span);
        self.builder.jump(end);
        self.builder.start(end);
        Operand::Var(result)
    }
}

/// The runtime function that takes the arguments as they are and gives the result.
fn direct(builtin: Builtin) -> Option<&'static str> {
    Some(match builtin {
        Builtin::PrintString => "echo_print_string",
        Builtin::PrintInt => "echo_print_int",
        Builtin::Sleep => "echo_sleep",
        Builtin::Yield => "echo_yield",
        Builtin::MapLen => "echo_map_len",
        Builtin::StringSplit => "echo_string_split",
        Builtin::StringContains => "echo_string_contains",
        Builtin::StringStartsWith => "echo_string_starts_with",
        Builtin::StringEndsWith => "echo_string_ends_with",
        Builtin::StringTrim => "echo_string_trim",
        Builtin::StringToUpper => "echo_string_to_upper",
        Builtin::StringToLower => "echo_string_to_lower",
        Builtin::StringReplace => "echo_string_replace",
        Builtin::StringChars => "echo_string_chars",
        Builtin::BuilderNew => "echo_builder_new",
        Builtin::BuilderWrite => "echo_builder_write",
        Builtin::BuilderLen => "echo_builder_len",
        Builtin::BuilderText => "echo_builder_text",
        Builtin::BuilderClear => "echo_builder_clear",
        Builtin::FutureIsDone => "echo_future_is_done",
        Builtin::PromiseReject => "echo_promise_reject",
        Builtin::ChanClose => "echo_chan_close",
        Builtin::ChanIsClosed => "echo_chan_is_closed",
        Builtin::ChanLen => "echo_chan_len",
        Builtin::ChanCap => "echo_chan_cap",
        Builtin::MutexLock => "echo_mutex_lock",
        Builtin::MutexTryLock => "echo_mutex_try_lock",
        Builtin::MutexUnlock => "echo_mutex_unlock",
        Builtin::MutexIsPoisoned => "echo_mutex_is_poisoned",
        Builtin::RwLockLock => "echo_rwlock_lock",
        Builtin::RwLockTryLock => "echo_rwlock_try_lock",
        Builtin::RwLockUnlock => "echo_rwlock_unlock",
        Builtin::RwLockReadLock => "echo_rwlock_read_lock",
        Builtin::RwLockReadUnlock => "echo_rwlock_read_unlock",
        Builtin::RwLockIsPoisoned => "echo_rwlock_is_poisoned",
        Builtin::AtomicNew => "echo_atomic_new",
        Builtin::AtomicLoad => "echo_atomic_load",
        Builtin::AtomicStore => "echo_atomic_store",
        Builtin::AtomicSwap => "echo_atomic_swap",
        Builtin::AtomicCompareAndSwap => "echo_atomic_compare_and_swap",
        Builtin::AtomicAdd => "echo_atomic_add",
        Builtin::WaitGroupNew => "echo_wait_group_new",
        Builtin::WaitGroupAdd => "echo_wait_group_add",
        Builtin::WaitGroupWait => "echo_wait_group_wait",
        Builtin::SemaphoreNew => "echo_semaphore_new",
        Builtin::SemaphoreAcquire => "echo_semaphore_acquire",
        Builtin::SemaphoreTryAcquire => "echo_semaphore_try_acquire",
        Builtin::SemaphoreRelease => "echo_semaphore_release",
        Builtin::OnceNew => "echo_once_new",
        Builtin::TimeNowNs => "echo_time_now_ns",
        Builtin::TimeUnixNs => "echo_time_unix_ns",
        Builtin::TimeTicker => "echo_time_ticker",
        Builtin::MathPow => "echo_math_pow",
        Builtin::MathExp => "echo_math_exp",
        Builtin::MathLog => "echo_math_log",
        Builtin::MathLog2 => "echo_math_log2",
        Builtin::MathLog10 => "echo_math_log10",
        Builtin::MathSin => "echo_math_sin",
        Builtin::MathCos => "echo_math_cos",
        Builtin::MathTan => "echo_math_tan",
        Builtin::MathAsin => "echo_math_asin",
        Builtin::MathAcos => "echo_math_acos",
        Builtin::MathAtan => "echo_math_atan",
        Builtin::MathAtan2 => "echo_math_atan2",
        Builtin::MathFloor => "echo_math_floor",
        Builtin::MathCeil => "echo_math_ceil",
        Builtin::MathRound => "echo_math_round",
        Builtin::MathTrunc => "echo_math_trunc",
        Builtin::MathCbrt => "echo_math_cbrt",
        Builtin::MathHypot => "echo_math_hypot",
        _ => return None,
    })
}
