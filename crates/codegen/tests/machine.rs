//! The examples and language tests, as far as machine code: counted soundly, valid for LLVM, and in need of nothing but the runtime.

use std::fs;
use std::path::{Path, PathBuf};

use echo_abi::symbols;
use echo_codegen::compile::{JitImage, Purpose, Unit};
use echo_codegen::llvm::{Llvm, Output, object_code};
use echo_codegen::{lower, ownership};
use echo_syntax::SourceMap;
use object::{Object, ObjectSection, ObjectSymbol};

/// What objects may refer to beside the table of runtime symbols. The last ones are leaves that need no stack: LLVM makes loops and large copies
/// into calls of them.
const ALSO_ALLOWED: &[&str] = &[
    "echo_empty",
    "echo_start",
    "echo_line_table",
    "echo_unwind_resume",
    echo_abi::layout::TLS_OFFSET_SYMBOL,
    "__morestack",
    "__gcc_personality_v0",
    "_GLOBAL_OFFSET_TABLE_",
    "memcpy",
    "memmove",
    "memset",
];

#[test]
fn without_optimisation() {
    for path in programs() {
        check(&path, 0);
    }
}

#[test]
fn optimised() {
    for path in programs() {
        check(&path, 2);
    }
}

#[track_caller]
fn check(path: &Path, level: u8) {
    let name = path.display();
    let text = fs::read_to_string(path).expect("the program is readable");
    let mut sources = SourceMap::new();
    let file = sources.add(name.to_string(), text.as_str());
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let mut program = checked
        .program
        .unwrap_or_else(|| panic!("{name} does not check: {:#?}", checked.diagnostics));
    let mut module = lower::lower(&mut program);
    ownership::insert(&program, &mut module);
    let unit = Unit::from_ir(&program, &sources, module);
    let llvm = Llvm::load().expect("an LLVM");
    let text = unit.llvm_text(Purpose::Executable);
    let object = llvm
        .compile(&text, level, Output::Object)
        .unwrap_or_else(|error| panic!("{name}: {error}\n{}", unit.ir_text()));
    check_object(&name.to_string(), &object);
}

fn check_object(name: &str, bytes: &[u8]) {
    let object = object::File::parse(bytes).expect("an object");
    for symbol in object.symbols().filter(ObjectSymbol::is_undefined) {
        let symbol = symbol.name().expect("a name");
        assert!(
            symbol.is_empty() || symbols::find(symbol).is_some() || ALSO_ALLOWED.contains(&symbol),
            "{name} needs `{symbol}`"
        );
    }
    let code = object
        .sections()
        .filter(|section| section.kind() == object::SectionKind::Text && section.size() > 0);
    assert_eq!(code.count(), 1, "{name}: sections of code");
    let code = object_code(bytes).expect("code");
    assert!(!code.lines.is_empty(), "{name} has no lines");
}

#[test]
fn inlined_code_keeps_its_function() {
    let text = "func inner(xs: [int], i: int) -> int {
    return xs[i]
}
func outer(i: int) -> int {
    return inner([1, 2], i)
}
print outer(len(\"ab\"))
";
    let mut sources = SourceMap::new();
    let file = sources.add("test.eo", text);
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let mut program = checked.program.expect("a program");
    let mut module = lower::lower(&mut program);
    ownership::insert(&program, &mut module);
    let unit = Unit::from_ir(&program, &sources, module);
    let llvm = Llvm::load().expect("an LLVM");
    let object = unit.output(&llvm, 2, Output::Object).expect("an object");
    let code = object_code(&object).expect("code");
    let rows = code.lines.iter().filter(|row| row.line == 2);
    let mut found = 0;
    for row in rows {
        let calls = row.inlined.iter();
        let calls: Vec<_> = calls.map(|call| (&*call.function, call.line)).collect();
        assert_eq!(row.function, "eo.$main");
        assert_eq!(calls, [("outer", 7), ("inner", 5)]);
        found += 1;
    }
    assert!(found > 0);
}

#[test]
fn an_image_survives_the_cache() {
    let path = &programs()[0];
    let text = fs::read_to_string(path).expect("the program is readable");
    let mut sources = SourceMap::new();
    let file = sources.add("test.eo", text.as_str());
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let mut program = checked.program.expect("a program");
    let mut module = lower::lower(&mut program);
    ownership::insert(&program, &mut module);
    let unit = Unit::from_ir(&program, &sources, module);
    let llvm = Llvm::load().expect("an LLVM");
    let image = unit.object_for_jit(&llvm, 2).expect("an image");
    let bytes = image.to_bytes();
    assert_eq!(JitImage::from_bytes(&bytes), Some(image));
    assert_eq!(JitImage::from_bytes(&bytes[..16]), None);
    let [program, lines] = unit.objects_for_link(&llvm, 2).expect("objects");
    assert!(object::File::parse(program.as_slice()).is_ok());
    let lines = object::File::parse(lines.as_slice()).expect("an object");
    assert!(
        lines
            .symbols()
            .any(|symbol| symbol.name() == Ok("echo_line_table"))
    );
}

fn programs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the workspace");
    let mut open = vec![root.join("examples"), root.join("tests/run")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "eo") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "programs are found");
    found
}
