//! `supabase/config.toml`: what of it says how the database is made. It is somebody else's file, so
//! that what is unknown, of another type or left to the environment is passed over.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::project::glob;
use crate::project::odd_names::{odd, odd_name};

/// Schemas that belong to the platform: the API exposes them, and no project keeps its tables there.
const OF_THE_PLATFORM: &[&str] = &["graphql", "graphql_public", "storage"];

/// What the config says, or the defaults of the Supabase CLI.
#[derive(Debug, Default)]
pub(crate) struct SupabaseConfig {
    /// `[api] schemas`, without those of the platform.
    pub schemas: Option<Vec<String>>,
    /// `[api] auto_expose_new_tables`: whether new tables are granted to the roles of the API.
    pub exposes_new_tables: Option<bool>,
    /// `[db] major_version`
    pub major_version: Option<u32>,
    /// The files of `[db.seed]`, in order.
    pub seeds: Vec<PathBuf>,
    /// Patterns of `[db.seed] sql_paths` that no file fits.
    pub missing_seeds: Vec<String>,
    /// The files of `[db.migrations] schema_paths`, in order; none if there is no such key.
    pub schema_files: Vec<PathBuf>,
}

impl SupabaseConfig {
    /// Reads `config.toml` in the folder `supabase`.
    ///
    /// # Errors
    /// A file that cannot be read or is no TOML.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.toml");
        let table: Table = match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(text.trim_start_matches('\u{feff}')).map_err(|cause| {
                Error::new(format!("`{}` is not valid TOML", path.display()))
                    .cause(cause.to_string().trim_end().replace('\n', "\n    "))
                    .help("mend it; the Supabase CLI does not read it either")
            })?,
            Err(cause) if cause.kind() == ErrorKind::NotFound => Table::new(),
            Err(cause) => {
                return Err(Error::new(format!("cannot read `{}`", path.display()))
                    .cause(cause)
                    .help("check that it is a UTF-8 file and that you may read it"));
            }
        };
        let schemas = value(&table, &["api", "schemas"]);
        if let Some(name) = schemas.and_then(odd_name) {
            return Err(odd(&path, name));
        }
        let mut config = Self {
            schemas: strings(&table, &["api", "schemas"]).map(|schemas| {
                schemas
                    .into_iter()
                    .filter(|name| !OF_THE_PLATFORM.contains(&name.as_str()))
                    .collect()
            }),
            exposes_new_tables: value(&table, &["api", "auto_expose_new_tables"])
                .and_then(Value::as_bool),
            major_version: value(&table, &["db", "major_version"])
                .and_then(Value::as_integer)
                .and_then(|major| major.try_into().ok()),
            ..Self::default()
        };
        config.schemas = config.schemas.filter(|schemas: &Vec<String>| !schemas.is_empty());
        let is_seeded = value(&table, &["db", "seed", "enabled"]).and_then(Value::as_bool);
        if is_seeded.unwrap_or(true) {
            let configured = strings(&table, &["db", "seed", "sql_paths"]);
            for pattern in configured.clone().unwrap_or_else(|| vec!["./seed.sql".into()]) {
                let files = glob::matching(folder, &pattern);
                // The CLI's own template names a file that need not be there.
                if files.is_empty() && !pattern.ends_with("seed.sql") {
                    config.missing_seeds.push(pattern);
                }
                add_new(&mut config.seeds, files);
            }
        }
        for pattern in strings(&table, &["db", "migrations", "schema_paths"]).unwrap_or_default() {
            add_new(&mut config.schema_files, glob::matching(folder, &pattern));
        }
        Ok(config)
    }
}

/// Adds what is not there yet, and can be no SQL by its name.
fn add_new(known: &mut Vec<PathBuf>, more: Vec<PathBuf>) {
    for path in more {
        if path.extension().is_some_and(|ending| ending == "sql") && !known.contains(&path) {
            known.push(path);
        }
    }
}

fn value<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, sections) = keys.split_last()?;
    let mut inner = table;
    for section in sections {
        inner = inner.get(*section)?.as_table()?;
    }
    inner.get(*last)
}

fn strings(table: &Table, keys: &[&str]) -> Option<Vec<String>> {
    let all = value(table, keys)?.as_array()?.iter().filter_map(Value::as_str);
    // `env(NAME)` stands for what only the person who runs it knows.
    Some(all.filter(|text| !text.starts_with("env(")).map(str::to_owned).collect())
}
