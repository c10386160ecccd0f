//! Names that were probably meant.

use std::sync::Arc;

use echo_syntax::ast::Ident;
use echo_syntax::{Diagnostic, Span};

use super::{Checker, code, foreign};
use crate::builtins;
use crate::types::{Ty, TyKind};

/// After so many errors nobody reads suggestions, and looking for them takes time.
const MAX_ERRORS_WITH_SUGGESTION: usize = 100;

/// The candidate most like `name`, if one is like it at all.
pub(super) fn closest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let length = name.chars().count();
    let limit = (length / 3).max(1).min(length.saturating_sub(1));
    let scored = candidates
        .into_iter()
        .filter(|candidate| *candidate != name && *candidate != "_")
        .filter_map(|candidate| Some((distance(name, candidate, limit)?, candidate)));
    scored.min().map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one of the other; `None` above the limit.
fn distance(left: &str, right: &str, limit: usize) -> Option<usize> {
    let left: Vec<char> = left.chars().flat_map(char::to_lowercase).collect();
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, &a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &b) in right.iter().enumerate() {
            let replaced = row[j] + usize::from(a != b);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|&distance| distance <= limit)
}

/// The standard module that has such a function.
fn module_with(name: &str) -> Option<&'static str> {
    let modules = builtins::modules().into_iter();
    modules
        .filter(|module| *module != "string")
        .find(|module| builtins::module_members(module).contains(&name))
}

fn starts_upper(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

impl Checker<'_> {
    /// Whether the name was reported in this function before; notes that it is now.
    pub(super) fn was_reported(&mut self, name: &Arc<str>) -> bool {
        !self.reported_names.insert((self.body.serial, name.clone()))
    }

    fn suggests(&self) -> bool {
        self.diagnostics.len() < MAX_ERRORS_WITH_SUGGESTION
    }

    fn did_you_mean<'c>(
        &self,
        name: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<String> {
        let found = closest(name, candidates).filter(|_| self.suggests())?;
        Some(format!("did you mean `{found}`?"))
    }

    /// A name that means nothing where a value may stand.
    pub(super) fn report_unknown_name(&mut self, name: &Ident) {
        if self.was_reported(&name.name) {
            return;
        }
        let what = match starts_upper(&name.name) {
            true => "type or variant",
            false => "variable or function",
        };
        let message = format!("there is no {what} `{}`", name.name);
        let mut diagnostic = Diagnostic::error(code::UNKNOWN_NAME, message, name.span);
        diagnostic.help = if builtins::modules().contains(&name.as_str()) {
            Some(format!("add `import {}`", name.name))
        } else if let Some(help) = foreign::name_help(&name.name) {
            Some(help.to_string())
        } else if let Some(module) = module_with(&name.name) {
            Some(format!(
                "write `{module}.{0}`, and `import {module}` above",
                name.name
            ))
        } else if self.suggests() {
            let visible = self.visible_names();
            let predeclared = ["Some", "None", "Ok", "Err", "print"];
            let names = visible.iter().map(|name| &**name);
            let names = names
                .chain(builtins::function_names())
                .chain(builtins::type_names(None))
                .chain(predeclared);
            // `nope` is not meant to be `None`, but `none` is.
            let alike = names.filter(|found| {
                starts_upper(found) == starts_upper(&name.name)
                    || found.eq_ignore_ascii_case(&name.name)
            });
            self.did_you_mean(&name.name, alike)
        } else {
            None
        };
        let key = (self.body.serial, name.name.clone());
        self.early_names
            .insert(key, (self.scope, self.diagnostics.len()));
        self.report(diagnostic);
    }

    /// A variable is declared: if its name was used before, where it would be visible, that is what was meant.
    pub(super) fn note_late_declaration(&mut self, name: &Ident) {
        let key = (self.body.serial, name.name.clone());
        let Some(&(scope, report)) = self.early_names.get(&key) else {
            return;
        };
        if self.is_inside(scope, self.scope) {
            self.early_names.remove(&key);
            let early = &mut self.diagnostics[report];
            early.message = format!("`{}` is used before it is declared", name.name);
            early.help = None;
            *early = early
                .clone()
                .with_label(name.span, "it is declared only here");
        }
    }

    /// A variable of the function around a nested one.
    pub(super) fn report_enclosing(&mut self, name: &Ident) {
        if self.was_reported(&name.name) {
            return;
        }
        let message = format!("`{}` is a variable of the enclosing function", name.name);
        self.report(
            Diagnostic::error(code::ENCLOSING_LOCAL, message, name.span)
                .with_note(
                    "a nested function sees the functions and types around it, not the variables",
                )
                .with_help("pass it as an argument"),
        );
    }

    pub(super) fn report_unknown_type(&mut self, name: &Ident) {
        if self.was_reported(&name.name) {
            return;
        }
        let message = format!("there is no type `{}`", name.name);
        let mut diagnostic = Diagnostic::error(code::UNKNOWN_TYPE, message, name.span);
        let elsewhere = builtins::modules()
            .into_iter()
            .find(|module| builtins::is_type(Some(module), &name.name));
        diagnostic.help = match elsewhere {
            Some(module) => Some(format!("write `{module}.{}`", name.name)),
            None if let Some(help) = foreign::type_help(&name.name) => Some(help.to_string()),
            None if self.suggests() => {
                let visible = self.visible_types();
                let names = visible.iter().map(|name| &**name);
                self.did_you_mean(&name.name, names.chain(builtins::type_names(None)))
            }
            None => None,
        };
        self.report(diagnostic);
    }

    fn visible_types(&self) -> Vec<Arc<str>> {
        let items = self.visible_scopes().flat_map(|(_, scope)| &scope.items);
        items
            .filter(|(_, item)| {
                matches!(
                    item,
                    super::scopes::Item::Type(_) | super::scopes::Item::Alias(_)
                )
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn report_unknown_member_of_module(&mut self, module: usize, member: &Ident) {
        let name = self.modules[module].name.unwrap_or("main");
        let message = format!("module `{name}` has no member `{}`", member.name);
        let scope = &self.scopes[self.modules[module].scope.index()];
        let declared: Vec<_> = scope.items.keys().cloned().collect();
        let names = declared.iter().map(|name| &**name);
        let help = self.did_you_mean(&member.name, names.chain(builtins::module_members(name)));
        let mut diagnostic = Diagnostic::error(code::UNKNOWN_MEMBER, message, member.span);
        diagnostic.help = help;
        self.report(diagnostic);
    }

    /// A field or method that values of the type do not have.
    pub(super) fn report_unknown_member(&mut self, ty: Ty, member: &Ident, what: &str) {
        if self.may_miss_methods && what == "method" {
            return;
        }
        let message = format!("`{}` has no {what} `{}`", self.show(ty), member.name);
        let mut diagnostic = Diagnostic::error(code::UNKNOWN_MEMBER, message, member.span);
        let names = self.member_names(ty);
        let names = names.iter().map(String::as_str);
        diagnostic.help = match foreign::member_help(&self.types, ty, &member.name) {
            Some(help) => Some(help.to_string()),
            None => self.did_you_mean(&member.name, names),
        };
        self.report(diagnostic);
    }

    fn member_names(&self, ty: Ty) -> Vec<String> {
        let mut names: Vec<String> = builtins::method_names(&self.types, ty)
            .into_iter()
            .map(str::to_string)
            .collect();
        let methods = self.methods.keys().filter(|(owner, _)| *owner == ty);
        names.extend(methods.map(|(_, name)| name.to_string()));
        match self.kind(ty) {
            TyKind::Struct(id) => {
                let fields = &self.structs[id.0 as usize].fields;
                names.extend(fields.iter().map(|field| field.name.clone()));
            }
            TyKind::Enum(id) => {
                let variants = &self.enums[id.0 as usize].variants;
                names.extend(variants.iter().map(|variant| variant.name.clone()));
            }
            _ => {}
        }
        names.sort();
        names
    }

    /// A variant that an enum does not have.
    pub(super) fn report_unknown_variant(&mut self, ty: Ty, name: &str, span: Span) {
        let message = format!("`{}` has no variant `{name}`", self.show(ty));
        let mut diagnostic = Diagnostic::error(code::UNKNOWN_MEMBER, message, span);
        let names = match self.kind(ty) {
            TyKind::Enum(id) => {
                let variants = &self.enums[id.0 as usize].variants;
                variants
                    .iter()
                    .map(|variant| variant.name.clone())
                    .collect()
            }
            TyKind::Option(_) => vec!["Some".to_string(), "None".to_string()],
            TyKind::Result(..) => vec!["Ok".to_string(), "Err".to_string()],
            _ => Vec::new(),
        };
        diagnostic.help = self.did_you_mean(name, names.iter().map(String::as_str));
        if diagnostic.help.is_none() && !names.is_empty() && names.len() <= 12 {
            diagnostic = diagnostic.with_note(format!("its variants are {}", names.join(", ")));
        }
        self.report(diagnostic);
    }
}
