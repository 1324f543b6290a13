//! The tree of an SQL expression, as the server writes it back and as people write it. Pure.
//!
//! It keeps what decides access and values: names, literals, comparisons, calls, sub-selects.
//! Parentheses and collations are gone, and what it has no shape for is [`Expr::Other`] with all that is
//! below it, so that nothing is dropped in silence.

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// A column, a variable, a parameter, or a whole row by the name of its table.
    Name(Name),
    /// `t.*`, or `*` by itself.
    AllOf(Option<Name>),
    Literal(Literal),
    /// `$1` is the first.
    Parameter(usize),
    Cast {
        of: Box<Expr>,
        /// The type, as it is written.
        to: String,
    },
    Unary {
        operator: String,
        of: Box<Expr>,
    },
    /// Key words are in lower case, `!=` is `<>`. Operators that the server itself does not have are calls.
    Binary {
        /// Where it is written, and another one than the server's own: `public`.
        schema: Option<String>,
        operator: String,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// `is null`, `is true`, `is unknown`.
    Is {
        of: Box<Expr>,
        what: String,
        negated: bool,
    },
    /// `is distinct from`; negated it is `is not distinct from`.
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        of: Box<Expr>,
        bounds: Box<[Expr; 2]>,
        negated: bool,
    },
    In {
        of: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InSelect {
        of: Box<Expr>,
        select: Box<Select>,
        negated: bool,
    },
    /// `left = any (right)`, `left <> all (right)`; a sub-select may be on the right.
    Quantified {
        left: Box<Expr>,
        operator: String,
        is_all: bool,
        right: Box<Expr>,
    },
    Call(Call),
    Array(Vec<Expr>),
    /// `array(select ...)`
    ArrayOf(Box<Select>),
    Row(Vec<Expr>),
    Case {
        subject: Option<Box<Expr>>,
        /// Each condition and what it leads to.
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    NullIf(Box<[Expr; 2]>),
    Exists(Box<Select>),
    /// A sub-select in the place of a value.
    Select(Box<Select>),
    /// `(row).field`
    Field {
        of: Box<Expr>,
        name: String,
    },
    /// `of[at]`
    Index {
        of: Box<Expr>,
        at: Box<Expr>,
    },
    Other(Vec<Expr>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// What a string holds, without quotes and escapes.
    Text(String),
    /// A number as it is written.
    Number(String),
    Bool(bool),
    Null,
}

/// A dotted name, each part folded as the server folds it: `column`, `table.column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(Vec<String>);

impl Name {
    pub(crate) fn of(parts: Vec<String>) -> Self {
        Self(parts)
    }

    /// What is named: the last part.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// What stands before it: the table of a column, the schema of a function.
    pub(crate) fn qualifier(&self) -> Option<&str> {
        self.0.iter().rev().nth(1).map(String::as_str)
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.0
    }
}

/// A function that is called; `current_user` and its like are calls without arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The schema is its qualifier, if it is written.
    pub name: Name,
    pub arguments: Vec<Argument>,
}

impl Call {
    /// Whether it says who is connected, and as what.
    pub(crate) fn is_of_session(&self) -> bool {
        const SESSION: [&str; 5] =
            ["current_role", "current_user", "session_user", "system_user", "user"];
        self.name.qualifier().is_none()
            && self.arguments.is_empty()
            && SESSION.contains(&self.name.last())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    /// As in `days => 3`.
    pub name: Option<String>,
    pub value: Expr,
}

/// A query, or what an `insert`, `update` or `delete` reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Select {
    /// Its `with` queries by name.
    pub with: Vec<(String, Select)>,
    pub targets: Vec<Target>,
    pub from: Vec<Source>,
    /// The WHERE clause and what joins ask for.
    pub conditions: Vec<Expr>,
    /// Everything else: groups, order, limits, the values of an `insert`.
    pub rest: Vec<Expr>,
    /// The other sides of `union`, `intersect`, `except`, and further rows of `values`.
    pub others: Vec<Select>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub value: Expr,
    /// The name after `as`.
    pub name: Option<String>,
}

/// What a query reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub what: SourceKind,
    pub alias: Option<String>,
    /// The names of its columns, where they are given.
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SourceKind {
    Relation(Name),
    Select(Box<Select>),
    /// A function whose rows are read, and what has no shape here.
    Value(Expr),
}

impl Source {
    /// The name by which its columns are qualified.
    pub(crate) fn name(&self) -> Option<&str> {
        match (&self.alias, &self.what) {
            (Some(alias), _) => Some(alias),
            (None, SourceKind::Relation(name)) => Some(name.last()),
            (None, SourceKind::Value(Expr::Call(call))) => Some(call.name.last()),
            _ => None,
        }
    }
}

/// A text that was not understood, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    pub why: String,
}

impl Expr {
    /// A call of what stands behind an operator, by its name: `@#`, `public.=`.
    pub(crate) fn operation(schema: Option<&str>, operator: &str, operands: Vec<Self>) -> Self {
        let name = schema.map_or(operator.to_owned(), |schema| format!("{schema}.{operator}"));
        let operands = operands.into_iter().map(|value| Argument { name: None, value });
        Self::Call(Call { name: Name::of(vec![name]), arguments: operands.collect() })
    }

    pub(crate) fn binary(operator: &str, left: Self, right: Self) -> Self {
        let (left, right) = (Box::new(left), Box::new(right));
        Self::Binary { schema: None, operator: operator.to_owned(), left, right }
    }

    /// The expressions and queries right below it.
    pub(crate) fn below(&self) -> (Vec<&Self>, Vec<&Select>) {
        match self {
            Self::Name(_) | Self::AllOf(_) | Self::Literal(_) | Self::Parameter(_) => {
                (Vec::new(), Vec::new())
            }
            Self::Cast { of, .. }
            | Self::Unary { of, .. }
            | Self::Not(of)
            | Self::Is { of, .. }
            | Self::Field { of, .. } => (vec![of], Vec::new()),
            Self::Binary { left, right, .. }
            | Self::IsDistinct { left, right, .. }
            | Self::Quantified { left, right, .. }
            | Self::Index { of: left, at: right } => (vec![left, right], Vec::new()),
            Self::And(all)
            | Self::Or(all)
            | Self::Array(all)
            | Self::Row(all)
            | Self::Coalesce(all)
            | Self::Other(all) => (all.iter().collect(), Vec::new()),
            Self::In { of, list, .. } => {
                (std::iter::once(of.as_ref()).chain(list).collect(), Vec::new())
            }
            Self::Between { of, bounds, .. } => {
                (std::iter::once(of.as_ref()).chain(bounds.iter()).collect(), Vec::new())
            }
            Self::InSelect { of, select, .. } => (vec![of], vec![select]),
            Self::Call(call) => {
                (call.arguments.iter().map(|argument| &argument.value).collect(), Vec::new())
            }
            Self::ArrayOf(select) | Self::Exists(select) | Self::Select(select) => {
                (Vec::new(), vec![select])
            }
            Self::Case { subject, branches, otherwise } => {
                let subject = subject.as_deref().into_iter();
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                (subject.chain(branches).chain(otherwise.as_deref()).collect(), Vec::new())
            }
            Self::NullIf(both) => (both.iter().collect(), Vec::new()),
        }
    }

    /// Shows each part of it, itself first, those of its queries too, in the order of the text.
    pub(crate) fn walk<'e>(&'e self, see: &mut dyn FnMut(Part<'e>)) {
        see(Part::Expr(self));
        let (expressions, selects) = self.below();
        expressions.into_iter().for_each(|expression| expression.walk(see));
        selects.into_iter().for_each(|select| select.walk(see));
    }

    /// The relations that its queries read.
    pub(crate) fn relations(&self) -> Vec<&Name> {
        let mut found = Vec::new();
        self.walk(&mut |part| {
            if let Part::Select(select) = part {
                found.extend(select.from.iter().filter_map(Source::relation));
            }
        });
        found
    }

    /// The conditions that it joins by `and`, `or`, `not` and the like; itself where it joins none.
    pub(crate) fn leaves(&self) -> Vec<&Self> {
        let joined: Vec<&Self> = match self {
            Self::And(all) | Self::Or(all) | Self::Coalesce(all) => all.iter().collect(),
            Self::Not(of) => vec![of],
            Self::Is { of, what, .. } if what != "null" => vec![of],
            Self::Case { subject: None, branches, otherwise } => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                branches.chain(otherwise.as_deref()).collect()
            }
            Self::Select(select) if select.is_value() => {
                select.targets.iter().map(|target| &target.value).collect()
            }
            _ => return vec![self],
        };
        joined.into_iter().flat_map(Self::leaves).collect()
    }
}

/// What a walk through a tree comes by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'e> {
    Expr(&'e Expr),
    Select(&'e Select),
}

impl Select {
    /// Whether it reads nothing: it stands for the value that it shows.
    pub(crate) fn is_value(&self) -> bool {
        let Self { with, targets, from, conditions, rest, others } = self;
        targets.len() == 1
            && from.is_empty()
            && with.is_empty()
            && conditions.is_empty()
            && rest.is_empty()
            && others.is_empty()
    }

    /// Its own expressions: not those of the queries it is made of.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let sources = self.from.iter().filter_map(|source| match &source.what {
            SourceKind::Value(value) => Some(value),
            SourceKind::Relation(_) | SourceKind::Select(_) => None,
        });
        let targets = self.targets.iter().map(|target| &target.value);
        targets.chain(sources).chain(&self.conditions).chain(&self.rest)
    }

    /// The queries it is made of: its `with` queries, those it reads from, and its other sides.
    pub(crate) fn selects(&self) -> impl Iterator<Item = &Self> {
        let sources = self.from.iter().filter_map(|source| match &source.what {
            SourceKind::Select(select) => Some(select.as_ref()),
            SourceKind::Relation(_) | SourceKind::Value(_) => None,
        });
        self.with.iter().map(|(_, select)| select).chain(sources).chain(&self.others)
    }

    /// Shows each part of it, itself first.
    pub(crate) fn walk<'e>(&'e self, see: &mut dyn FnMut(Part<'e>)) {
        see(Part::Select(self));
        self.expressions().for_each(|expression| expression.walk(see));
        self.selects().for_each(|select| select.walk(see));
    }
}

impl Source {
    /// The relation that is read, if it is one.
    pub(crate) fn relation(&self) -> Option<&Name> {
        match &self.what {
            SourceKind::Relation(name) => Some(name),
            SourceKind::Select(_) | SourceKind::Value(_) => None,
        }
    }
}
