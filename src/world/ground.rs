//! What a world stands on: the schema as it is, whose its rows are, and who asks.

use std::sync::Arc;

use crate::actor::{Actor, people};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::names::Oid;
use crate::platform::Platform;
use crate::project::Project;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::literal;
use crate::tenancy::Tenancy;

/// Schema, tenancy and people of one database at one time.
pub(crate) struct Ground {
    /// The schema, with the references that the tenancy adds.
    pub catalog: Arc<Catalog>,
    pub tenancy: Tenancy,
    pub actors: Vec<Actor>,
    /// The schema without them.
    as_read: Catalog,
}

impl Ground {
    /// Reads it.
    ///
    /// # Errors
    /// A lost connection, or a tenancy or an actor of the config that does not fit the schema.
    pub(crate) fn read(
        session: &mut Session,
        project: &Project,
        platform: &Platform,
    ) -> Result<Self> {
        let as_read = Catalog::read(session)?;
        let mut catalog = as_read.clone();
        let tenancy = Tenancy::find(project, &mut catalog)?;
        let roles = match platform.has_users() {
            true => roles_of_tokens(session, platform.login())?,
            false => Vec::new(),
        };
        let actors = people(project, platform, &catalog, &tenancy, &roles)?;
        Ok(Self { catalog: Arc::new(catalog), tenancy, actors, as_read })
    }

    /// The same with relations that have come since.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn with(
        self,
        session: &mut Session,
        project: &Project,
        new: &[Oid],
    ) -> Result<Self> {
        let mut as_read = self.as_read;
        as_read.read_new(session, new)?;
        let mut catalog = as_read.clone();
        let tenancy = Tenancy::find(project, &mut catalog)?;
        Ok(Self { catalog: Arc::new(catalog), tenancy, actors: self.actors, as_read })
    }
}

/// The roles that whoever connects in production may become for a request, beside the platform's own: a
/// token says which. Roles are of the whole server: those that have nothing here are of other databases. Who would
/// bypass row security is nobody's role.
///
/// Who is logged in may be a role of the run's own, which becomes the one that it is in production.
fn roles_of_tokens(session: &mut Session, login: &str) -> Result<Vec<String>> {
    let login = literal(login);
    let sql = format!(
        "select r.rolname from pg_catalog.pg_roles r
        join pg_catalog.pg_auth_members m on m.roleid = r.oid
        join pg_catalog.pg_roles login on login.oid = m.member
        where login.rolname = {login}
            and r.rolname not in ('anon', 'authenticated', 'service_role')
            and not r.rolsuper and not r.rolbypassrls
            and (
                exists (select from pg_catalog.pg_policy p where r.oid = any (p.polroles))
                or exists (
                    select from pg_catalog.pg_class c
                    cross join pg_catalog.aclexplode(c.relacl) as granted
                    where granted.grantee = r.oid
                )
            )
        order by 1"
    );
    let rows = session.rows(&sql).map_err(failing("read the roles of tokens"))?;
    Ok(rows.into_iter().flatten().flatten().collect())
}
