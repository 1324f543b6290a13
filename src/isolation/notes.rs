//! What a reader of the report must know of the world: what was inferred, and what nobody could show.

use std::collections::BTreeSet;

use crate::actor::has_token;
use crate::actor::told::not_asked;
use crate::catalog::relation::Relation;
use crate::isolation::Isolation;
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::command::Command;
use crate::matrix::verdict::Verdict;
use crate::names::QualifiedName;
use crate::sql::expr::{Expr, Part};
use crate::sql::quote::{identifier, literal};
use crate::words::{first_names, one_line};
use crate::world::value::World;

impl Isolation {
    /// Of which tables not all rows are tried.
    pub(crate) fn notes_on_thinned(&self) -> Vec<String> {
        self.thinned.clone()
    }

    /// What the tenancy was taken to be, where nobody has said it.
    pub(crate) fn note_on_tenancy(&self) -> Option<String> {
        let World { tenancy, catalog, .. } = &self.world;
        let tenant = tenancy.tenant.as_ref().and_then(|root| catalog.relation(root.relation));
        let taken = match (&tenancy.why, tenant, &tenancy.members) {
            (None, Some(_), _) => return None,
            (None, None, _) if tenancy.is_stated => return None,
            (_, Some(tenant), Some(members)) => {
                format!("tenants are {}, members {}", tenant.title(), members.config.table)
            }
            (_, Some(tenant), None) => {
                let has_claims = !tenancy.claims.is_empty();
                let by = if has_claims { "a claim" } else { "a setting" };
                format!("tenants are {}, by {by}", tenant.title())
            }
            (_, None, _) => "every user stands alone".into(),
        };
        Some(format!(
            "the tenancy is inferred, {taken}; `leakproof init` writes it down, to be corrected"
        ))
    }

    /// Which schemas are taken for those of tenants.
    pub(crate) fn note_on_homes(&self) -> Option<String> {
        let homes = self.world.tenancy.homes.values();
        let homes: BTreeSet<String> =
            homes.map(|home| format!("`{}` of `{}`", home.schema, home.role)).collect();
        let homes: Vec<String> = homes.into_iter().collect();
        (!homes.is_empty()).then(|| {
            format!(
                "schemas with the same tables, and roles named after them, are taken for a tenant's each: {}; \
                 `[tenancy.owners]` says otherwise, table by table",
                homes.join(", ")
            )
        })
    }

    /// The relations whose policies are for people and let nobody in, though somebody has a grant: a
    /// policy may look at a claim or at rows that the world lacks, and then nothing was denied.
    pub(crate) fn note_on_closed(&self, matrix: &Matrix) -> Option<String> {
        let people = || self.world.actors.iter().filter(|actor| !actor.is_service());
        let is_closed = |relation: &&Relation| {
            let name = QualifiedName::new(&relation.schema, &relation.name);
            let is_of_people = |cell: &&Cell| people().any(|actor| actor.name() == cell.actor);
            let cells: Vec<&Cell> = matrix.of(&name).iter().filter(is_of_people).collect();
            let is_reached =
                |cell: &&Cell| cell.verdict.is_allowed() && cell.command != Command::Truncate;
            let is_denied =
                |cell: &&Cell| matches!(cell.verdict, Verdict::Hidden | Verdict::Refused);
            relation.policies.iter().any(|policy| people().any(|actor| policy.is_for(actor.role())))
                && !cells.iter().any(is_reached)
                && cells.iter().any(is_denied)
        };
        let wanted = self.wanted.iter().filter_map(|oid| self.world.catalog.relation(*oid));
        let mut closed: Vec<String> =
            wanted.filter(|r| r.is_table()).filter(is_closed).map(Relation::title).collect();
        closed.sort();
        (!closed.is_empty()).then(|| {
            format!(
                "the policies of {} let nobody in; if that is not meant, see whether they ask for a \
                 claim (`[actors.<name>] claims`) or for rows that nobody has (`seed.sql`)",
                closed.join(", ")
            )
        })
    }

    /// How a membership ended, where its row is still there.
    pub(crate) fn note_on_ending(&self) -> Option<String> {
        let World { tenancy, catalog, .. } = &self.world;
        let members = catalog.relation(tenancy.members.as_ref()?.relation)?;
        let ending = self.world.ending(members)?;
        Some(format!(
            "who has left is still in {}, with {} = {}",
            members.title(),
            identifier(&ending.column),
            literal(&ending.ended)
        ))
    }

    /// The relations whose policies ask who has logged in: that is one for everybody here, and in
    /// production whoever the application connects as.
    pub(crate) fn note_on_logins(&self, login: &str) -> Option<String> {
        const ASKED: &str = "session_user";
        let catalog = &self.world.catalog;
        let asks = |relation: &&Relation| {
            let policies = || relation.policies.iter();
            let called = catalog.routines.reached(policies().flat_map(|policy| policy.trees()));
            let is_named = |tree: &Expr| {
                let mut found = false;
                tree.walk(&mut |part| {
                    found |=
                        matches!(part, Part::Expr(Expr::Call(call)) if call.name.last() == ASKED);
                });
                found
            };
            policies().flat_map(|policy| policy.trees()).any(is_named)
                || called.into_iter().any(|routine| routine.names(ASKED))
        };
        let wanted = self.wanted.iter().filter_map(|oid| catalog.relation(*oid));
        let mut asking: Vec<String> = wanted.filter(asks).map(Relation::title).collect();
        asking.sort();
        (!asking.is_empty()).then(|| {
            format!(
                "not checked: whom the policies of {} let in by `{ASKED}`, which is `{login}` for \
                 everybody here",
                asking.join(", ")
            )
        })
    }

    /// Whom policies tell apart, and nobody asks as.
    pub(crate) fn note_on_people(&self) -> Option<String> {
        let World { tenancy, platform, .. } = &self.world;
        let not_asked = not_asked(tenancy, has_token(platform));
        (!not_asked.is_empty()).then(|| {
            format!(
                "not checked: whom policies let in by {}; `[actors.<name>]` with `claims` or \
                 `membership` asks as them",
                first_names(&not_asked)
            )
        })
    }

    /// What a stranger says at sign-up, as anybody may, or why that is refused.
    pub(crate) fn note_on_sign_up(&self) -> Option<String> {
        let (name, said, refused) = self.world.told_at_sign_up()?;
        let said = serde_json::Value::Object(said);
        Some(match refused {
            None => format!("`{name}` signs up with {said} as metadata, which anybody may"),
            Some(reason) => format!(
                "`{name}` could not sign up with {said} as metadata, and is an `outsider`: {}",
                one_line(reason)
            ),
        })
    }

    /// A tenant that everybody is a member of is one whose rows everybody may see.
    pub(crate) fn note_on_common_tenants(&self) -> Option<String> {
        let World { tenancy, catalog, names, .. } = &self.world;
        let common = names.common_tenants();
        let tenant = tenancy.tenant.as_ref().and_then(|root| catalog.relation(root.relation))?;
        (!common.is_empty()).then(|| {
            format!(
                "a trigger makes every user a member of {} in {}: its rows count as those of their \
                 own tenant",
                common.join(", "),
                tenant.title()
            )
        })
    }
}
