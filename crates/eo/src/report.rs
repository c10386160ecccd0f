//! Diagnostics and failures as text for people, on standard error. The only place that renders them; [`json`] is the form for programs.

pub mod json;

use std::io::{self, IsTerminal, Write};

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet, Title,
};
use echo_syntax::{Diagnostic, FileId, Severity, SourceFile, SourceMap, Span};

use crate::failure::{Failure, Message};

/// After so many errors, reading on helps nobody.
const MOST_SHOWN: usize = 50;

/// A finding whose lines take more bytes than this is shown without them (a file without line ends).
const LARGEST_FRAME_BYTES: usize = 64 << 10;

/// Prints the diagnostics and a line that counts them.
pub fn diagnostics(sources: &SourceMap, diagnostics: &[Diagnostic]) {
    if diagnostics.is_empty() {
        return;
    }
    let renderer = renderer();
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MOST_SHOWN) {
        out += &renderer.render(&[group(sources, diagnostic)]);
        out += "\n\n";
    }
    out += &summary(diagnostics);
    out.push('\n');
    print(&out);
}

/// Prints why a command failed; nothing when that has been told already.
pub fn failure(failure: &Failure) {
    match failure {
        Failure::Diagnosed => {}
        Failure::Environment(text) => message(text),
        Failure::Bug(what) => message(&bug(what)),
    }
}

/// Prints an error that belongs to no place in a text.
fn message(message: &Message) {
    let notes = message
        .notes
        .iter()
        .map(|note| Level::NOTE.primary_title(note));
    let help = message
        .help
        .iter()
        .map(|help| Level::HELP.primary_title(help));
    let lines = std::iter::once(Level::ERROR.primary_title(&message.text))
        .chain(notes)
        .chain(help);
    let renderer = renderer();
    let text: String = lines
        .map(|line| renderer.render(&[Group::with_title(line)]) + "\n")
        .collect();
    print(&text);
}

fn bug(what: &str) -> Message {
    let what = what
        .strip_prefix("internal compiler error: ")
        .unwrap_or(what);
    Message::new(format!("internal compiler error: {what}"))
        .note("this is a bug in eo, not in your program")
        .note(format!(
            "eo {} on {}-{}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            std::env::consts::OS
        ))
        .help("please report it, with this text, the program, and what `eo version --verbose` prints; RUST_BACKTRACE=1 adds a backtrace")
}

/// `2 errors, 1 warning`
fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| {
        diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    };
    let counted = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{number} {what}s")),
    };
    let parts: Vec<String> = [
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
        counted(count(Severity::Note), "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let hidden = diagnostics.len().saturating_sub(MOST_SHOWN);
    let rest = if hidden == 0 {
        String::new()
    } else {
        format!(" (the first {MOST_SHOWN} are shown)")
    };
    parts.join(", ") + &rest
}

fn group<'a>(sources: &'a SourceMap, diagnostic: &'a Diagnostic) -> Group<'a> {
    let notes = diagnostic
        .notes
        .iter()
        .map(|note| Level::NOTE.message(note));
    let help = diagnostic.help.iter().map(|help| Level::HELP.message(help));
    title(diagnostic)
        .elements(frames(sources, diagnostic))
        .elements(notes)
        .elements(help)
}

fn title(diagnostic: &Diagnostic) -> Title<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    level.primary_title(&diagnostic.message).id(diagnostic.code)
}

/// The source lines, with marks: of the primary place's file first, then of each other file with a label.
fn frames<'a>(sources: &'a SourceMap, diagnostic: &'a Diagnostic) -> Vec<Element<'a>> {
    let mut marks = vec![Mark {
        kind: AnnotationKind::Primary,
        span: diagnostic.span,
        label: diagnostic.span_label.as_deref(),
    }];
    marks.extend(diagnostic.labels.iter().map(|label| Mark {
        kind: AnnotationKind::Context,
        span: label.span,
        label: Some(&label.text),
    }));
    let mut files: Vec<FileId> = Vec::new();
    for mark in &marks {
        if !files.contains(&mark.span.file) {
            files.push(mark.span.file);
        }
    }
    files
        .into_iter()
        .map(|file| {
            let here: Vec<&Mark<'_>> = marks.iter().filter(|mark| mark.span.file == file).collect();
            frame(sources.file(file), &here)
        })
        .collect()
}

/// A place in a frame.
struct Mark<'a> {
    kind: AnnotationKind,
    span: Span,
    label: Option<&'a str>,
}

/// The lines around the marks of one file (at least one mark).
fn frame<'a>(file: &'a SourceFile, marks: &[&Mark<'a>]) -> Element<'a> {
    let text = file.text();
    let first = marks.iter().map(|mark| mark.span.start).min().unwrap_or(0);
    let last = marks.iter().map(|mark| mark.span.end).max().unwrap_or(0);
    // Only the lines needed: the renderer's work grows with the text it is given.
    let start = line_start(text, first as usize);
    let end = line_end(text, last as usize);
    if end - start > LARGEST_FRAME_BYTES {
        let place = file.line_column(marks[0].span.start);
        return Origin::path(file.name())
            .line(place.line as usize)
            .char_column(place.column as usize)
            .into();
    }
    let annotations = marks.iter().map(|mark| annotation(mark, text, start));
    Snippet::source(&text[start..end])
        .path(file.name())
        .line_start(file.line_column(start as u32).line as usize)
        .annotations(annotations.collect::<Vec<Annotation<'a>>>())
        .into()
}

fn annotation<'a>(mark: &Mark<'a>, text: &str, frame_start: usize) -> Annotation<'a> {
    let clamp = |offset: u32| text.floor_char_boundary((offset as usize).min(text.len()));
    let (start, end) = (clamp(mark.span.start), clamp(mark.span.end));
    mark.kind
        .span(start - frame_start..end.max(start) - frame_start)
        .label(mark.label)
}

fn line_start(text: &str, offset: usize) -> usize {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    text[..offset].rfind('\n').map_or(0, |at| at + 1)
}

fn line_end(text: &str, offset: usize) -> usize {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    text[offset..]
        .find('\n')
        .map_or(text.len(), |at| offset + at)
}

/// Colours for terminals, unless the user says no (https://no-color.org).
fn renderer() -> Renderer {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if wanted && !dumb && io::stderr().is_terminal() {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
}

/// Nothing is left to be done when standard error is closed.
fn print(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
