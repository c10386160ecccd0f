//! Globals are read after their `let` has run.
//!
//! The top level is one straight line, so for each of its statements it is known which globals have a value: those whose `let` stands above. A function that
//! the statement calls, spawns or defers must not read another one, and must not call a function that does, whatever that may depend on: this
//! is an error. Of a function that is used as a value nobody knows when it will be called: the globals that it may read too early are marked, and
//! asked at run time.
//!
//! Both are found by walking the graph of functions once, so the work is linear.

use std::collections::HashMap;

use echo_syntax::{Diagnostic, Span};

use super::{Checker, code};
use crate::typed::{
    Callee, Expr, ExprKind, FuncId, Function, Global, GlobalId, Place, Root, Stmt, StmtKind,
};
use crate::walk::{Node, walk_block, walk_stmt};

/// What a piece of code refers to, in source order.
#[derive(Default)]
struct Uses {
    calls: Vec<(FuncId, Span)>,
    values: Vec<FuncId>,
    reads: Vec<GlobalId>,
}

impl Uses {
    fn of_function(function: &Function) -> Uses {
        let mut uses = Uses::default();
        walk_block(&function.body, &mut |node| uses.note(&node));
        uses
    }

    fn of_stmt(stmt: &Stmt) -> Uses {
        let mut uses = Uses::default();
        walk_stmt(stmt, &mut |node| uses.note(&node));
        uses
    }

    fn note(&mut self, node: &Node<'_>) {
        match node {
            Node::Call(call) => {
                if let Callee::Function(function) = call.callee {
                    self.calls.push((function, call.span));
                }
            }
            Node::Expr(Expr { kind, .. }) => match *kind {
                ExprKind::Function(function) => self.values.push(function),
                ExprKind::Global(global) => self.reads.push(global),
                _ => {}
            },
            Node::Stmt(_) | Node::Changed(_) => {}
        }
    }
}

/// Which of the globals that a function reads gets its value last.
#[derive(Clone, Copy)]
struct Latest {
    global: GlobalId,
    /// The function that it calls for that; `None` when it reads the global itself.
    through: Option<FuncId>,
}

impl Checker<'_> {
    /// Reports what reads a global too early, and marks the globals that may be read too early. `entry` is the top level, with its globals.
    pub(super) fn check_early_reads(&mut self, entry: &Function, globals: &mut [Global]) {
        if globals.is_empty() {
            return;
        }
        let functions: Vec<Uses> = self
            .checked
            .iter()
            .map(|function| function.as_ref().map(Uses::of_function).unwrap_or_default())
            .collect();
        let top: Vec<Uses> = entry.body.stmts.iter().map(Uses::of_stmt).collect();
        let given = given(entry, globals.len());
        for (global, since) in early_values(&functions, &top) {
            let global = global.0 as usize;
            globals[global].may_be_early |= since <= given[global];
        }
        let latest = latest(&functions, &given);
        let mut reported = vec![false; globals.len()];
        for (number, uses) in top.iter().enumerate() {
            for &(function, span) in &uses.calls {
                let Some(Latest { global, .. }) = latest[function.0 as usize] else {
                    continue;
                };
                let index = global.0 as usize;
                if number <= given[index] && !std::mem::replace(&mut reported[index], true) {
                    let help = match number == given[index] {
                        true => "its value cannot depend on itself",
                        false => "move the `let` up, above this",
                    };
                    self.report_early(function, &globals[index], &latest, span, help);
                }
            }
        }
    }

    fn report_early(
        &mut self,
        function: FuncId,
        global: &Global,
        latest: &[Option<Latest>],
        span: Span,
        help: &str,
    ) {
        let name = |function: FuncId| match &self.checked[function.0 as usize] {
            Some(function) => function.name.as_str(),
            None => "it",
        };
        let message = format!(
            "`{}` reads `{}`, which has no value yet",
            name(function),
            global.name
        );
        let mut diagnostic = Diagnostic::error(code::EARLY_READ, message, span)
            .with_label(global.span, "it gets its value here")
            .with_help(help);
        let mut caller = function;
        while let Some(Latest {
            through: Some(callee),
            ..
        }) = latest[caller.0 as usize]
        {
            let note = format!("`{}` calls `{}`", name(caller), name(callee));
            diagnostic = diagnostic.with_note(note);
            caller = callee;
        }
        self.report(diagnostic);
    }
}

/// The number of the statement that gives each global its value.
fn given(entry: &Function, globals: usize) -> Vec<usize> {
    let mut given = vec![usize::MAX; globals];
    for (number, stmt) in entry.body.stmts.iter().enumerate() {
        if let StmtKind::Assign(Place { root, path, .. }, _) = &stmt.kind
            && let Root::Global(global) = root
            && path.is_empty()
        {
            let given = &mut given[global.0 as usize];
            *given = (*given).min(number);
        }
    }
    given
}

/// For each function, by walking from the readers of each global to their callers, the last global first.
fn latest(functions: &[Uses], given: &[usize]) -> Vec<Option<Latest>> {
    let mut readers: HashMap<GlobalId, Vec<usize>> = HashMap::new();
    let mut callers: Vec<Vec<usize>> = functions.iter().map(|_| Vec::new()).collect();
    for (number, uses) in functions.iter().enumerate() {
        for &global in &uses.reads {
            readers.entry(global).or_default().push(number);
        }
        for (callee, _) in &uses.calls {
            callers[callee.0 as usize].push(number);
        }
    }
    let mut globals: Vec<GlobalId> = readers.keys().copied().collect();
    globals.sort_by_key(|global| (std::cmp::Reverse(given[global.0 as usize]), global.0));
    let mut latest: Vec<Option<Latest>> = functions.iter().map(|_| None).collect();
    for global in globals {
        let mut open: Vec<(usize, Option<FuncId>)> = Vec::new();
        open.extend(readers[&global].iter().map(|&reader| (reader, None)));
        let mut next = 0;
        while let Some(&(function, through)) = open.get(next) {
            next += 1;
            if latest[function].is_some() {
                continue;
            }
            latest[function] = Some(Latest { global, through });
            let id = FuncId(u32::try_from(function).expect("fewer than 2^32 functions"));
            open.extend(callers[function].iter().map(|&caller| (caller, Some(id))));
        }
    }
    latest
}

/// The globals that functions used as values may read, each with the first statement of the top level from which on that may happen.
fn early_values(functions: &[Uses], top: &[Uses]) -> Vec<(GlobalId, usize)> {
    let mut is_called = vec![false; functions.len()];
    let mut is_value = vec![false; functions.len()];
    let mut found = Vec::new();
    for (number, uses) in top.iter().enumerate() {
        let mut called: Vec<FuncId> = uses.calls.iter().map(|&(callee, _)| callee).collect();
        let mut values = uses.values.clone();
        while let Some(function) = called.pop() {
            let index = function.0 as usize;
            if !std::mem::replace(&mut is_called[index], true) {
                called.extend(functions[index].calls.iter().map(|&(callee, _)| callee));
                values.extend(&functions[index].values);
            }
        }
        while let Some(function) = values.pop() {
            let index = function.0 as usize;
            if !std::mem::replace(&mut is_value[index], true) {
                let uses = &functions[index];
                values.extend(uses.calls.iter().map(|&(callee, _)| callee));
                values.extend(&uses.values);
                found.extend(uses.reads.iter().map(|&global| (global, number)));
            }
        }
    }
    found
}
