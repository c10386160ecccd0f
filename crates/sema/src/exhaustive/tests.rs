//! Patterns are written down as data here: what is asked is the coverage alone.

use echo_syntax::span::{FileId, Span};

use super::*;
use crate::typed::{Expr, ExprKind, Field, LocalId, Variant};
use crate::types::{EnumId, StructId};

struct World {
    types: Types,
    structs: Vec<Struct>,
    enums: Vec<Enum>,
}

impl World {
    /// `enum Color { Red, Green }`, `enum Json { Null, Num(float), Arr([Json]) }`, `struct Point { x: int, y: int }`, `enum Never { }`.
    fn new() -> World {
        let mut types = Types::default();
        let json = types.intern(TyKind::Enum(EnumId(1)));
        let jsons = types.intern(TyKind::Array(json));
        let variant = |name: &str, payload: &[Ty]| Variant {
            name: name.to_string(),
            payload: payload.to_vec(),
        };
        let field = |name: &str| Field {
            name: name.to_string(),
            ty: Ty::INT,
        };
        let decl = |name: &str, variants| Enum {
            name: name.to_string(),
            variants,
        };
        World {
            types,
            structs: vec![Struct {
                name: "Point".to_string(),
                fields: vec![field("x"), field("y")],
            }],
            enums: vec![
                decl("Color", vec![variant("Red", &[]), variant("Green", &[])]),
                decl(
                    "Json",
                    vec![
                        variant("Null", &[]),
                        variant("Num", &[Ty::FLOAT]),
                        variant("Arr", &[jsons]),
                    ],
                ),
                decl("Never", Vec::new()),
            ],
        }
    }

    fn ty(&mut self, kind: TyKind) -> Ty {
        self.types.intern(kind)
    }

    fn color(&mut self) -> Ty {
        self.ty(TyKind::Enum(EnumId(0)))
    }

    fn coverage(&self, ty: Ty, arms: Vec<Arm>) -> Coverage {
        self.counted_coverage(ty, arms).0
    }

    /// With the cells looked at.
    fn counted_coverage(&self, ty: Ty, arms: Vec<Arm>) -> (Coverage, usize) {
        let declarations = Declarations {
            types: &self.types,
            structs: &self.structs,
            enums: &self.enums,
        };
        counted_coverage(declarations, ty, &arms)
    }

    fn missing(&self, ty: Ty, patterns: Vec<PatternKind>) -> Option<String> {
        self.coverage(ty, arms(patterns)).missing
    }

    fn unreachable(&self, ty: Ty, patterns: Vec<PatternKind>) -> Vec<usize> {
        self.coverage(ty, arms(patterns)).unreachable
    }
}

fn span() -> Span {
    Span::new(FileId(0), 0, 0)
}

fn unit() -> Expr {
    Expr {
        kind: ExprKind::Unit,
        ty: Ty::VOID,
        span: span(),
    }
}

fn arm(kind: PatternKind) -> Arm {
    Arm {
        pattern: pattern(kind),
        guard: None,
        body: unit(),
    }
}

fn arms(patterns: Vec<PatternKind>) -> Vec<Arm> {
    patterns.into_iter().map(arm).collect()
}

fn guarded(kind: PatternKind) -> Arm {
    Arm {
        guard: Some(unit()),
        ..arm(kind)
    }
}

/// The type in a pattern is not looked at: that of the matched value leads.
fn pattern(kind: PatternKind) -> Pattern {
    Pattern {
        kind,
        ty: Ty::ERROR,
        span: span(),
    }
}

fn boxed(kind: PatternKind) -> Box<Pattern> {
    Box::new(pattern(kind))
}

fn all(kinds: Vec<PatternKind>) -> Vec<Pattern> {
    kinds.into_iter().map(pattern).collect()
}

fn wild() -> PatternKind {
    PatternKind::Wildcard
}

fn bind() -> PatternKind {
    PatternKind::Bind(LocalId(0))
}

fn int(value: i128) -> PatternKind {
    PatternKind::Literal(Literal::Int(value))
}

fn ints(low: i128, high: i128) -> PatternKind {
    PatternKind::Range(Literal::Int(low), Literal::Int(high))
}

fn chars(low: char, high: char) -> PatternKind {
    PatternKind::Range(Literal::Char(low), Literal::Char(high))
}

fn boolean(value: bool) -> PatternKind {
    PatternKind::Literal(Literal::Bool(value))
}

fn text(text: &str) -> PatternKind {
    PatternKind::Literal(Literal::Str(text.to_string()))
}

fn some(kind: PatternKind) -> PatternKind {
    PatternKind::Some(boxed(kind))
}

fn ok(kind: PatternKind) -> PatternKind {
    PatternKind::Ok(boxed(kind))
}

fn err(kind: PatternKind) -> PatternKind {
    PatternKind::Err(boxed(kind))
}

fn tuple(kinds: Vec<PatternKind>) -> PatternKind {
    PatternKind::Tuple(all(kinds))
}

fn array(kinds: Vec<PatternKind>) -> PatternKind {
    PatternKind::Array {
        elements: all(kinds),
        rest: None,
    }
}

fn array_from(kinds: Vec<PatternKind>) -> PatternKind {
    PatternKind::Array {
        elements: all(kinds),
        rest: Some(None),
    }
}

fn variant(of: u32, index: usize, payload: Vec<PatternKind>) -> PatternKind {
    PatternKind::Variant(EnumId(of), index, all(payload))
}

fn or(kinds: Vec<PatternKind>) -> PatternKind {
    PatternKind::Or(all(kinds))
}

fn point(fields: Vec<(usize, PatternKind)>) -> PatternKind {
    let fields = fields
        .into_iter()
        .map(|(index, kind)| (index, pattern(kind)));
    PatternKind::Struct(fields.collect())
}

fn missing(text: &str) -> Option<String> {
    Some(text.to_string())
}

#[test]
fn bool_needs_both_values() {
    let world = World::new();
    assert_eq!(
        world.missing(Ty::BOOL, vec![boolean(true)]),
        missing("false")
    );
    assert_eq!(
        world.missing(Ty::BOOL, vec![boolean(true), boolean(false)]),
        None
    );
    assert_eq!(world.missing(Ty::BOOL, vec![]), missing("_"));
}

#[test]
fn wildcard_and_binding_take_everything() {
    let world = World::new();
    assert_eq!(world.missing(Ty::INT, vec![wild()]), None);
    assert_eq!(world.missing(Ty::STRING, vec![text("a"), bind()]), None);
}

#[test]
fn nested_option_of_result() {
    let mut world = World::new();
    let result = world.ty(TyKind::Result(Ty::INT, Ty::STRING));
    let option = world.ty(TyKind::Option(result));
    let two = || vec![some(ok(bind())), PatternKind::None];
    assert_eq!(world.missing(option, two()), missing("Some(Err(_))"));
    let mut three = two();
    three.push(some(err(wild())));
    assert_eq!(world.missing(option, three), None);
    assert_eq!(world.missing(option, vec![some(wild())]), missing("None"));
    assert_eq!(
        world.missing(option, vec![PatternKind::None]),
        missing("Some(_)")
    );
}

#[test]
fn enum_variants_with_payload() {
    let mut world = World::new();
    let json = world.ty(TyKind::Enum(EnumId(1)));
    let null = || variant(1, 0, vec![]);
    let number = |kind| variant(1, 1, vec![kind]);
    assert_eq!(world.missing(json, vec![null()]), missing("Num(_)"));
    let some_numbers = vec![null(), number(PatternKind::Literal(Literal::Float(0.0)))];
    assert_eq!(world.missing(json, some_numbers), missing("Num(_)"));
    let arrays = |kind| variant(1, 2, vec![kind]);
    let empty_arrays = vec![null(), number(wild()), arrays(array(vec![]))];
    assert_eq!(world.missing(json, empty_arrays), missing("Arr([_, ...])"));
    let nested = vec![
        null(),
        number(wild()),
        arrays(array(vec![])),
        arrays(array_from(vec![null()])),
        arrays(array_from(vec![number(wild())])),
    ];
    assert_eq!(world.missing(json, nested), missing("Arr([Arr(_), ...])"));
}

#[test]
fn tuples_are_looked_at_column_by_column() {
    let mut world = World::new();
    let color = world.color();
    let pair = world.ty(TyKind::Tuple(vec![color, Ty::BOOL]));
    let red = || variant(0, 0, vec![]);
    let green = || variant(0, 1, vec![]);
    let three = || {
        vec![
            tuple(vec![red(), boolean(true)]),
            tuple(vec![green(), wild()]),
        ]
    };
    assert_eq!(world.missing(pair, three()), missing("(Red, false)"));
    let mut four = three();
    four.push(tuple(vec![wild(), boolean(false)]));
    assert_eq!(world.missing(pair, four), None);
}

#[test]
fn struct_fields_not_named_are_open() {
    let mut world = World::new();
    let ty = world.ty(TyKind::Struct(StructId(0)));
    assert_eq!(world.missing(ty, vec![point(vec![(1, bind())])]), None);
    assert_eq!(world.missing(ty, vec![point(vec![])]), None);
    let zero = vec![
        point(vec![(1, int(0))]),
        point(vec![(1, ints(1, i128::from(i64::MAX)))]),
    ];
    assert_eq!(world.missing(ty, zero), missing("Point{y: -1}"));
}

#[test]
fn integer_ranges_can_cover_a_whole_type() {
    let world = World::new();
    assert_eq!(
        world.missing(Ty::U8, vec![ints(0, 100), ints(101, 255)]),
        None
    );
    assert_eq!(
        world.missing(Ty::U8, vec![ints(0, 100), ints(103, 255)]),
        missing("101..102")
    );
    assert_eq!(
        world.missing(Ty::U8, vec![ints(0, 100), ints(102, 255)]),
        missing("101")
    );
    assert_eq!(world.missing(Ty::U8, vec![ints(0, 254)]), missing("255"));
    assert_eq!(world.missing(Ty::I8, vec![ints(0, 127)]), missing("-1"));
    assert_eq!(world.missing(Ty::INT, vec![int(0), int(1)]), missing("-1"));
}

#[test]
fn character_ranges_need_no_surrogates() {
    let world = World::new();
    let all = vec![chars('\0', '\u{D7FF}'), chars('\u{E000}', char::MAX)];
    assert_eq!(world.missing(Ty::CHAR, all), None);
    let digits = vec![chars('0', '9'), chars(':', char::MAX)];
    assert_eq!(world.missing(Ty::CHAR, digits), missing("'/'"));
    let gap = vec![chars('\0', 'b'), chars('e', char::MAX)];
    assert_eq!(world.missing(Ty::CHAR, gap), missing("'c'..'d'"));
}

#[test]
fn strings_and_floats_need_a_wildcard() {
    let world = World::new();
    assert_eq!(
        world.missing(Ty::STRING, vec![text("a"), text("b")]),
        missing("_")
    );
    let float = |value| PatternKind::Literal(Literal::Float(value));
    assert_eq!(world.missing(Ty::FLOAT, vec![float(1.0)]), missing("_"));
    assert_eq!(
        world.unreachable(Ty::FLOAT, vec![float(0.0), float(-0.0), wild()]),
        [1]
    );
    assert_eq!(
        world.unreachable(Ty::STRING, vec![text("a"), text("b"), text("a"), wild()]),
        [2]
    );
}

#[test]
fn arrays_by_length() {
    let mut world = World::new();
    let ty = world.ty(TyKind::Array(Ty::INT));
    assert_eq!(
        world.missing(ty, vec![array(vec![]), array_from(vec![bind()])]),
        None
    );
    assert_eq!(world.missing(ty, vec![array_from(vec![])]), None);
    assert_eq!(
        world.missing(ty, vec![array_from(vec![wild()])]),
        missing("[]")
    );
    assert_eq!(
        world.missing(ty, vec![array(vec![]), array(vec![wild()])]),
        missing("[_, _, ...]")
    );
    let gap = vec![array(vec![]), array_from(vec![wild(), wild()])];
    assert_eq!(world.missing(ty, gap), missing("[_]"));
    let first = vec![array(vec![]), array_from(vec![int(0)]), array(vec![wild()])];
    assert_eq!(world.missing(ty, first), missing("[-1, _, ...]"));
    let overlap = vec![array_from(vec![]), array(vec![wild()])];
    assert_eq!(world.unreachable(ty, overlap), [1]);
}

#[test]
fn guards_cover_nothing() {
    let world = World::new();
    let both = vec![guarded(boolean(true)), arm(boolean(false))];
    assert_eq!(world.coverage(Ty::BOOL, both).missing, missing("true"));
    let shadowed = vec![guarded(boolean(true)), arm(wild()), guarded(boolean(true))];
    assert_eq!(world.coverage(Ty::BOOL, shadowed).unreachable, [2]);
    let twice = vec![guarded(boolean(true)), arm(boolean(true)), arm(wild())];
    assert_eq!(
        world.coverage(Ty::BOOL, twice).unreachable,
        [] as [usize; 0]
    );
}

#[test]
fn alternatives_add_up() {
    let mut world = World::new();
    let color = world.color();
    let either = or(vec![variant(0, 0, vec![]), variant(0, 1, vec![])]);
    assert_eq!(world.missing(color, vec![either]), None);
    let option = world.ty(TyKind::Option(Ty::BOOL));
    let nested = vec![
        PatternKind::None,
        some(or(vec![boolean(true), boolean(false)])),
    ];
    assert_eq!(world.missing(option, nested), None);
    let again = vec![or(vec![PatternKind::None, some(wild())]), PatternKind::None];
    assert_eq!(world.unreachable(option, again), [1]);
}

#[test]
fn unreachable_arms() {
    let world = World::new();
    assert_eq!(
        world.unreachable(Ty::BOOL, vec![wild(), boolean(true)]),
        [1]
    );
    assert_eq!(
        world.unreachable(Ty::BOOL, vec![boolean(true), boolean(false), wild()]),
        [2]
    );
    assert_eq!(
        world.unreachable(Ty::INT, vec![ints(1, 5), ints(6, 9), ints(3, 7), wild()]),
        [2]
    );
    assert_eq!(
        world.unreachable(Ty::INT, vec![ints(1, 5), ints(3, 7), wild()]),
        [] as [usize; 0]
    );
    assert_eq!(world.unreachable(Ty::INT, vec![ints(5, 1), wild()]), [0]);
}

#[test]
fn an_empty_enum_needs_no_arm() {
    let mut world = World::new();
    let never = world.ty(TyKind::Enum(EnumId(2)));
    assert_eq!(world.missing(never, vec![]), None);
    let result = world.ty(TyKind::Result(Ty::INT, never));
    assert_eq!(world.missing(result, vec![ok(bind())]), missing("Err(_)"));
}

#[test]
fn erroneous_values_are_covered() {
    let world = World::new();
    let coverage = world.coverage(Ty::ERROR, arms(vec![boolean(true), some(wild())]));
    assert_eq!(
        coverage,
        Coverage {
            missing: None,
            unreachable: vec![]
        }
    );
    assert_eq!(world.missing(Ty::INT, vec![some(wild())]), None);
}

#[test]
fn an_exponential_match_gives_up_safely() {
    let mut world = World::new();
    let ty = world.ty(TyKind::Tuple(vec![Ty::BOOL; 40]));
    // Row i asks for `true` in column i and in another one: every subset of columns is a case of its own.
    let rows = |guard: bool| {
        let mut rows: Vec<_> = (0..40)
            .map(|index| {
                let mut cells: Vec<_> = (0..40).map(|_| wild()).collect();
                cells[index] = boolean(true);
                cells[(index * 7 + 3) % 40] = boolean(true);
                arm(tuple(cells))
            })
            .collect();
        rows.push(if guard { guarded(wild()) } else { arm(wild()) });
        rows
    };
    // It gives up at the first matrix that goes beyond the limit; none has more cells than the first one.
    let cells = 41 * 42;
    for (guard, expected) in [(true, missing("_")), (false, None)] {
        let (coverage, work) = world.counted_coverage(ty, rows(guard));
        assert_eq!(coverage.missing, expected);
        assert!(work > WORK_LIMIT && work <= WORK_LIMIT + cells, "{work}");
    }
}

#[test]
fn a_long_array_pattern_does_not_overflow_the_stack() {
    let mut world = World::new();
    let ty = world.ty(TyKind::Array(Ty::INT));
    let long = || array((0..5_000).map(int).collect());
    assert_eq!(world.missing(ty, vec![long()]), missing("_"));
    assert_eq!(world.missing(ty, vec![long(), wild()]), None);
}

#[test]
fn many_literals_are_fast() {
    let world = World::new();
    let integers = (0..1_000).map(int).collect();
    let strings = (0..1_000).map(|index| text(&index.to_string())).collect();
    for (ty, literals, expected) in [
        (Ty::INT, integers, missing("-1")),
        (Ty::STRING, strings, missing("_")),
    ] {
        let (coverage, work) = world.counted_coverage(ty, arms(literals));
        assert_eq!(coverage.missing, expected);
        // Each literal against each row, not more.
        assert!(work < 1_000 * 1_000 + 10_000, "{work} cells");
    }
}
