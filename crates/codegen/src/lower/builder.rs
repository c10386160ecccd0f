//! Blocks and variables of a function being made.
//!
//! There is always a block to add to: after a terminator it is one that nothing leads to. Blocks that cannot be reached are dropped at the end, so
//! whatever is lowered behind a `return` or a panic needs no special care.

use echo_sema::typed::GlobalId;
use echo_sema::types::Ty;
use echo_syntax::span::Span;

use crate::ir::{Block, BlockId, Instr, Op, Operand, Terminator, Var, VarInfo};

pub struct Builder {
    vars: Vec<VarInfo>,
    blocks: Vec<Block>,
    current: BlockId,
    /// Of globals.
    addresses: Vec<Instr>,
}

impl Builder {
    /// In the entry block of a function without variables.
    pub fn new() -> Builder {
        Builder {
            vars: Vec::new(),
            blocks: vec![Block::default()],
            current: BlockId(0),
            addresses: Vec::new(),
        }
    }

    /// A new variable, with the name it has in the source, if it is there.
    pub fn var(&mut self, ty: Ty, name: Option<&str>) -> Var {
        self.vars.push(VarInfo {
            ty,
            name: name.map(str::to_string),
            borrowed: false,
            global: false,
        });
        Var(self.vars.len() as u32 - 1)
    }

    /// A variable for the address of a global, set at the very beginning.
    pub fn global(&mut self, ty: Ty, global: GlobalId, span: Span) -> Var {
        let dst = self.temp(ty);
        self.vars[dst.0 as usize].global = true;
        self.addresses.push(Instr {
            op: Op::GlobalAddress { dst, global },
            span,
            unwind: Vec::new(),
        });
        dst
    }

    pub fn is_global(&self, var: Var) -> bool {
        self.vars[var.0 as usize].global
    }

    pub fn temp(&mut self, ty: Ty) -> Var {
        self.var(ty, None)
    }

    /// The name of a variable of the source.
    pub fn name(&self, var: Var) -> &str {
        self.vars[var.0 as usize].name.as_deref().unwrap_or("_")
    }

    /// Whether it is a variable of the source. The others are for one value that is used once.
    pub fn is_named(&self, var: Var) -> bool {
        self.vars[var.0 as usize].name.is_some()
    }

    pub fn ty(&self, var: Var) -> Ty {
        self.vars[var.0 as usize].ty
    }

    /// A new block, to be started later.
    pub fn block(&mut self) -> BlockId {
        self.blocks.push(Block::default());
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// What follows goes into that block.
    pub fn start(&mut self, block: BlockId) {
        debug_assert!(self.blocks[block.0 as usize].terminator.is_none());
        self.current = block;
    }

    pub fn emit(&mut self, op: Op, span: Span) {
        self.blocks[self.current.0 as usize].instrs.push(Instr {
            op,
            span,
            unwind: Vec::new(),
        });
    }

    /// Ends the block; what follows until the next `start` is not reached.
    pub fn end(&mut self, terminator: Terminator) {
        self.blocks[self.current.0 as usize].terminator = Some(terminator);
        self.current = self.block();
    }

    pub fn jump(&mut self, target: BlockId) {
        self.end(Terminator::Jump(target));
    }

    pub fn branch(&mut self, condition: Operand, then: BlockId, otherwise: BlockId) {
        self.end(Terminator::Branch {
            condition,
            then,
            otherwise,
        });
    }

    /// Ends the block with a jump to a new one, which is started; used where others come back to it.
    pub fn flow_into(&mut self) -> BlockId {
        let next = self.block();
        self.jump(next);
        self.start(next);
        next
    }

    /// Variables and reachable blocks, without those that only lead on.
    pub fn finish(mut self) -> (Vec<VarInfo>, Vec<Block>) {
        self.blocks[0].instrs.splice(0..0, self.addresses.drain(..));
        self.skip_empty_blocks();
        let order = reachable(&self.blocks);
        let mut numbers = vec![None; self.blocks.len()];
        for (number, old) in order.iter().enumerate() {
            numbers[old.0 as usize] = Some(BlockId(number as u32));
        }
        let mut old: Vec<Option<Block>> = self.blocks.into_iter().map(Some).collect();
        let blocks = order
            .iter()
            .map(|id| {
                let mut block = old[id.0 as usize].take().expect("listed once");
                for target in targets_mut(terminator_of(&mut block)) {
                    *target = numbers[target.0 as usize].expect("reachable");
                }
                block
            })
            .collect();
        (self.vars, blocks)
    }

    /// Whoever goes to a block that only jumps goes where that leads.
    fn skip_empty_blocks(&mut self) {
        let leads: Vec<BlockId> = (0..self.blocks.len())
            .map(|number| self.destination(BlockId(number as u32)))
            .collect();
        for block in &mut self.blocks {
            if let Some(terminator) = &mut block.terminator {
                for target in targets_mut(terminator) {
                    *target = leads[target.0 as usize];
                }
            }
        }
    }

    fn destination(&self, block: BlockId) -> BlockId {
        let mut at = block;
        // No more steps than blocks: an empty loop leads nowhere else.
        for _ in 0..self.blocks.len() {
            match &self.blocks[at.0 as usize] {
                Block {
                    instrs,
                    terminator: Some(Terminator::Jump(next)),
                } if instrs.is_empty() => at = *next,
                _ => break,
            }
        }
        at
    }
}

fn terminator_of(block: &mut Block) -> &mut Terminator {
    block
        .terminator
        .as_mut()
        .expect("every block that can be reached is ended")
}

/// Reachable blocks in the order they were made: that of the source, nearly.
fn reachable(blocks: &[Block]) -> Vec<BlockId> {
    let mut seen = vec![false; blocks.len()];
    let mut open = vec![BlockId(0)];
    while let Some(id) = open.pop() {
        if !std::mem::replace(&mut seen[id.0 as usize], true) {
            let terminator = blocks[id.0 as usize].terminator.as_ref();
            open.extend(targets(
                terminator.expect("every block that can be reached is ended"),
            ));
        }
    }
    (0..blocks.len())
        .filter(|&number| seen[number])
        .map(|number| BlockId(number as u32))
        .collect()
}

fn targets(terminator: &Terminator) -> Vec<BlockId> {
    match terminator {
        Terminator::Jump(target) => vec![*target],
        Terminator::Branch {
            then, otherwise, ..
        } => vec![*then, *otherwise],
        Terminator::Switch {
            cases, otherwise, ..
        } => cases
            .iter()
            .map(|&(_, target)| target)
            .chain([*otherwise])
            .collect(),
        Terminator::Return(_) | Terminator::Unreachable => Vec::new(),
    }
}

fn targets_mut(terminator: &mut Terminator) -> Vec<&mut BlockId> {
    match terminator {
        Terminator::Jump(target) => vec![target],
        Terminator::Branch {
            then, otherwise, ..
        } => vec![then, otherwise],
        Terminator::Switch {
            cases, otherwise, ..
        } => cases
            .iter_mut()
            .map(|(_, target)| target)
            .chain([otherwise])
            .collect(),
        Terminator::Return(_) | Terminator::Unreachable => Vec::new(),
    }
}
