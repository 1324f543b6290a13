//! Functions and procedures of the project, with their bodies as trees. Values only: `routines.sql`
//! reads them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::names::{Oid, QualifiedName};
use crate::sql::body::{Body, read_atomic, read_plpgsql, read_sql};
use crate::sql::constants::Constants;
use crate::sql::expr::{Call, Expr, Part, Unread};
use crate::sql::statement::has_name;
use crate::sql::syntax::read_select;

/// A function or procedure.
#[derive(Debug, Deserialize)]
#[serde(from = "RoutineRow")]
pub(crate) struct Routine {
    pub oid: Oid,
    pub name: QualifiedName,
    pub language: String,
    #[expect(dead_code, reason = "what routines do as their owner is judged by it")]
    pub is_definer: bool,
    /// `pg_proc.provolatile`
    #[expect(dead_code, reason = "what routines promise is judged by it")]
    pub volatility: char,
    /// What it sets while it runs, such as `search_path=""`.
    pub config: Vec<String>,
    /// The names of what it takes; empty where one has none.
    pub arguments: Vec<String>,
    /// The operators that it stands behind, as in `public.@#`.
    operators: Vec<String>,
    defaults: usize,
    /// `a, b`: what its last parameters have where nothing is handed to them.
    default_values: Option<String>,
    is_variadic: bool,
    /// The body as it was written; empty where it is `begin atomic`.
    pub text: String,
    definition: Option<String>,
    /// Read when it is first asked for: most are never called by a policy.
    body: OnceLock<Body>,
    constants: OnceLock<Constants>,
}

#[derive(Deserialize)]
struct RoutineRow {
    oid: Oid,
    schema: String,
    name: String,
    language: String,
    is_definer: bool,
    volatility: char,
    config: Vec<String>,
    arguments: Vec<String>,
    operators: Vec<String>,
    defaults: usize,
    default_values: Option<String>,
    is_variadic: bool,
    text: String,
    definition: Option<String>,
}

impl From<RoutineRow> for Routine {
    fn from(row: RoutineRow) -> Self {
        Self {
            oid: row.oid,
            name: QualifiedName::new(row.schema, row.name),
            language: row.language,
            is_definer: row.is_definer,
            volatility: row.volatility,
            config: row.config,
            arguments: row.arguments,
            operators: row.operators,
            defaults: row.defaults,
            default_values: row.default_values,
            is_variadic: row.is_variadic,
            text: row.text,
            definition: row.definition,
            body: OnceLock::new(),
            constants: OnceLock::new(),
        }
    }
}

impl Routine {
    /// What its last parameters have where nothing is handed to them.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn defaults(&self) -> Result<Vec<Expr>, Unread> {
        let Some(values) = &self.default_values else { return Ok(Vec::new()) };
        let select = read_select(&format!("select {values}"))?;
        Ok(select.targets.into_iter().map(|target| target.value).collect())
    }

    /// What it does, as far as it can be read.
    pub(crate) fn body(&self) -> &Body {
        self.body.get_or_init(|| match (self.language.as_str(), &self.definition) {
            ("sql", Some(definition)) => read_atomic(definition),
            ("sql", None) => read_sql(&self.text),
            ("plpgsql", _) => read_plpgsql(&self.text),
            (other, _) => {
                let unread = Unread { why: format!("it is written in {other}") };
                Body { steps: Vec::new(), unread: vec![unread] }
            }
        })
    }

    /// The constants that it names.
    pub(crate) fn constants(&self) -> &Constants {
        self.constants.get_or_init(|| Constants::of_body(self.body(), self.source()))
    }

    /// Whether its text has a name in it.
    pub(crate) fn names(&self, name: &str) -> bool {
        has_name(self.source(), name)
    }

    fn source(&self) -> &str {
        self.definition.as_deref().unwrap_or(&self.text)
    }

    /// The schemas in which it looks for what is named without one; none where it sets none.
    fn search_path(&self) -> Option<Vec<String>> {
        // What the server writes is written for the session.
        if self.definition.is_some() {
            return None;
        }
        let path = self.config.iter().find_map(|set| set.strip_prefix("search_path="))?;
        let unquoted = |name: &str| name.trim().trim_matches('"').to_owned();
        Some(path.split(',').map(unquoted).filter(|name| !name.is_empty()).collect())
    }

    fn takes(&self, arguments: usize) -> bool {
        let most = self.arguments.len();
        arguments + self.defaults >= most && (arguments <= most || self.is_variadic)
    }
}

/// All of them, and where those are looked for that are named without a schema.
#[derive(Debug, Default)]
pub(crate) struct Routines {
    by_oid: BTreeMap<Oid, Routine>,
    by_name: BTreeMap<String, Vec<Oid>>,
    /// By operator, with its schema and without.
    by_operator: BTreeMap<String, Vec<Oid>>,
    /// The schemas of the session that read the trees.
    search_path: Vec<String>,
}

impl Routines {
    pub(crate) fn new(routines: Vec<Routine>, search_path: Vec<String>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Oid>> = BTreeMap::new();
        let mut by_operator: BTreeMap<String, Vec<Oid>> = BTreeMap::new();
        for routine in &routines {
            by_name.entry(routine.name.name().to_owned()).or_default().push(routine.oid);
            for qualified in &routine.operators {
                let symbol = qualified.rsplit_once('.').map_or("", |(_, symbol)| symbol);
                for name in [qualified, symbol] {
                    by_operator.entry(name.to_owned()).or_default().push(routine.oid);
                }
            }
        }
        let by_oid = routines.into_iter().map(|routine| (routine.oid, routine)).collect();
        Self { by_oid, by_name, by_operator, search_path }
    }

    /// The schemas in which names without one are looked for: in a routine, or in what the server
    /// writes.
    pub(crate) fn search_path(&self, within: Option<&Routine>) -> Vec<String> {
        within.and_then(Routine::search_path).unwrap_or_else(|| self.search_path.clone())
    }

    /// What a call may call: one, or several of the same name.
    pub(crate) fn called(&self, call: &Call, within: Option<&Routine>) -> Vec<&Routine> {
        if self.by_operator.contains_key(call.name.last()) {
            let behind = self.behind(call.name.last());
            return behind.filter(|routine| routine.takes(call.arguments.len())).collect();
        }
        let Some(named) = self.by_name.get(call.name.last()) else { return Vec::new() };
        let named = named.iter().filter_map(|oid| self.by_oid.get(oid));
        let named = named.filter(|routine| routine.takes(call.arguments.len()));
        match call.name.qualifier() {
            Some(schema) => named.filter(|routine| routine.name.schema() == schema).collect(),
            None => {
                let path = self.search_path(within);
                named
                    .filter(|routine| path.iter().any(|schema| schema == routine.name.schema()))
                    .collect()
            }
        }
    }

    /// Whether the text of one of them has a name in it.
    pub(crate) fn name_somewhere(&self, name: &str) -> bool {
        self.by_oid.values().any(|routine| routine.names(name))
    }

    /// Whether a function of the project is behind an operator.
    pub(crate) fn stand_behind(&self, schema: &str, operator: &str) -> bool {
        self.by_operator.contains_key(&format!("{schema}.{operator}"))
    }

    fn behind(&self, operator: &str) -> impl Iterator<Item = &Routine> {
        let behind = self.by_operator.get(operator).into_iter().flatten();
        behind.filter_map(|oid| self.by_oid.get(oid))
    }

    /// All that trees call, and what these call.
    pub(crate) fn reached<'t>(&self, trees: impl IntoIterator<Item = &'t Expr>) -> Vec<&Routine> {
        let mut reached: Vec<&Routine> = Vec::new();
        for tree in trees {
            self.add_called(tree, None, &mut reached);
        }
        let mut next = 0;
        while let Some(routine) = reached.get(next).copied() {
            for step in &routine.body().steps {
                self.add_called(step.expr(), Some(routine), &mut reached);
            }
            next += 1;
        }
        reached
    }

    fn add_called<'r>(
        &'r self,
        tree: &Expr,
        within: Option<&Routine>,
        reached: &mut Vec<&'r Routine>,
    ) {
        tree.walk(&mut |part| {
            let called = match part {
                Part::Expr(Expr::Call(call)) => self.called(call, within),
                Part::Expr(Expr::Binary { schema: Some(schema), operator, .. }) => {
                    self.behind(&format!("{schema}.{operator}")).collect()
                }
                _ => return,
            };
            for routine in called {
                if !reached.iter().any(|known| known.oid == routine.oid) {
                    reached.push(routine);
                }
            }
        });
    }
}
