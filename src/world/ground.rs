//! What a world stands on: the schema as it is, whose its rows are, and who asks.

use std::sync::Arc;

use crate::actor::{Actor, people};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::names::Oid;
use crate::platform::Platform;
use crate::project::Project;
use crate::session::open::Session;
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
        let actors = people(project, platform, &catalog, &tenancy)?;
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
