//! What lowering adds to the program before it begins: afterwards the program is only read.

use std::collections::{HashMap, HashSet};

use echo_sema::typed::{Function, Global, GlobalId, Program, Root, Stmt, StmtKind};
use echo_sema::types::{Ty, TyKind};
use echo_sema::walk::{Node, walk_block};

use super::unsure::unsure_locals;
use crate::layout;

pub struct Prepared {
    /// `T` to `Ref(T)`, of keys and values of maps and of globals: the runtime gives out their addresses.
    references: HashMap<Ty, Ty>,
    /// `T` to `Option[T]`, of locals that may have no value.
    options: HashMap<Ty, Ty>,
    /// The hidden `bool` of a global that may be read before it has been assigned.
    flags: HashMap<GlobalId, GlobalId>,
    /// Globals of one block that only their `let` assigns.
    constants: HashSet<GlobalId>,
}

impl Prepared {
    /// The type of an address of a key, a value or a global.
    pub fn reference_to(&self, ty: Ty) -> Ty {
        self.references[&ty]
    }

    /// The type of the variable of a local that may have no value.
    pub fn option_of(&self, ty: Ty) -> Ty {
        self.options[&ty]
    }

    /// Whether the global has been assigned, if that has to be asked.
    pub fn flag_of(&self, global: GlobalId) -> Option<GlobalId> {
        self.flags.get(&global).copied()
    }

    /// Whether the global, once it has been assigned, holds the same block for ever.
    pub fn is_constant(&self, global: GlobalId) -> bool {
        self.constants.contains(&global)
    }
}

pub fn prepare(program: &mut Program) -> Prepared {
    Prepared {
        references: intern_references(program),
        options: intern_options(program),
        constants: constants(program),
        flags: add_flags(program),
    }
}

fn constants(program: &Program) -> HashSet<GlobalId> {
    let entry = &program.functions[program.entry.0 as usize];
    let mut changes = vec![0; program.globals.len()];
    walk_block(&entry.body, &mut |node| {
        if let Node::Changed(place) = node
            && let Root::Global(global) = place.root
        {
            changes[global.0 as usize] += 1;
        }
    });
    let assigned = entry.body.stmts.iter().filter_map(assigned_global);
    assigned
        .filter(|global| {
            let ty = program.globals[global.0 as usize].ty;
            let is_enum = matches!(program.types.kind(ty), TyKind::Enum(_));
            changes[global.0 as usize] == 1 && layout::is_block(program, ty) && !is_enum
        })
        .collect()
}

/// The global that the statement assigns as a whole.
fn assigned_global(stmt: &Stmt) -> Option<GlobalId> {
    match &stmt.kind {
        StmtKind::Assign(place, _) if place.path.is_empty() => match place.root {
            Root::Global(global) => Some(global),
            _ => None,
        },
        _ => None,
    }
}

fn intern_references(program: &mut Program) -> HashMap<Ty, Ty> {
    let mut targets: Vec<Ty> = program.globals.iter().map(|global| global.ty).collect();
    for function in &program.functions {
        targets.extend(map_parts(program, function));
    }
    targets
        .into_iter()
        .map(|ty| (ty, program.types.intern(TyKind::Ref(ty))))
        .collect()
}

fn intern_options(program: &mut Program) -> HashMap<Ty, Ty> {
    let mut payloads = Vec::new();
    for function in &program.functions {
        let locals = unsure_locals(program, function).into_iter();
        payloads.extend(locals.map(|local| function.locals[local.0 as usize].ty));
    }
    payloads
        .into_iter()
        .map(|ty| (ty, program.types.intern(TyKind::Option(ty))))
        .collect()
}

/// Keys and values of all maps that are values in the function.
fn map_parts(program: &Program, function: &Function) -> Vec<Ty> {
    let mut parts = Vec::new();
    walk_block(&function.body, &mut |node| {
        if let Node::Expr(expr) = node
            && let TyKind::Map(key, value) = *program.types.kind(expr.ty)
        {
            parts.extend([key, value]);
        }
    });
    parts
}

fn add_flags(program: &mut Program) -> HashMap<GlobalId, GlobalId> {
    let early: Vec<usize> = (0..program.globals.len())
        .filter(|&number| program.globals[number].may_be_early)
        .collect();
    early
        .into_iter()
        .map(|number| {
            let global = &program.globals[number];
            let flag = Global {
                name: format!("{} is initialised", global.name),
                ty: Ty::BOOL,
                span: global.span,
                may_be_early: false,
            };
            program.globals.push(flag);
            let flag = GlobalId(program.globals.len() as u32 - 1);
            (GlobalId(number as u32), flag)
        })
        .collect()
}
