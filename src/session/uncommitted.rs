//! A transaction that is never committed, with the connection that it is on.

use std::ops::{Deref, DerefMut};

use crate::session::open::Session;

/// A session whose transaction goes when this does: the server rolls back with the connection.
pub(crate) struct Uncommitted {
    session: Session,
}

impl Uncommitted {
    pub(in crate::session) fn new(session: Session) -> Self {
        Self { session }
    }
}

impl Deref for Uncommitted {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Uncommitted {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
