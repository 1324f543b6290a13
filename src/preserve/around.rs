//! What guards rows or is made of them: what a table lacks that was built anew, and views that were left empty.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;
use crate::preserve::hanging::Hanging;
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::numbers::Numbers;
use crate::preserve::reach::Reach;
use crate::preserve::rows::Pair;
use crate::preserve::tables::Tables;
use crate::session::open::Session;
use crate::sql::rewrites::Words;

/// What was there before a migration beside the rows.
pub(crate) struct Around {
    pub numbers: Numbers,
    /// Of each table, where a file may put others in their places.
    shapes: Option<Shapes>,
    /// Where a file has the word for it.
    pub hanging: Option<Hanging>,
    pub triggers: Triggers,
    /// Those of them that fire.
    firing: Triggers,
}

/// What guards or describes the rows of a table: the kind of each item, and the item.
type Shape = BTreeSet<(String, String)>;

type Shapes = BTreeMap<i64, Shape>;

/// Names of triggers, each with the oid of its table.
pub(crate) type Triggers = BTreeSet<(i64, String)>;

#[derive(Deserialize)]
struct Trigger {
    relation: i64,
    name: String,
    is_firing: bool,
}

/// What a table lacks that was put in the place of another.
#[derive(Default)]
pub(crate) struct Lacking {
    pub loss: Option<Loss>,
    /// Whether it has no primary key, and that one had; or another one, and what was in that may repeat.
    pub has_lost_key: bool,
}

#[derive(Deserialize)]
struct Item {
    oid: i64,
    kind: String,
    item: String,
}

impl Around {
    pub(crate) fn read(
        session: &mut Session,
        words: &Words,
        tables: &Tables,
        reach: Option<&Reach>,
    ) -> Result<Self> {
        let numbers = Numbers::read(session, tables, reach)?;
        let shapes = words.may_rebuild().then(|| read_shapes(session)).transpose()?;
        let hanging = words.has("cascade").then(|| Hanging::read(session)).transpose()?;
        let triggers = match reach.is_some_and(Reach::is_empty) {
            true => Vec::new(),
            false => read_triggers(session)?,
        };
        let firing = triggers.iter().filter(|one| one.is_firing).map(Trigger::named).collect();
        let triggers = triggers.iter().map(Trigger::named).collect();
        Ok(Self { numbers, shapes, hanging, triggers, firing })
    }

    /// What a table lacks that was put in the place of another.
    pub(crate) fn lacking(&self, session: &mut Session, pair: &Pair<'_>) -> Result<Lacking> {
        let is_another = pair.was.oid != pair.now.oid;
        // A partition has what its table has.
        let is_partition = pair.now.leaves.iter().any(|leaf| leaf.oid == pair.was.oid);
        let shapes = self.shapes.as_ref().filter(|_| is_another && !is_partition);
        let Some(shapes) = shapes else { return Ok(Lacking::default()) };
        let now = read_shapes(session)?.remove(&pair.now.oid).unwrap_or_default();
        let before = shapes.get(&pair.was.oid).cloned().unwrap_or_default();
        let has_key = |shape: &Shape| shape.iter().any(|(kind, _)| kind == "key");
        let columns: BTreeSet<&str> = pair.now.columns.iter().map(|c| c.name.as_str()).collect();
        let plain: BTreeSet<(&str, String)> =
            now.iter().map(|(kind, item)| (kind.as_str(), plain_form(item))).collect();
        let is_there = |(kind, item): &(String, String)| {
            let has = |kind: &str| plain.contains(&(kind, plain_form(item)));
            // Unique everywhere is unique somewhere.
            let is_total = |columns: &str| is_unique(&now, columns);
            has(kind)
                // A key is unique and never NULL.
                || kind == "unique" && has("key")
                || kind == "not null" && has("not null in a key")
                || kind == "unique index" && partial_columns(item).is_some_and(is_total)
        };
        let lacks: Vec<String> = before
            .iter()
            .filter(|one| !is_there(one) && one.0 != "key" && one.0 != "not null in a key")
            // What a column had that is gone went with it.
            .filter(|(kind, item)| match kind.as_str() {
                "not null" => columns.contains(item.as_str()),
                "default" => item.split(' ').next().is_some_and(|name| columns.contains(name)),
                _ => true,
            })
            .map(|(kind, item)| match kind.as_str() {
                // It says so itself.
                "statement" => item.clone(),
                _ => format!("{kind} {item}"),
            })
            .collect();
        let loss = (!lacks.is_empty())
            .then(|| Loss { lacks, ..Loss::new(LossKind::DefinitionLost, pair.was.name()) });
        let is_lost = |(kind, item): &(String, String)| kind == "key" && !is_unique(&now, item);
        let has_lost_key = has_key(&before) && !has_key(&now) || before.iter().any(is_lost);
        Ok(Lacking { loss, has_lost_key })
    }

    /// The triggers that fired before and are disabled now.
    pub(crate) fn disabled(&self, session: &mut Session, after: &Tables) -> Result<Vec<Loss>> {
        if self.firing.is_empty() {
            return Ok(Vec::new());
        }
        let mut tables: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for trigger in read_triggers(session)?.iter().filter(|one| !one.is_firing) {
            if self.firing.contains(&trigger.named()) {
                tables.entry(trigger.relation).or_default().push(trigger.name.clone());
            }
        }
        let losses = tables.into_iter().filter_map(|(oid, lacks)| {
            let table = after.by_oid.get(&oid)?.name();
            Some(Loss { lacks, ..Loss::new(LossKind::TriggersDisabled, table) })
        });
        Ok(losses.collect())
    }
}

impl Trigger {
    fn named(&self) -> (i64, String) {
        (self.relation, self.name.clone())
    }
}

fn read_triggers(session: &mut Session) -> Result<Vec<Trigger>> {
    session.values(
        "select t.tgrelid::bigint as relation, t.tgname as name, t.tgenabled <> 'D' as is_firing \
         from pg_catalog.pg_trigger t where not t.tgisinternal order by t.tgname",
    )
}

/// Whether these columns, or some of them, are unique.
fn is_unique(shape: &Shape, columns: &str) -> bool {
    let columns = columns_in(columns);
    shape
        .iter()
        .filter(|(kind, _)| kind == "key" || kind == "unique")
        .any(|(_, item)| columns_in(item).is_subset(&columns))
}

/// The columns of a key, as a [`Shape`] has it.
fn columns_in(item: &str) -> BTreeSet<&str> {
    item.trim_start_matches('(').trim_end_matches(')').split(", ").collect()
}

/// A definition without what its server writes otherwise for the same thing: casts, parentheses, and other
/// names for now and for a random id; without a trigger's name, and what a foreign key does on its own.
fn plain_form(item: &str) -> String {
    let mut plain = String::with_capacity(item.len());
    let mut rest = item;
    while let Some(at) = rest.find("::") {
        plain.push_str(&rest[..at]);
        let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '"');
        rest = rest[at + 2..].trim_start_matches(is_name);
        // `character varying(10)`, `timestamp with time zone`
        for tail in [" varying", " without time zone", " with time zone", " precision"] {
            rest = rest.strip_prefix(tail).unwrap_or(rest);
        }
        let length = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((digits, after)) = length
            && digits.chars().all(|letter| letter.is_ascii_digit() || letter == ',')
        {
            rest = after;
        }
        rest = rest.trim_start_matches("[]");
    }
    plain.push_str(rest);
    if let Some((key, target)) = plain.split_once(" REFERENCES ") {
        let target = target.split(" ON ").next().unwrap_or(target);
        return format!("{key} REFERENCES {target}");
    }
    if let Some(at) = plain.find("TRIGGER ") {
        let mut words = plain[at..].splitn(3, ' ');
        let (kind, rest) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
        return format!("{}{kind} {rest}", &plain[..at]);
    }
    let same = [
        ("CURRENT_TIMESTAMP", "now()"),
        ("transaction_timestamp()", "now()"),
        ("extensions.uuid_generate_v4()", "gen_random_uuid()"),
        ("uuid_generate_v4()", "gen_random_uuid()"),
    ];
    for (other, usual) in same {
        plain = plain.replace(other, usual);
    }
    without_needless_parentheses(&plain)
}

/// Without parentheses around a word, and around parentheses: a cast that is gone leaves them behind.
fn without_needless_parentheses(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let (mut open, mut pairs) = (Vec::new(), BTreeMap::new());
    for (at, letter) in letters.iter().enumerate() {
        match letter {
            '(' => open.push(at),
            ')' => {
                if let Some(begin) = open.pop() {
                    pairs.insert(begin, at);
                }
            }
            _ => {}
        }
    }
    let is_word = |letter: &char| letter.is_alphanumeric() || matches!(letter, '_' | '"');
    let is_needless = |(begin, end): &(&usize, &usize)| {
        let (begin, end) = (**begin, **end);
        let follows_word = begin > 0 && is_word(&letters[begin - 1]);
        let is_doubled = pairs.get(&(begin + 1)) == Some(&(end - 1));
        is_doubled || !follows_word && letters[begin + 1..end].iter().all(is_word)
    };
    let needless: BTreeSet<usize> =
        pairs.iter().filter(is_needless).flat_map(|(begin, end)| [*begin, *end]).collect();
    let left = letters.iter().enumerate().filter(|(at, _)| !needless.contains(at));
    left.map(|(_, letter)| letter).collect()
}

/// The columns of a unique index that is for some rows only, where it has nothing else.
fn partial_columns(item: &str) -> Option<&str> {
    let (columns, _) = item.strip_prefix("btree (")?.split_once(") WHERE ")?;
    (!columns.contains('(')).then_some(columns)
}

fn read_shapes(session: &mut Session) -> Result<Shapes> {
    let items: Vec<Item> = session.values(include_str!("shapes.sql"))?;
    let mut shapes = Shapes::new();
    for Item { oid, kind, item } in items {
        shapes.entry(oid).or_default().insert((kind, item));
    }
    Ok(shapes)
}

/// Tables that lose their log, and materialized views that hold nothing any more.
pub(crate) fn of_relations(before: &Tables, after: &Tables) -> Vec<Loss> {
    let mut losses = Vec::new();
    for was in before.by_oid.values() {
        let now = after.by_oid.get(&was.oid).or_else(|| after.named(&was.name()));
        let Some(now) = now else { continue };
        if !was.is_unlogged && now.is_unlogged && was.rows > 0 {
            losses.push(Loss::new(LossKind::Unlogged, was.name()));
        }
        let is_left = was.is_populated && was.rows > 0;
        if was.is_view() && is_left && now.is_view() && !now.is_populated {
            losses.push(Loss { before: was.rows, ..Loss::new(LossKind::ViewEmptied, was.name()) });
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_that_say_the_same() {
        for (one, other) in [
            ("CHECK (((v)::text <> ''::text))", "CHECK ((v <> ''::text))"),
            (
                "CHECK (((v)::text = ANY ((ARRAY['a'::character varying])::text[])))",
                "CHECK ((v = ANY (ARRAY['a'::text])))",
            ),
            ("v 'x'::character varying", "v 'x'::text"),
            ("v 0::numeric(10,2)", "v 0"),
            ("w CURRENT_TIMESTAMP", "w now()"),
            ("id extensions.uuid_generate_v4()", "id gen_random_uuid()"),
            (
                "TRIGGER one BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()",
                "TRIGGER two BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()",
            ),
            (
                "FOREIGN KEY (a) REFERENCES a(id)",
                "FOREIGN KEY (a) REFERENCES a(id) ON DELETE CASCADE",
            ),
        ] {
            assert_eq!(plain_form(one), plain_form(other), "{one}");
        }
        for (one, other) in [
            ("CHECK (((a OR b) AND c))", "CHECK ((a OR (b AND c)))"),
            ("CHECK ((v > 1))", "CHECK ((v > 2))"),
            ("v 'x'::text", "v 'y'::text"),
            ("FOREIGN KEY (a) REFERENCES a(id)", "FOREIGN KEY (b) REFERENCES a(id)"),
            (
                "TRIGGER one BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()",
                "TRIGGER one AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()",
            ),
        ] {
            assert_ne!(plain_form(one), plain_form(other), "{one}");
        }
        assert_eq!(partial_columns("btree (a, b) WHERE (c IS NOT NULL)"), Some("a, b"));
        assert_eq!(partial_columns("btree (lower(a)) WHERE (c IS NOT NULL)"), None);
    }
}
