//! The command as users meet it: what it prints, word for word, and its exit codes.

mod command;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use command::Eo;

#[test]
fn version_names_the_version() {
    let version = concat!("eo ", env!("CARGO_PKG_VERSION"), "\n");
    Eo::new().run(&["version"]).gives(0, version, "");
    Eo::new().run(&["--version"]).gives(0, version, "");
}

#[test]
fn verbose_version_names_llvm_and_linker() {
    let output = Eo::new().run(&["version", "--verbose"]);
    assert_eq!(output.code, 0);
    for line in ["\nlibLLVM: ", "\nlinker: ", "\nruntime: ", "\ncache: "] {
        assert!(output.stdout.contains(line), "{line} in {}", output.stdout);
    }
}

#[test]
fn help_shows_examples() {
    for arguments in [
        &["help"][..],
        &["--help"],
        &["run", "--help"],
        &["build", "--help"],
        &["check", "--help"],
        &["version", "--help"],
        &["help", "run"],
    ] {
        let output = Eo::new().run(arguments);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(output.stdout.contains("Usage: eo"), "{arguments:?}");
        assert!(output.stdout.contains("Examples:\n  eo "), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_code_2() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["run"],
        &["run", "--frobnicate", "x.eo"],
        &["run", "--workers", "0", "x.eo"],
        &["run", "--workers", "many", "x.eo"],
        &["run", "--max-stack", "1X", "x.eo"],
        &["run", "--max-stack", "1", "x.eo"],
        &["run", "x.eo", "--leaks"],
        &["run", "x.eo", "--", "Ada"],
        &["x.eo"],
        &["run", "-O4", "x.eo"],
        &["build", "--emit", "java", "x.eo"],
        &["build", "-g", "--strip", "x.eo"],
        &["check"],
    ] {
        let output = Eo::new().run(arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (2, ""),
            "{arguments:?}"
        );
        let advice = ["Usage: eo", "try '--help'"];
        assert!(
            advice.iter().any(|part| output.stderr.contains(part)),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn wrong_usage_is_told_with_advice() {
    for (arguments, advice) in [
        (&["pool.eo"][..], "did you mean `eo run pool.eo`?"),
        (&["run", "--max-stack", "1", "x.eo"], "the least is 64K"),
        (
            &["run", "x.eo", "--leaks"],
            "options of `eo run` stand before the file",
        ),
        (
            &["run", "x.eo", "--", "Ada"],
            "programs cannot read arguments yet, so nothing would come of 'Ada'",
        ),
    ] {
        let output = Eo::new().run(arguments);
        assert!(output.stderr.contains(advice), "{}", output.stderr);
    }
}

#[test]
fn wrong_environment() {
    let eo = Eo::new().file("hello.eo", "print 1\n");
    let eo = eo.variable("ECHO_WORKERS", Some("many"));
    eo.run(&["run", "hello.eo"]).gives(
        1,
        "",
        "error: ECHO_WORKERS: `many` is no number of workers (1 to 1024)\n",
    );
}

#[test]
fn missing_file() {
    for command in ["run", "build", "check"] {
        Eo::new().run(&[command, "nope.eo"]).gives(
            1,
            "",
            "error: cannot read `nope.eo`: there is no such file or directory\n\
             help: check the name, and the directory you are in\n",
        );
    }
}

#[test]
fn forgotten_ending() {
    let eo = Eo::new().file("hello.eo", "");
    eo.run(&["run", "hello"]).gives(
        1,
        "",
        "error: cannot read `hello`: there is no such file or directory\n\
         help: there is a file `hello.eo`\n",
    );
}

#[test]
fn directory() {
    let eo = Eo::new().file("app/main.eo", "").file("lib/x.eo", "");
    eo.run(&["run", "app"]).gives(
        1,
        "",
        "error: cannot read `app`: it is a directory\n\
         help: name a source file in it: `app/main.eo`\n",
    );
    eo.run(&["check", "lib"]).gives(
        1,
        "",
        "error: cannot read `lib`: it is a directory\nhelp: name a source file in it\n",
    );
}

#[test]
fn unreadable_file() {
    let eo = Eo::new().file("secret.eo", "");
    let path = eo.path("secret.eo");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("permissions are set");
    if fs::read(&path).is_ok() {
        return; // root reads everything
    }
    eo.run(&["run", "secret.eo"]).gives(
        1,
        "",
        "error: cannot read `secret.eo`: permission denied\n\
         help: you need the right to read it; `ls -l` shows who has it\n",
    );
}

#[test]
fn link_that_leads_to_itself() {
    let eo = Eo::new();
    symlink("loop.eo", eo.path("loop.eo")).expect("a link");
    let output = eo.run(&["run", "loop.eo"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.starts_with("error: cannot read `loop.eo`: "));
}

#[test]
fn endless_and_huge_files() {
    let eo = Eo::new();
    let file = fs::File::create(eo.path("huge.eo")).expect("a file");
    file.set_len(5 << 30).expect("a sparse file");
    for path in ["huge.eo", "/dev/zero"] {
        eo.run(&["check", path]).gives(
            1,
            "",
            &format!(
                "error: `{path}` is too large for a source file\n\
                 help: a source file has at most 64 MiB; is this the right file?\n"
            ),
        );
    }
}

#[test]
fn not_utf8() {
    let eo = Eo::new().file("latin1.eo", b"// caf\xE9\nprint 1\n");
    eo.run(&["run", "latin1.eo"]).gives(
        1,
        "",
        "\
error[E0001]: the file is not valid UTF-8: unexpected byte 0xE9
 --> latin1.eo:1:7
  |
1 | // caf?
  |       ^
  |
  = help: Echo source files are UTF-8 text; convert the file

1 error
",
    );
}

#[test]
fn random_bytes_are_no_reason_to_panic() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..20 {
        let length = next() % 5000;
        let bytes: Vec<u8> = (0..length)
            .map(|_| match round % 3 {
                0 => next() as u8,
                1 => b" -~\n\t{}()[]\"'abc019.,:;<=>"[next() as usize % 26],
                _ => b' ' + (next() % 95) as u8,
            })
            .collect();
        let eo = Eo::new().file("random.eo", &bytes);
        let output = eo.run(&["check", "random.eo"]);
        assert_eq!(output.code, 1, "{}", output.stderr);
        assert!(output.stderr.starts_with("error["), "{}", output.stderr);
    }
}

#[test]
fn one_very_long_line() {
    let eo = Eo::new().file("long.eo", "(".repeat(3) + &"a ".repeat(200_000));
    let output = eo.run(&["check", "long.eo"]);
    assert_eq!(output.code, 1);
    assert!(
        output.stderr.contains("--> long.eo:1:"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.len() < 100_000);
}

#[test]
fn syntax_error_with_its_line() {
    let eo = Eo::new().file("bad.eo", "func main() {\n    let x = (1 + \n}\n");
    for command in ["run", "build", "check"] {
        eo.run(&[command, "bad.eo"]).gives(
            1,
            "",
            "\
error[E0100]: expected an expression, found `}`
 --> bad.eo:3:1
  |
3 | }
  | ^

1 error
",
        );
    }
}

#[test]
fn errors_as_json() {
    let eo = Eo::new().file("bad.eo", "let x = \"ä\n");
    eo.run(&["check", "--json", "bad.eo"]).gives(
        1,
        concat!(
            r#"{"code":"E0004","severity":"error","message":"this string is never closed","#,
            r#""file":"bad.eo","line":1,"column":9,"end_line":1,"end_column":11,"#,
            r#""label":null,"labels":[],"notes":[],"#,
            r#""help":"strings end on the line they start; write `\\n` for a line end"}"#,
            "\n"
        ),
        "",
    );
    eo.run(&["check", "--json", "nope.eo"]).gives(
        1,
        concat!(
            r#"{"code":null,"severity":"error","message":"cannot read `nope.eo`: there is no such file or directory","#,
            r#""file":"nope.eo","line":null,"column":null,"end_line":null,"end_column":null,"#,
            r#""label":null,"labels":[],"notes":[],"#,
            r#""help":"check the name, and the directory you are in"}"#,
            "\n"
        ),
        "",
    );
}

#[test]
fn only_the_first_errors_are_shown() {
    let eo = Eo::new().file("bad.eo", "let = 1\n".repeat(70));
    let output = eo.run(&["check", "bad.eo"]);
    assert_eq!(output.code, 1);
    let errors = output.stderr.matches("error[").count();
    assert_eq!(errors, 50);
    assert!(
        output
            .stderr
            .ends_with("70 errors (the first 50 are shown)\n")
    );
}

#[test]
fn standard_input() {
    let eo = Eo::new().input("let x = 'ab'\n");
    let output = eo.run(&["check", "-"]);
    assert_eq!(output.code, 1);
    assert!(
        output.stderr.contains(" --> <stdin>:1:9\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn empty_file_is_a_program() {
    let eo = Eo::new()
        .file("empty.eo", "")
        .file("no_ending", "// nothing\n");
    eo.run(&["check", "empty.eo"]).gives(0, "", "");
    eo.run(&["check", "--json", "empty.eo"]).gives(0, "", "");
    eo.run(&["run", "empty.eo"]).gives(0, "", "");
    eo.run(&["run", "no_ending"]).gives(0, "", "");
    eo.run(&["build", "empty.eo"]).gives(0, "", "");
    eo.start("empty").gives(0, "", "");
}

#[test]
fn the_exit_code_is_the_programs() {
    let eo = Eo::new().file(
        "seven.eo",
        "func main() -> int {\n    print \"seven\"\n    return 7\n}\n",
    );
    eo.run(&["run", "seven.eo"]).gives(7, "seven\n", "");
    eo.run(&["build", "seven.eo", "-o", "out"]).gives(0, "", "");
    eo.start("out").gives(7, "seven\n", "");
}

/// Nor is it a leak: what was run in place is still in the deque then, as neither the newest nor the oldest.
#[test]
fn what_was_awaited_is_not_left_when_main_exits() {
    let eo = Eo::new().file(
        "main.eo",
        "func twice(n: int) -> int { return n * 2 }
let _first = spawn twice(1)
let second = spawn twice(2)
let _third = spawn twice(3)
let _fourth = spawn twice(4)
print await second
",
    );
    eo.run(&["build", "main.eo"]).gives(0, "", "");
    let output = eo.shell("ECHO_MAIN_EXIT=1 ECHO_STATS=1 ECHO_CHECK_LEAKS=1 ECHO_WORKERS=1 ./main");
    assert_eq!(
        (output.code, &*output.stdout),
        (0, "4\n"),
        "{}",
        output.stderr
    );
    let left = "  left blocked   3\n";
    assert!(output.stderr.contains(left), "{}", output.stderr);
}

#[test]
fn output_that_is_lost_is_a_failure() {
    let eo = Eo::new()
        .file("hello.eo", "print 1\n")
        .file("seven.eo", "print 1\nexit(7)\n")
        .file("zero.eo", "print 1\nexit(0)\n");
    eo.run(&["build", "hello.eo"]).gives(0, "", "");
    let eo_path = env!("CARGO_BIN_EXE_eo");
    for (command, code) in [
        (format!("{eo_path} run hello.eo"), 2),
        (format!("{eo_path} run zero.eo"), 2),
        (format!("{eo_path} run seven.eo"), 7),
        ("./hello".to_string(), 2),
    ] {
        let output = eo.shell(&format!("{command} >/dev/full"));
        let message = "error: cannot write to standard output: No space left on device";
        assert_eq!(output.code, code, "{command}: {}", output.stderr);
        assert!(output.stderr.starts_with(message), "{}", output.stderr);
    }
}

#[test]
fn stages_are_printed() {
    let eo = Eo::new().file("hello.eo", "print \"hello\"\n");
    for (stage, part) in [
        ("ast", "(print"),
        ("ir", "main func"),
        ("llvm", "; hello.eo:1: print \"hello\"\n"),
        ("llvm-opt", "target triple = \"x86_64"),
        ("asm", "\t.section"),
        ("obj", ".note.GNU-stack"),
    ] {
        let output = eo.run(&["build", "--emit", stage, "hello.eo"]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{stage}");
        assert!(output.stdout.contains(part), "{stage}: {}", output.stdout);
        let to_file = eo.run(&["build", "--emit", stage, "hello.eo", "-o", "out"]);
        to_file.gives(0, "", "");
        let written = fs::read(eo.path("out")).expect("the output");
        assert_eq!(String::from_utf8_lossy(&written), output.stdout, "{stage}");
    }
}

#[test]
fn output_that_cannot_be_written() {
    let eo = Eo::new().file("hello.eo", "print 1\n").file("taken/x", "");
    eo.run(&["build", "hello.eo", "-o", "none/hello"]).gives(
        1,
        "",
        "error: cannot write `none/hello`: there is no such file or directory\n\
         help: make the directory first, or name another file with -o\n",
    );
    eo.run(&["build", "hello.eo", "-o", "taken"]).gives(
        1,
        "",
        "error: cannot write `taken`: it is a directory\nhelp: name a file with -o\n",
    );
    eo.run(&["build", "hello.eo", "-o", "hello.eo/x"]).gives(
        1,
        "",
        "error: cannot write `hello.eo/x`: a part of its path is a file\n",
    );
}

#[test]
fn a_device_is_written_to_not_replaced() {
    let eo = Eo::new().file("hello.eo", "print 1\n");
    eo.run(&["build", "hello.eo", "-o", "/dev/null"])
        .gives(0, "", "");
    assert!(
        !fs::metadata("/dev/null")
            .expect("it is still there")
            .is_file()
    );
}

#[test]
fn standard_output_by_any_name() {
    let eo = Eo::new().file("hello.eo", "print 1\n");
    let build = concat!(env!("CARGO_BIN_EXE_eo"), " build hello.eo");
    for name in ["-", "/dev/stdout", "/proc/self/fd/1"] {
        eo.shell(&format!("{build} --emit ast -o {name} >out"))
            .gives(0, "", "");
        let written = fs::read_to_string(eo.path("out")).expect("the output");
        assert_eq!(written, "(print 1)\n", "{name}");
    }
    assert!(fs::symlink_metadata("/dev/stdout").is_ok_and(|name| name.is_symlink()));
    eo.shell(&format!("{build} -o - >out && chmod +x out && ./out"))
        .gives(0, "1\n", "");
}

#[test]
fn the_source_is_never_overwritten() {
    let eo = Eo::new()
        .file("hello.eo", "print 1\n")
        .file("hello", "print 2\n");
    eo.run(&["build", "hello.eo", "-o", "./hello.eo"]).gives(
        1,
        "",
        "error: `./hello.eo` is the source file\nhelp: name another file with -o\n",
    );
    eo.run(&["build", "hello"]).gives(
        1,
        "",
        "error: the executable has no name\nhelp: name it with -o\n",
    );
    assert_eq!(
        fs::read_to_string(eo.path("hello.eo")).expect("the source"),
        "print 1\n"
    );
}

#[test]
fn nothing_is_left_beside_the_output() {
    let eo = Eo::new()
        .file("src/hello.eo", "print 1\n")
        .file("src/bad.eo", "let = 1\n");
    eo.run(&["build", "src/hello.eo", "-o", "src/hello"])
        .gives(0, "", "");
    assert_eq!(eo.run(&["build", "src/bad.eo", "-o", "src/bad"]).code, 1);
    assert_eq!(eo.files("src"), ["bad.eo", "hello", "hello.eo"]);
    let mode = fs::metadata(eo.path("src/hello"))
        .expect("the executable")
        .permissions()
        .mode();
    assert_eq!(mode & 0o100, 0o100);
}

#[test]
fn a_copied_eo_builds_alone() {
    let eo = Eo::new().copied().file("hello.eo", "print \"alone\"\n");
    eo.run(&["build", "hello.eo"]).gives(0, "", "");
    eo.start("hello").gives(0, "alone\n", "");
    // Without any place for a cache, too.
    let eo = eo.variable("HOME", None).variable("XDG_CACHE_HOME", None);
    eo.run(&["build", "hello.eo", "-o", "again"])
        .gives(0, "", "");
    eo.start("again").gives(0, "alone\n", "");
    eo.run(&["run", "hello.eo"]).gives(0, "alone\n", "");
    // And with one that cannot be used.
    let eo = eo.variable("XDG_CACHE_HOME", Some("/dev/null"));
    eo.run(&["build", "hello.eo", "-o", "third"])
        .gives(0, "", "");
    eo.run(&["run", "hello.eo"]).gives(0, "alone\n", "");
}

#[test]
fn a_damaged_library_is_unpacked_anew() {
    let eo = Eo::new().file("hello.eo", "print 1\n");
    eo.run(&["build", "hello.eo"]).gives(0, "", "");
    for library in eo.files("cache/echo/runtime") {
        fs::write(eo.path("cache/echo/runtime").join(library), "damaged").expect("it is written");
    }
    eo.run(&["build", "hello.eo"]).gives(0, "", "");
    eo.start("hello").gives(0, "1\n", "");
}

#[test]
fn the_cache_of_programs() {
    let eo = Eo::new().file("hello.eo", "print 1\n");
    eo.run(&["run", "--no-cache", "hello.eo"])
        .gives(0, "1\n", "");
    assert!(!eo.path("cache/echo/programs").exists());
    eo.run(&["run", "hello.eo"]).gives(0, "1\n", "");
    let kept = eo.files("cache/echo/programs");
    assert_eq!(kept.len(), 1);
    // Found, not compiled anew: another entry would have another name.
    eo.run(&["run", "hello.eo"]).gives(0, "1\n", "");
    assert_eq!(eo.files("cache/echo/programs"), kept);
    // Another text, another level of optimisation: other entries.
    eo.run(&["run", "-O0", "hello.eo"]).gives(0, "1\n", "");
    let eo = eo.file("hello.eo", "print 2\n");
    eo.run(&["run", "hello.eo"]).gives(0, "2\n", "");
    assert_eq!(eo.files("cache/echo/programs").len(), 3);
    // Damaged entries are no programs.
    for (number, entry) in eo.files("cache/echo/programs").iter().enumerate() {
        let path = eo.path("cache/echo/programs").join(entry);
        let mut bytes = fs::read(&path).expect("the entry");
        match number {
            0 => bytes.clear(),
            1 => bytes.truncate(100),
            _ => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
        }
        fs::write(&path, bytes).expect("it is written");
    }
    eo.run(&["run", "hello.eo"]).gives(0, "2\n", "");
    eo.run(&["run", "-O0", "hello.eo"]).gives(0, "2\n", "");
}

#[test]
fn many_runs_at_once() {
    let eo = Eo::new().file("hello.eo", "print \"hello\"\n");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| eo.run(&["run", "hello.eo"]).gives(0, "hello\n", ""));
        }
        for name in ["a", "b", "c", "d"] {
            let eo = &eo;
            scope.spawn(move || {
                eo.run(&["build", "hello.eo", "-o", name]).gives(0, "", "");
                eo.start(name).gives(0, "hello\n", "");
            });
        }
    });
    assert_eq!(eo.files("cache/echo/programs").len(), 1);
    assert_eq!(eo.files("cache/echo/runtime").len(), 1);
}

#[test]
fn closed_outputs_are_no_reason_to_panic() {
    let eo = Eo::new()
        .file("hello.eo", "print 1\n")
        .file("bad.eo", "let = 1\n");
    let eo_path = env!("CARGO_BIN_EXE_eo");
    for (command, code) in [
        ("check bad.eo 2>&-", 1),
        ("check --json bad.eo >&-", 1),
        ("build --emit ast hello.eo | true", 0),
        ("build --emit ast hello.eo >/dev/full", 1),
    ] {
        let output = eo.shell(&format!("{eo_path} {command}"));
        assert_eq!(output.code, code, "{command}: {}", output.stderr);
        assert!(!output.stderr.contains("panic"), "{}", output.stderr);
    }
}

#[test]
fn no_linker() {
    let eo = Eo::new()
        .file("hello.eo", "print 1\n")
        .variable("PATH", Some(""))
        .variable("CC", None);
    eo.run(&["build", "hello.eo"]).gives(
        1,
        "",
        "\
error: no C compiler found; `eo build` needs one to link
note: looked for cc, gcc and clang in PATH
help: install one (`apt install gcc`, `dnf install gcc`), or name one: CC=/path/to/gcc; `eo run` works without
",
    );
    eo.run(&["run", "hello.eo"]).gives(0, "1\n", "");
    let eo = eo.variable("CC", Some("/nonexistent/gcc -m64"));
    let output = eo.run(&["build", "hello.eo"]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .stderr
            .starts_with("error: cannot start the linker `/nonexistent/gcc`: "),
        "{}",
        output.stderr
    );
    assert_eq!(eo.files("."), ["hello.eo"]);
}

#[test]
fn a_linker_that_fails() {
    let eo = Eo::new()
        .file("hello.eo", "print 1\n")
        .file("cc", "#!/bin/sh\necho no such luck >&2\nexit 3\n");
    let cc = eo.path("cc");
    fs::set_permissions(&cc, fs::Permissions::from_mode(0o755)).expect("permissions are set");
    let eo = eo.variable("CC", cc.to_str());
    eo.run(&["build", "hello.eo"]).gives(
        1,
        "",
        "\
error: linking failed (exit status: 3)
note: no such luck
help: CC names another C compiler; `eo version --verbose` shows the one in use
",
    );
    assert!(!eo.path("hello").exists());
}

#[test]
fn no_llvm() {
    let eo = Eo::new()
        .file("hello.eo", "print 1\n")
        .variable("ECHO_LLVM", Some("/nonexistent"));
    for command in ["run", "build"] {
        let output = eo.run(&[command, "hello.eo"]);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""));
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(
            lines[0],
            "error: no usable libLLVM found; version 15 or later is needed"
        );
        assert!(
            lines[1].starts_with("note: tried /nonexistent: "),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].starts_with("help: install one (`apt install "),
            "{}",
            lines[2]
        );
    }
    // What needs no machine code needs no LLVM.
    eo.run(&["check", "hello.eo"]).gives(0, "", "");
    let version = eo.run(&["version", "--verbose"]);
    assert!(
        version.stdout.contains("libLLVM:         not found\n"),
        "{}",
        version.stdout
    );
}

#[test]
fn colours_are_for_terminals() {
    let eo = Eo::new().file("bad.eo", "let = 1\n");
    assert!(!eo.run(&["check", "bad.eo"]).stderr.contains('\x1b'));
}
