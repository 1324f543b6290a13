//! The before/after pairs of a `preserve/` file.
//!
//! ```sql
//! -- preserve: every message keeps its place
//! -- covers: public.conversations.messages
//! -- before
//! select ...;
//! -- after
//! select ...;
//! ```

use crate::error::{Error, Result};
use crate::names::Place;
use crate::project::files::SqlFile;
use crate::sql::statement;

/// A promise that a migration keeps: two queries whose rows must be the same multiset.
#[derive(Debug, Clone)]
pub struct PreservePair {
    name: String,
    covers: Vec<String>,
    before: String,
    after: String,
    path: String,
    line: usize,
}

impl PreservePair {
    /// The sentence after `-- preserve:`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `schema.table` or `schema.table.column`, as named before the migration, whose loss or change
    /// this pair vouches for.
    pub fn covers(&self) -> &[String] {
        &self.covers
    }

    /// The query run right before the migration.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// The query run right after it.
    pub fn after(&self) -> &str {
        &self.after
    }

    /// The pair's first line.
    pub fn place(&self) -> Place {
        Place::new(&self.path, self.line)
    }
}

/// What stands in a draft for what nobody but its reader knows.
pub(crate) const UNFINISHED: &str = "<where it is now>";

#[derive(PartialEq)]
enum Part {
    Head,
    Before,
    After,
}

/// Reads the pairs of a file, in order.
pub(crate) fn parse(file: &SqlFile) -> Result<Vec<PreservePair>> {
    let path = file.path().display().to_string();
    let wrong = |line: usize, why: &str| {
        Error::new(format!("`{path}` is not a preserve file: line {line}"))
            .cause(why)
            .help("write `-- preserve: <promise>`, `-- before`, a query, `-- after`, a query")
    };
    let mut pairs: Vec<PreservePair> = Vec::new();
    let mut part = Part::Head;
    for (index, text) in file.text().lines().enumerate() {
        let line = index + 1;
        let comment = text.trim().strip_prefix("--").map(str::trim);
        if let Some(name) = comment.and_then(|comment| comment.strip_prefix("preserve:")) {
            pairs.push(PreservePair {
                name: name.trim().to_owned(),
                covers: Vec::new(),
                before: String::new(),
                after: String::new(),
                path: path.clone(),
                line,
            });
            part = Part::Head;
            continue;
        }
        let Some(pair) = pairs.last_mut() else {
            match comment {
                Some(_) => continue,
                None if text.trim().is_empty() => continue,
                None => return Err(wrong(line, "there is no `-- preserve:` line above it")),
            }
        };
        match (comment, &part) {
            (Some(comment), Part::Head) if comment.starts_with("covers:") => {
                let names = comment["covers:".len()..].split(',').map(str::trim);
                pair.covers.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
            }
            (Some("before" | "before:"), _) => part = Part::Before,
            (Some("after" | "after:"), _) => part = Part::After,
            (Some(_), Part::Head) => {}
            (None, Part::Head) if text.trim().is_empty() => {}
            (None, Part::Head) => return Err(wrong(line, "there is no `-- before` above it")),
            (_, Part::Before) => push_line(&mut pair.before, text),
            (_, Part::After) => push_line(&mut pair.after, text),
        }
    }
    if pairs.is_empty() {
        return Err(wrong(1, "there is no `-- preserve:` line"));
    }
    for pair in &mut pairs {
        for query in [&mut pair.before, &mut pair.after] {
            // Without its semicolon, and without the comments after it, which are the next pair's.
            if let [statement] = statement::split(query).as_slice() {
                *query = statement.text.to_owned();
            }
            query.truncate(query.trim_end().len());
        }
        if pair.after.contains(UNFINISHED) {
            return Err(wrong(pair.line, &format!("`{UNFINISHED}` is still to be replaced")));
        }
        if pair.before.is_empty() || pair.after.is_empty() {
            return Err(wrong(pair.line, "the pair lacks its `before` or its `after` query"));
        }
    }
    Ok(pairs)
}

fn push_line(query: &mut String, line: &str) {
    query.push_str(line);
    query.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_between_pairs_belong_to_no_query() {
        let file = SqlFile::for_test(
            "preserve/V2__a.sql",
            2,
            "-- What follows is about bodies.\n-- preserve: bodies\n-- before\nselect 1 -- one\n;\n\
             -- after\n-- The same.\nselect 2;\n\n-- And now titles; all of them.\n\n\
             -- preserve: titles\n-- before\nselect ';'\n-- after\nselect 4;;\n-- The end.\n",
        );
        let pairs = parse(&file).unwrap();
        let queries: Vec<_> = pairs.iter().map(|pair| (pair.before(), pair.after())).collect();
        assert_eq!(
            queries,
            [("select 1 -- one", "-- The same.\nselect 2"), ("select ';'", "select 4")]
        );
    }

    #[test]
    fn several_names_may_be_covered_on_one_line() {
        let text = "-- preserve: a\n-- covers: public.a, public.b.c\n-- covers: public.d\n\
                    -- before\nselect 1\n-- after\nselect 1\n";
        let pairs = parse(&SqlFile::for_test("preserve/V2__a.sql", 2, text)).unwrap();
        assert_eq!(pairs[0].covers(), ["public.a", "public.b.c", "public.d"]);
    }
}
