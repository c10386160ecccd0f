//! Loads an object into the process: what a linker and the system's loader do for an executable. A start from the cache needs no libLLVM, whose
//! loading takes longer than all else.
//!
//! All sections that have memory at run time lie in one mapping: code, then constants, then variables, each on pages of their own. Code reaches what
//! the process defines directly where that is within 2 GiB, and the mapping is placed so that the runtime is; otherwise through a *stub*, which jumps
//! through a *slot*, a word that holds the address.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ptr::{self, NonNull};

use object::elf::{
    R_X86_64_32, R_X86_64_32S, R_X86_64_64, R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_NONE,
    R_X86_64_PC32, R_X86_64_PC64, R_X86_64_PLT32, R_X86_64_REX_GOTPCRELX, RelocationType,
    SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE,
};
use object::read::elf::ElfFile64;
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags,
    SectionIndex, SectionKind, SymbolIndex, SymbolSection,
};

/// Why an object could not be loaded: a fault of the compiler, unless there is no memory.
#[derive(Debug)]
pub enum Error {
    /// It is no object, or needs something that is not done here.
    Object(String),
    /// It refers to what nobody defines.
    Undefined(String),
    Memory(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Object(why) => write!(f, "the program's object cannot be loaded: {why}"),
            Error::Undefined(name) => {
                write!(f, "the program refers to `{name}`, which nobody defines")
            }
            Error::Memory(error) => write!(f, "there is no memory for the program: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<object::Error> for Error {
    fn from(error: object::Error) -> Error {
        Error::Object(error.to_string())
    }
}

/// An object loaded into the process. It is never unloaded: coroutines may run its code until the process ends.
pub struct Loaded {
    globals: HashMap<String, usize>,
}

impl Loaded {
    /// Loads an object whose undefined symbols are among `symbols`.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn new(
        object: &[u8],
        symbols: impl Iterator<Item = (&'static str, usize)>,
    ) -> Result<Loaded, Error> {
        let file = ElfFile64::parse(object)?;
        let symbols: HashMap<&str, usize> = symbols.collect();
        let layout = Layout::new(&file)?;
        let near = symbols.values().copied().find(|address| is_own(*address));
        let memory = Memory::map(layout.bytes, near.unwrap_or(0))?;
        let image = Image {
            file: &file,
            layout: &layout,
            memory: &memory,
            symbols: &symbols,
        };
        image.fill()?;
        memory.protect(&layout)?;
        if let Some(frames) = layout.frames {
            unsafe extern "C" {
                fn __register_frame(frames: *const u8);
            }
            // SAFETY: unwind information, relocated, with the terminating word that the layout leaves room for. It is never unmapped.
            unsafe { __register_frame(memory.at(frames).as_ptr()) };
        }
        let globals = file
            .symbols()
            .filter(|symbol| symbol.is_global() && symbol.is_definition());
        let globals = globals
            .map(|symbol| Ok((symbol.name()?.to_string(), image.address(symbol.index())?)))
            .collect::<Result<_, Error>>()?;
        Ok(Loaded { globals })
    }

    /// The address of a global symbol of the object.
    ///
    /// # Errors
    /// [`Error::Undefined`] when there is none.
    pub fn lookup(&self, name: &str) -> Result<*mut u8, Error> {
        match self.globals.get(name) {
            Some(&address) => Ok(ptr::with_exposed_provenance_mut(address)),
            None => Err(Error::Undefined(name.to_string())),
        }
    }
}

/// Whether the address is in the executable itself, as this function is: within 64 MiB of it.
fn is_own(address: usize) -> bool {
    address.abs_diff(is_own as *const () as usize) < 64 << 20
}

/// What the pages of a section may be used for, in the order of the mapping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Code,
    Constants,
    Variables,
}

const USES: [Use; 3] = [Use::Code, Use::Constants, Use::Variables];
const PAGE_BYTES: usize = 4096;
const SLOT_BYTES: usize = 8;
/// `jmp *slot(%rip)` is six bytes.
const STUB_BYTES: usize = 8;

/// Where everything goes; offsets from the start of the mapping.
struct Layout {
    sections: HashMap<SectionIndex, usize>,
    slots: HashMap<SymbolIndex, usize>,
    stubs: HashMap<SymbolIndex, usize>,
    /// The unwind information.
    frames: Option<usize>,
    /// Where the pages for each use start, and where the last ones end.
    pages: [usize; 4],
    bytes: usize,
}

impl Layout {
    fn new(file: &ElfFile64<'_>) -> Result<Layout, Error> {
        let mut layout = Layout {
            sections: HashMap::new(),
            slots: HashMap::new(),
            stubs: HashMap::new(),
            frames: None,
            pages: [0; 4],
            bytes: 0,
        };
        let (slots, stubs) = indirect(file)?;
        for (number, wanted) in USES.into_iter().enumerate() {
            layout.pages[number] = layout.bytes;
            for section in file.sections() {
                if use_of(&section) == Some(wanted) {
                    layout.section(&section);
                }
            }
            let (symbols, places, size) = match wanted {
                Use::Code => (&stubs, &mut layout.stubs, STUB_BYTES),
                Use::Constants => (&slots, &mut layout.slots, SLOT_BYTES),
                Use::Variables => continue,
            };
            for &symbol in symbols {
                layout.bytes = layout.bytes.next_multiple_of(size);
                places.insert(symbol, layout.bytes);
                layout.bytes += size;
            }
            layout.bytes = layout.bytes.next_multiple_of(PAGE_BYTES);
        }
        layout.bytes = layout.bytes.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
        layout.pages[3] = layout.bytes;
        Ok(layout)
    }

    fn section<'d>(&mut self, section: &impl ObjectSection<'d>) {
        let start = self.bytes.next_multiple_of(section.align().max(1) as usize);
        self.sections.insert(section.index(), start);
        self.bytes = start + section.size() as usize;
        if section.name() == Ok(".eh_frame") {
            self.frames = Some(start);
            // A length of zero ends it.
            self.bytes += size_of::<u32>();
        }
    }
}

/// The use of a section; none for what has no memory.
fn use_of<'d>(section: &impl ObjectSection<'d>) -> Option<Use> {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        return None;
    };
    let has = |flag: object::elf::SectionFlags| sh_flags.0 & flag.0 != 0;
    let is_relocated_once = || {
        section
            .name()
            .is_ok_and(|name| name.starts_with(".data.rel.ro"))
    };
    match () {
        () if !has(SHF_ALLOC) => None,
        () if has(SHF_EXECINSTR) => Some(Use::Code),
        () if has(SHF_WRITE) && !is_relocated_once() => Some(Use::Variables),
        () => Some(Use::Constants),
    }
}

/// The symbols that need a slot, and those that need a stub.
fn indirect(file: &ElfFile64<'_>) -> Result<(Vec<SymbolIndex>, Vec<SymbolIndex>), Error> {
    let (mut slots, mut stubs) = (Vec::new(), Vec::new());
    for section in file.sections().filter(|section| use_of(section).is_some()) {
        for (_, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                continue;
            };
            let kind = kind(relocation.flags());
            if is_slot(kind) {
                slots.push(symbol);
            } else if kind == R_X86_64_PLT32 && file.symbol_by_index(symbol)?.is_undefined() {
                slots.push(symbol);
                stubs.push(symbol);
            }
        }
    }
    for symbols in [&mut slots, &mut stubs] {
        symbols.sort_unstable_by_key(|symbol| symbol.0);
        symbols.dedup();
    }
    Ok((slots, stubs))
}

fn kind(flags: RelocationFlags) -> RelocationType {
    match flags {
        RelocationFlags::Elf { r_type } => r_type,
        _ => R_X86_64_NONE,
    }
}

fn is_slot(kind: RelocationType) -> bool {
    matches!(
        kind,
        R_X86_64_GOTPCREL | R_X86_64_GOTPCRELX | R_X86_64_REX_GOTPCRELX
    )
}

/// An object on its way into memory.
struct Image<'a> {
    file: &'a ElfFile64<'a>,
    layout: &'a Layout,
    memory: &'a Memory,
    symbols: &'a HashMap<&'a str, usize>,
}

impl Image<'_> {
    /// Copies the sections, writes slots and stubs, relocates.
    fn fill(&self) -> Result<(), Error> {
        for section in self.file.sections() {
            if let Some(&start) = self.layout.sections.get(&section.index())
                && section.kind() != SectionKind::UninitializedData
            {
                self.memory.write(start, section.data()?);
            }
        }
        for (&symbol, &slot) in &self.layout.slots {
            self.memory
                .write(slot, &self.address(symbol)?.to_le_bytes());
        }
        for (symbol, &stub) in &self.layout.stubs {
            const JUMP: [u8; 2] = [0xff, 0x25];
            let distance = self.layout.slots[symbol] - (stub + 6);
            self.memory.write(stub, &JUMP);
            self.memory
                .write(stub + 2, &(distance as u32).to_le_bytes());
        }
        for section in self.file.sections() {
            if let Some(&start) = self.layout.sections.get(&section.index()) {
                for (offset, relocation) in section.relocations() {
                    self.relocate(start + offset as usize, &relocation)?;
                }
            }
        }
        Ok(())
    }

    fn relocate(&self, place: usize, relocation: &object::Relocation) -> Result<(), Error> {
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            return Err(Error::Object("a relocation without a symbol".to_string()));
        };
        let kind = kind(relocation.flags());
        let here = self.memory.address(place);
        let target = match kind {
            _ if is_slot(kind) => self.memory.address(self.layout.slots[&symbol]),
            _ => self.address(symbol)?,
        };
        let address = (target as i64).wrapping_add(relocation.addend());
        let distance = address.wrapping_sub(here as i64);
        match kind {
            R_X86_64_64 => self.memory.write(place, &address.to_le_bytes()),
            R_X86_64_PC64 => self.memory.write(place, &distance.to_le_bytes()),
            R_X86_64_PC32 | R_X86_64_PLT32 if i32::try_from(distance).is_ok() => {
                self.memory.write(place, &(distance as i32).to_le_bytes());
            }
            R_X86_64_PLT32 if self.layout.stubs.contains_key(&symbol) => {
                let stub = self.memory.address(self.layout.stubs[&symbol]);
                let distance = (stub as i64 + relocation.addend()).wrapping_sub(here as i64);
                self.memory.write(place, &(distance as i32).to_le_bytes());
            }
            _ if is_slot(kind) => self.memory.write(place, &(distance as i32).to_le_bytes()),
            R_X86_64_32 | R_X86_64_32S | R_X86_64_PC32 => {
                return Err(Error::Object("something is out of reach".to_string()));
            }
            other => return Err(Error::Object(format!("a relocation of kind {other:?}"))),
        }
        Ok(())
    }

    fn address(&self, symbol: SymbolIndex) -> Result<usize, Error> {
        let symbol = self.file.symbol_by_index(symbol)?;
        match symbol.section() {
            SymbolSection::Section(section) => match self.layout.sections.get(&section) {
                Some(&start) => Ok(self.memory.address(start + symbol.address() as usize)),
                None => Err(Error::Object(
                    "a symbol in a section without memory".to_string(),
                )),
            },
            SymbolSection::Absolute => Ok(symbol.address() as usize),
            _ => {
                let name = symbol.name()?;
                let found = self.symbols.get(name).copied();
                found.ok_or_else(|| Error::Undefined(name.to_string()))
            }
        }
    }
}

/// Pages of memory; never unmapped once they are protected.
struct Memory {
    start: NonNull<u8>,
    bytes: usize,
}

impl Memory {
    /// Fresh pages, all zero and writable, below an address if there is room.
    fn map(bytes: usize, near: usize) -> Result<Memory, Error> {
        /// Clear of the executable that the address is in, and well within 2 GiB.
        const BELOW_BYTES: usize = 256 << 20;
        let wish = near.saturating_sub(BELOW_BYTES) / PAGE_BYTES * PAGE_BYTES;
        // SAFETY: the address is only a wish, so nothing that is mapped is replaced.
        let start = unsafe {
            libc::mmap(
                ptr::without_provenance_mut(wish),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => {
                start.as_ptr().expose_provenance();
                Ok(Memory { start, bytes })
            }
            _ => Err(Error::Memory(io::Error::last_os_error())),
        }
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.bytes, "the layout is within its memory");
        // SAFETY: within the mapping.
        unsafe { self.start.add(offset) }
    }

    fn address(&self, offset: usize) -> usize {
        self.start.addr().get() + offset
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset + bytes.len() <= self.bytes,
            "the layout is within its memory"
        );
        // SAFETY: within the mapping, which is writable as long as objects are written to it, and nobody else's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset).as_ptr(), bytes.len()) };
    }

    /// From now on code can be run and constants cannot be changed.
    fn protect(&self, layout: &Layout) -> Result<(), Error> {
        let rights = [libc::PROT_READ | libc::PROT_EXEC, libc::PROT_READ];
        for (pages, rights) in layout.pages.windows(2).zip(rights) {
            let [start, end] = [pages[0], pages[1]];
            if start == end {
                continue;
            }
            // SAFETY: whole pages of the mapping, to which nothing is written any more.
            let failed =
                unsafe { libc::mprotect(self.at(start).as_ptr().cast(), end - start, rights) };
            if failed != 0 {
                return Err(Error::Memory(io::Error::last_os_error()));
            }
        }
        Ok(())
    }
}
