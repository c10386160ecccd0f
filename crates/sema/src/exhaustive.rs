//! Which values a `match` leaves out, and which arms no value reaches.
//!
//! The algorithm is Maranget's ("Warnings for pattern matching", 2007), in the form where one walk finds both answers: a matrix with a row per
//! arm and a column per value still to be looked at is split by the constructors of its first column until no column is left. Constructors no
//! row mentions are taken together; integers and characters are split into intervals, arrays by length.
//!
//! Invariants:
//! - an arm with a guard covers nothing, but can be covered;
//! - work and depth are bounded ([`WORK_LIMIT`], [`DEPTH_LIMIT`]): the problem is NP-complete, and source text may be hostile. Past the limit the match
//!   counts as incomplete unless an arm takes everything by itself, and no arm counts as unreachable;
//! - trees with errors in them do no harm: a pattern that does not fit its type, and every value of an erroneous type, is taken as covered.

use std::collections::BTreeSet;

use crate::typed::{Arm, Enum, Literal, Pattern, PatternKind, Struct};
use crate::types::{Ty, TyKind, Types};

/// Matrix cells looked at before giving up; some hundred milliseconds at worst.
const WORK_LIMIT: usize = 16_000_000;
/// Columns split one inside the other before giving up; keeps the walk's own stack small.
const DEPTH_LIMIT: usize = 400;

/// What the types of patterns refer to.
#[derive(Clone, Copy)]
pub struct Declarations<'a> {
    pub types: &'a Types,
    pub structs: &'a [Struct],
    pub enums: &'a [Enum],
}

/// What a `match` covers.
#[derive(Debug, PartialEq, Eq)]
pub struct Coverage {
    /// A value no arm takes, as a pattern (`Some(Err(_))`); `None` when the match is exhaustive.
    pub missing: Option<String>,
    /// Indices of the arms that no value reaches.
    pub unreachable: Vec<usize>,
}

/// What the arms of a match on a value of type `ty` cover.
pub fn coverage(declarations: Declarations<'_>, ty: Ty, arms: &[Arm]) -> Coverage {
    counted_coverage(declarations, ty, arms).0
}

/// [`coverage`], and how many cells were looked at to find it.
fn counted_coverage(declarations: Declarations<'_>, ty: Ty, arms: &[Arm]) -> (Coverage, usize) {
    let patterns: Vec<_> = arms
        .iter()
        .map(|arm| declarations.lower(&arm.pattern, ty))
        .collect();
    let rows: Vec<_> = patterns
        .iter()
        .zip(arms)
        .enumerate()
        .map(|(index, (pattern, arm))| Row {
            cells: vec![pattern],
            arm: index,
            guarded: arm.guard.is_some(),
        })
        .collect();
    let mut walk = Walk {
        declarations,
        work: 0,
        depth: 0,
        reached: vec![false; arms.len()],
    };
    let coverage = match walk.uncovered(rows, vec![ty]) {
        Ok(missing) => Coverage {
            missing: missing.map(|mut values| values.pop().expect("one column, one value")),
            unreachable: (0..arms.len())
                .filter(|&index| !walk.reached[index])
                .collect(),
        },
        Err(TooMuchWork) => {
            let takes_all =
                |(arm, pattern): (&Arm, &Pat)| arm.guard.is_none() && pattern.is_irrefutable();
            let exhaustive = arms.iter().zip(&patterns).any(takes_all);
            Coverage {
                missing: (!exhaustive).then(|| "_".to_string()),
                unreachable: Vec::new(),
            }
        }
    };
    (coverage, walk.work)
}

// ---------------------------------------------------------------- patterns as constructors

/// A pattern without names: all that matters here.
#[derive(Debug)]
enum Pat {
    Wild,
    Of(Constructor, Vec<Pat>),
    Or(Vec<Pat>),
}

static WILD: Pat = Pat::Wild;

/// A way to build a value. Those of one type have no value in common, but for intervals and lengths.
#[derive(Clone, Debug, PartialEq)]
enum Constructor {
    /// Of a struct, tuple or `void`: the only one.
    Single,
    /// Of an enum; of `Option` (`None`, `Some`), `Result` (`Ok`, `Err`) and `bool` (`false`, `true`) as well.
    Variant(usize),
    /// Integers or characters, both ends included.
    Interval(i128, i128),
    /// One of the endlessly many floats (by its bits) or strings.
    Float(u64),
    Str(String),
    /// An array of that length.
    Length(usize),
    /// An array at least that long; the elements beyond are not looked at.
    AtLeast(usize),
}

impl Constructor {
    /// Whether the values of `self` are among those of `other`; `self` comes out of a split by `other`.
    fn is_within(&self, other: &Constructor) -> bool {
        match (self, other) {
            (Constructor::Interval(low, high), Constructor::Interval(from, to)) => {
                from <= low && high <= to
            }
            (Constructor::Length(len) | Constructor::AtLeast(len), Constructor::AtLeast(least)) => {
                least <= len
            }
            _ => self == other,
        }
    }
}

impl Pat {
    fn is_wild(&self) -> bool {
        matches!(self, Pat::Wild)
    }

    fn is_irrefutable(&self) -> bool {
        match self {
            Pat::Wild => true,
            Pat::Of(Constructor::Single, fields) => fields.iter().all(Pat::is_irrefutable),
            Pat::Of(..) => false,
            Pat::Or(alternatives) => alternatives.iter().any(Pat::is_irrefutable),
        }
    }
}

const NONE: usize = 0;
const SOME: usize = 1;
const OK: usize = 0;
const ERR: usize = 1;

impl Declarations<'_> {
    fn lower(&self, pattern: &Pattern, ty: Ty) -> Pat {
        let all = |patterns: &[Pattern], types: &[Ty]| self.lower_all(patterns, types);
        let of_variant =
            |variant: usize, fields: Vec<Pat>| Pat::Of(Constructor::Variant(variant), fields);
        match (&pattern.kind, self.types.kind(ty)) {
            (PatternKind::Or(alternatives), _) => Pat::Or(
                alternatives
                    .iter()
                    .map(|pattern| self.lower(pattern, ty))
                    .collect(),
            ),
            (PatternKind::Literal(literal), _) => self.lower_literal(literal, ty),
            (PatternKind::Range(low, high), _) => self.lower_range(low, high),
            (PatternKind::Variant(id, variant, payload), TyKind::Enum(of)) if id == of => {
                of_variant(
                    *variant,
                    all(payload, &self.fields(ty, &Constructor::Variant(*variant))),
                )
            }
            (PatternKind::Some(payload), TyKind::Option(of)) => {
                of_variant(SOME, vec![self.lower(payload, *of)])
            }
            (PatternKind::None, TyKind::Option(_)) => of_variant(NONE, Vec::new()),
            (PatternKind::Ok(payload), TyKind::Result(of, _)) => {
                of_variant(OK, vec![self.lower(payload, *of)])
            }
            (PatternKind::Err(payload), TyKind::Result(_, of)) => {
                of_variant(ERR, vec![self.lower(payload, *of)])
            }
            (PatternKind::Struct(named), TyKind::Struct(_)) => {
                let types = self.fields(ty, &Constructor::Single);
                let mut fields: Vec<_> = types.iter().map(|_| Pat::Wild).collect();
                for (index, pattern) in named {
                    if let Some(field) = fields.get_mut(*index) {
                        *field = self.lower(pattern, types[*index]);
                    }
                }
                Pat::Of(Constructor::Single, fields)
            }
            (PatternKind::Tuple(elements), TyKind::Tuple(types)) => {
                Pat::Of(Constructor::Single, all(elements, types))
            }
            (PatternKind::Array { elements, rest }, TyKind::Array(of)) => {
                let len = elements.len();
                let constructor = match rest {
                    Some(_) => Constructor::AtLeast(len),
                    None => Constructor::Length(len),
                };
                Pat::Of(constructor, all(elements, &vec![*of; len]))
            }
            _ => Pat::Wild,
        }
    }

    /// One pattern for every type, also when an error left fewer or more of them.
    fn lower_all(&self, patterns: &[Pattern], types: &[Ty]) -> Vec<Pat> {
        let lower = |(index, &ty): (usize, &Ty)| {
            patterns
                .get(index)
                .map_or(Pat::Wild, |pattern| self.lower(pattern, ty))
        };
        types.iter().enumerate().map(lower).collect()
    }

    fn lower_literal(&self, literal: &Literal, ty: Ty) -> Pat {
        let constructor = match (literal, self.types.kind(ty)) {
            (Literal::Int(_), TyKind::Int(_)) | (Literal::Char(_), TyKind::Char) => {
                return self.lower_range(literal, literal);
            }
            (Literal::Bool(value), TyKind::Bool) => Constructor::Variant(usize::from(*value)),
            // `-0.0 == 0.0`
            (Literal::Float(value), TyKind::F64 | TyKind::F32) => {
                Constructor::Float((value + 0.0).to_bits())
            }
            (Literal::Str(text), TyKind::String) => Constructor::Str(text.clone()),
            _ => return Pat::Wild,
        };
        Pat::Of(constructor, Vec::new())
    }

    /// An empty range (reported elsewhere) is an alternative of nothing.
    fn lower_range(&self, low: &Literal, high: &Literal) -> Pat {
        match (ordinal(low), ordinal(high)) {
            (Some(low), Some(high)) if low <= high => {
                Pat::Of(Constructor::Interval(low, high), Vec::new())
            }
            (Some(_), Some(_)) => Pat::Or(Vec::new()),
            _ => Pat::Wild,
        }
    }

    /// The types of what a constructor holds.
    fn fields(&self, ty: Ty, constructor: &Constructor) -> Vec<Ty> {
        match (self.types.kind(ty), constructor) {
            (TyKind::Struct(id), _) => {
                let fields = self
                    .structs
                    .get(id.0 as usize)
                    .map_or(&[][..], |decl| &decl.fields);
                fields.iter().map(|field| field.ty).collect()
            }
            (TyKind::Tuple(elements), _) => elements.clone(),
            (TyKind::Enum(id), Constructor::Variant(index)) => {
                let variants = self
                    .enums
                    .get(id.0 as usize)
                    .map_or(&[][..], |decl| &decl.variants);
                variants
                    .get(*index)
                    .map_or_else(Vec::new, |variant| variant.payload.clone())
            }
            (TyKind::Option(payload), Constructor::Variant(SOME)) => vec![*payload],
            (TyKind::Result(payload, _), Constructor::Variant(OK)) => vec![*payload],
            (TyKind::Result(_, payload), Constructor::Variant(ERR)) => vec![*payload],
            (TyKind::Array(element), Constructor::Length(len) | Constructor::AtLeast(len)) => {
                vec![*element; *len]
            }
            _ => Vec::new(),
        }
    }

    /// The constructors of a type, such that each lies within every one of `used` or outside of it.
    fn split(&self, ty: Ty, used: &[&Constructor]) -> Split {
        let variants = |count: usize| Split::Closed((0..count).map(Constructor::Variant).collect());
        match self.types.kind(ty) {
            TyKind::Bool | TyKind::Option(_) | TyKind::Result(..) => variants(2),
            TyKind::Enum(id) => variants(
                self.enums
                    .get(id.0 as usize)
                    .map_or(0, |decl| decl.variants.len()),
            ),
            TyKind::Struct(_) | TyKind::Tuple(_) | TyKind::Void => {
                Split::Closed(vec![Constructor::Single])
            }
            TyKind::Int(kind) => Split::Closed(intervals(&[(kind.min(), kind.max())], used)),
            TyKind::Char => Split::Closed(intervals(&CHARS, used)),
            TyKind::Array(_) => Split::Closed(lengths(used)),
            TyKind::Error | TyKind::Never => Split::Closed(Vec::new()),
            _ => {
                let mut distinct: Vec<Constructor> = Vec::new();
                for &constructor in used {
                    if !distinct.contains(constructor) {
                        distinct.push(constructor.clone());
                    }
                }
                Split::Open(distinct)
            }
        }
    }

    fn has_no_values(&self, ty: Ty) -> bool {
        matches!(self.split(ty, &[]), Split::Closed(constructors) if constructors.is_empty())
    }
}

/// The constructors of a type.
enum Split {
    /// All of them.
    Closed(Vec<Constructor>),
    /// Those in use, of endlessly many.
    Open(Vec<Constructor>),
}

/// All characters: surrogates are none.
const CHARS: [(i128, i128); 2] = [(0, 0xD7FF), (0xE000, 0x10_FFFF)];

fn ordinal(literal: &Literal) -> Option<i128> {
    match literal {
        Literal::Int(value) => Some(*value),
        Literal::Char(value) => Some(i128::from(u32::from(*value))),
        _ => None,
    }
}

/// `whole`, cut where an interval in use begins or has ended.
fn intervals(whole: &[(i128, i128)], used: &[&Constructor]) -> Vec<Constructor> {
    let mut starts = BTreeSet::new();
    for constructor in used {
        if let Constructor::Interval(low, high) = constructor {
            starts.extend([*low, high + 1]);
        }
    }
    let mut parts = Vec::new();
    for &(low, high) in whole {
        let mut from = low;
        for &start in starts.range(low + 1..=high) {
            parts.push(Constructor::Interval(from, start - 1));
            from = start;
        }
        parts.push(Constructor::Interval(from, high));
    }
    parts
}

/// Each length up to where all longer arrays are alike.
fn lengths(used: &[&Constructor]) -> Vec<Constructor> {
    let alike_from = used.iter().map(|constructor| match constructor {
        Constructor::Length(len) => len + 1,
        Constructor::AtLeast(len) => *len,
        _ => 0,
    });
    let alike_from = alike_from.max().unwrap_or(0);
    let exact = (0..alike_from).map(Constructor::Length);
    exact.chain([Constructor::AtLeast(alike_from)]).collect()
}

// ---------------------------------------------------------------- the walk

/// What is left of an arm: a cell per column, the next one last.
struct Row<'p> {
    cells: Vec<&'p Pat>,
    arm: usize,
    guarded: bool,
}

impl<'p> Row<'p> {
    fn head(&self) -> &'p Pat {
        self.cells.last().expect("the matrix has a column")
    }

    /// The row with its head replaced.
    fn with(&self, head: impl DoubleEndedIterator<Item = &'p Pat>) -> Row<'p> {
        let mut cells = self.cells[..self.cells.len() - 1].to_vec();
        cells.extend(head.rev());
        Row { cells, ..*self }
    }

    /// What the row asks of the parts of a value built by `constructor`, which has `arity` parts; `None` if it does not match.
    fn specialize(&self, constructor: &Constructor, arity: usize) -> Option<Row<'p>> {
        match self.head() {
            Pat::Of(own, fields) if constructor.is_within(own) => {
                let padding = arity.saturating_sub(fields.len());
                Some(self.with(fields.iter().chain(std::iter::repeat_n(&WILD, padding))))
            }
            Pat::Wild => Some(self.with(std::iter::repeat_n(&WILD, arity))),
            _ => None,
        }
    }
}

/// [`WORK_LIMIT`] or [`DEPTH_LIMIT`] is reached.
struct TooMuchWork;

/// A value per column, as text, in the order of the columns.
type Values = Vec<String>;

struct Walk<'a> {
    declarations: Declarations<'a>,
    work: usize,
    depth: usize,
    /// Which arms some value reaches.
    reached: Vec<bool>,
}

impl Walk<'_> {
    /// Values of the `columns` (the next one last) that no row takes.
    fn uncovered(
        &mut self,
        rows: Vec<Row<'_>>,
        mut columns: Vec<Ty>,
    ) -> Result<Option<Values>, TooMuchWork> {
        let mut rows = expand_alternatives(rows);
        self.count_work(rows.len() * (columns.len() + 1))?;
        // Columns no row looks at need no split.
        let looks = |rows: &[Row<'_>]| rows.iter().any(|row| !row.head().is_wild());
        let mut ignored = 0;
        while let Some(&ty) = columns.last()
            && !looks(&rows)
        {
            if self.declarations.has_no_values(ty) {
                self.reach_all(&rows);
                return Ok(None);
            }
            columns.pop();
            for row in &mut rows {
                row.cells.pop();
            }
            rows = expand_alternatives(rows);
            ignored += 1;
        }
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(TooMuchWork);
        }
        let uncovered = match columns.pop() {
            None => self.reach_first(&rows).then(Vec::new),
            Some(ty) => self.split_head(&rows, &columns, ty)?,
        };
        self.depth -= 1;
        Ok(uncovered.map(|mut values| {
            values.extend(std::iter::repeat_n("_".to_string(), ignored));
            values
        }))
    }

    fn count_work(&mut self, cells: usize) -> Result<(), TooMuchWork> {
        self.work += cells + 1;
        if self.work > WORK_LIMIT {
            Err(TooMuchWork)
        } else {
            Ok(())
        }
    }

    /// Nothing is left to look at: the first row without guard takes the value. Whether there is none.
    fn reach_first(&mut self, rows: &[Row<'_>]) -> bool {
        for row in rows {
            self.reached[row.arm] = true;
            if !row.guarded {
                return false;
            }
        }
        true
    }

    fn reach_all(&mut self, rows: &[Row<'_>]) {
        for row in rows {
            self.reached[row.arm] = true;
        }
    }

    /// Looks at each constructor of the first column (of type `ty`); `rest` are the columns behind it.
    fn split_head(
        &mut self,
        rows: &[Row<'_>],
        rest: &[Ty],
        ty: Ty,
    ) -> Result<Option<Values>, TooMuchWork> {
        let used: Vec<_> = rows
            .iter()
            .filter_map(|row| match row.head() {
                Pat::Of(constructor, _) => Some(constructor),
                _ => None,
            })
            .collect();
        let (constructors, mut unused) = match self.declarations.split(ty, &used) {
            Split::Closed(constructors) if constructors.is_empty() => {
                self.reach_all(rows);
                return Ok(None);
            }
            Split::Closed(constructors) => (constructors, None),
            Split::Open(constructors) => (constructors, Some("_".to_string())),
        };
        let mut uncovered = None;
        for constructor in &constructors {
            self.count_work(rows.len())?;
            if !used.iter().any(|used| constructor.is_within(used)) {
                unused.get_or_insert_with(|| self.value_text(ty, constructor, None));
                continue;
            }
            let fields = self.declarations.fields(ty, constructor);
            let rows: Vec<_> = rows
                .iter()
                .filter_map(|row| row.specialize(constructor, fields.len()))
                .collect();
            let columns = rest.iter().chain(fields.iter().rev()).copied().collect();
            if let Some(mut values) = self.uncovered(rows, columns)?
                && uncovered.is_none()
            {
                let mut parts = values.split_off(rest.len());
                parts.reverse();
                values.push(self.value_text(ty, constructor, Some(parts)));
                uncovered = Some(values);
            }
        }
        let Some(unused) = unused else {
            return Ok(uncovered);
        };
        let is_wild = |row: &&Row<'_>| row.head().is_wild();
        let wild = rows
            .iter()
            .filter(is_wild)
            .map(|row| row.with(std::iter::empty()))
            .collect();
        let values = self.uncovered(wild, rest.to_vec())?.map(|mut values| {
            values.push(unused);
            values
        });
        Ok(uncovered.or(values))
    }

    /// A value as a pattern; without `parts` they are left open.
    fn value_text(&self, ty: Ty, constructor: &Constructor, parts: Option<Values>) -> String {
        let arity = self.declarations.fields(ty, constructor).len();
        let parts = parts.unwrap_or_else(|| vec!["_".to_string(); arity]);
        let kind = self.declarations.types.kind(ty);
        match (constructor, kind) {
            (Constructor::Single, TyKind::Struct(id)) => self.struct_text(*id, &parts),
            (Constructor::Single, TyKind::Void) => "()".to_string(),
            (Constructor::Single, _) => format!("({})", parts.join(", ")),
            (Constructor::Variant(index), TyKind::Bool) => (*index == 1).to_string(),
            (Constructor::Variant(index), _) => {
                let name = self.variant_name(kind, *index);
                if parts.is_empty() {
                    name
                } else {
                    format!("{name}({})", parts.join(", "))
                }
            }
            (Constructor::Interval(low, high), TyKind::Char) => char_text(*low, *high),
            (Constructor::Interval(low, high), TyKind::Int(kind)) => {
                int_text(*low, *high, kind.min(), kind.max())
            }
            (Constructor::Length(_), _) => format!("[{}]", parts.join(", ")),
            (Constructor::AtLeast(0), _) => "_".to_string(),
            (Constructor::AtLeast(_), _) => format!("[{}, ...]", parts.join(", ")),
            (Constructor::Str(text), _) => format!("{text:?}"),
            (Constructor::Float(bits), _) => format!("{:?}", f64::from_bits(*bits)),
            (Constructor::Interval(..), _) => "_".to_string(),
        }
    }

    /// Only the fields that matter.
    fn struct_text(&self, id: crate::types::StructId, parts: &[String]) -> String {
        let decl = &self.declarations.structs[id.0 as usize];
        let named = decl
            .fields
            .iter()
            .zip(parts)
            .filter(|(_, part)| *part != "_");
        let named: Vec<_> = named
            .map(|(field, part)| format!("{}: {part}", field.name))
            .collect();
        if named.is_empty() {
            return "_".to_string();
        }
        format!("{}{{{}}}", decl.name, named.join(", "))
    }

    fn variant_name(&self, kind: &TyKind, index: usize) -> String {
        match (kind, index) {
            (TyKind::Option(_), NONE) => "None".to_string(),
            (TyKind::Option(_), _) => "Some".to_string(),
            (TyKind::Result(..), OK) => "Ok".to_string(),
            (TyKind::Result(..), _) => "Err".to_string(),
            (TyKind::Enum(id), _) => self.declarations.enums[id.0 as usize].variants[index]
                .name
                .clone(),
            _ => "_".to_string(),
        }
    }
}

/// Rows whose head is `a | b`, as one row per alternative, in order.
fn expand_alternatives(rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    fn expand<'p>(row: Row<'p>, out: &mut Vec<Row<'p>>) {
        match row.cells.last() {
            Some(Pat::Or(alternatives)) => {
                for alternative in alternatives {
                    expand(row.with(std::iter::once(alternative)), out);
                }
            }
            _ => out.push(row),
        }
    }
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        expand(row, &mut out);
    }
    out
}

/// A gap between two literals as a range; one that is open at an end by its value next to a literal.
fn int_text(low: i128, high: i128, min: i128, max: i128) -> String {
    match (low == min, high == max) {
        (true, true) => "_".to_string(),
        (true, false) => high.to_string(),
        (false, true) => low.to_string(),
        (false, false) if low == high => low.to_string(),
        (false, false) => format!("{low}..{high}"),
    }
}

fn char_text(low: i128, high: i128) -> String {
    let text = |value: i128| {
        let value = u32::try_from(value).ok().and_then(char::from_u32);
        value.map_or_else(|| "_".to_string(), |value| format!("{value:?}"))
    };
    match (low == CHARS[0].0, high == CHARS[1].1) {
        (true, _) => text(high),
        (_, true) => text(low),
        _ if low == high => text(low),
        _ => format!("{}..{}", text(low), text(high)),
    }
}

#[cfg(test)]
mod tests;
