//! Which code was inlined from which function, by an object's debug information.

use std::borrow::Cow;

use gimli::{AttributeValue, Dwarf, EndianSlice, LittleEndian, Reader, Unit};

/// Code that was inlined.
pub struct Inlined {
    pub start: u64,
    pub end: u64,
    /// Inlined into inlined code is deeper.
    depth: isize,
    pub call: InlinedCall,
}

/// A call whose callee was put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedCall {
    /// The name of the callee.
    pub function: String,
    /// Where the call stands; line 0 where the compiler made it up.
    pub file: String,
    pub line: u32,
}

/// All inlined code of an object, deeper code later; `section` gives a section's bytes.
pub fn read<'d>(section: impl Fn(&str) -> Cow<'d, [u8]>) -> Option<Vec<Inlined>> {
    let sections: gimli::DwarfSections<Cow<'d, [u8]>> =
        gimli::DwarfSections::load(|id| Ok::<_, gimli::Error>(section(id.name()))).ok()?;
    let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian));
    let mut found = Vec::new();
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        let unit = dwarf.unit(header).ok()?;
        unit_code(&dwarf, &unit, &mut found)?;
    }
    found.sort_by_key(|code| code.depth);
    Some(found)
}

fn unit_code<R: Reader>(dwarf: &Dwarf<R>, unit: &Unit<R>, found: &mut Vec<Inlined>) -> Option<()> {
    let mut entries = unit.entries();
    while let Ok(Some(entry)) = entries.next_dfs() {
        if entry.tag() != gimli::DW_TAG_inlined_subroutine {
            continue;
        }
        let Some(AttributeValue::UnitRef(origin)) = entry.attr_value(gimli::DW_AT_abstract_origin)
        else {
            continue;
        };
        let name = unit.entry(origin).ok()?.attr_value(gimli::DW_AT_name)?;
        let name = dwarf.attr_string(unit, name).ok()?;
        let call = InlinedCall {
            function: name.to_string_lossy().ok()?.into_owned(),
            file: call_file(dwarf, unit, entry).unwrap_or_default(),
            line: entry
                .attr_value(gimli::DW_AT_call_line)
                .and_then(|line| line.udata_value())
                .map_or(0, |line| line as u32),
        };
        let mut ranges = dwarf.die_ranges(unit, entry).ok()?;
        while let Ok(Some(range)) = ranges.next() {
            found.push(Inlined {
                start: range.begin,
                end: range.end,
                depth: entry.depth(),
                call: call.clone(),
            });
        }
    }
    Some(())
}

fn call_file<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    entry: &gimli::DebuggingInformationEntry<R>,
) -> Option<String> {
    let AttributeValue::FileIndex(index) = entry.attr_value(gimli::DW_AT_call_file)? else {
        return None;
    };
    let file = unit.line_program.as_ref()?.header().file(index)?;
    let name = dwarf.attr_string(unit, file.path_name()).ok()?;
    Some(name.to_string_lossy().ok()?.into_owned())
}
