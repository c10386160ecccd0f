//! Metadata: line tables, from which the side table of positions is made; which kinds of memory are never the same.

use std::collections::HashMap;
use std::fmt::Write as _;

use echo_syntax::span::{FileId, Span};

use super::{Emitter, text};

/// Metadata nodes so far. Numbers below [`FIRST`] are fixed nodes.
#[derive(Default)]
pub struct Debug {
    nodes: String,
    count: usize,
    files: HashMap<FileId, usize>,
    locations: HashMap<(u32, u32, usize), usize>,
}

/// Marks a load or store of a block's count.
pub const COUNT: &str = ", !tbaa !8";
/// Of a length in a block's header.
pub const LENGTH: &str = ", !tbaa !9";
/// Of what a block holds, or a reference refers to. (Variables are not marked: a reference may refer to one.)
pub const CONTENTS: &str = ", !tbaa !10";
/// Marks a load of what never changes while a function runs.
pub const INVARIANT: &str = ", !invariant.load !11";
/// Marks a branch that mostly goes to its first label.
pub const LIKELY: &str = ", !prof !{!\"branch_weights\", i32 1000, i32 1}";

/// Flags, unit, the shared subroutine type and the kinds of memory come first.
const FIRST: usize = 12;
const UNIT: usize = 2;
const ROUTINE_TYPE: usize = 3;

impl Debug {
    fn node(&mut self, body: &str) -> usize {
        let number = FIRST + self.count;
        self.count += 1;
        writeln!(self.nodes, "!{number} = {body}").expect("writing to a string cannot fail");
        number
    }
}

impl Emitter<'_> {
    /// The number of the function's DISubprogram.
    pub fn subprogram(&mut self, name: &str, linkage: &str, span: Span) -> usize {
        let file = self.debug_file(span.file);
        let (line, _) = self.line_column(span);
        self.debug.node(&format!(
            "distinct !DISubprogram(name: \"{}\", linkageName: \"{}\", scope: !{file}, file: !{file}, line: {line}, type: !{ROUTINE_TYPE}, scopeLine: {line}, spFlags: DISPFlagDefinition, unit: !{UNIT})",
            text::escape(name.as_bytes()),
            text::escape(linkage.as_bytes()),
        ))
    }

    /// The number of the DILocation of that position.
    pub fn location(&mut self, span: Span, subprogram: usize) -> usize {
        let (line, column) = self.line_column(span);
        let key = (line, column, subprogram);
        if let Some(&number) = self.debug.locations.get(&key) {
            return number;
        }
        let number = self.debug.node(&format!(
            "!DILocation(line: {line}, column: {column}, scope: !{subprogram})"
        ));
        self.debug.locations.insert(key, number);
        number
    }

    fn debug_file(&mut self, file: FileId) -> usize {
        if let Some(&number) = self.debug.files.get(&file) {
            return number;
        }
        let name = text::escape(self.sources.file(file).name().as_bytes());
        let number = self
            .debug
            .node(&format!("!DIFile(filename: \"{name}\", directory: \"\")"));
        self.debug.files.insert(file, number);
        number
    }

    /// All metadata; the last part of the module.
    pub fn debug_metadata(&mut self, main_file: FileId) -> String {
        let file = self.debug_file(main_file);
        format!(
            "
!llvm.dbg.cu = !{{!{UNIT}}}
!llvm.module.flags = !{{!0, !1}}
!0 = !{{i32 2, !\"Debug Info Version\", i32 3}}
!1 = !{{i32 7, !\"Dwarf Version\", i32 4}}
!{UNIT} = distinct !DICompileUnit(language: DW_LANG_C, file: !{file}, producer: \"eo\", isOptimized: true, runtimeVersion: 0, emissionKind: LineTablesOnly)
!{ROUTINE_TYPE} = !DISubroutineType(types: !{{}})
!4 = !{{!\"echo\"}}
!5 = !{{!\"count\", !4, i64 0}}
!6 = !{{!\"length\", !4, i64 0}}
!7 = !{{!\"contents\", !4, i64 0}}
!8 = !{{!5, !5, i64 0}}
!9 = !{{!6, !6, i64 0}}
!10 = !{{!7, !7, i64 0}}
!11 = !{{}}
{}",
            self.debug.nodes
        )
    }
}
