//! A random table: whose its rows are, under a name that says nothing; a policy that says it in one of many
//! forms; and, half of the time, one way past it.

use crate::hostile::dice::Dice;

/// Whose the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    User,
    Tenant,
    /// Whoever owns the row of the table before, that it refers to.
    Parent,
}

pub struct Table {
    pub name: String,
    pub owner: Owner,
    /// The column that says it.
    pub column: &'static str,
    /// How the owner's key stands in there, with `{}` for the key.
    pub value: &'static str,
    /// Whether the owner may be NULL.
    pub is_nullable: bool,
    /// The table before whose rows own those of this one.
    pub parent: Option<String>,
    pub sql: String,
}

/// What every project has: tenants, who is a member of which, and helpers that policies call.
pub const BASE: &str = "
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.org_people (
    org_id uuid not null references public.orgs on delete cascade,
    person uuid not null references auth.users on delete cascade,
    primary key (org_id, person)
);
alter table public.orgs enable row level security;
alter table public.org_people enable row level security;
create policy own on public.org_people for select to authenticated using (person = auth.uid());
create schema private;
grant usage on schema private to authenticated, anon;
create function private.me() returns uuid stable language sql as 'select auth.uid()';
create function private.sub() returns text stable language plpgsql as $$
begin
    return current_setting('request.jwt.claims', true)::json ->> 'sub';
end $$;
create function private.is_me(whom uuid) returns boolean stable language plpgsql as $$
begin
    if whom is null then
        return false;
    end if;
    return whom = auth.uid();
end $$;
create function private.my_orgs() returns setof uuid stable security definer set search_path = ''
language sql as 'select org_id from public.org_people where person = auth.uid()';
create function private.is_in(org uuid) returns boolean stable security definer set search_path = ''
language sql as
    'select exists (select 1 from public.org_people p where p.org_id = org and p.person = auth.uid())';
create policy members on public.orgs for select to authenticated using (private.is_in(id));
";

/// How the columns of owners are called: by nothing that says what they are.
const COLUMNS: [&str; 8] = ["keeper", "x1", "ref", "for_whom", "maker", "zeta", "k", "whose"];

/// That a column `{c}` of type uuid holds who is asking.
const ASKING: [&str; 18] = [
    "{c} = auth.uid()",
    "auth.uid() = {c}",
    "(select auth.uid()) = {c}",
    "{c} in (select auth.uid())",
    "{c} = (select private.me())",
    "private.me() = {c}",
    "private.is_me({c})",
    "(select private.is_me({c}))",
    "{c}::text = (auth.jwt() ->> 'sub')",
    "{c}::text = (select private.sub())",
    "{c} = (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid",
    "not ({c} <> auth.uid())",
    "coalesce({c} = auth.uid(), false)",
    "case when {c} = auth.uid() then true else false end",
    "exists (select 1 where {c} = auth.uid())",
    "auth.uid() = any (array[{c}])",
    "({c} = auth.uid()) is true",
    "auth.uid() is not null and {c} = auth.uid()",
];

/// The same for a column of type text, which holds the key behind a prefix or alone, and for a document.
const ASKING_TEXT: [&str; 3] =
    ["{c} = auth.uid()::text", "{c} = (auth.jwt() ->> 'sub')", "auth.uid()::text = {c}"];
const ASKING_DOCUMENT: [&str; 2] =
    ["{c} ->> 'who' = auth.uid()::text", "({c} ->> 'who')::uuid = auth.uid()"];

/// That a column holds a tenant of who is asking. `{t}` is the table.
const MEMBER: [&str; 11] = [
    "{c} in (select private.my_orgs())",
    "{c} = any (array(select private.my_orgs()))",
    "private.is_in({c})",
    "(select private.is_in({c}))",
    "exists (select 1 from public.org_people p where p.org_id = {t}.{c} and p.person = auth.uid())",
    "exists (select from public.org_people p where p.person = auth.uid() and {t}.{c} = p.org_id)",
    "{c} in (select org_id from public.org_people where person = auth.uid())",
    "{c} in (select p.org_id from public.org_people p where p.person = (select auth.uid()))",
    "auth.uid() in (select p.person from public.org_people p where p.org_id = {t}.{c})",
    "(select count(*) from public.org_people p where p.org_id = {t}.{c} and p.person = auth.uid()) > 0",
    "{c} in (select o.id from public.orgs o join public.org_people p on p.org_id = o.id
        where p.person = auth.uid())",
];

/// That the row of the table `{p}` that `{c}` refers to is seen.
const PARENT: [&str; 4] = [
    "exists (select 1 from public.{p} up where up.id = {t}.{c})",
    "{c} in (select id from public.{p})",
    "(select true from public.{p} up where up.id = {c}) is not null",
    "exists (select from public.{p} where {p}.id = {c})",
];

/// Ways past a condition `{m}`, which take values that generated rows need not have.
const PAST: [&str; 25] = [
    "{m} or flag",
    "flag or {m}",
    "{m} or body = 'public'",
    "{m} or n > 100",
    "{m} or lower(body) like 'pub%'",
    "{m} or note is null",
    "{m} or (flag and body = 'public')",
    "{m} or not flag",
    "{m} or body in ('public', 'shared')",
    "case when flag then true else {m} end",
    "coalesce({m}, true)",
    "true = any (array[{m}, flag])",
    "({m})::int + flag::int > 0",
    "greatest({m}, flag)",
    "coalesce(nullif({m}, false), flag)",
    "exists (select 1 where {m} union all select 1 where flag)",
    "{m} is not false",
    "(case body when 'public' then true else {m} end)",
    // By what everybody's token has, or may have.
    "{m} or auth.role() = 'authenticated'",
    "{m} or auth.jwt() ->> 'role' = 'authenticated'",
    "{m} or coalesce(auth.jwt() ->> 'is_anonymous', 'false') = 'false'",
    "{m} or auth.jwt() -> 'user_metadata' ->> 'boss' is not null",
    "{m} or (auth.jwt() -> 'user_metadata' ->> 'org') = {c}::text",
    // By whom a migration names.
    "{m} or {c}::text = '00000000-0000-4000-8000-00000000000a'",
    "{m} or ({c}::text = '00000000-0000-4000-8000-00000000000a' and flag)",
];

/// What a trigger does before a row is written, with `{c}` for the owner's column, and whom it is for.
const TRIGGERS: [&str; 4] = [
    // Whoever writes it owns it.
    "new.{c} := auth.uid(); return new;",
    // Others' rows are refused, but some.
    "if new.{c} is distinct from auth.uid() then raise exception 'not yours'; end if; return new;",
    "if new.{c} is distinct from auth.uid() and not new.flag then raise exception 'not yours'; end if;
    return new;",
    // Or are passed over in silence.
    "if new.{c} is distinct from auth.uid() and new.n < 100 then return null; end if; return new;",
];

impl Table {
    pub fn of(dice: &mut Dice, at: usize, before: &[Self]) -> Self {
        let name = format!("t{at}");
        // Never as in the table before: a bare name in a query over both would be that of the other.
        let column = COLUMNS[(at * 3 + dice.below(2)) % COLUMNS.len()];
        let parent = before.iter().rfind(|table| table.owner != Owner::Parent);
        let owner = match (dice.below(20), parent) {
            (0..8, _) | (16.., None) => Owner::User,
            (8..16, _) => Owner::Tenant,
            (_, Some(_)) => Owner::Parent,
        };
        let is_nullable = dice.one_in(4);
        let parent = parent.filter(|_| owner == Owner::Parent).map(|table| table.name.clone());
        let (kind, value, form) = match owner {
            Owner::User => match dice.below(20) {
                0..3 => ("text", "{}", *dice.pick(&ASKING_TEXT)),
                3 => ("jsonb", r#"{"who": "{}"}"#, *dice.pick(&ASKING_DOCUMENT)),
                4..9 => ("uuid references auth.users on delete cascade", "{}", *dice.pick(&ASKING)),
                _ => ("uuid", "{}", *dice.pick(&ASKING)),
            },
            Owner::Tenant => match dice.one_in(2) {
                true => {
                    ("uuid references public.orgs on delete cascade", "{}", *dice.pick(&MEMBER))
                }
                false => ("uuid", "{}", *dice.pick(&MEMBER)),
            },
            Owner::Parent => {
                ("uuid references public.{p} on delete cascade", "{}", *dice.pick(&PARENT))
            }
        };
        let fill = |text: &str| {
            text.replace("{c}", column)
                .replace("{t}", &name)
                .replace("{p}", parent.as_deref().unwrap_or_default())
        };
        let (kind, mine) = (fill(kind), fill(form));
        let null = if is_nullable { "" } else { " not null" };
        let mut sql = format!(
            "create table public.{name} (
    id uuid primary key default gen_random_uuid(),
    body text not null default 'text',
    {column} {kind}{null},
    n integer not null default 1,
    flag boolean not null,
    note text
);\n"
        );
        let is_on = !dice.one_in(30);
        if is_on {
            sql.push_str(&format!("alter table public.{name} enable row level security;\n"));
        }
        sql.push_str(&policies(dice, &name, &mine, column));
        if owner == Owner::User && kind.starts_with("uuid") && dice.one_in(4) {
            sql.push_str(&trigger(dice, &name, column));
        }
        Self { name, owner, column, value, is_nullable, parent, sql }
    }
}

/// The policies of a table whose rows are those for which `mine` holds.
fn policies(dice: &mut Dice, table: &str, mine: &str, column: &str) -> String {
    let policy =
        |name: &str, rest: &str| format!("create policy {name} on public.{table} {rest};\n");
    let own = match dice.below(4) {
        0 => policy("own", &format!("to authenticated using ({mine})")),
        1 => policy("own", &format!("using ({mine}) with check ({mine})")),
        2 => ["select using (", "update using (", "delete using (", "insert with check ("]
            .iter()
            .enumerate()
            .map(|(at, head)| policy(&format!("own_{at}"), &format!("for {head}{mine})")))
            .collect(),
        // Nobody but who owns it, by a policy that takes away.
        _ => [
            policy("all_of_them", "using (true)"),
            policy("own", &format!("as restrictive using ({mine})")),
        ]
        .concat(),
    };
    match dice.below(20) {
        0..9 => own,
        9 => own + &policy("open", "for select using (true)"),
        10 => own + &policy("open", "for delete to authenticated using (true)"),
        11 => own + &policy("open", "for update using (true) with check (true)"),
        12 => own + &policy("open", "for insert with check (true)"),
        13 => own + &policy("open", "for select to anon using (flag and body = 'public')"),
        14 => policy("own", &format!("using ({mine}) with check (true)")),
        15 => policy("own", &format!("using (not ({mine}))")),
        16 => {
            own + &policy(
                "open",
                "for select using (auth.jwt() -> 'user_metadata' ->> 'boss' = 'yes')",
            )
        }
        _ => {
            let past = dice.pick(&PAST).replace("{m}", mine).replace("{c}", column);
            policy("own", &format!("using ({past})"))
        }
    }
}

/// A trigger of a table, which makes its owners what they are or keeps some rows back from whoever asks.
fn trigger(dice: &mut Dice, table: &str, column: &str) -> String {
    let body = dice.pick(&TRIGGERS).replace("{c}", column);
    let when = *dice.pick(&["insert", "insert or update"]);
    format!(
        "create function private.before_{table}() returns trigger language plpgsql as $$
begin
    -- Whoever has no token is the back end.
    if auth.role() is null or auth.role() not in ('authenticated', 'anon') then
        return new;
    end if;
    {body}
end $$;
create trigger before_write before {when} on public.{table}
    for each row execute function private.before_{table}();\n"
    )
}
