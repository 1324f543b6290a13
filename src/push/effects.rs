//! What a file does to relations that were there before it: the locks it holds until its end, what it rewrites and
//! what it reads through while others wait. Pure.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::names::QualifiedName;

/// A mode of a lock on a relation, the weakest first; PostgreSQL's manual, "Table-Level Locks".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Of who reads.
    AccessShare,
    /// Of who locks rows.
    RowShare,
    /// Of who writes rows.
    RowExclusive,
    /// Of who vacuums, or makes an index concurrently.
    ShareUpdateExclusive,
    /// Of who makes an index.
    Share,
    /// Of who makes a foreign key or a trigger.
    ShareRowExclusive,
    /// Nobody else writes, or locks rows.
    Exclusive,
    /// Nobody else reads.
    AccessExclusive,
}

impl LockMode {
    const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::AccessShare, "AccessShareLock", "ACCESS SHARE"),
        (Self::RowShare, "RowShareLock", "ROW SHARE"),
        (Self::RowExclusive, "RowExclusiveLock", "ROW EXCLUSIVE"),
        (Self::ShareUpdateExclusive, "ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"),
        (Self::Share, "ShareLock", "SHARE"),
        (Self::ShareRowExclusive, "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"),
        (Self::Exclusive, "ExclusiveLock", "EXCLUSIVE"),
        (Self::AccessExclusive, "AccessExclusiveLock", "ACCESS EXCLUSIVE"),
    ];

    /// By the name that `pg_locks.mode` has.
    pub(crate) fn of_catalog(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, catalog, _)| *catalog == name).map(|(mode, ..)| mode)
    }

    /// As the manual and `lock table` have it.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(mode, ..)| *mode == self).map_or("", |(_, _, name)| name)
    }

    /// Whether others cannot write meanwhile.
    pub(crate) fn blocks_writers(self) -> bool {
        self >= Self::Share
    }

    /// Whether others cannot even read meanwhile.
    pub(crate) fn blocks_readers(self) -> bool {
        self == Self::AccessExclusive
    }
}

impl Serialize for LockMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a statement does to a relation that was there before the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The line on which the statement begins, from 1.
    pub line: usize,
    /// The relation; of an index, its table.
    pub relation: QualifiedName,
    /// The strongest lock it takes on it that the file did not hold yet.
    pub lock: Option<LockMode>,
    /// Whether the relation gets a new file: each row is written anew, or all are gone.
    pub is_rewritten: bool,
    /// Whether an index of it is built, or built anew.
    pub is_index_built: bool,
    /// Whether it is read from its first to its last row.
    pub is_scanned: bool,
    /// Whether it is gone.
    pub is_dropped: bool,
}

/// What a file does to one relation, in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// The relation.
    pub relation: QualifiedName,
    /// The strongest lock, held until the end of the file.
    pub lock: LockMode,
    /// The first line from which it is held.
    pub line: usize,
    /// The first line that rewrites it.
    pub rewritten: Option<usize>,
    /// The first line that reads it through while nobody else may write to it.
    pub scanned: Option<usize>,
    /// The first line that builds an index of it.
    pub index_built: Option<usize>,
    /// The line that drops it.
    pub dropped: Option<usize>,
    /// How large it is on the target; nothing is known of one that the target lacks.
    pub size: Option<Size>,
}

/// How large a relation is, as the target's statistics have it: not exact, and read without a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// With what is stored out of line, without indexes.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
}

/// From this size on people notice that a table is read or written through.
const LARGE_BYTES: u64 = 64 << 20;

/// Joins what the statements of a file do, by relation. Who only reads is left out.
pub(crate) fn touched(effects: &[Effect], sizes: &BTreeMap<QualifiedName, Size>) -> Vec<Touched> {
    let mut all: BTreeMap<&QualifiedName, Touched> = BTreeMap::new();
    for effect in effects {
        let Effect { line, ref relation, lock, .. } = *effect;
        let one = all.entry(relation).or_insert_with(|| Touched {
            relation: relation.clone(),
            lock: LockMode::AccessShare,
            line,
            rewritten: None,
            scanned: None,
            index_built: None,
            dropped: None,
            size: sizes.get(relation).copied(),
        });
        if let Some(lock) = lock.filter(|lock| *lock > one.lock) {
            (one.lock, one.line) = (lock, line);
        }
        let is_waited_for = one.lock.blocks_writers();
        let note = |place: &mut Option<usize>, is: bool| {
            if is {
                place.get_or_insert(line);
            }
        };
        note(&mut one.rewritten, effect.is_rewritten);
        note(&mut one.index_built, effect.is_index_built && !effect.is_rewritten);
        note(&mut one.scanned, effect.is_scanned && is_waited_for && !effect.is_rewritten);
        note(&mut one.dropped, effect.is_dropped);
    }
    all.into_values().filter(|one| one.lock >= LockMode::RowExclusive).collect()
}

impl Touched {
    /// What people will notice, in words; nothing where they hardly will.
    pub fn warning(&self) -> Option<String> {
        let size = self.size.filter(|size| size.bytes >= LARGE_BYTES)?;
        let Self { relation, lock, .. } = self;
        let who = match (lock.blocks_readers(), lock.blocks_writers()) {
            (true, _) => "nobody else can read or write it",
            (_, true) => "nobody else can write to it",
            _ => return None,
        };
        let (what, instead) = if let Some(line) = self.rewritten {
            (format!("line {line} rewrites"), REWRITE)
        } else if let Some(line) = self.index_built {
            (format!("line {line} builds an index of"), INDEX)
        } else if let Some(line) = self.scanned {
            (format!("line {line} reads through"), SCAN)
        } else {
            return None;
        };
        Some(format!(
            "{what} all of {relation} ({size}), and {who} until the file is applied; {instead}"
        ))
    }
}

const REWRITE: &str = "a new column that is filled in parts, in files of their own, blocks nobody";
const INDEX: &str = "`create index concurrently` in a file of its own blocks nobody";
const SCAN: &str = "`not valid` first, and `validate constraint` in a later file, blocks nobody";

/// `3.1 GB, about 12000000 rows`
impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bytes, rows } = *self;
        if bytes < 1 << 20 {
            write!(f, "{} kB", bytes.div_ceil(1 << 10))?;
        } else if bytes < 1 << 30 {
            write!(f, "{} MB", bytes.div_ceil(1 << 20))?;
        } else {
            write!(f, "{}.{} GB", bytes >> 30, ((bytes >> 20) % 1024) * 10 / 1024)?;
        }
        match rows {
            0 => Ok(()),
            rows => write!(f, ", about {rows} rows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> QualifiedName {
        QualifiedName::new("public", "messages")
    }

    fn effect(line: usize, lock: LockMode) -> Effect {
        Effect {
            line,
            relation: name(),
            lock: Some(lock),
            is_rewritten: false,
            is_index_built: false,
            is_scanned: false,
            is_dropped: false,
        }
    }

    fn warned(effects: &[Effect], bytes: u64) -> Option<String> {
        let sizes = BTreeMap::from([(name(), Size { bytes, rows: 7 })]);
        touched(effects, &sizes).first().and_then(Touched::warning)
    }

    #[test]
    fn who_is_kept_waiting() {
        let rewrite = Effect { is_rewritten: true, ..effect(3, LockMode::AccessExclusive) };
        let told = warned(std::slice::from_ref(&rewrite), 3 << 30).expect("a warning");
        assert!(
            told.starts_with(
                "line 3 rewrites all of public.messages (3.0 GB, about 7 rows), and nobody else can read or write it"
            ),
            "{told}"
        );
        assert_eq!(warned(&[rewrite], 1 << 20), None, "small");
        let scan = Effect { is_scanned: true, ..effect(4, LockMode::AccessShare) };
        assert_eq!(warned(std::slice::from_ref(&scan), 3 << 30), None, "who reads blocks nobody");
        let told = warned(&[effect(1, LockMode::ShareRowExclusive), scan], 3 << 30);
        assert!(told.is_some_and(|told| told.contains("line 4 reads through all of")));
        assert_eq!(warned(&[effect(1, LockMode::AccessExclusive)], 3 << 30), None, "brief");
    }

    #[test]
    fn the_strongest_lock_counts() {
        let modes = [LockMode::RowExclusive, LockMode::AccessExclusive, LockMode::Share];
        let effects: Vec<Effect> =
            modes.into_iter().enumerate().map(|(at, mode)| effect(at + 1, mode)).collect();
        let all = touched(&effects, &BTreeMap::new());
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((one.lock, one.line, one.size), (LockMode::AccessExclusive, 2, None));
        assert_eq!(touched(&[effect(1, LockMode::AccessShare)], &BTreeMap::new()), []);
    }
}
