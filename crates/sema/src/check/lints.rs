//! Warnings about what is never used.

use echo_syntax::{Diagnostic, Span};

use super::bodies::Role;
use super::{Checker, code};

/// Whether a warning says that something is never used.
pub(super) fn is_about_use(code: &str) -> bool {
    matches!(
        code,
        code::UNUSED_VARIABLE | code::UNUSED_FUNCTION | code::UNUSED_IMPORT
    )
}

impl Checker<'_> {
    /// Variables of the function just checked that nothing reads. Those of the top level are looked at when all functions are known.
    pub(super) fn warn_unused_locals(&mut self) {
        let unused: Vec<(String, Span)> = self
            .body
            .locals
            .iter()
            .zip(&self.body.facts)
            .filter(|(_, facts)| facts.role == Role::Variable && facts.reads == 0)
            .map(|(local, _)| (local.name.clone(), local.span))
            .collect();
        for (name, span) in unused {
            self.warn_unused_variable(&name, span);
        }
    }

    pub(super) fn warn_unused_variable(&mut self, name: &str, span: Span) {
        if name.starts_with('_') {
            return;
        }
        let message = format!("the variable `{name}` is never read");
        self.report(
            Diagnostic::warning(code::UNUSED_VARIABLE, message, span)
                .with_help(format!("name it `_{name}` if that is meant")),
        );
    }

    /// Functions and imports of the checked file that nothing uses.
    pub(super) fn warn_unused_declarations(&mut self) {
        let unused = self.functions.iter().filter(|function| {
            let name = function.ast.name.as_str();
            !function.used && !function.is_method() && name != "main" && !name.starts_with('_')
        });
        let mut found: Vec<Diagnostic> = unused
            .map(|function| {
                let name = &function.ast.name;
                let message = format!("the function `{}` is never used", name.name);
                Diagnostic::warning(code::UNUSED_FUNCTION, message, name.span)
            })
            .collect();
        let imports = self.imports.iter().filter(|import| !import.used);
        found.extend(imports.map(|import| {
            let message = format!("the import `{}` is never used", import.name.name);
            Diagnostic::warning(code::UNUSED_IMPORT, message, import.name.span)
        }));
        for warning in found {
            self.report(warning);
        }
    }

    /// Code behind what never ends normally.
    pub(super) fn warn_unreachable(&mut self, span: Span) {
        self.report(Diagnostic::warning(
            code::UNREACHABLE_CODE,
            "this is never reached",
            span,
        ));
    }
}
