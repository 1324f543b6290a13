//! Applies a file again and again on the same rows, each time in a transaction that is rolled back: twice
//! as it will be, to see what comes of the clock or of chance, and then with other settings of the session,
//! and the rows in another order.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::migrate::hosted::FileKind;
use crate::migrate::run::run_as_owner;
use crate::migrate::target::Throwaway;
use crate::preserve::calls::sequences;
use crate::preserve::circumstance::Circumstance;
use crate::preserve::prints::{
    Chance, Prints, Search, TableDifference, compare, differing, read_prints,
};
use crate::preserve::repeated::{Difference, DifferenceKind, Other, Repeated, What};
use crate::preserve::steady::{leave_formats, pin_formats};
use crate::preserve::tables::Tables;
use crate::project::files::SqlFile;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::sql::quote::literal;
use crate::sql::writers::line_that_writes;

/// What could not be done where a statement of ours fails.
const ATTEMPT: &str = "apply a file again";

/// How rows are read in another order, once they are in another one.
const OTHER_PLANS: &str = "set local enable_hashagg = off; set local enable_hashjoin = off; \
    set local enable_indexscan = off; set local enable_indexonlyscan = off";

/// A file, and where it is applied again.
pub(crate) struct Repeat<'a> {
    pub connection: &'a mut Connection,
    pub throwaway: &'a Throwaway,
    pub file: &'a SqlFile,
    pub sql: &'a str,
}

/// What came of a run: what was seen, or why the file failed.
type Ran<T> = std::result::Result<T, Error>;

/// What a run under other circumstances does otherwise.
enum Found {
    Nothing,
    Fails(Error),
    Tables(Vec<TableDifference>),
}

impl Repeat<'_> {
    /// Applies it under each of the circumstances; none where it meets no row.
    ///
    /// # Errors
    /// A lost connection, or a file after which nothing can be compared.
    pub(crate) fn run(mut self) -> Result<Option<Repeated>> {
        if !self.connection.uncommitted(has_rows)? {
            return Ok(None);
        }
        let (others, untried) = self.connection.uncommitted(read_others)?;
        let mut repeated = Repeated { tried: others, untried, ..Repeated::default() };
        let mut chance = Chance::default();
        let mut alike = Vec::new();
        for _ in 0..2 {
            match self.prints(&[], &chance)? {
                Ok(prints) => alike.push(prints),
                // Where it is applied to stay, it most probably fails as well.
                Err(error) => return Ok(Some(failing_as_usual(&error))),
            }
        }
        chance = Chance::between(&alike[0], &alike[1]);
        let usual = match self.prints(&[], &chance)? {
            Ok(usual) => usual,
            Err(error) => return Ok(Some(failing_as_usual(&error))),
        };
        let found = self.find(&repeated.tried, &usual, &mut chance)?;
        for (under, found) in found {
            repeated.differences.extend(self.told(&under, found, &usual, &chance)?);
        }
        repeated.by_chance = chance.names();
        Ok(Some(repeated))
    }

    /// What differs, under as few circumstances as it takes.
    fn find(
        &mut self,
        others: &[Other],
        usual: &Prints,
        chance: &mut Chance,
    ) -> Result<Vec<(Vec<Other>, Found)>> {
        // There is one run for all but the second values of a setting.
        let mut all: Vec<Other> = Vec::new();
        let mut more: Vec<Other> = Vec::new();
        for other in others {
            let is_known = all.iter().any(|one| one.circumstance == other.circumstance);
            if is_known { &mut more } else { &mut all }.push(other.clone());
        }
        let together = self.seen_under(&all, usual, chance)?;
        let mut by_more = Vec::new();
        for other in more {
            let seen = self.seen_under(std::slice::from_ref(&other), usual, chance)?;
            by_more.push((vec![other], seen));
        }
        let is_clean = |seen: &Found| matches!(seen, Found::Nothing);
        if is_clean(&together) && by_more.iter().all(|(_, seen)| is_clean(seen)) {
            return Ok(Vec::new());
        }
        // Where no key tells rows apart, chance shows only now.
        if let Ok(again) = self.prints(&[], chance)? {
            chance.add_tables(compare(usual, &again, chance));
        }
        let mut found = Vec::new();
        if !is_clean(&together) {
            for other in &all {
                let seen = self.seen_under(std::slice::from_ref(other), usual, chance)?;
                found.push((vec![other.clone()], seen));
            }
        }
        found.extend(by_more);
        found.retain(|(_, seen)| !is_clean(seen));
        match together {
            Found::Nothing => {}
            _ if !found.is_empty() => {}
            together => found.push((all, together)),
        }
        Ok(once_each(found, chance))
    }

    fn seen_under(&mut self, under: &[Other], usual: &Prints, chance: &Chance) -> Result<Found> {
        Ok(match self.prints(under, chance)? {
            Err(error) => Found::Fails(error),
            Ok(prints) => match compare(usual, &prints, chance) {
                none if none.is_empty() => Found::Nothing,
                some => Found::Tables(some),
            },
        })
    }

    fn prints(&mut self, under: &[Other], chance: &Chance) -> Result<Ran<Prints>> {
        self.once(under, |session| read_prints(session, chance))
    }

    /// Applies the file, looks, and takes everything back.
    fn once<T>(
        &mut self,
        under: &[Other],
        look: impl FnOnce(&mut Session) -> Result<T>,
    ) -> Result<Ran<T>> {
        let (throwaway, file, sql) = (self.throwaway, self.file, self.sql);
        let mut put_back = String::new();
        let outcome = self.connection.uncommitted(|session| {
            // As where it is applied to stay.
            pin_formats(session);
            leave_formats(session);
            put_back = sequences(session)?;
            for other in under {
                make(session, other)?;
            }
            match run_as_owner(session, throwaway, file, sql, FileKind::Change) {
                Ok(_) => look(session).map(Ok),
                Err(error) if error.refusal().is_some() => Ok(Err(error)),
                Err(error) => Err(error),
            }
        });
        // Rolling back does not.
        self.connection.transaction(|session| {
            if !put_back.is_empty() {
                session.as_owner(&put_back).map_err(failing("put the sequences back"))?;
            }
            session.execute("deallocate all").map_err(failing(ATTEMPT))
        })?;
        outcome
    }

    /// The differences, each with its first rows.
    fn told(
        &mut self,
        under: &[Other],
        found: Found,
        usual: &Prints,
        chance: &Chance,
    ) -> Result<Vec<Difference>> {
        let under = under.to_vec();
        let tables = match found {
            Found::Nothing => return Ok(Vec::new()),
            Found::Fails(error) => {
                let sqlstate = error.refusal().map(|refusal| refusal.sqlstate.clone());
                let what = What::Fails { error: error.in_brief(), sqlstate };
                return Ok(vec![Difference { under, line: None, what }]);
            }
            Found::Tables(tables) => tables,
        };
        let searches: Vec<Search> =
            tables.into_iter().map(|one| Search::new(one, usual, chance)).collect();
        let buckets = |session: &mut Session| -> Result<Vec<_>> {
            searches.iter().map(|search| search.buckets(session)).collect()
        };
        let (Ok(was), Ok(is)) = (self.once(&[], buckets)?, self.once(&under, buckets)?) else {
            return Ok(Vec::new());
        };
        let differing: Vec<_> = was.iter().zip(&is).map(|(was, is)| differing(was, is)).collect();
        let rows = |session: &mut Session| -> Result<Vec<_>> {
            let both = searches.iter().zip(&differing);
            both.map(|(search, one)| search.rows(session, &one.first)).collect()
        };
        let (Ok(was), Ok(is)) = (self.once(&[], rows)?, self.once(&under, rows)?) else {
            return Ok(Vec::new());
        };
        let seen = searches.iter().zip(&differing).zip(was.iter().zip(&is));
        let told = seen.map(|((search, differing), (was, is))| {
            let TableDifference { table, kind, columns } = search.difference.clone();
            let line = line_that_writes(self.sql, table.name(), &columns);
            let examples = match kind {
                DifferenceKind::Columns => Vec::new(),
                _ => search.examples(was, is),
            };
            let (rows, of) = (differing.count, search.of);
            let is_at_least = search.is_estimated();
            let what = What::Table { table, kind, columns, rows, is_at_least, of, examples };
            Difference { under: under.clone(), line, what }
        });
        Ok(told.collect())
    }
}

/// Leaves out tables of chance, and of several values of a setting that show the same all but the first.
fn once_each(found: Vec<(Vec<Other>, Found)>, chance: &Chance) -> Vec<(Vec<Other>, Found)> {
    let mut known: BTreeMap<Vec<Circumstance>, Vec<Option<TableDifference>>> = BTreeMap::new();
    let mut found = found;
    let circumstances = |under: &[Other]| -> Vec<Circumstance> {
        under.iter().map(|other| other.circumstance).collect()
    };
    found.sort_by_key(|(under, _)| circumstances(under));
    for (under, seen) in &mut found {
        let known = known.entry(circumstances(under)).or_default();
        let mut is_new = |one: Option<TableDifference>| {
            let is_known = known.iter().any(|known| match (known, &one) {
                (Some(known), Some(one)) => known.table == one.table,
                (known, one) => known.is_none() && one.is_none(),
            });
            known.push(one);
            !is_known
        };
        match seen {
            Found::Nothing => {}
            Found::Fails(_) if is_new(None) => {}
            Found::Fails(_) => *seen = Found::Nothing,
            Found::Tables(tables) => {
                tables.retain(|one| !chance.is_of(&one.table) && is_new(Some(one.clone())));
            }
        }
    }
    found
}

fn failing_as_usual(error: &Error) -> Repeated {
    let untried = vec![format!("anything, since {}", error.in_brief())];
    Repeated { untried, ..Repeated::default() }
}

fn has_rows(session: &mut Session) -> Result<bool> {
    let mut tables = Tables::read(session)?;
    tables.count(session)?;
    Ok(tables.by_oid.values().any(|table| table.rows > 0 && !table.is_view()))
}

/// What is tried, and what cannot be, and why.
fn read_others(session: &mut Session) -> Result<(Vec<Other>, Vec<String>)> {
    pin_formats(session);
    leave_formats(session);
    let mut ask = |sql: &str| -> Result<Vec<String>> {
        let rows = session.rows(sql).map_err(failing(ATTEMPT))?;
        Ok(rows.into_iter().flatten().flatten().collect())
    };
    // Whatever session applies the file has these.
    let fixed = ask("select pg_catalog.lower(pg_catalog.split_part(one, '=', 1)) \
         from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) as one \
         where s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d \
             where d.datname = pg_catalog.current_database())) \
         and s.setrole in (0, (select r.oid from pg_catalog.pg_roles r \
             where r.rolname = session_user))")?;
    let (mut others, mut untried) = (Vec::new(), Vec::new());
    for circumstance in [
        Circumstance::TimeZone,
        Circumstance::DateStyle,
        Circumstance::IntervalStyle,
        Circumstance::FloatDigits,
    ] {
        let [setting, ..] = circumstance.settings() else { continue };
        if fixed.contains(&setting.to_lowercase()) {
            untried.push(format!("another {circumstance}, since it is set for the database"));
            continue;
        }
        let now = ask(&format!("select pg_catalog.current_setting({})", literal(setting)))?;
        let values = circumstance.values().iter().filter(|value| !now.contains(&(**value).into()));
        let most = if circumstance == Circumstance::TimeZone { 2 } else { 1 };
        others.extend(
            values.take(most).map(|value| Other { circumstance, value: Some((*value).into()) }),
        );
    }
    let locales =
        ask("select c.collcollate from pg_catalog.pg_collation c where c.collprovider = 'c' \
         and c.collencoding in (-1, (select d.encoding from pg_catalog.pg_database d \
             where d.datname = pg_catalog.current_database())) \
         and c.collcollate !~ '^(C|POSIX|en_)' \
         and c.collcollate <> pg_catalog.current_setting('lc_numeric') \
         order by pg_catalog.starts_with(c.collcollate, 'de_DE') desc, 1 limit 1")?;
    match locales.into_iter().next() {
        Some(locale) => {
            others.push(Other { circumstance: Circumstance::Locale, value: Some(locale) });
        }
        None => untried.push("another locale, since the server has none".into()),
    }
    others.push(Other { circumstance: Circumstance::RowOrder, value: None });
    Ok((others, untried))
}

/// Has the rest of the transaction run under another circumstance.
fn make(session: &mut Session, other: &Other) -> Result<()> {
    let Other { circumstance, value } = other;
    for setting in circumstance.settings() {
        let value = literal(value.as_deref().unwrap_or_default());
        session.say(format!("set local {setting} = {value}"));
    }
    if *circumstance == Circumstance::RowOrder {
        reorder(session)?;
        session.execute(OTHER_PLANS).map_err(failing(ATTEMPT))?;
    }
    Ok(())
}

/// Writes all rows anew in another order. What refuses that stays as it is.
fn reorder(session: &mut Session) -> Result<()> {
    let attempt = "put rows into another order";
    let statements =
        session.texts_as_auditor(include_str!("reorder.sql")).map_err(failing(attempt))?;
    // One after the other, in the order in which they are asked for.
    session.say("set local enable_hashjoin = off");
    session.say("set local enable_mergejoin = off");
    for statement in statements {
        let kept = session.kept_unless_refused(&unhindered(&statement));
        drop(kept.map_err(failing(attempt))?);
    }
    session.say("set local enable_mergejoin = on");
    Ok(())
}
