//! Finds out who asks on the plain platform, where the config does not say it: from the schema as the
//! migrations have made it.

use crate::catalog::Catalog;
use crate::catalog::read::roles;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::project::Project;
use crate::session::open::Session;
use crate::tenancy::identity::find_identity;

/// Looks at a database with all migrations, and has the project keep who asks.
///
/// # Errors
/// A lost connection.
pub(crate) fn identify(
    session: &mut Session,
    project: &Project,
    platform: &Platform,
) -> Result<()> {
    if !project.is_to_be_identified() {
        return Ok(());
    }
    session.steady();
    let catalog = Catalog::read(session)?;
    let mut roles = roles(session, platform.login())?;
    // Roles are of the whole server: what has nothing here, and is in no file, is of another database.
    let names = project.platform();
    let is_named =
        |name: &String| names.made_roles.contains(name) || names.expected_roles.contains(name);
    roles.retain(|role| role.is_meant() || is_named(&role.name));
    let config = project.config();
    let actor_roles = config.actors.values().filter_map(|actor| actor.role.clone());
    let actor_roles: Vec<String> = actor_roles.collect();
    project.identify(find_identity(config.identity.as_ref(), &catalog, &roles, &actor_roles));
    Ok(())
}

/// Refuses a project in which somebody may reach rows, and nothing settles who.
///
/// # Errors
/// Why not, with the lines that settle it.
pub(crate) fn refuse_unknown(project: &Project) -> Result<()> {
    let unknown = project.asking().and_then(|asking| asking.unknown.as_ref());
    // Whoever says that no person is to reach rows need not say how one would ask.
    let has_people = project.config().project.people.is_none();
    let Some(unknown) = unknown.filter(|unknown| !unknown.is_bare && has_people) else {
        return Ok(());
    };
    Err(Error::new("nothing settles as whom the application asks the database")
        .cause(&unknown.why)
        .help(format!(
            "say it in `leakproof.toml`, with what is true of the application:\n    {}",
            unknown.lines.replace('\n', "\n    ")
        )))
}
