//! The recorded calls of an `api/` file.
//!
//! ```sql
//! -- call: Mia reads her fractions
//! -- as: 00000000-0000-4000-8000-000000000001
//! -- until: V7
//! select public.get_chat_history('...', 'fractions', 'halves');
//! ```

use crate::error::{Error, Result};
use crate::names::Place;
use crate::project::files::SqlFile;
use crate::project::guard::unguardable;
use crate::sql::statement;

/// A question to the API whose answer no later migration may change.
#[derive(Debug, Clone)]
pub struct RecordedCall {
    name: String,
    caller: Option<Caller>,
    until: Option<i64>,
    errors_by_code: bool,
    sql: String,
    version: i64,
    path: String,
    line: usize,
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Who runs the migrations.
    Owner,
    /// A visitor who is not logged in.
    Nobody,
    /// The role of trusted back-end jobs.
    Service,
    /// The user of this id.
    User(String),
}

impl RecordedCall {
    /// The words after `-- call:`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who makes it: what `-- as:` says, else the owner of the migrations.
    pub fn caller(&self) -> &Caller {
        self.caller.as_ref().unwrap_or(&Caller::Owner)
    }

    /// Whether of an error only the SQLSTATE counts, and not its message.
    pub fn compares_errors_by_code(&self) -> bool {
        self.errors_by_code
    }

    /// The statements.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The version from which on it is answered: the file's.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Whether the migration to `version` must leave its answer as it is.
    pub fn is_compared_across(&self, version: i64) -> bool {
        self.version < version && self.until.is_none_or(|until| version < until)
    }

    /// The call's first line.
    pub fn place(&self) -> Place {
        Place::new(&self.path, self.line)
    }
}

/// Reads the calls of a file, in order; `versions` are those of the migrations.
pub(crate) fn parse(file: &SqlFile, versions: &[i64]) -> Result<Vec<RecordedCall>> {
    let path = file.path().display().to_string();
    let wrong = |line: usize, why: String| {
        Error::new(format!("`{path}` is not a file of calls: line {line}")).cause(why).help(
            "write `-- call: <name>`; if need be `-- as: <id of a user>`, `-- until: V<n>`, \
             `-- errors: code`; then the statements",
        )
    };
    let mut calls: Vec<RecordedCall> = Vec::new();
    for (index, text) in file.text().lines().enumerate() {
        let line = index + 1;
        let key = text.trim().strip_prefix("--").and_then(key_of);
        if let Some(("call", name)) = key {
            if name.is_empty() {
                return Err(wrong(line, "the call has no name".into()));
            }
            calls.push(RecordedCall {
                name: name.to_owned(),
                caller: None,
                until: None,
                errors_by_code: false,
                sql: String::new(),
                version: file.version(),
                path: path.clone(),
                line,
            });
            continue;
        }
        let is_blank = text.trim().is_empty() || text.trim().starts_with("--");
        let Some(call) = calls.last_mut() else {
            if is_blank && key.is_none() {
                continue;
            }
            return Err(wrong(line, "there is no `-- call:` line above it".into()));
        };
        match key {
            Some((key, _)) if !call.sql.is_empty() && KEYS.contains(&key) => {
                let why = format!("`-- {key}:` comes after the call's first statement");
                return Err(wrong(line, why));
            }
            Some((key, value)) if call.sql.is_empty() => {
                call.set(key, value, versions).map_err(|why| wrong(line, why))?;
            }
            // What comes before the first statement is a comment on the call.
            _ if is_blank && call.sql.is_empty() => {}
            _ => {
                call.sql.push_str(text);
                call.sql.push('\n');
            }
        }
    }
    if calls.is_empty() {
        return Err(wrong(1, "there is no `-- call:` line".into()));
    }
    for call in &mut calls {
        call.sql.truncate(call.sql.trim_end().len());
        let statements = statement::split(&call.sql);
        if statements.is_empty() {
            return Err(wrong(call.line, "the call has no statement".into()));
        }
        for statement in statements {
            if let Some((why, help)) = unguardable(statement.text) {
                let fact = format!("the call at `{}` cannot be made", call.place());
                let first = statement.text.lines().find(|line| !line.starts_with("--"));
                let why = format!("`{}`: {why}", first.unwrap_or_default());
                return Err(Error::new(fact).cause(why).help(help));
            }
        }
    }
    Ok(calls)
}

impl RecordedCall {
    fn set(&mut self, key: &str, value: &str, versions: &[i64]) -> Result<(), String> {
        let is_new = match key {
            "as" if value.is_empty() => return Err("`-- as:` names nobody".into()),
            "as" => self.caller.replace(caller(value)).is_none(),
            "until" => self.until.replace(self.end(value, versions)?).is_none(),
            "errors" if value != "code" => {
                return Err(format!("`-- errors: {value}` is not `-- errors: code`"));
            }
            "errors" => !std::mem::replace(&mut self.errors_by_code, true),
            _ => return Err(format!("a call has no `-- {key}:`")),
        };
        if is_new { Ok(()) } else { Err(format!("the call has another `-- {key}:` above")) }
    }

    /// The version that `-- until:` names; an earlier migration must be left to compare across.
    fn end(&self, value: &str, versions: &[i64]) -> Result<i64, String> {
        let digits = value.strip_prefix('V').unwrap_or(value);
        let until = digits.parse().map_err(|_| format!("`-- until: {value}` is no version"))?;
        if !versions.contains(&until) {
            return Err(format!("`-- until: {value}` is a version that no migration has"));
        }
        if !versions.iter().any(|version| (self.version + 1..until).contains(version)) {
            return Err(format!(
                "no migration lies between version {} and `-- until: {value}`",
                self.version
            ));
        }
        Ok(until)
    }
}

fn caller(value: &str) -> Caller {
    match value {
        "nobody" => Caller::Nobody,
        "service_role" => Caller::Service,
        id => Caller::User(id.to_owned()),
    }
}

/// What can be said of a call above its statements.
const KEYS: [&str; 3] = ["as", "until", "errors"];

/// `as: someone` as its word and what follows. A comment such as `NOTE: ...` has no key.
fn key_of(comment: &str) -> Option<(&str, &str)> {
    let (key, value) = comment.trim().split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase());
    is_key.then_some((key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Result<Vec<RecordedCall>, String> {
        let file = SqlFile::for_test("api/V1__a.sql", 1, sql);
        parse(&file, &[1, 2, 3, 7]).map_err(|error| error.to_string())
    }

    #[test]
    fn calls_and_what_is_said_of_them() {
        let calls = read(
            "-- What Mia asks.\n\n-- call: Mia reads: all\n-- as: mia \n-- NOTE: twice.\n\
             -- until: V7\n\n-- errors: code\nselect 1;\n-- and: so\nselect 2;\n\n\
             -- call: anybody\n-- as: nobody\nselect 3\n-- call: jobs\n-- as: service_role\nselect 4\n\
             -- call: us\n-- until: 3\nselect 5",
        )
        .unwrap();
        let told: Vec<_> =
            calls.iter().map(|call| (call.name(), call.sql(), call.place().to_string())).collect();
        let place = |line: usize| format!("api/V1__a.sql:{line}");
        assert_eq!(
            told,
            [
                ("Mia reads: all", "select 1;\n-- and: so\nselect 2;", place(3)),
                ("anybody", "select 3", place(13)),
                ("jobs", "select 4", place(16)),
                ("us", "select 5", place(19)),
            ]
        );
        let callers: Vec<_> = calls.iter().map(RecordedCall::caller).collect();
        let mia = Caller::User("mia".into());
        assert_eq!(callers, [&mia, &Caller::Nobody, &Caller::Service, &Caller::Owner]);
        assert!(calls[0].compares_errors_by_code() && !calls[1].compares_errors_by_code());
        let across = |call: &RecordedCall| [1, 2, 3, 7].map(|n| call.is_compared_across(n));
        assert_eq!(across(&calls[0]), [false, true, true, false]);
        assert_eq!(across(&calls[1]), [false, true, true, true]);
        assert_eq!(across(&calls[3]), [false, true, false, false]);
    }

    #[test]
    fn what_is_refused() {
        for (sql, line, why) in [
            ("", 1, "there is no `-- call:` line"),
            ("select 1;\n-- call: a\nselect 1", 1, "there is no `-- call:` line above it"),
            ("\n-- as: mia\n-- call: a\nselect 1", 2, "there is no `-- call:` line above it"),
            ("-- call:\nselect 1", 1, "the call has no name"),
            ("-- call: a\n-- call: b\nselect 1", 1, "the call has no statement"),
            ("-- call: a\nselect 1;\n-- call: b\n-- NOTE: nothing\n;\n", 3, "has no statement"),
            ("-- call: a\n-- as:\nselect 1", 2, "names nobody"),
            ("-- call: a\n-- as: b\n-- as: c\nselect 1", 3, "another `-- as:` above"),
            ("-- call: a\n-- unitl: V7\nselect 1", 2, "a call has no `-- unitl:`"),
            ("-- call: a\n-- until: soon\nselect 1", 2, "`-- until: soon` is no version"),
            ("-- call: a\n-- until: V5\nselect 1", 2, "a version that no migration has"),
            ("-- call: a\n-- until: V2\nselect 1", 2, "between version 1 and `-- until: V2`"),
            ("-- call: a\n-- errors: none\nselect 1", 2, "is not `-- errors: code`"),
            ("-- call: a\nselect 1;\n-- as: mia\n", 3, "after the call's first statement"),
        ] {
            let told = read(sql).expect_err(sql);
            let head = format!("`api/V1__a.sql` is not a file of calls: line {line}\n");
            assert!(told.starts_with(&head) && told.contains(why), "{sql}: {told}");
        }
        for sql in ["end", "-- why not\nrollback to savepoint x", "copy t from stdin"] {
            let told = read(&format!("-- call: a\nselect 1;\n{sql}")).expect_err(sql);
            assert!(told.starts_with("the call at `api/V1__a.sql:1` cannot be made"), "{told}");
        }
    }
}
