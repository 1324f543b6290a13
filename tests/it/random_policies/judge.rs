//! The second judge: tries every row that a policy may tell apart, one at a time, and knows nothing of policies.

use leakproof::Scratch;
use leakproof::finding::Rule;
use postgres::Client;

use super::table::Table;

/// What somebody can do with a row of somebody else, or of nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Read,
    Insert,
    Update,
    Delete,
    /// To make one's own row another's.
    Give,
}

impl Deed {
    /// Whether a finding of this rule tells of it.
    pub fn is_told_by(self, rule: Rule) -> bool {
        let name = rule.to_string();
        if rule == Rule::ForgeableClaim {
            return true;
        }
        let words: &[&str] = match self {
            Self::Read => &["read"],
            Self::Insert => &["insert", "write", "move"],
            Self::Update => &["update", "write", "move"],
            Self::Delete => &["delete", "write"],
            Self::Give => &["move", "write"],
        };
        words.iter().any(|word| name.contains(word))
    }
}

/// Who asks is a member of A, or of nothing, or nobody.
type Asker = (&'static str, &'static str);
const ASKERS: [Asker; 3] = [
    (
        "authenticated",
        r#"{"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated",
        "user_metadata": {"boss": "yes", "org": "00000000-0000-4000-8000-000000000002"}}"#,
    ),
    (
        "authenticated",
        r#"{"sub": "00000000-0000-4000-8000-000000000003", "role": "authenticated",
        "user_metadata": {"boss": "yes", "org": "00000000-0000-4000-8000-000000000002"}}"#,
    ),
    ("anon", r#"{"role": "anon"}"#),
];
const MINE: &str = "00000000-0000-4000-8000-000000000001";
const THEIRS: &str = "00000000-0000-4000-8000-000000000002";
/// Whom policies may name.
const NAMED: &str = "00000000-0000-4000-8000-00000000000a";

/// Users and tenants have the same keys: the first of each is A's, the second B's.
const WORLD: &str = "
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'u' || n || '@example.com' from generate_series(1, 3) n;
insert into public.orgs (id, name)
select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'o' || n from generate_series(1, 2) n;
insert into public.org_people (org_id, person)
select ('00000000-0000-4000-8000-00000000000' || n)::uuid,
    ('00000000-0000-4000-8000-00000000000' || n)::uuid from generate_series(1, 2) n;
insert into auth.users (id, email) values ('00000000-0000-4000-8000-00000000000a', 'named@example.com');
insert into public.orgs (id, name) values ('00000000-0000-4000-8000-00000000000a', 'named');
";

pub struct Judge {
    client: Client,
}

/// A row: the owner's key, and what policies may tell apart.
#[derive(Clone)]
struct Row {
    owner: Option<&'static str>,
    body: &'static str,
    flag: bool,
    n: i32,
    note: Option<&'static str>,
}

/// Rows of an owner with every value.
fn rows_of(owner: Option<&'static str>) -> Vec<Row> {
    let mut rows = Vec::new();
    for body in ["text", "public", "shared"] {
        for flag in [false, true] {
            for n in [1, 101] {
                for note in [None, Some("x")] {
                    rows.push(Row { owner, body, flag, n, note });
                }
            }
        }
    }
    rows
}

impl Row {
    fn values(&self, table: &Table) -> String {
        let literal = |text: &str| format!("'{text}'");
        let owner = self.owner.map(|owner| literal(&table.value.replace("{}", owner)));
        let note = self.note.map(literal);
        let [owner, note] = [owner, note].map(|value| value.unwrap_or_else(|| "null".into()));
        format!("{owner}, '{}', {}, {}, {note}", self.body, self.flag, self.n)
    }

    fn columns(table: &Table) -> String {
        format!("{}, body, flag, n, note", table.column)
    }

    fn insert(&self, table: &Table) -> String {
        let (name, columns, values) = (&table.name, Self::columns(table), self.values(table));
        format!("insert into public.{name} ({columns}) values ({values})")
    }

    /// A query that counts the rows with its owner.
    fn count(&self, table: &Table) -> String {
        let (name, column) = (&table.name, table.column);
        let owner = self.owner.map(|owner| format!("'{}'", table.value.replace("{}", owner)));
        let owner = owner.unwrap_or_else(|| "null".into());
        format!("select count(*) from public.{name} where {column} is not distinct from {owner}")
    }

    fn update(&self, table: &Table) -> String {
        let (name, columns, values) = (&table.name, Self::columns(table), self.values(table));
        format!("update public.{name} set ({columns}) = row({values})")
    }
}

impl Judge {
    pub fn of(scratch: &Scratch<'_>) -> Self {
        let mut client = scratch.connect().expect("a connection");
        client.batch_execute(&format!("begin; {WORLD}")).expect("a world");
        Self { client }
    }

    /// What anybody can do with rows of B and of nobody, and with what is A's.
    pub fn reached(&mut self, table: &Table, all: &[Table]) -> Vec<Deed> {
        let nobodys = table.is_nullable.then_some(None);
        let parents = match all.iter().find(|one| Some(&one.name) == table.parent.as_ref()) {
            // A parent of each owner, with any values.
            Some(parent) => rows_of(Some(THEIRS))
                .iter()
                .zip(rows_of(Some(MINE)))
                .map(|(theirs, mine)| [(THEIRS, theirs.clone()), (MINE, mine)])
                .map(|rows| {
                    rows.map(|(id, row)| {
                        let (name, columns) = (&parent.name, Row::columns(parent));
                        let values = row.values(parent);
                        format!(
                            "insert into public.{name} (id, {columns}) values ('{id}', {values})"
                        )
                    })
                    .join("; ")
                })
                .collect(),
            None => vec!["select 1".to_owned()],
        };
        let mut reached = Vec::new();
        for (at, parents) in parents.iter().enumerate() {
            // Below the other parents one row shows what they let through.
            let most = if at == 0 { usize::MAX } else { 1 };
            let rows_of = |owner| rows_of(owner).into_iter().take(most).collect::<Vec<_>>();
            self.say(&format!("savepoint parents; {parents}"));
            let named = table.parent.is_none().then_some(Some(NAMED));
            for owner in [Some(Some(THEIRS)), named, nobodys].into_iter().flatten() {
                for asker in ASKERS {
                    self.try_on(table, &rows_of(owner), asker, &mut reached);
                }
            }
            let mine = rows_of(Some(MINE));
            let given = mine.iter().map(|row| Row { owner: Some(THEIRS), ..row.clone() });
            self.try_updates(table, &mine, given, ASKERS[0], Deed::Give, &mut reached);
            self.say("rollback to parents");
        }
        reached
    }

    /// Everything on rows of one owner.
    fn try_on(&mut self, table: &Table, rows: &[Row], asker: Asker, reached: &mut Vec<Deed>) {
        for row in rows {
            let insert = (row.insert(table), Some(row.count(table)));
            self.note(Deed::Insert, asker, &[], &insert, reached);
        }
        let there: Vec<String> = rows.iter().map(|row| row.insert(table)).collect();
        let read = (format!("select 1 from public.{}", table.name), None);
        let delete = (format!("delete from public.{}", table.name), None);
        self.note(Deed::Read, asker, &there, &read, reached);
        self.note(Deed::Delete, asker, &there, &delete, reached);
        self.try_updates(table, rows, rows.iter().cloned(), asker, Deed::Update, reached);
    }

    /// Sets rows to each of these; one by one where some of them may not become so.
    fn try_updates(
        &mut self,
        table: &Table,
        rows: &[Row],
        news: impl Iterator<Item = Row>,
        asker: Asker,
        deed: Deed,
        reached: &mut Vec<Deed>,
    ) {
        let there: Vec<String> = rows.iter().map(|row| row.insert(table)).collect();
        for new in news {
            // What a trigger has given back was not given.
            let is_given = deed == Deed::Give;
            let update = (new.update(table), is_given.then(|| new.count(table)));
            if self.note(deed, asker, &there, &update, reached).is_none() {
                for row in &there {
                    self.note(deed, asker, std::slice::from_ref(row), &update, reached);
                }
            }
        }
    }

    /// Tries a statement as somebody once these rows are there, and notes what it reaches. Gives how many rows
    /// that is, or nothing if it is refused.
    fn note(
        &mut self,
        deed: Deed,
        (role, claims): Asker,
        there: &[String],
        (statement, there_then): &(String, Option<String>),
        reached: &mut Vec<Deed>,
    ) -> Option<u64> {
        if reached.contains(&deed) {
            return Some(0);
        }
        let there: String = there.iter().map(|row| format!("{row}; ")).collect();
        self.say(&format!(
            "savepoint deed; set local request.jwt.claims = ''; {there} \
             set local request.jwt.claims = '{claims}'; set local role {role}"
        ));
        let mut count = self.client.execute(statement, &[]).ok();
        if let (Some(1..), Some(query)) = (count, there_then) {
            self.say("reset role");
            let there: i64 = self.client.query_one(query, &[]).expect("a count").get(0);
            count = Some(there.unsigned_abs());
        }
        self.say("rollback to deed");
        if count.is_some_and(|count| count > 0) {
            reached.push(deed);
        }
        count
    }

    fn say(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    }
}
