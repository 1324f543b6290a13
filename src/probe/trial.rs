//! One statement as one actor under a savepoint, and what became of it. Never commits.

use postgres::Client;
use postgres::error::DbError;

use crate::actor::{Actor, BECOME_OURSELVES};
use crate::catalog::{Relation, RelationKind};
use crate::error::{Error, Result};
use crate::matrix::verdict::Verdict;
use crate::probe::privileges::{Privilege, Privileges};
use crate::session::{self, TextRow};
use crate::sql::quote::{identifier, qualified};

/// A session that is an actor inside a savepoint.
pub(crate) struct Trial<'a> {
    client: &'a mut Client,
    actor: &'a Actor,
}

/// What the server answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The rows it gave, how many it reached, and what was seen right after it, if asked for.
    Done(Vec<TextRow>, u64, Option<Vec<TextRow>>),
    Failed(Failure),
}

/// Why a statement raised.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub sqlstate: String,
    message: String,
    /// The server's function that raised; tells apart what shares a SQLSTATE, in any language.
    routine: String,
    /// Set where a constraint of a table is what failed.
    constraint: Option<ConstraintName>,
    /// Set where a NOT NULL of a table is what failed: its schema, table and column.
    not_null: Option<[String; 3]>,
    /// Whether the value was refused by its type, before anything asked for access.
    is_of_domain: bool,
    /// Whether a relation that the statement needs, such as one in a policy, is closed to the actor:
    /// it was refused before any row was looked at.
    pub is_before_rows: bool,
}

impl<'a> Trial<'a> {
    /// Becomes the actor. Everything until [`Self::end`] happens under one savepoint.
    ///
    /// # Errors
    /// The actor's role does not exist, or is a superuser or has BYPASSRLS without being meant to.
    pub(crate) fn begin(client: &'a mut Client, actor: &'a Actor) -> Result<Self> {
        let sql = format!(
            "savepoint actor; set local statement_timeout = '10s'; {}; savepoint probe; \
             select current_user, r.rolsuper, r.rolbypassrls \
             from pg_catalog.pg_roles r where r.rolname = current_user",
            actor.become_sql()
        );
        let rows = session::rows(client, &sql).map_err(|cause| {
            Error::new(format!("could not become the actor `{}`", actor.name()))
                .cause(session::reason(&cause))
                .help(format!("the role `{}` must exist after the migrations", actor.role()))
        })?;
        let is = |value: &str| value == "t";
        match rows.last().map(|row| row.iter().map(Option::as_deref).collect::<Vec<_>>()).as_deref()
        {
            Some([Some(role), Some(superuser), Some(bypass)]) if *role == actor.role() => {
                if is(superuser) || (is(bypass) && !actor.is_service()) {
                    return Err(Error::new(format!(
                        "the actor `{}` would not be stopped by any policy",
                        actor.name()
                    ))
                    .cause(format!("its role `{role}` is a superuser or has BYPASSRLS"))
                    .help("give the actor the role that the application's requests have"));
                }
                Ok(Self { client, actor })
            }
            _ => Err(Error::new(format!("the session did not become `{}`", actor.role()))),
        }
    }

    pub(crate) fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// Puts everything back as it was before [`Self::begin`].
    pub(crate) fn end(self) -> Result<()> {
        session::rows(self.client, "rollback to savepoint actor; release savepoint actor")
            .map(drop)
            .map_err(|cause| lost(&cause))
    }

    /// Runs a statement on the untouched world, and `look` as ourselves right after it: in one round
    /// trip, since most of them are such. `look` must be a query that cannot fail.
    pub(crate) fn attempt(&mut self, statement: &str, look: Option<&str>) -> Result<Answer> {
        self.answer(&["rollback to savepoint probe", statement], look)
    }

    /// Runs statements, of which the last is the actor's.
    fn answer(&mut self, statements: &[&str], look: Option<&str>) -> Result<Answer> {
        let mut sql = statements.join("; ");
        if let Some(look) = look {
            sql.push_str(&format!("; {BECOME_OURSELVES}; {look}"));
        }
        match session::run(self.client, &sql) {
            Ok(mut outcomes) => {
                let seen = look.and_then(|_| outcomes.pop()).map(|(rows, _)| rows);
                outcomes.truncate(statements.len());
                let (rows, reached) = outcomes.pop().unwrap_or_default();
                Ok(Answer::Done(rows, reached, seen))
            }
            Err(cause) => match cause.as_db_error() {
                // A shutdown or crash is not an answer about access.
                Some(error) if !error.code().code().starts_with("57P") => {
                    Ok(Answer::Failed(Failure::of(error)))
                }
                _ => Err(lost(&cause)),
            },
        }
    }

    /// As [`Self::attempt`], after statements of our own. `None` where those fail.
    pub(crate) fn attempt_after(
        &mut self,
        ours: &str,
        statement: &str,
        look: Option<&str>,
    ) -> Result<Option<Answer>> {
        let prepare = format!(
            "rollback to savepoint probe; {BECOME_OURSELVES}; {ours}; {}",
            self.actor.become_sql()
        );
        match session::rows(self.client, &prepare) {
            Ok(_) => self.answer(&[statement], look).map(Some),
            Err(cause) if cause.as_db_error().is_some() => Ok(None),
            Err(cause) => Err(lost(&cause)),
        }
    }

    /// As [`Self::attempt_after`], with the constraint that stopped it taken away, too, which is added
    /// to `ours`. `None` where it cannot be taken away.
    pub(crate) fn attempt_without(
        &mut self,
        obstacle: &Failure,
        ours: &mut String,
        statement: &str,
        look: Option<&str>,
    ) -> Result<Option<Answer>> {
        for way in obstacle.ways_to_remove() {
            let more = format!("{ours}; {way}");
            if let Some(answer) = self.attempt_after(&more, statement, look)? {
                *ours = more;
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// Asks, as ourselves, what the last attempt left behind.
    pub(crate) fn witness(&mut self, query: &str) -> Result<Vec<TextRow>> {
        let sql = format!("{BECOME_OURSELVES}; {query}");
        session::rows(self.client, &sql)
            .map_err(|cause| session::internal("look at what a probe left", &cause))
    }

    /// As [`Self::witness`], in a guise: the statements that say in whose name we ask.
    pub(crate) fn witness_as(&mut self, guise: &str, query: &str) -> Result<Vec<TextRow>> {
        let sql = format!("{BECOME_OURSELVES}; {}{guise}; {query}", self.actor.unclaim_sql());
        session::run(self.client, &sql)
            .map(|mut outcomes| outcomes.pop().map_or(Vec::new(), |(rows, _)| rows))
            .map_err(|cause| session::internal("look at what a probe left", &cause))
    }
}

fn lost(cause: &postgres::Error) -> Error {
    Error::new("the server was lost while probing")
        .cause(session::reason(cause))
        .help("run again; if it happens again, look at the server's log")
}

#[derive(Debug, Clone)]
struct ConstraintName {
    schema: String,
    table: String,
    name: String,
}

impl ConstraintName {
    fn of(error: &DbError) -> Option<Self> {
        Some(Self {
            schema: error.schema()?.to_owned(),
            table: error.table()?.to_owned(),
            name: error.constraint()?.to_owned(),
        })
    }
}

impl Failure {
    fn of(error: &DbError) -> Self {
        let sqlstate = match error.code().code() {
            // PostgreSQL 18 tells RESTRICT from NO ACTION; to us both are a foreign key.
            "23001" => "23503",
            other => other,
        };
        Self {
            sqlstate: sqlstate.to_owned(),
            message: error.message().to_owned(),
            routine: error.routine().unwrap_or_default().to_owned(),
            constraint: ConstraintName::of(error),
            not_null: (error.code().code() == "23502")
                .then(|| Some([error.schema()?, error.table()?, error.column()?]))
                .flatten()
                .map(|names| names.map(str::to_owned)),
            is_of_domain: error.datatype().is_some(),
            // Within a function there is a context.
            is_before_rows: error.routine() == Some("aclcheck_error") && error.where_().is_none(),
        }
    }

    /// Statements, one of which may take away what failed.
    fn ways_to_remove(&self) -> Vec<String> {
        if let Some([schema, table, column]) = &self.not_null {
            let (table, column) = (qualified(schema, table), identifier(column));
            return vec![format!("alter table {table} alter column {column} drop not null")];
        }
        let Some(constraint) = &self.constraint else { return Vec::new() };
        let name = identifier(&constraint.name);
        let table = qualified(&constraint.schema, &constraint.table);
        // A unique index may stand alone, and a constraint's index cannot be dropped by itself.
        vec![
            format!("alter table {table} drop constraint {name} cascade"),
            format!("drop index {}", qualified(&constraint.schema, &constraint.name)),
        ]
    }

    /// Whether a WITH CHECK, or what stands for one, refused a row.
    pub(crate) fn is_of_policy(&self) -> bool {
        self.sqlstate == "42501" && self.routine == "ExecWithCheckOptions"
    }

    /// Whether a function of the project raised it on purpose.
    fn is_raised(&self) -> bool {
        self.routine == "exec_stmt_raise"
    }

    /// Whether a constraint failed that keeps data in shape, not owners apart: all but a foreign
    /// key over a row that is written, which may be what ties it to its owner. That another table
    /// refers to the row is luck.
    pub(crate) fn is_beside_access(&self, privilege: Privilege, written: &Relation) -> bool {
        let is_elsewhere = self.constraint.as_ref().is_some_and(|constraint| {
            (&constraint.schema, &constraint.table) != (&written.schema, &written.name)
        });
        match self.sqlstate.as_str() {
            // From PostgreSQL 18 on, `on delete restrict` has a code of its own: always about rows
            // that refer to the written one.
            "23001" | "23502" | "23505" | "23514" | "23P01" => !self.is_raised(),
            // A view or partitioned table is not what the server names.
            "23503" => {
                privilege == Privilege::Delete
                    || (privilege == Privilege::Update
                        && written.kind == RelationKind::Table
                        && is_elsewhere)
            }
            _ => false,
        }
    }

    /// The verdict on a command of which `of` rows were the target.
    ///
    /// `named` are the privileges and columns that the statement needed.
    pub(crate) fn verdict(
        &self,
        privileges: &Privileges,
        is_view: bool,
        needs: Privilege,
        named: &[(Privilege, &str)],
        of: usize,
    ) -> Verdict {
        let is_granted = privileges.has_any(needs)
            && named.iter().all(|(privilege, column)| privileges.has_column(*privilege, column));
        match self.sqlstate.as_str() {
            "42501" if !is_granted => Verdict::NoGrant,
            _ if self.is_of_policy() => Verdict::Refused,
            // A trigger that answers with a code of the server's.
            "42501" | "23001" | "23502" | "23503" | "23505" | "23514" | "23P01"
                if self.is_raised() && needs != Privilege::Select =>
            {
                Verdict::Refused
            }
            "23502" | "23514" if self.is_of_domain => {
                Verdict::Untested { reason: "the type of a column refused the value".into() }
            }
            // A view of the invoker asks for the grants below it.
            "42501" if is_view => Verdict::NoGrant,
            "23001" | "23503" => Verdict::Refused,
            // Checked after access control has let the row pass (executor order: policies, then
            // NOT NULL and checks, then unique and exclusion).
            "23505" | "23502" | "23514" | "23P01"
                if self.constraint.is_some() || self.not_null.is_some() =>
            {
                Verdict::Allowed { rows: 0, of, stopped_by: Some(self.sqlstate.clone()) }
            }
            "57014" => Verdict::Untested { reason: "it took longer than 10 s".into() },
            // An automatically updatable view with CHECK OPTION.
            "44000" => Verdict::Refused,
            _ => Verdict::Broken { sqlstate: self.sqlstate.clone() },
        }
    }

    /// The server's words, for evidence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
