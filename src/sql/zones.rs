//! The time zones that a file states. Pure.

use std::collections::BTreeSet;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::sql::body::read_plpgsql;
use crate::sql::convert::{Converter, folded};
use crate::sql::expr::{Call, Expr, Literal, Part, Unread};
use crate::sql::statement;
use crate::sql::syntax::parsed;

/// The time zones that a file states, each with where it does.
#[derive(Debug, Default)]
pub(crate) struct StatedZones {
    parts: Vec<PartZones>,
}

/// A statement, or one of the actions of an `alter table`.
#[derive(Debug)]
struct PartZones {
    /// Its words in lower case, without quotes, those of the body of a block, too.
    words: BTreeSet<String>,
    /// What it sets for what comes after it.
    set: Vec<String>,
    /// What it converts with.
    converts: Vec<String>,
    /// Whether it may name columns by texts that it puts together.
    is_block: bool,
}

impl StatedZones {
    /// Reads the zones in `at time zone 'x'`, `timezone('x', at)`, `set_config('timezone', 'x', ...)` and
    /// `set timezone to 'x'`; those in the blocks of `do`, too.
    pub(crate) fn read(file: &str) -> Self {
        let mut parts = Vec::new();
        if may_state(file) {
            for statement in statement::split(file) {
                parts.extend(actions(statement.text).iter().map(|text| PartZones::read(text)));
            }
        }
        Self { parts }
    }

    /// The zones that are stated where a column is converted, and those that are set before that; in
    /// lower case, in the order of the file.
    pub(crate) fn of(&self, was: &str, now: &str) -> Vec<&str> {
        let names = |part: &PartZones| [was, now].iter().any(|name| part.words.contains(*name));
        let last = self.parts.iter().rposition(names);
        let mut zones: Vec<&str> = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let is_set = part.set.iter().filter(|_| last.is_none_or(|last| at <= last));
            let is_used = part.converts.iter().filter(|_| names(part) || part.is_block);
            for zone in is_used.chain(is_set) {
                if !zones.contains(&zone.as_str()) {
                    zones.push(zone);
                }
            }
        }
        zones
    }
}

impl PartZones {
    fn read(text: &str) -> Self {
        let mut zones = Zones::default();
        if may_state(text) {
            match read(text) {
                Ok(found) => zones = found,
                Err(_) => zones.add_from_words(text),
            }
        }
        let deep = statement::deep_parts(text);
        let words = deep.iter().flatten().map(|(word, _)| word.trim_matches('"').to_lowercase());
        let is_block = statement::words(text).next().is_some_and(|word| word == "do");
        Self { words: words.collect(), set: zones.set, converts: zones.converts, is_block }
    }
}

/// The actions of an `alter table`, each after the first as if it stood alone; else the statement.
fn actions(statement: &str) -> Vec<String> {
    let words: Vec<&str> = statement::raw_words(statement).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|w| w.eq_ignore_ascii_case(word));
    if !(is(0, "alter") && is(1, "table")) {
        return vec![statement.to_owned()];
    }
    let (mut parts, mut depth) = (vec![Vec::new()], 0_usize);
    for word in words {
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(vec!["alter table _"]);
                continue;
            }
            _ => {}
        }
        parts.last_mut().into_iter().for_each(|part| part.push(word));
    }
    parts.into_iter().map(|part| part.join(" ")).collect()
}

/// Whether it is worth while to read a statement: the names of types state no zone.
fn may_state(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.replace("with time zone", "").replace("without time zone", "").contains("zone")
}

/// Zones without repetition.
#[derive(Default)]
struct Zones {
    set: Vec<String>,
    converts: Vec<String>,
}

fn read(text: &str) -> Result<Zones, Unread> {
    parsed(text, |file| {
        if let Some(error) = file.errors.first() {
            return Err(Unread { why: error.clone() });
        }
        let mut zones = Zones::default();
        for node in file.root.descendants() {
            zones.add_from_setting(&node);
            if let Some(text) = block_of(&node) {
                zones.add_from_block(&text);
            }
        }
        let exprs = Converter::convert(|converter| converter.inside(&file.root))?;
        exprs.iter().for_each(|expr| zones.add_from_expr(expr));
        Ok(zones)
    })
}

/// The text of a `do` block.
fn block_of(node: &SyntaxNode) -> Option<String> {
    ast::Do::cast(node.clone())?.body()?.string_value()
}

impl Zones {
    fn set(&mut self, zone: &str) {
        add(&mut self.set, zone);
    }

    fn convert(&mut self, zone: &str) {
        add(&mut self.converts, zone);
    }

    fn add_from_expr(&mut self, expr: &Expr) {
        expr.walk(&mut |part| match part {
            Part::Expr(Expr::Binary { operator, right, .. }) if operator == "at time zone" => {
                self.convert(text_of(right).unwrap_or_default());
            }
            Part::Expr(Expr::Call(Call { name, arguments })) => {
                let texts: Vec<Option<&str>> =
                    arguments.iter().map(|argument| text_of(&argument.value)).collect();
                match (name.last(), texts.as_slice()) {
                    ("timezone", [Some(zone), ..]) => self.convert(zone),
                    ("set_config", [Some(name), Some(zone), ..]) if is_zone(name) => self.set(zone),
                    _ => {}
                }
            }
            _ => {}
        });
    }

    /// `set time zone 'x'`, `set timezone to x`, also of a role or database.
    fn add_from_setting(&mut self, node: &SyntaxNode) {
        let value = match node.kind() {
            SyntaxKind::SET_TIME_ZONE => Some(node.clone()),
            SyntaxKind::CONFIG_PARAMETER_REF if is_zone(&folded(node)) => node.next_sibling(),
            _ => None,
        };
        for part in value.iter().flat_map(|value| value.descendants()) {
            let literal = ast::Literal::cast(part.clone()).and_then(|text| text.string_value());
            let name = (part.kind() == SyntaxKind::CONFIG_VALUE_NAME).then(|| folded(&part));
            self.set(&literal.or(name).unwrap_or_default());
        }
    }

    fn add_from_block(&mut self, text: &str) {
        let body = read_plpgsql(text);
        if !body.unread.is_empty() {
            self.add_from_words(text);
        }
        body.steps.iter().for_each(|step| self.add_from_expr(step.expr()));
    }

    /// Of what cannot be read: the literals after `time zone`, `timezone`, and the like.
    fn add_from_words(&mut self, text: &str) {
        /// As in `set timezone to 'x'` and `timezone('x', at)`.
        const FARTHEST: usize = 2;
        let words: Vec<String> = statement::words(text).collect();
        for (at, word) in words.iter().enumerate() {
            let before = &words[at.saturating_sub(1 + FARTHEST)..at];
            let is_after = before
                .iter()
                .any(|word| ["zone", "timezone", "'timezone'"].contains(&word.as_str()));
            let zone = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
            if let Some(zone) = zone.filter(|zone| is_after && !is_zone(zone)) {
                self.convert(zone);
                self.set(zone);
            }
        }
    }
}

fn add(zones: &mut Vec<String>, zone: &str) {
    let zone = zone.to_lowercase();
    if !zone.is_empty() && !zones.contains(&zone) {
        zones.push(zone);
    }
}

fn is_zone(setting: &str) -> bool {
    setting.eq_ignore_ascii_case("timezone")
}

/// The text that an expression is, whatever type it is given.
fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(Literal::Text(text)) => Some(text),
        Expr::Cast { of, .. } => text_of(of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_that_a_file_states() {
        for (file, zones) in [
            (
                "alter table t alter a type timestamptz using a at time zone 'Europe/Berlin'",
                &["europe/berlin"][..],
            ),
            ("set timezone = 'UTC'; set local time zone 'Asia/Tokyo'", &["utc", "asia/tokyo"]),
            ("select set_config('timezone', 'utc', true)", &["utc"]),
            ("select timezone('utc'::text, a) from t", &["utc"]),
            (
                "set timezone to 'utc'; alter role r set TimeZone to 'Asia/Tokyo'",
                &["utc", "asia/tokyo"],
            ),
            ("set session timezone to utc", &["utc"]),
            ("update t set a = (select b at time zone ('UTC') from u)", &["utc"]),
            ("do $$ begin update t set a = b at time zone 'utc'; end $$", &["utc"]),
            ("frobnicate t using a at time zone 'utc'; select 1", &["utc"]),
            (
                "alter table t alter a type timestamp with time zone; insert into u values ('utc')",
                &[],
            ),
            ("-- at time zone 'utc'", &[]),
            ("select set_config('app.timezone', 'utc', true), 'timezone', 'utc'", &[]),
        ] {
            assert_eq!(StatedZones::read(file).of("a", "a"), zones, "{file}");
        }
    }
}
