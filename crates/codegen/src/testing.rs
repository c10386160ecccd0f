//! Builds small functions by hand, for tests.

use echo_sema::typed::{FuncId, Program};
use echo_sema::types::{Ty, TyKind, Types};
use echo_syntax::span::{FileId, Span};

use crate::ir::{
    Arg, Block, BlockId, Const, FnId, Function, FunctionKind, Instr, Module, Op, Operand, Place,
    RtArg, Step, Terminator, Var, VarInfo,
};

/// Types the tests use, and the function being built.
pub struct Build {
    pub program: Program,
    pub strings: Ty,
    pub reference: Ty,
    pub maybe: Ty,
    pub function: Function,
    /// Other functions, from number 1 on.
    pub others: Vec<Function>,
}

pub const NOWHERE: Span = Span {
    file: FileId(0),
    start: 0,
    end: 0,
};

pub fn empty_function(kind: FunctionKind, symbol: &str) -> Function {
    Function {
        symbol: symbol.to_string(),
        name: symbol.to_string(),
        kind,
        parameter_count: 0,
        vars: Vec::new(),
        result: Ty::VOID,
        blocks: vec![Block::default()],
        defers: false,
        span: NOWHERE,
    }
}

impl Build {
    pub fn new(kind: FunctionKind) -> Build {
        let mut types = Types::default();
        let strings = types.intern(TyKind::Array(Ty::STRING));
        let reference = types.intern(TyKind::Ref(strings));
        let maybe = types.intern(TyKind::Option(Ty::STRING));
        Build {
            program: Program {
                types,
                structs: Vec::new(),
                enums: Vec::new(),
                functions: Vec::new(),
                globals: Vec::new(),
                entry: FuncId(0),
            },
            strings,
            reference,
            maybe,
            function: empty_function(kind, "test"),
            others: Vec::new(),
        }
    }

    pub fn normal() -> Build {
        Build::new(FunctionKind::Normal)
    }

    pub fn returning(mut self, ty: Ty) -> Build {
        self.function.result = ty;
        self
    }

    pub fn param(&mut self, name: &str, ty: Ty) -> Var {
        self.function.parameter_count += 1;
        self.var(name, ty)
    }

    pub fn var(&mut self, name: &str, ty: Ty) -> Var {
        self.function.vars.push(VarInfo {
            ty,
            name: Some(name.to_string()),
            borrowed: false,
            global: false,
        });
        Var(self.function.vars.len() as u32 - 1)
    }

    /// A function with those parameters, to be called.
    pub fn callee(&mut self, kind: FunctionKind, params: &[Ty]) -> FnId {
        let number = self.others.len() as u32 + 1;
        let mut function = empty_function(kind, &format!("callee{number}"));
        function.parameter_count = params.len();
        function.vars = params
            .iter()
            .map(|&ty| VarInfo {
                ty,
                name: None,
                borrowed: false,
                global: false,
            })
            .collect();
        function.blocks[0].terminator = Some(Terminator::Return(None));
        self.others.push(function);
        FnId(number)
    }

    // ------------------------------------------------------------ blocks

    pub fn block(&mut self) -> BlockId {
        self.function.blocks.push(Block::default());
        BlockId(self.function.blocks.len() as u32 - 1)
    }

    /// Adds to the last block that is not ended.
    pub fn op(&mut self, block: BlockId, op: Op) {
        self.function.blocks[block.0 as usize].instrs.push(Instr {
            op,
            span: NOWHERE,
            unwind: Vec::new(),
        });
    }

    pub fn end(&mut self, block: BlockId, terminator: Terminator) {
        self.function.blocks[block.0 as usize].terminator = Some(terminator);
    }

    pub fn ret(&mut self, block: BlockId, value: Option<Var>) {
        self.end(block, Terminator::Return(value.map(Operand::Var)));
    }

    pub fn branch(&mut self, block: BlockId, condition: Var, then: BlockId, otherwise: BlockId) {
        self.end(
            block,
            Terminator::Branch {
                condition: Operand::Var(condition),
                then,
                otherwise,
            },
        );
    }

    // ------------------------------------------------------------ instructions

    /// `dst = ` a fresh string.
    pub fn fresh(&mut self, block: BlockId, dst: Var) {
        let one = Operand::Const(Const::Str("a".to_string()));
        let args = vec![RtArg::Value(one.clone()), RtArg::Value(one)];
        self.runtime(block, Some(dst), "echo_string_concat", args);
    }

    pub fn fresh_array(&mut self, block: BlockId, dst: Var) {
        let op = Op::Array {
            dst,
            element: Ty::STRING,
            elements: vec![Operand::Const(Const::Str("a".to_string()))],
        };
        self.op(block, op);
    }

    pub fn runtime(
        &mut self,
        block: BlockId,
        dst: Option<Var>,
        symbol: &'static str,
        args: Vec<RtArg>,
    ) {
        self.op(block, Op::Runtime { dst, symbol, args });
    }

    pub fn set(&mut self, block: BlockId, dst: Var, value: Var) {
        let value = Operand::Var(value);
        self.op(block, Op::Set { dst, value });
    }

    pub fn load(&mut self, block: BlockId, dst: Var, place: Place) {
        let borrow = false;
        self.op(block, Op::Load { dst, place, borrow });
    }

    /// Borrows the string.
    pub fn print(&mut self, block: BlockId, text: Var) {
        let args = vec![RtArg::Value(Operand::Var(text))];
        self.runtime(block, None, "echo_print_string", args);
    }

    /// Borrows the string and may be cancelled.
    pub fn wait_with(&mut self, block: BlockId, channel: Var) {
        let args = vec![RtArg::Value(Operand::Var(channel)), RtArg::Position];
        self.runtime(block, None, "echo_mutex_lock", args);
    }

    /// May be cancelled; uses nothing.
    pub fn pause(&mut self, block: BlockId) {
        self.runtime(block, None, "echo_yield", vec![RtArg::Position]);
    }

    pub fn push(&mut self, block: BlockId, array: Var, value: Var) {
        let args = vec![
            RtArg::Place(self.whole(array)),
            RtArg::Desc(Ty::STRING),
            RtArg::MoveOut(value),
        ];
        self.runtime(block, None, "echo_array_push", args);
    }

    pub fn call(&mut self, block: BlockId, function: FnId, args: Vec<Arg>) {
        self.op(
            block,
            Op::Call {
                dst: None,
                function,
                args,
            },
        );
    }

    // ------------------------------------------------------------ places

    pub fn whole(&self, root: Var) -> Place {
        let ty = self.function.vars[root.0 as usize].ty;
        Place {
            root,
            path: Vec::new(),
            ty,
        }
    }

    pub fn element(&self, array: Var) -> Place {
        Place {
            root: array,
            path: vec![Step::Index {
                index: Operand::Const(Const::Int(0, Ty::INT)),
                checked: true,
                alone: false,
            }],
            ty: Ty::STRING,
        }
    }

    pub fn payload(&self, option: Var) -> Place {
        Place {
            root: option,
            path: vec![Step::Payload(1)],
            ty: Ty::STRING,
        }
    }

    // ------------------------------------------------------------ what comes out

    /// The function and those it calls.
    pub fn module(self) -> (Program, Module) {
        let mut functions = vec![self.function];
        functions.extend(self.others);
        let module = Module {
            functions,
            main: None,
        };
        (self.program, module)
    }
}
