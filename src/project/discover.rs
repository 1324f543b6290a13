//! Finds the migrations of a project from its folder, from one above or from one inside it.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::project::config::Config;
use crate::project::layout::{self, Layout, listed};
use crate::project::supabase_config::SupabaseConfig;

/// Where migrations of one's own are looked for before anything else.
const OWN: &[&str] = &["migrations", "supabase/migrations"];

/// Where other tools put theirs in a project of their own.
const USUAL: &[&str] =
    &["prisma/migrations", "drizzle", "drizzle/migrations", "db/migrations", "database/migrations"];

/// What a folder of migrations is called that is a part of a project.
const NAMED: &[&str] = &["migrations", "drizzle"];

/// Folders of tools, which stand between a project and its migrations.
const OF_TOOLS: &[&str] = &["supabase", "prisma", "drizzle"];

/// What is no project's own, or made by a build.
const PASSED_OVER: &[&str] =
    &["node_modules", "target", "dist", "build", "vendor", "__pycache__", "venv"];

/// Projects below these are there to be looked at.
const ASIDE: &[&str] = &["test", "tests", "fixtures", "__tests__", "e2e", "examples", "example"];

/// Databases whose migrations look like ours.
const OTHER_DATABASES: &[&str] = &["clickhouse", "sqlite", "mysql", "mariadb"];

const DEEPEST: usize = 7;
const MOST_FOLDERS: usize = 20_000;
const LISTED_CANDIDATES: usize = 12;

/// Where a project is, and how it keeps its migrations.
#[derive(Debug)]
pub(crate) struct Found {
    pub root: PathBuf,
    pub config: Config,
    pub folder: PathBuf,
    pub layout: Layout,
    pub notes: Vec<String>,
}

impl Found {
    /// All that is read of the project, and where the accepted matrix is written.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let beside = ["fixtures", "rollback", "preserve", "api", "seed.sql", "access.snap"];
        let beside = beside.into_iter().map(|name| self.root.join(name));
        let accepted = self.config.project.accepted.iter().map(|path| self.root.join(path));
        let config = self.supabase().map(|folder| folder.join("config.toml"));
        [self.folder.clone()].into_iter().chain(beside).chain(accepted).chain(config).collect()
    }

    /// The folder `supabase` that the migrations are in.
    pub(crate) fn supabase(&self) -> Option<PathBuf> {
        layout::is_in_supabase(&self.folder).then(|| enclosing(&self.folder))
    }
}

/// A folder that may be the one.
#[derive(Debug, Clone)]
struct Candidate {
    folder: PathBuf,
    layout: Layout,
}

/// Finds the project of `path`.
///
/// # Errors
/// No folder of migrations, or several none of which is clearly the one; a config that is wrong.
pub(crate) fn find(path: &Path) -> Result<Found> {
    refuse_no_folder(path)?;
    let config = Config::read(&path.join("leakproof.toml"))?;
    if let Some(configured) = &config.project.migrations {
        return find_configured(path, configured.clone(), config);
    }
    let has_config = fs::symlink_metadata(path.join("leakproof.toml")).is_ok();
    if !has_config && let Some(found) = find_around(path)? {
        return Ok(found);
    }
    if let Some((candidate, notes)) = own(path) {
        let Candidate { folder, layout } = candidate;
        return Ok(Found { root: path.to_owned(), config, folder, layout, notes });
    }
    find_below(path, config, has_config)
}

/// The same where a folder without any migration will do.
pub(crate) fn find_to_add(path: &Path) -> Result<Found> {
    refuse_no_folder(path)?;
    let config = Config::read(&path.join("leakproof.toml"))?;
    let is_own = |folder: &PathBuf| folder.is_dir() && Layout::of(folder).is_none();
    match OWN.iter().map(|place| path.join(place)).find(is_own) {
        Some(folder) if config.project.migrations.is_none() && own(path).is_none() => {
            let layout =
                if layout::is_in_supabase(&folder) { Layout::Supabase } else { Layout::Refinery };
            Ok(Found { root: path.to_owned(), config, folder, layout, notes: Vec::new() })
        }
        _ => find(path),
    }
}

fn refuse_no_folder(path: &Path) -> Result<()> {
    let no_folder = || {
        Error::new(format!("project `{}` is not a folder", path.display()))
            .help("name the folder that holds `migrations/`, or `supabase/migrations/`")
    };
    match fs::metadata(path).map_err(|cause| no_folder().cause(cause))?.is_dir() {
        true => Ok(()),
        false => Err(no_folder().cause("it is a file")),
    }
}

fn find_configured(root: &Path, configured: PathBuf, config: Config) -> Result<Found> {
    let folder = root.join(configured);
    if is_missing(&folder) {
        return Err(no_migrations(root)
            .cause(format!("there is no folder `{}`", folder.display()))
            .help("make it, or name yours as `migrations` under `[project]` in `leakproof.toml`"));
    }
    let layout = Layout::of(&folder).unwrap_or_else(|| layout_of_none(&folder));
    Ok(Found { root: root.to_owned(), config, folder, layout, notes: Vec::new() })
}

/// What a folder is read as where nothing in it is known, so that the reading tells why.
fn layout_of_none(folder: &Path) -> Layout {
    let is_declared = folder.ends_with("supabase/schemas");
    if is_declared { Layout::Declarative } else { Layout::Refinery }
}

/// Where `path` is itself a folder of migrations, or `supabase`: the project is around it.
fn find_around(path: &Path) -> Result<Option<Found>> {
    let is_supabase = ends_with(path, "supabase");
    let inside = match is_supabase {
        true => supabase_candidate(path),
        false => Layout::of(path)
            .filter(|_| own(path).is_none())
            .map(|layout| Candidate { folder: path.to_owned(), layout }),
    };
    let Some(Candidate { folder, layout }) = inside else { return Ok(None) };
    // A folder of another name may be all there is.
    let is_part = is_supabase || NAMED.iter().any(|part| ends_with(path, part));
    let root = if is_part { project_of(&folder) } else { path.to_owned() };
    let config = Config::read(&root.join("leakproof.toml"))?;
    Ok(Some(Found { root, config, folder, layout, notes: Vec::new() }))
}

/// The folder right below the project, and what else is there.
fn own(root: &Path) -> Option<(Candidate, Vec<String>)> {
    let mut known = Vec::new();
    for place in OWN {
        let folder = root.join(place);
        // One that cannot be read is told as such when it is read.
        let is_unreadable = !is_missing(&folder) && fs::read_dir(&folder).is_err();
        let layout = if is_unreadable { Some(Layout::Refinery) } else { Layout::of(&folder) };
        known.extend(layout.map(|layout| Candidate { folder, layout }));
    }
    if known.is_empty() {
        known.extend(supabase_candidate(&root.join("supabase")));
    }
    let others: Vec<String> =
        known.iter().skip(1).map(|other| other.folder.display().to_string()).collect();
    let first = known.into_iter().next()?;
    let notes = (!others.is_empty()).then(|| {
        format!(
            "the migrations are those of `{}`; also seen: {}",
            first.folder.display(),
            listed(&others)
        )
    });
    Some((first, notes.into_iter().collect()))
}

/// The migrations in a folder `supabase`, else the schema that is declared there.
fn supabase_candidate(supabase: &Path) -> Option<Candidate> {
    let folder = supabase.join("migrations");
    if let Some(layout) = Layout::of(&folder) {
        return Some(Candidate { folder, layout });
    }
    let has_files = declared_files(supabase).is_ok_and(|files| !files.is_empty());
    let folder = supabase.join("schemas");
    has_files.then_some(Candidate { folder, layout: Layout::Declarative })
}

/// The files of a declared schema, in order.
pub(crate) fn declared_files(supabase: &Path) -> Result<Vec<PathBuf>> {
    let configured = SupabaseConfig::read(supabase)?.schema_files;
    if !configured.is_empty() {
        return Ok(configured);
    }
    Ok(crate::project::glob::matching(&supabase.join("schemas"), "**/*.sql"))
}

/// Looks below the project.
fn find_below(root: &Path, config: Config, has_config: bool) -> Result<Found> {
    let seen = Search::below(root);
    let Some(chosen) = choose(root, &seen)? else {
        // What is there and holds nothing that is known is told as such when it is read.
        if let Some(folder) =
            OWN.iter().map(|place| root.join(place)).find(|folder| !is_missing(folder))
        {
            let (root, layout) = (root.to_owned(), layout_of_none(&folder));
            return Ok(Found { root, config, folder, layout, notes: Vec::new() });
        }
        let cause = match seen.others.is_empty() {
            true => "nothing in it looks like a folder of migrations".to_owned(),
            false => format!("what it has is of another database: {}", listed(&seen.others)),
        };
        return Err(no_migrations(root).cause(cause).help(
            "make `migrations/`, or name yours as `migrations` under `[project]` in \
             `leakproof.toml`",
        ));
    };
    let mut others: Vec<String> = seen
        .candidates
        .iter()
        .filter(|other| other.folder != chosen.folder)
        .map(|other| plain(root, &other.folder).display().to_string())
        .collect();
    others.extend(seen.others.iter().cloned());
    let folder = plain(root, &chosen.folder);
    let mut note = format!("the migrations are those of `{}`", folder.display());
    if !others.is_empty() {
        note.push_str(&format!("; also seen: {}", listed(&others)));
    }
    if seen.is_cut_short {
        note.push_str("; not every folder was looked into");
    }
    let is_usual = USUAL.iter().any(|place| chosen.folder == root.join(place));
    let project = project_of(&folder);
    if has_config || is_usual || project == Path::new(".") {
        let (root, layout) = (root.to_owned(), chosen.layout);
        return Ok(Found { root, config, folder, layout, notes: vec![note] });
    }
    // As if it had been named.
    if fs::symlink_metadata(project.join("leakproof.toml")).is_ok() {
        let mut found = find(&project)?;
        found.notes.insert(0, note);
        return Ok(found);
    }
    let layout = chosen.layout;
    Ok(Found { root: project, config: Config::default(), folder, layout, notes: vec![note] })
}

/// The one that is clearly it.
fn choose(root: &Path, seen: &Search) -> Result<Option<Candidate>> {
    let all: Vec<&Candidate> = seen.candidates.iter().collect();
    let is_aside = |candidate: &&Candidate| {
        let below = candidate.folder.strip_prefix(root).unwrap_or(&candidate.folder);
        below.components().any(|part| ASIDE.iter().any(|aside| part.as_os_str() == *aside))
    };
    let (aside, within): (Vec<_>, Vec<_>) = all.into_iter().partition(is_aside);
    let all = if within.is_empty() { aside } else { within };
    let of = |is_one: &dyn Fn(&Candidate) -> bool| -> Vec<&Candidate> {
        all.iter().copied().filter(|candidate| is_one(candidate)).collect()
    };
    let configured =
        of(&|one| fs::symlink_metadata(project_of(&one.folder).join("leakproof.toml")).is_ok());
    let supabase = of(&|one| layout::is_in_supabase(&one.folder));
    let usual = of(&|one| USUAL.iter().any(|place| one.folder == root.join(place)));
    let narrowest = [configured, supabase, usual, all.clone()];
    let first = narrowest.into_iter().find(|group| !group.is_empty());
    match first.as_deref() {
        None => Ok(None),
        Some([only]) => Ok(Some((*only).clone())),
        Some(several) => Err(ambiguous(root, several)),
    }
}

fn ambiguous(root: &Path, several: &[&Candidate]) -> Error {
    let projects: Vec<PathBuf> =
        several.iter().map(|one| project_of(&plain(root, &one.folder))).collect();
    let mut lines: Vec<String> = Vec::new();
    for (one, project) in several.iter().zip(&projects) {
        let folder = plain(root, &one.folder);
        // The folder itself where the project would not lead to it alone.
        let is_alone = projects.iter().filter(|other| other.starts_with(project)).count() == 1;
        let is_found = own(project).is_some_and(|(own, _)| {
            own.folder == project.join(OWN[0]) || layout::is_in_supabase(&own.folder)
        });
        let path = if is_alone && is_found && project.as_path() != Path::new(".") {
            project
        } else {
            &folder
        };
        lines.push(format!("leakproof check {}", quoted(path)));
    }
    let more = lines.len().saturating_sub(LISTED_CANDIDATES);
    lines.truncate(LISTED_CANDIDATES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Error::new(format!("`{}` has more than one folder of migrations", root.display()))
        .cause("none of them is clearly the one")
        .help(format!("name the one to check:\n    {}", lines.join("\n    ")))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-@+".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What was seen below a folder.
#[derive(Debug, Default)]
struct Search {
    candidates: Vec<Candidate>,
    /// Folders of migrations for other databases.
    others: Vec<String>,
    looked_into: usize,
    is_cut_short: bool,
}

impl Search {
    fn below(root: &Path) -> Self {
        let mut search = Self::default();
        let mut ahead = VecDeque::from([(root.to_owned(), 0)]);
        while let Some((folder, depth)) = ahead.pop_front() {
            search.looked_into += 1;
            if depth > DEEPEST || search.looked_into > MOST_FOLDERS {
                search.is_cut_short = true;
                continue;
            }
            match candidate(&folder).filter(|_| depth > 0) {
                Some(candidate) => search.add(root, candidate),
                None => ahead.extend(inner(&folder).into_iter().map(|inner| (inner, depth + 1))),
            }
        }
        search.candidates.sort_by(|a, b| a.folder.cmp(&b.folder));
        search.others.sort();
        search
    }

    fn add(&mut self, root: &Path, candidate: Candidate) {
        let shown = plain(root, &candidate.folder);
        let words = shown.display().to_string().to_lowercase();
        let by_path = OTHER_DATABASES.iter().find(|name| words.contains(*name));
        let is_other = by_path.is_some()
            || layout::other_database(&candidate.folder, candidate.layout).is_some();
        match is_other {
            true => self.others.push(shown.display().to_string()),
            false => self.candidates.push(candidate),
        }
    }
}

/// What a folder below the project is, if it is one that counts.
fn candidate(folder: &Path) -> Option<Candidate> {
    let name = folder.file_name().unwrap_or_default();
    if name == "supabase" {
        return supabase_candidate(folder);
    }
    let is_named = name == "migrations"
        || folder.join("migration_lock.toml").is_file()
        || folder.join("meta/_journal.json").is_file();
    let layout = is_named.then(|| Layout::of(folder)).flatten()?;
    Some(Candidate { folder: folder.to_owned(), layout })
}

/// The folders in one that may hold a project. What cannot be read is none.
fn inner(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut inner: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            !name.starts_with('.') && !PASSED_OVER.contains(&name.as_ref())
        })
        .map(|entry| entry.path())
        .collect();
    inner.sort();
    inner
}

/// The project that a folder of migrations belongs to.
fn project_of(folder: &Path) -> PathBuf {
    let project = enclosing(folder);
    match OF_TOOLS.iter().any(|tool| ends_with(&project, tool)) {
        true => enclosing(&project),
        false => project,
    }
}

/// Whether that is the folder's name, whatever it is called here.
fn ends_with(folder: &Path, name: &str) -> bool {
    folder.canonicalize().is_ok_and(|whole| whole.ends_with(name))
}

/// The folder around one; of `.` it is `..`.
fn enclosing(folder: &Path) -> PathBuf {
    let parent = match folder.components().next_back() {
        Some(Component::Normal(_)) => folder.parent().map(Path::to_owned),
        _ => None,
    };
    match parent {
        Some(parent) if parent == Path::new("") => PathBuf::from("."),
        Some(parent) => parent,
        None => folder.join(".."),
    }
}

/// A path below `.` without the dot.
fn plain(root: &Path, folder: &Path) -> PathBuf {
    match folder.strip_prefix(root) {
        Ok(below) if root == Path::new(".") => below.to_owned(),
        _ => folder.to_owned(),
    }
}

fn is_missing(folder: &Path) -> bool {
    fs::metadata(folder).is_err_and(|cause| cause.kind() == ErrorKind::NotFound)
}

fn no_migrations(root: &Path) -> Error {
    Error::new(format!("project `{}` has no migrations", root.display()))
}
