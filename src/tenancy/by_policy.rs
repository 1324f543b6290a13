//! What policies tell of whose rows are: which columns must hold who is asking, a claim, or the key of
//! a row that belongs to who is asking. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::names::Oid;
use crate::tenancy::asked::{Asked, asked_of};
use crate::tenancy::meaning::{Asker, EMAIL, Meaning, is_email, is_of_user};
use crate::tenancy::readings::{equal_to, readings_of_asker};

/// What the policies of all tables ask, by relation.
#[derive(Debug)]
pub(crate) struct Questions(pub(super) BTreeMap<Oid, Asked>);

impl Questions {
    /// Walks through all policies.
    pub(crate) fn of(catalog: &Catalog, asker: &Asker) -> Self {
        Self::asked(catalog, asker, true, |_| true)
    }

    /// As [`Self::of`], of the rows that the policies of some relations keep back: what is compared with who is
    /// asking is theirs, whichever way round.
    pub(crate) fn inverted(catalog: &Catalog, asker: &Asker, of: &[Oid]) -> Self {
        Self::asked(catalog, asker, false, |relation| of.contains(&relation.oid))
    }

    fn asked(
        catalog: &Catalog,
        asker: &Asker,
        holds: bool,
        is_meant: impl Fn(&Relation) -> bool,
    ) -> Self {
        let tables = catalog.relations().filter(|relation| relation.is_table());
        let asking = tables.filter(|relation| !relation.policies.is_empty() && is_meant(relation));
        let asked = asking.map(|relation| {
            let mut asked = asked_of(catalog, asker, relation, holds);
            recognise_row(relation, &mut asked.equal);
            (relation.oid, asked)
        });
        Self(asked.collect())
    }

    /// The names of the policies of a relation that relate its rows to who is asking, or may.
    pub(crate) fn about_rows(&self, relation: Oid) -> &[String] {
        self.0.get(&relation).map_or(&[], |asked| asked.about_row.as_slice())
    }

    /// The columns of a relation that must hold who is asking, in the order in which it is asked.
    pub(crate) fn user_columns(&self, relation: Oid) -> Vec<String> {
        self.columns_equal_to(relation, |meaning| *meaning == Meaning::User)
    }

    /// The columns of a relation that must hold the tenant in whose name a back end asks.
    pub(crate) fn tenant_columns(&self, relation: Oid) -> Vec<String> {
        self.columns_equal_to(relation, |meaning| *meaning == Meaning::Tenant)
    }

    /// The columns of a relation that must hold a claim, and its place in the token.
    pub(crate) fn claimed_columns(&self, relation: Oid) -> Vec<(String, Vec<String>)> {
        let mut found = Vec::new();
        for (column, equal) in self.own_columns(relation) {
            for meaning in equal {
                match meaning {
                    Meaning::Claim(place) if !place.is_empty() => {
                        found.push((column.clone(), place.clone()));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The columns that must hold the e-mail of who is asking, as the token or the row of `users` has it: of the
    /// relations whose policies ask for it, and of those that these read.
    pub(crate) fn email_columns(&self, users: Oid) -> BTreeSet<(Oid, String)> {
        let mut found = BTreeSet::new();
        for (own, asked) in &self.0 {
            let chosen = readings_of_asker(asked);
            let is_email = |meaning: &Meaning| match meaning {
                Meaning::Claim(place) => is_email(place),
                Meaning::Read { reading, relation, column } => {
                    *relation == users && column == EMAIL && chosen.contains(reading)
                }
                _ => false,
            };
            for (left, right) in &asked.equal {
                for (column, _) in [(left, right), (right, left)].iter().filter(|p| is_email(p.1)) {
                    match column {
                        Meaning::Own(column) => found.insert((*own, column.clone())),
                        Meaning::Read { relation, column, .. } if *relation != users => {
                            found.insert((*relation, column.clone()))
                        }
                        _ => false,
                    };
                }
            }
        }
        found
    }

    /// The columns of a relation that must hold what a client writes itself, and its place.
    pub(crate) fn forgeable_columns(&self, relation: Oid) -> Vec<(String, Meaning)> {
        let is_forgeable = |meaning: &Meaning| match meaning {
            Meaning::Claim(place) => is_of_user(place),
            Meaning::Setting(name, _) => name.starts_with("request."),
            _ => false,
        };
        let own = self.own_columns(relation).into_iter();
        let forgeable = own.flat_map(|(column, equal)| {
            let forgeable = equal.into_iter().filter(|meaning| is_forgeable(meaning));
            forgeable.map(move |meaning| (column.clone(), meaning.clone())).collect::<Vec<_>>()
        });
        forgeable.collect()
    }

    /// The columns of a relation that must be equal to a column of a row which is chosen by who is
    /// asking: the column, and that relation and column.
    pub(crate) fn chosen_by_asker(&self, relation: Oid) -> Vec<(String, Oid, String)> {
        let Some(asked) = self.0.get(&relation) else { return Vec::new() };
        let chosen = readings_of_asker(asked);
        let mut found = Vec::new();
        for (column, equal) in self.own_columns(relation) {
            for meaning in equal {
                match meaning {
                    Meaning::Read { reading, relation, column: read }
                        if chosen.contains(reading) =>
                    {
                        found.push((column.clone(), *relation, read.clone()));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The settings that must be equal to a column, each with its place in a document, and the relation
    /// and column; with [`Asker::Unknown`] each that policies read.
    pub(crate) fn compared_settings(&self) -> Vec<(String, Vec<String>, Oid, String)> {
        let mut found = Vec::new();
        for (judged, asked) in &self.0 {
            let pairs = asked.equal.iter();
            let both = pairs.flat_map(|(left, right)| [(left, right), (right, left)]);
            for (setting, other) in both {
                let Meaning::Setting(name, place) = setting else { continue };
                let (relation, column) = match other {
                    Meaning::Own(column) => (*judged, column),
                    Meaning::Read { relation, column, .. } => (*relation, column),
                    _ => continue,
                };
                let one = (name.clone(), place.clone(), relation, column.clone());
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        found
    }

    fn columns_equal_to(&self, relation: Oid, is_it: impl Fn(&Meaning) -> bool) -> Vec<String> {
        let own = self.own_columns(relation).into_iter();
        let equal = own.filter(|(_, equal)| equal.iter().any(|meaning| is_it(meaning)));
        equal.map(|(column, _)| column).collect()
    }

    /// Each column that must be equal to something, and all that it must be equal to.
    fn own_columns(&self, relation: Oid) -> Vec<(String, Vec<&Meaning>)> {
        let Some(asked) = self.0.get(&relation) else { return Vec::new() };
        let mut found: Vec<(String, Vec<&Meaning>)> = Vec::new();
        for meaning in asked.equal.iter().flat_map(|(left, right)| [left, right]) {
            if let Meaning::Own(column) = meaning
                && !found.iter().any(|(known, _)| known == column)
            {
                found.push((column.clone(), equal_to(asked, meaning)));
            }
        }
        found
    }
}

/// What reads the judged row anew, by its key, reads that row.
fn recognise_row(relation: &Relation, equal: &mut [(Meaning, Meaning)]) {
    let Some([key]) = relation.key() else { return };
    let by_key = |(left, right): &(Meaning, Meaning)| match (left, right) {
        (Meaning::Own(own), Meaning::Read { reading, relation: read, column })
        | (Meaning::Read { reading, relation: read, column }, Meaning::Own(own)) => {
            (own == key && column == key && *read == relation.oid).then_some(*reading)
        }
        _ => None,
    };
    let again: BTreeSet<usize> = equal.iter().filter_map(by_key).collect();
    for meaning in equal.iter_mut().flat_map(|(left, right)| [left, right]) {
        match meaning {
            Meaning::Read { reading, column, .. } if again.contains(reading) => {
                *meaning = Meaning::Own(std::mem::take(column));
            }
            _ => {}
        }
    }
}

/// Where a column that is chosen by who is asking leads: the relation whose single key it is, or the
/// one it refers to.
pub(crate) fn referred(catalog: &Catalog, relation: Oid, column: &str) -> Option<(Oid, String)> {
    let read = catalog.relation(relation)?;
    if read.key() == Some(&[column.to_owned()]) {
        return Some((relation, column.to_owned()));
    }
    let mut single = read.foreign_keys.iter().filter(|key| key.columns == [column.to_owned()]);
    single.next().map(|key| (key.target, key.target_columns[0].clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::sample::{Function, Table, catalog_of};

    const FUNCTIONS: &[Function<'_>] = &[
        ("private.owns", &["who"], "sql", "select who = (select auth.uid())"),
        ("private.owns_row", &["d"], "sql", "select d.keeper = auth.uid()"),
        (
            "private.owns_in_steps",
            &["who"],
            "plpgsql",
            "begin if who is null or $1 <> me() then \
            return false; end if; return true; end",
        ),
        ("public.me", &[], "sql", "select auth.uid()"),
        (
            "private.mine",
            &[],
            "plpgsql",
            "declare x uuid; begin select auth.uid() into x; \
            return x; end",
        ),
        (
            "private.claim",
            &["key"],
            "sql",
            "select current_setting('request.jwt.claims', true)\
            ::jsonb ->> key",
        ),
        ("private.my_orgs", &[], "sql", "select m.org from members m where m.person = me()"),
        (
            "private.my_profile",
            &[],
            "sql",
            "select p.id from profiles p where user_id = auth.uid()",
        ),
        ("private.twice", &["who"], "sql", "select private.owns(who) or private.twice(who)"),
        ("private.is_admin", &[], "sql", "select exists (select from members where person = me())"),
        (
            "private.built",
            &["id"],
            "plpgsql",
            "declare x boolean; begin execute 'select true' \
            into x; return x; end",
        ),
        ("private.other", &["id"], "plperl", "return 1"),
        (
            "private.keeps",
            &["which"],
            "plpgsql",
            "declare who uuid; begin select d.keeper into who from docs d where d.id = which; \
             return who = auth.uid(); end",
        ),
        ("private.is_open", &["state"], "sql", "select state is null or auth.uid() is not null"),
    ];

    fn tables<'t>(policy: &'t [&'t str]) -> [Table<'t>; 4] {
        [
            Table {
                name: "docs",
                columns: &["id", "keeper", "editor", "org", "doc"],
                policies: policy,
                references: &[],
            },
            Table { name: "orgs", columns: &["id"], ..Table::default() },
            Table {
                name: "members",
                columns: &["id", "org", "person"],
                references: &[("org", 1)],
                ..Table::default()
            },
            Table { name: "profiles", columns: &["id", "user_id"], ..Table::default() },
        ]
    }

    /// What a policy of `docs` tells: columns of the user, of claims, of chosen rows; and whether it
    /// relates rows to who is asking.
    fn told(policy: &str, asker: &Asker) -> String {
        let policies = [policy];
        let catalog = catalog_of(&tables(&policies), FUNCTIONS);
        let questions = Questions::of(&catalog, asker);
        let mut told = questions.user_columns(1);
        told.extend(questions.tenant_columns(1).iter().map(|column| format!("{column}: tenant")));
        let claimed = questions.claimed_columns(1);
        told.extend(claimed.iter().map(|(column, claim)| format!("{column}: {}", claim.join("."))));
        for (column, relation, read) in questions.chosen_by_asker(1) {
            let (relation, key) = referred(&catalog, relation, &read).unwrap_or((0, read));
            told.push(format!("{column}: {relation}.{key}"));
        }
        match (told.is_empty(), questions.about_rows(1).is_empty()) {
            (true, true) => "nothing".into(),
            (true, false) => "unknown".into(),
            (false, true) => format!("{} by no policy", told.join(", ")),
            (false, false) => told.join(", "),
        }
    }

    fn check_all(asker: &Asker, cases: &[(&str, &str)]) {
        for (policy, what) in cases {
            assert_eq!(told(policy, asker), *what, "{policy}");
        }
    }

    #[test]
    fn who_asks_is_seen_in_all_its_forms() {
        check_all(
            &Asker::Supabase,
            &[
                ("(auth.uid() = keeper)", "keeper"),
                ("((( SELECT auth.uid() AS uid))::text = (keeper)::text)", "keeper"),
                ("((auth.jwt() ->> 'sub'::text) = (keeper)::text)", "keeper"),
                ("private.owns(keeper)", "keeper"),
                ("(OPERATOR(public.@#) keeper)", "keeper"),
                ("(@# keeper)", "keeper"),
                ("(keeper OPERATOR(pg_catalog.=) auth.uid())", "keeper"),
                ("(keeper OPERATOR(extensions.=) auth.uid())", "keeper"),
                ("private.owns_row(docs.*)", "keeper"),
                ("private.owns_in_steps(keeper)", "keeper"),
                ("private.twice(keeper)", "keeper"),
                ("private.keeps(id)", "keeper"),
                (
                    "(EXISTS ( SELECT 1 FROM docs d WHERE ((d.id = docs.id) AND (d.keeper = me()))))",
                    "keeper",
                ),
                ("(keeper IN ( SELECT auth.uid() AS uid))", "keeper"),
                ("(auth.uid() = ANY (ARRAY[keeper, editor]))", "keeper, editor"),
                ("(NOT (keeper IS DISTINCT FROM auth.uid()))", "keeper"),
                ("(me() = keeper)", "keeper"),
                ("(private.mine() = keeper)", "keeper"),
                ("((private.claim('sub'::text))::uuid = keeper)", "keeper"),
                (
                    "(((current_setting('request.jwt.claims'::text, true))::json ->> 'sub'::text) = (keeper)::text)",
                    "keeper",
                ),
                (
                    "((NULLIF(current_setting('request.jwt.claim.sub'::text, true), ''::text))::uuid = keeper)",
                    "keeper",
                ),
                ("(NOT (keeper <> auth.uid()))", "keeper"),
                ("((keeper = auth.uid()) IS TRUE)", "keeper"),
                ("COALESCE((keeper = auth.uid()), false)", "keeper"),
                ("((org IS NULL) OR ((editor = auth.uid()) AND (NOT false)))", "editor"),
                ("CASE WHEN (org IS NULL) THEN true ELSE (keeper = auth.uid()) END", "keeper"),
                ("((to_jsonb(docs.*) ->> 'keeper'::text) = (auth.uid())::text)", "keeper"),
                (
                    "(EXISTS ( SELECT 1 FROM profiles p WHERE ((p.id = auth.uid()) AND (p.id = docs.keeper))))",
                    "keeper, keeper: 4.id",
                ),
                ("(( SELECT count(*) AS count WHERE (docs.keeper = auth.uid())) > 0)", "keeper"),
            ],
        );
    }

    #[test]
    fn settings_of_a_back_end() {
        let user = "app.user_id".to_owned();
        let asker = Asker::Settings { user: Some(user), tenant: Some("app.tenant_id".into()) };
        check_all(
            &asker,
            &[
                ("((keeper)::text = current_setting('app.user_id'::text, true))", "keeper"),
                (
                    "(keeper = (NULLIF(current_setting('App.User_Id'::text, true), ''::text))::uuid)",
                    "keeper",
                ),
                ("(org = (current_setting('app.tenant_id'::text))::uuid)", "org: tenant"),
                ("(org = (current_setting('app.other'::text))::uuid)", "unknown"),
                ("(org = (current_setting('request.method'::text))::uuid)", "nothing"),
                ("(org = (current_setting('work_mem'::text))::uuid)", "nothing"),
                ("((org)::text = CURRENT_USER)", "unknown"),
            ],
        );
    }

    #[test]
    fn claims_and_chosen_rows() {
        check_all(
            &Asker::Supabase,
            &[
                (
                    "(org = (((auth.jwt() -> 'app_metadata'::text) ->> 'org_id'::text))::uuid)",
                    "org: app_metadata.org_id",
                ),
                (
                    "((( SELECT auth.jwt() AS jwt) #>> '{app_metadata,org_id}'::text[]) = (org)::text)",
                    "org: app_metadata.org_id",
                ),
                ("(org IN ( SELECT private.my_orgs() AS my_orgs))", "org: 2.id"),
                ("(org = ANY (ARRAY( SELECT private.my_orgs() AS my_orgs)))", "org: 2.id"),
                (
                    "(EXISTS ( SELECT 1 FROM members m WHERE ((m.org = docs.org) AND (m.person = auth.uid()))))",
                    "org: 2.id",
                ),
                ("(keeper = private.my_profile())", "keeper: 4.id"),
                (
                    "(keeper IN ( SELECT profiles.id FROM profiles WHERE (profiles.user_id = me())))",
                    "keeper: 4.id",
                ),
                (
                    "(org IN ( SELECT x.org FROM ( SELECT m.org, m.person FROM members m) x WHERE (x.person = me())))",
                    "org: 2.id",
                ),
                (
                    "(EXISTS ( WITH w AS ( SELECT m.org FROM members m WHERE (m.person = me())) SELECT 1 FROM w WHERE (w.org = docs.org)))",
                    "org: 2.id",
                ),
            ],
        );
    }

    #[test]
    fn what_tells_no_owner() {
        check_all(
            &Asker::Supabase,
            &[
                ("true", "nothing"),
                ("(auth.uid() IS NOT NULL)", "nothing"),
                ("(auth.role() = 'authenticated'::text)", "nothing"),
                ("(org = (auth.role())::uuid)", "org: role by no policy"),
                ("private.is_admin()", "nothing"),
                ("((org IS NULL) AND private.is_admin())", "nothing"),
                ("private.is_open(org)", "nothing"),
                ("(org IN ( SELECT orgs.id FROM orgs))", "nothing"),
                // These relate rows to who is asking, and no owner can be read.
                ("(keeper <> auth.uid())", "unknown"),
                ("(NOT private.owns(keeper))", "unknown"),
                ("(NOT (OPERATOR(public.@#) keeper))", "unknown"),
                ("(keeper OPERATOR(public.=) auth.uid())", "unknown"),
                ("((keeper)::text ~~ (auth.uid())::text)", "unknown"),
                ("private.built(id)", "unknown"),
                ("private.other(id)", "unknown"),
                (
                    "(EXISTS ( SELECT 1 FROM members m WHERE ((m.person = auth.uid()) AND (m.id <> docs.id))))",
                    "unknown",
                ),
                ("((keeper", "unknown"),
            ],
        );
    }

    /// Functions that each call the next, often or deep in an expression.
    #[test]
    fn what_is_made_to_exhaust_us() {
        let often = |next: &str| vec![format!("{next}(a)"); 40].join(" or ");
        let deep = |next: &str| format!("{}{next}(a){}", "lower(".repeat(60), ")".repeat(60));
        for calls in [&often as &dyn Fn(&str) -> String, &deep] {
            let names: Vec<String> = (0..10).map(|n| format!("public.f{n}")).collect();
            let text = |n: usize| format!("select {}", calls(&format!("f{}", n + 1)));
            let texts: Vec<String> = (0..10).map(text).collect();
            let functions: Vec<Function<'_>> = names
                .iter()
                .zip(&texts)
                .map(|(name, text)| (name.as_str(), &["a"][..], "sql", text.as_str()))
                .collect();
            let catalog = catalog_of(&tables(&["f0(keeper)"]), &functions);
            let questions = Questions::of(&catalog, &Asker::Supabase);
            assert_eq!(questions.about_rows(1), ["p0"]);
        }
    }
}
