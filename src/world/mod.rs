//! The seeded rows: for every table a row of every owner, so that the absence of access can be seen.

pub(crate) mod ground;
pub(crate) mod identify;
pub(crate) mod thin;
pub(crate) mod untraced;
pub(crate) mod value;
pub(crate) mod offers;
pub(crate) mod owner_names;
pub(crate) mod rows;
pub(crate) mod seeding;
