//! A random schema: tables with owners, keys, references, cycles and constraints of every kind.

use crate::hostile::dice::Dice;
use crate::support::TENANTS_AND_MEMBERS;

/// What is to become of a table.
#[derive(Debug, Clone)]
pub enum Fate {
    Seeded,
    /// It can be seeded, but not by reading its constraints alone.
    Hard,
    /// Nobody can; the reason has these words.
    Impossible(String),
}

pub struct Table {
    pub name: String,
    pub sql: String,
    /// Queries that give true if the row of an owner is there.
    pub owners: Vec<String>,
    pub fate: Fate,
    owner: Owner,
    /// The columns that others may refer to, with their types.
    key: Vec<(String, &'static str)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Owner {
    Tenant,
    User,
    Nobody,
}

pub struct Schema {
    tables: Vec<Table>,
    before: String,
    after: String,
}

const USERS: &[&str] = &["alice", "amir", "bob", "outsider", "both", "removed"];

impl Schema {
    pub fn of(seed: u64, place: usize) -> Self {
        let mut dice = Dice::of(seed, place);
        let mut schema = Self {
            tables: Vec::new(),
            before: [TENANTS_AND_MEMBERS, BASE].concat(),
            after: String::new(),
        };
        let count = dice.between(8, 22);
        for at in 0..count {
            schema.add_table(&mut dice, at);
        }
        schema.add_cycles(&mut dice);
        schema
    }

    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub fn sql(&self) -> String {
        let tables: Vec<&str> = self.tables.iter().map(|table| table.sql.as_str()).collect();
        format!("{}\n{}\n{}", self.before, tables.join("\n"), self.after)
    }

    fn add_table(&mut self, dice: &mut Dice, at: usize) {
        let name = format!("t{at}");
        let owner = *dice.pick(&[Owner::Tenant, Owner::Tenant, Owner::User, Owner::Nobody]);
        let mut fate = Fate::Seeded;
        let mut lines: Vec<String> = Vec::new();
        let mut after = String::new();
        let (owner_line, owner_column) = match owner {
            Owner::Tenant => {
                ("tenant_id uuid not null references public.tenants on delete cascade", "tenant_id")
            }
            Owner::User => {
                ("user_id uuid not null references auth.users on delete cascade", "user_id")
            }
            Owner::Nobody => ("", ""),
        };
        let partition = dice.one_in(8);
        let key = self.add_key(dice, &mut lines, owner_column, partition);
        if !owner_line.is_empty() {
            lines.push(owner_line.to_owned());
        }
        for reference in 0..dice.below(3) {
            self.add_reference(
                dice,
                &mut lines,
                &mut fate,
                owner,
                owner_column,
                (reference, partition),
            );
        }
        if dice.one_in(6) && !partition && key.len() == 1 {
            let (column, kind) = &key[0];
            let null = *dice.pick(&["", " not null"]);
            lines.push(format!("up {kind}{null} references public.{name} ({column})"));
        }
        for field in 0..dice.between(1, 5) {
            let column = *dice.pick(&["c", "Col ", "order_"]);
            let column = format!("\"{column}{field}\"");
            self.add_field(dice, &mut lines, &mut after, &name, &column, field, partition);
        }
        if dice.one_in(25) {
            lines.push("never_ int not null check (never_ > 5 and never_ < 3)".into());
            worsen(&mut fate, "violates check constraint");
        }
        let parts = if partition { partitions(dice, &name, &mut lines) } else { String::new() };
        let by = parts.lines().next().unwrap_or_default().to_owned();
        let rest: Vec<&str> = parts.lines().skip(1).collect();
        if dice.one_in(40) {
            // It holds for one text only, and does not say for which.
            lines.push("weird text not null check (md5(weird) = md5('leak' || 'proof'))".into());
            if matches!(fate, Fate::Seeded) {
                fate = Fate::Hard;
            }
        }
        if dice.one_in(20) && !partition {
            let (function, reason) = *dice.pick(&[
                ("refuse", "nobody may write here"),
                ("swallow", "a trigger swallowed the row"),
            ]);
            after.push_str(&format!(
                "create trigger stop before insert on public.{name} \
                 for each row execute function public.{function}();\n"
            ));
            worsen(&mut fate, reason);
        }
        let sql = format!(
            "create table public.{name} (\n    {}\n){by};\n{}\n{after}",
            lines.join(",\n    "),
            rest.join("\n")
        );
        let owners = match owner {
            Owner::Tenant => ["A", "B"]
                .iter()
                .enumerate()
                .map(|(at, _)| {
                    format!(
                        "select exists (select from public.{name} where tenant_id = \
                         (select id from public.tenants where name like '%~' || \
                         (array['A', 'B'])[{}] || '~%'))",
                        at + 1
                    )
                })
                .collect(),
            Owner::User => USERS
                .iter()
                .map(|user| {
                    format!(
                        "select exists (select from public.{name} r join public.people u \
                         on u.id = r.user_id where u.email = '{user}@example.com')"
                    )
                })
                .collect(),
            Owner::Nobody => vec![format!("select exists (select from public.{name})")],
        };
        let table = Table { name, sql, owners, fate, owner, key };
        self.tables.push(table);
    }

    fn add_key(
        &self,
        dice: &mut Dice,
        lines: &mut Vec<String>,
        owner: &str,
        is_partitioned: bool,
    ) -> Vec<(String, &'static str)> {
        if is_partitioned {
            lines.push("id uuid not null default gen_random_uuid()".into());
            return Vec::new();
        }
        let (line, kind) = *dice.pick(&[
            ("id uuid", "uuid"),
            ("id uuid default gen_random_uuid()", "uuid"),
            ("id bigint generated always as identity", "bigint"),
            ("id int generated by default as identity", "int"),
            ("id serial", "int"),
            ("id text", "text"),
            ("id bigint", "bigint"),
            ("id varchar(12)", "varchar(12)"),
        ]);
        if dice.one_in(8) {
            lines.push(format!("{line} not null"));
            return Vec::new();
        }
        if owner == "tenant_id" && dice.one_in(3) {
            lines.push(format!("{line} not null"));
            lines.push("primary key (tenant_id, id)".into());
            return vec![("tenant_id".into(), "uuid"), ("id".into(), kind)];
        }
        lines.push(format!("{line} primary key"));
        vec![("id".into(), kind)]
    }

    /// A reference to a table that is there, whose owner is the same or nobody.
    fn add_reference(
        &self,
        dice: &mut Dice,
        lines: &mut Vec<String>,
        fate: &mut Fate,
        owner: Owner,
        owner_column: &str,
        (at, is_partitioned): (usize, bool),
    ) {
        let fits = |table: &&Table| {
            !table.key.is_empty()
                && (table.owner == owner || table.owner == Owner::Nobody)
                && (table.key.len() == 1 || owner_column == "tenant_id")
        };
        let targets: Vec<&Table> = self.tables.iter().filter(fits).collect();
        if targets.is_empty() {
            return;
        }
        let target = *dice.pick(&targets);
        let is_null = dice.one_in(3);
        let null = if is_null { "" } else { " not null" };
        let column = format!("ref{at}");
        let kind = target.key.last().expect("a key").1;
        let unique = if dice.one_in(6) && !is_partitioned { " unique" } else { "" };
        match target.key.len() {
            1 => lines.push(format!(
                "{column} {kind}{null}{unique} references public.{} (id)",
                target.name
            )),
            _ => {
                lines.push(format!("{column} {kind}{null}"));
                lines.push(format!(
                    "foreign key (tenant_id, {column}) references public.{} (tenant_id, id)",
                    target.name
                ));
            }
        }
        match &target.fate {
            Fate::Seeded => {}
            _ if is_null => {}
            Fate::Hard => *fate = Fate::Hard,
            Fate::Impossible(_) => worsen(fate, &format!("it refers to public.{}", target.name)),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn add_field(
        &mut self,
        dice: &mut Dice,
        lines: &mut Vec<String>,
        after: &mut String,
        table: &str,
        column: &str,
        at: usize,
        is_partitioned: bool,
    ) {
        let null = *dice.pick(&["", " not null", " not null"]);
        let n = dice.between(1, 60);
        let m = n + dice.between(2, 20);
        let c = column;
        let kinds: &[String] = &[
            format!("{c} text{null}"),
            format!("{c} varchar({n}){null}"),
            format!("{c} text{null} check ({c} in ('draft', 'it''s', 'live'))"),
            format!("{c} varchar(20){null} check ({c} = any (array['a', 'b']))"),
            format!("{c} int{null} check ({c} between {n} and {m})"),
            format!("{c} numeric(6, 2){null} check ({c} > {n} and {c} <= {m}.50)"),
            format!("{c} text{null} check (length({c}) > {n})"),
            format!("{c} text{null} check (char_length({c}) <= {n} and {c} <> '')"),
            format!("{c} text{null} check (length(trim({c})) between {n} and {m})"),
            format!("{c} text{null} check ({c} ~ '^[^@\\s]+@[^@\\s]+\\.[a-z]{{2,}}$')"),
            format!("{c} text{null} check ({c} ~* '^[A-Z0-9._%+-]+@[A-Z0-9.-]+\\.[A-Z]{{2,}}$')"),
            format!("{c} text{null} check ({c} ~ '^[a-z0-9]+(?:-[a-z0-9]+)*$')"),
            format!("{c} text{null} check ({c} ~ '^#[0-9a-fA-F]{{6}}$')"),
            format!("{c} text{null} check ({c} ~ '^https?://[^ ]+')"),
            format!("{c} text{null} check ({c} ~ '^[a-z_]{{3,{m}}}$' and length({c}) >= 3)"),
            format!("{c} text{null} check ({c} like 'pre%' or {c} is null)"),
            format!("{c} text{null} check (lower({c}) = {c})"),
            format!("{c} text not null check ({c} is not null and {c} = upper({c}))"),
            format!("{c} jsonb{null} check (jsonb_typeof({c}) = 'array')"),
            format!("{c} jsonb{null} check (jsonb_typeof({c}) = 'object' and {c} ? 'kind')"),
            format!("{c} text[]{null} check (cardinality({c}) > 0)"),
            format!("{c} int[]{null} check (array_length({c}, 1) = 3)"),
            format!("{c} public.mood{null}"),
            format!("{c} public.mood[]{null}"),
            format!("{c} public.email{null}"),
            format!("{c} public.short_word{null}"),
            format!("{c} public.percent{null}"),
            format!("{c} public.pair{null}"),
            format!("{c} int4range{null} check (not isempty({c}))"),
            format!("{c} tstzrange{null}"),
            format!("{c} inet{null}"),
            format!("{c} bytea{null} check (octet_length({c}) = {n})"),
            format!("{c} bit({n}){null}"),
            format!("{c} interval{null} check ({c} > interval '0')"),
            format!("{c} date{null} check ({c} > '2030-01-01')"),
            format!("{c} timestamptz{null} default now()"),
            format!("{c} boolean{null} check ({c})"),
            format!("{c} uuid{null}"),
            format!("{c} xml{null}"),
            format!("{c} smallint{null}"),
            format!("{c} double precision{null} check ({c} >= 0 and {c} < 1)"),
        ];
        // Things of which each row needs its own, or several columns.
        let more: &[(String, String)] = &[
            (format!("{c} text not null unique"), String::new()),
            (format!("{c} varchar(4) not null unique"), String::new()),
            (format!("{c} int not null unique check ({c} > {n})"), String::new()),
            (format!("{c} text not null unique check ({c} ~ '^[a-z]{{6,10}}$')"), String::new()),
            (
                format!("{c} text not null check ({c} ~ '@')"),
                format!("create unique index on public.{table} (lower({c}));"),
            ),
            (
                format!("{c} boolean not null, k{at} int not null"),
                format!("create unique index on public.{table} (k{at}) where {c};"),
            ),
            (
                format!(
                    "{c} int4range not null check (not isempty({c})), exclude using gist ({c} with &&)"
                ),
                String::new(),
            ),
            (
                format!(
                    "{c} timestamptz not null, k{at} timestamptz not null, check ({c} < k{at}), \
                     exclude using gist (tstzrange({c}, k{at}) with &&)"
                ),
                String::new(),
            ),
            (format!("{c} int, k{at} text, check (num_nonnulls({c}, k{at}) = 1)"), String::new()),
            (format!("{c} int not null, k{at} int not null, check ({c} < k{at})"), String::new()),
            (
                format!(
                    "{c} text not null, k{at} int, check (({c} = 'with' and k{at} > {n}) \
                     or ({c} = 'without' and k{at} is null))"
                ),
                String::new(),
            ),
            (
                format!(
                    "{c} int not null, g{at} int generated always as ({c} * 2) stored check (g{at} > {n})"
                ),
                String::new(),
            ),
            (
                format!("{c} int not null, unique ({c}) deferrable initially deferred"),
                String::new(),
            ),
            (
                format!(
                    "{c} date not null, k{at} date not null check (k{at} > '2031-05-05'), check ({c} >= k{at})"
                ),
                String::new(),
            ),
        ];
        if dice.one_in(3) && !is_partitioned {
            let (line, then) = dice.pick(more);
            lines.push(line.clone());
            after.push_str(then);
            after.push('\n');
        } else {
            lines.push(dice.pick(kinds).clone());
        }
    }

    /// References back, to tables that refer to the ones they are in.
    fn add_cycles(&mut self, dice: &mut Dice) {
        for _ in 0..dice.below(4) {
            let last = self.tables.len() - 1;
            let from = dice.below(last);
            let to = dice.between(from + 1, last);
            let (one, other) = (&self.tables[from], &self.tables[to]);
            let fits = other.key.len() == 1
                && other.owner == one.owner
                && matches!(one.fate, Fate::Seeded)
                && matches!(other.fate, Fate::Seeded)
                && !one.sql.contains("partition by");
            if !fits || one.sql.contains("back") {
                continue;
            }
            let (name, target, kind) = (one.name.clone(), other.name.clone(), other.key[0].1);
            let is_hard = self.depends(&target, &name);
            // Where the other does not need this one, a plain reference will do.
            let forms = ["", " not null"];
            let late = ["", " not null deferrable initially deferred", " not null deferrable"];
            let form = if is_hard { *dice.pick(&late) } else { *dice.pick(&forms) };
            let (null, rest) = match form.split_once(" deferrable") {
                Some((null, rest)) => (null, format!(" deferrable{rest}")),
                None => (form, String::new()),
            };
            self.tables[from].sql.push_str(&format!(
                "-- back\nalter table public.{name} add column back {kind}{null};\n"
            ));
            self.after.push_str(&format!(
                "alter table public.{name} add foreign key (back) references public.{target}{rest};\n"
            ));
            if self.is_cyclic() {
                let sql = &mut self.tables[from].sql;
                let at = sql.find("-- back").expect("it was added");
                sql.truncate(at);
                let end = self.after.trim_end().rfind('\n').map_or(0, |end| end + 1);
                self.after.truncate(end);
            }
        }
        if dice.one_in(6) {
            self.add_hard_cycle();
        }
    }

    /// Two tables of which each needs a row of the other first.
    fn add_hard_cycle(&mut self) {
        let owner = "tenant_id uuid not null references public.tenants";
        for (name, other, words) in [
            ("hard_a", "hard_b", "it refers to public.hard_"),
            ("hard_b", "hard_a", "it refers to public.hard_"),
        ] {
            let sql = format!(
                "create table public.{name} (id uuid primary key, {owner}, other uuid not null);"
            );
            self.after.push_str(&format!(
                "alter table public.{name} add foreign key (other) references public.{other};\n"
            ));
            self.tables.push(Table {
                name: name.into(),
                sql,
                owners: vec![format!("select exists (select from public.{name})")],
                fate: Fate::Impossible(words.into()),
                owner: Owner::Tenant,
                key: Vec::new(),
            });
        }
    }

    /// Whether a table needs another, by references that cannot wait.
    fn depends(&self, name: &str, on: &str) -> bool {
        if name == on {
            return true;
        }
        self.needs(name).iter().any(|next| self.depends(next, on))
    }

    fn needs(&self, name: &str) -> Vec<String> {
        let Some(table) = self.tables.iter().find(|table| table.name == name) else {
            return Vec::new();
        };
        let inline = table.sql.lines().filter(|line| !line.contains(&format!("public.{name} ")));
        let targets = inline.filter(|line| line.contains("references public.t"));
        let mut needs: Vec<String> = targets
            .filter_map(|line| {
                let rest = line.split("references public.").nth(1)?;
                let target: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
                // A composite one is NULL where its own column may be.
                (target != "tenants" && target != name).then_some(target)
            })
            .collect();
        let strict = table.sql.contains("add column back") && table.sql.contains(" not null;\n");
        let back = self.after.lines().filter(|line| {
            line.starts_with(&format!("alter table public.{name} ")) && !line.contains("deferrable")
        });
        if strict {
            needs.extend(back.filter_map(|line| {
                let rest = line.split("references public.").nth(1)?;
                Some(rest.trim_end_matches(';').to_owned())
            }));
        }
        needs
    }

    /// Whether tables need each other in a circle.
    fn is_cyclic(&self) -> bool {
        fn reaches(schema: &Schema, from: &str, to: &str, left: usize) -> bool {
            let needs = schema.needs(from);
            left > 0 && needs.iter().any(|next| next == to || reaches(schema, next, to, left - 1))
        }
        self.tables.iter().any(|table| reaches(self, &table.name, &table.name, 8))
    }
}

fn worsen(fate: &mut Fate, reason: &str) {
    // The references are looked at before anything is inserted.
    if !matches!(fate, Fate::Impossible(known) if known.starts_with("it refers")) {
        *fate = Fate::Impossible(reason.to_owned());
    }
}

/// Its first line is the key, the others make the partitions.
fn partitions(dice: &mut Dice, name: &str, lines: &mut Vec<String>) -> String {
    let part = |suffix: &str, bounds: &str| {
        format!("create table public.{name}_{suffix} partition of public.{name} {bounds};")
    };
    match dice.below(5) {
        0 => {
            lines.push("at date not null".into());
            let bounds = "for values from ('1999-03-01') to ('1999-04-01')";
            format!(" partition by range (at)\n{}", part("old", bounds))
        }
        1 => {
            lines.push("kind text not null".into());
            let bounds = "for values in ('b', 'c')";
            format!(" partition by list (kind)\n{}", part("b", bounds))
        }
        2 => {
            let bounds = "for values with (modulus 3, remainder 1)";
            format!(" partition by hash (id)\n{}", part("h", bounds))
        }
        3 => {
            lines.push("n int not null".into());
            format!(" partition by list (n)\n{}", part("rest", "default"))
        }
        _ => {
            lines.push("n int not null check (n > 3)".into());
            lines.push("kind text not null".into());
            format!(
                " partition by list (kind)\n{}\ncreate table public.{name}_b_1 partition of \
                 public.{name}_b for values from (20) to (30);",
                part("b", "for values in ('b') partition by range (n)")
            )
        }
    }
}

const BASE: &str = "
create view public.people as select id, email from auth.users;
create type public.mood as enum ('glad', 'sad', 'so so');
create domain public.email as text check (value ~ '^[^@]+@[^@]+$');
create domain public.word as varchar(30) check (value ~ '^[a-z]+$');
create domain public.short_word as public.word check (length(value) < 6);
create domain public.percent as numeric(5, 2) check (value >= 0 and value <= 100);
create type public.pair as (a int, b text);
create function public.refuse() returns trigger language plpgsql as $$
begin raise exception 'nobody may write here'; end $$;
create function public.swallow() returns trigger language plpgsql as $$
begin return null; end $$;
";
