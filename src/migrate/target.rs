//! Where files are applied, as a value: what may be done to them there follows from it. Pure.

use std::fmt;

use crate::error::Result;
use crate::platform::owner::Owner;
use crate::project::adapt::adapt;
use crate::project::dialect::Adapted;
use crate::project::files::SqlFile;

/// Where files are applied.
#[derive(Debug)]
pub enum Target {
    /// A database that nobody keeps.
    Throwaway(Throwaway),
    /// Somebody's database: each file runs as it stands, as who is connected. Whatever elevates, stubs
    /// or adapts asks for a [`Throwaway`], which this has not.
    Real,
}

/// A database that nobody keeps: what a file has for another tool is adapted, extensions that the
/// server lacks are stubbed, and a few kinds of statements that a hosted project may run are elevated.
#[derive(Debug)]
pub struct Throwaway {
    owner: Owner,
    shared: Option<Shared>,
}

/// What belongs to the whole server, and a digest of how it is.
pub(crate) type SharedRow = (String, String);

/// How another session sees what belongs to the whole server, where that is somebody's.
pub(crate) struct Shared(Box<dyn Fn() -> Result<Vec<SharedRow>>>);

impl Shared {
    /// All of it.
    pub(crate) fn look(&self) -> Result<Vec<SharedRow>> {
        self.0()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Throwaway {
    /// One on which this role runs the files: whoever applies them has logged in as it, such as by
    /// [`Scratch::connect_as_owner`](crate::scratch::Scratch::connect_as_owner).
    pub fn new(owner: Owner) -> Self {
        Self { owner, shared: None }
    }

    /// The same beside databases of others; `look` is how another session sees what all of them share.
    pub(crate) fn with_shared(self, look: impl Fn() -> Result<Vec<SharedRow>> + 'static) -> Self {
        Self { shared: Some(Shared(Box::new(look))), ..self }
    }

    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl Target {
    /// What is run of a file here.
    pub(crate) fn text(&self, file: &SqlFile) -> Adapted {
        match self {
            Self::Throwaway(_) => adapt(file),
            Self::Real => Adapted { sql: file.raw().to_owned(), ..Adapted::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::dialect::Dialect;

    #[test]
    fn a_real_target_runs_the_file_as_it_stands() {
        let owner = Owner { role: "a".into(), search_path: "b".into() };
        let raw = "begin;\r\nselect 1;\r\ncommit;";
        let file = SqlFile::new("1_a.sql".into(), 1, "a".into(), Dialect::Foreign, raw.into());
        assert_eq!(Target::Real.text(&file).sql, raw);
        let adapted = Target::Throwaway(Throwaway::new(owner)).text(&file).sql;
        assert_eq!(adapted, "     ;\nselect 1;\n      ;");
    }
}
