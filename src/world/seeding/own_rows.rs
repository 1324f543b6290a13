//! Rows that somebody wrote because none could be made: put in when all else is there, then taken for
//! those of the owners that have none.

use crate::catalog::relation::Relation;
use crate::error::{Error, Result};
use crate::migrate::elevation::elevation_of;
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::project::guard::{COPY_HELP, refuse_unguardable};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::copied::as_insert;
use crate::sql::quote::literal;
use crate::sql::statement;
use crate::world::rows::PLACE;
use crate::world::seeding::attempt::SEED;
use crate::world::seeding::insert::whole_row;
use crate::world::seeding::seed::Variant;
use crate::world::value::{Branch, World};

impl World {
    /// Puts them in, and tries once more to make what is still missing: it may refer to them.
    ///
    /// # Errors
    /// A statement that fails, with its file and line, or one that would end the transaction.
    pub(crate) fn take_own_rows(
        &mut self,
        session: &mut Session,
        files: &[&SqlFile],
        tables: &[&Relation],
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        for file in files {
            put_in(session, file)?;
        }
        // What the files have set is not to be what the people find.
        let put_back = "reset role; reset all";
        session.run(put_back).map_err(failing(SEED))?;
        session.steady();
        for relation in tables {
            self.unseeded.remove(&relation.oid);
            for (branch, _) in self.refused.remove(&relation.oid).unwrap_or_default() {
                if !self.take_row(session, relation, &branch)? {
                    self.seed_first(session, relation, &branch)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the first row of a branch that is there; tells whether there is one.
    fn take_row(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
    ) -> Result<bool> {
        let tenant = branch.tenant.as_deref().map(|name| self.tenant_key(name)).transpose()?;
        let user = self.user_of(branch);
        let owner = [tenant, user.and_then(|actor| actor.user()).map(str::to_owned)];
        let query = self.tenancy.owners_query(&self.catalog, relation, &[]);
        let query = query.replacen("select ", &format!("select {PLACE}, "), 1);
        let rows = session.as_auditor(&query).map_err(failing(SEED))?;
        let place = rows.iter().find(|row| row[1..] == owner).and_then(|row| row[0].as_deref());
        let Some(place) = place else { return Ok(false) };
        let row = format!(
            "select {} from {} as r where {PLACE} = {}",
            whole_row(relation),
            relation.sql_name(),
            literal(place)
        );
        let found = session.as_auditor(&row).map_err(failing(SEED))?;
        let Some(text) = found.into_iter().flatten().flatten().next() else {
            return Ok(false);
        };
        let stored = serde_json::from_str(&text)
            .map_err(|cause| Error::new("the server's answer has a wrong form").cause(cause))?;
        self.remember(relation, branch, Variant::Full, stored);
        Ok(true)
    }
}

/// How a statement begins that adds rows, or that says who does.
const ADDS_ROWS: [&str; 4] = ["insert", "copy", "select", "set"];

fn put_in(session: &mut Session, file: &SqlFile) -> Result<()> {
    let sql = adapt(file).sql;
    refuse_unguardable(file, &sql)?;
    for statement in statement::split(&sql) {
        let line = statement::line_of(&sql, statement.first_word);
        let first = statement::words(statement.text).next().unwrap_or_default();
        if !ADDS_ROWS.contains(&first.as_str()) {
            let fact = format!("`{}` cannot be run: line {line}", file.path().display());
            return Err(Error::new(fact)
                .cause("among the rows of the world it would change what the files have made")
                .help(format!("use {} only", ADDS_ROWS.join(", "))));
        }
        // The session may not copy into a table itself.
        let instead = match statement.data {
            Some(rows) => as_insert(statement.text, rows).ok_or_else(|| {
                Error::new(format!("`{}` cannot be run: line {line}", file.path().display()))
                    .cause("only the plain form of `copy from stdin` can be read here")
                    .help(COPY_HELP)
            })?,
            None => elevation_of(statement.text)
                .map_or_else(|| statement.text.to_owned(), |elevation| elevation.call),
        };
        let done = session.as_owner(&instead);
        done.map_err(|failed| {
            let fact = format!("`{}` failed at line {line}", file.path().display());
            failed.error(fact).help(
                "the rows of the world are put in after all that leakproof could make; without \
                     this file the report has a new one to fill in",
            )
        })?;
    }
    Ok(())
}
