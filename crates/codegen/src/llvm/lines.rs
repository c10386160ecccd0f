//! From the line program of an object to rows of code addresses.

use super::inlined::{self, InlinedCall};
use gimli::{EndianSlice, LittleEndian};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};

/// From `offset` in the object's code on (up to the next row), instructions belong to that line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeLine {
    /// Bytes from the start of `.text`.
    pub offset: u32,
    pub file: String,
    /// From 1; 0 where the compiler made the code up.
    pub line: u32,
    /// The symbol of the function the code is in.
    pub function: String,
    /// The calls it was inlined by, innermost last.
    pub inlined: Vec<InlinedCall>,
}

/// What the tables of an object say about its `.text` section.
#[derive(Clone, Debug, Default)]
pub struct ObjectCode {
    /// Sorted by offset. Empty where there is no line program.
    pub lines: Vec<CodeLine>,
    /// Bytes of code.
    pub size: u64,
    /// Functions by offset.
    functions: Vec<(u64, String)>,
}

impl ObjectCode {
    /// The offset of a function.
    pub fn offset_of(&self, function: &str) -> Option<u64> {
        let found = self.functions.iter().find(|(_, name)| name == function);
        found.map(|(offset, _)| *offset)
    }
}

/// The code of an object as the compiler makes it: with one `.text` section.
pub fn object_code(bytes: &[u8]) -> Option<ObjectCode> {
    let file = object::File::parse(bytes).ok()?;
    let text = file.section_by_name(".text")?;
    let mut functions: Vec<(u64, String)> = file
        .symbols()
        .filter(|symbol| {
            symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(text.index())
        })
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_string())))
        .collect();
    functions.sort();
    let lines = code_lines(&file, &functions).unwrap_or_default();
    Some(ObjectCode {
        lines,
        size: text.size(),
        functions,
    })
}

fn code_lines(file: &object::File<'_>, functions: &[(u64, String)]) -> Option<Vec<CodeLine>> {
    let data = relocated(file, ".debug_line")?;
    let program = gimli::DebugLine::from(EndianSlice::new(&data, LittleEndian))
        .program(gimli::DebugLineOffset(0), 8, None, None)
        .ok()?;
    let mut rows = program.rows();
    let mut lines = Vec::new();
    while let Ok(Some((header, row))) = rows.next_row() {
        if row.end_sequence() {
            continue;
        }
        let address = row.address();
        let place = functions.partition_point(|(start, _)| *start <= address);
        let Some((_, function)) = place.checked_sub(1).map(|at| &functions[at]) else {
            continue;
        };
        // DWARF 4, which the compiler asks for, keeps the names in the line program itself.
        let file = row.file(header).map(|file| match file.path_name() {
            gimli::AttributeValue::String(name) => name.to_string_lossy().into_owned(),
            _ => String::new(),
        });
        lines.push(CodeLine {
            offset: u32::try_from(address).ok()?,
            file: file.unwrap_or_default(),
            line: row.line().map_or(0, |line| line.get() as u32),
            function: function.clone(),
            inlined: Vec::new(),
        });
    }
    lines.sort_by_key(|line| line.offset);
    // Of rows at one offset the last holds.
    lines.dedup_by(|next, previous| {
        let same = next.offset == previous.offset;
        if same {
            std::mem::swap(next, previous);
        }
        same
    });
    let section = |name: &str| relocated(file, name).unwrap_or_default().into();
    for code in inlined::read(section).unwrap_or_default() {
        let row = |at: u64| lines.partition_point(|line: &CodeLine| u64::from(line.offset) < at);
        let rows = row(code.start)..row(code.end);
        for line in &mut lines[rows] {
            line.inlined.push(code.call.clone());
        }
    }
    Some(lines)
}

/// A section's bytes with its relocations against sections applied, so that `.text` starts at 0.
fn relocated(file: &object::File<'_>, name: &str) -> Option<Vec<u8>> {
    let section = file.section_by_name(name)?;
    let mut data = section.uncompressed_data().ok()?.into_owned();
    for (offset, relocation) in section.relocations() {
        let base = match relocation.target() {
            RelocationTarget::Symbol(index) => file.symbol_by_index(index).ok()?.address(),
            _ => 0,
        };
        let value = base.wrapping_add_signed(relocation.addend());
        let at = usize::try_from(offset).ok()?;
        match relocation.size() {
            64 => data
                .get_mut(at..at + 8)?
                .copy_from_slice(&value.to_le_bytes()),
            32 => data
                .get_mut(at..at + 4)?
                .copy_from_slice(&(value as u32).to_le_bytes()),
            _ => {}
        }
    }
    Some(data)
}
