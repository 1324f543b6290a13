//! What the catalog says of roles: whose policies apply to them, and what they may reach.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::matrix::coverage::Unprobed;
use crate::names::Oid;
use crate::probe::privileges::query_about;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::literal;

/// Each role with those whose privileges it has, itself among them: whose policies apply to it.
pub(crate) fn roles_of(
    session: &mut Session,
    roles: &[&str],
) -> Result<BTreeMap<String, Vec<String>>> {
    let list: Vec<String> = roles.iter().map(|role| literal(role)).collect();
    let sql = format!(
        "select r.rolname, m.rolname from pg_catalog.pg_roles r
         join pg_catalog.pg_roles m on pg_catalog.pg_has_role(r.oid, m.oid, 'usage')
         where r.rolname in ({})
         order by 1, 2",
        list.join(", ")
    );
    let rows = session.rows(&sql).map_err(failing("read whose policies apply to whom"))?;
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let [Some(role), Some(other)] = row.as_slice() else { continue };
        roles.entry(role.clone()).or_default().push(other.clone());
    }
    Ok(roles)
}

/// The relations, in whatever schema, that one of the roles may reach: it may use the schema and has
/// some privilege. Who bypasses row security is not asked.
pub(crate) fn within_reach(session: &mut Session, roles: &[&str]) -> Result<BTreeSet<Oid>> {
    let roles: Vec<String> = roles.iter().map(|role| literal(role)).collect();
    let sql = format!(
        "select c.oid from pg_catalog.pg_class c
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm', 'f')
            and n.nspname not in ('pg_catalog', 'information_schema')
            and exists (
                select from pg_catalog.pg_roles r
                where r.rolname in ({}) and not r.rolsuper and not r.rolbypassrls
                    and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
                    and (
                        pg_catalog.has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
                        or pg_catalog.has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
                    )
            )",
        roles.join(", ")
    );
    let rows = session.rows(&sql).map_err(failing("look for what is within reach"))?;
    Ok(rows.into_iter().flatten().flatten().filter_map(|oid| oid.parse().ok()).collect())
}

/// What people of these roles can reach that no probe tries, in these schemas.
pub(crate) fn unprobed(
    session: &mut Session,
    roles: &[&str],
    schemas: &[String],
) -> Result<Unprobed> {
    let query = query_about(include_str!("unprobed.sql"), schemas, roles);
    let mut found = session.values::<Unprobed>(&query)?;
    found.pop().ok_or_else(|| Error::new("the server did not say what no probe tries"))
}
