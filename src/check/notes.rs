//! What a reader of the report has to know to judge the rest, in sentences.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::Actor;
use crate::check::new_files::{files_up_to, has_fixtures, versions};
use crate::finding::broken_rule::can_list_themselves;
use crate::matrix::cell::{Cell, Matrix, Subject};
use crate::matrix::command::Command;
use crate::matrix::person::{Person, SERVICE_ROLE};
use crate::matrix::snapshot::AcceptedAt;
use crate::matrix::verdict::Verdict;
use crate::migrate::applied::{Applied, Deviations};
use crate::project::Project;
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::server::instance::Server;
use crate::sql::chance::{ChanceCall, read_chance};
use crate::words::{counted, first_names};

/// Who asks on the plain platform, where nobody has said it.
pub(crate) fn notes_on_identity(project: &Project) -> Vec<String> {
    let Some(asking) = project.asking() else { return Vec::new() };
    let mut notes = Vec::new();
    if let Some(unknown) = &asking.unknown {
        notes.push(format!(
            "nobody is known to ask the database: {}; write `role` and `user` or `tenant` under \
             `[identity]`, else only what happens to rows is checked",
            unknown.why
        ));
    }
    let keys = asking.identity.keys();
    let inferred = asking.reasons.iter().filter_map(|(about, why)| {
        let (key, value) = keys.iter().find(|(key, _)| key == about)?;
        value.map(|value| format!("{key} `{value}` ({why})"))
    });
    let inferred: Vec<String> = inferred.collect();
    if !inferred.is_empty() {
        notes.push(format!(
            "the identity is inferred: {}; `leakproof init` writes it down, to be corrected",
            inferred.join(", ")
        ));
    }
    let expected: Vec<String> = match project.config().identity.as_ref().map(|one| &one.role) {
        Some(Some(_)) => Vec::new(),
        _ => project.platform().expected_roles.iter().cloned().collect(),
    };
    if !expected.is_empty() {
        notes.push(format!(
            "made before the first migration, since the migrations count on {} and make none: {}",
            if expected.len() > 1 { "these roles" } else { "this role" },
            expected.join(", ")
        ));
    }
    notes.extend(asking.notes.iter().cloned());
    notes
}

/// Files that came late, with a version before the accepted one, are not new by their number.
pub(crate) fn note_on_late_files(project: &Project, accepted: AcceptedAt) -> Option<String> {
    let AcceptedAt::Version(version, accepted) = accepted else { return None };
    let now = files_up_to(project, version);
    (now != accepted && !has_fixtures(project)).then(|| {
        format!(
            "up to the accepted version {version} there were {}, and are {now}: what came late \
             has met no rows; `--rows-from` says which files are to",
            counted(accepted, "file")
        )
    })
}

/// What new files write that the clock or chance gives; all files, where each is applied twice.
pub(crate) fn notes_on_chance(
    project: &Project,
    accepted: AcceptedAt,
    of_all: bool,
) -> Vec<String> {
    let versions = versions(project);
    let from = match (of_all, accepted, versions.as_slice()) {
        (true, ..) => i64::MIN,
        (_, AcceptedAt::Version(version, _), _) => version,
        (_, AcceptedAt::Unknown, [.., before, _]) => *before,
        _ => return Vec::new(),
    };
    let new = project.migrations().iter().filter(|file| file.version() > from);
    new.filter_map(note_on_chance).collect()
}

/// One line a file, however often it does.
fn note_on_chance(file: &SqlFile) -> Option<String> {
    let mut by_call: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for ChanceCall { call, into, line } in read_chance(&adapt(file).sql) {
        let into = into.map_or(String::new(), |column| format!(" into {column}"));
        by_call.entry(format!("`{call}`{into}")).or_default().insert(line);
    }
    let calls: Vec<String> = by_call
        .iter()
        .map(|(call, lines)| {
            let word = if lines.len() == 1 { "line" } else { "lines" };
            let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
            format!("{call} ({word} {})", first_names(&lines))
        })
        .collect();
    let title = file.title();
    (!calls.is_empty()).then(|| {
        format!(
            "{title} writes, or chooses rows by, what is another value on each run: {}",
            first_names(&calls)
        )
    })
}

/// What a server of another major version does may differ.
pub(crate) fn note_on_version(project: &Project, server: &Server) -> Option<String> {
    let (expected, here) = (project.major_version()?, server.major_version());
    (expected != here).then(|| {
        format!("`supabase/config.toml` says PostgreSQL {expected}, and this server is {here}")
    })
}

/// Where the migrations were not run as on their own server.
pub(crate) fn notes_on_deviations(applied: &[Applied]) -> Vec<String> {
    let all = |what: fn(&Deviations) -> &Vec<String>| -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let all = applied.iter().flat_map(|applied| what(&applied.deviations));
        all.map(String::as_str).filter(|one| seen.insert(*one)).collect()
    };
    let mut notes = Vec::new();
    let mut stubbed = all(|deviations| &deviations.stubbed);
    stubbed.sort_unstable();
    if !stubbed.is_empty() {
        notes.push(format!(
            "stubbed, since this server lacks them or they would leave it: {}",
            stubbed.join(", ")
        ));
    }
    let versions = all(|deviations| &deviations.other_versions);
    if !versions.is_empty() {
        notes.push(format!("in another version, as this server has it: {}", versions.join(", ")));
    }
    let mut elevated: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in applied.iter().flat_map(|applied| &applied.deviations.elevated) {
        *elevated.entry(kind).or_default() += 1;
    }
    if !elevated.is_empty() {
        let each = elevated.iter().map(|(kind, times)| format!("{kind} ({times})"));
        let each = each.collect::<Vec<_>>().join(", ");
        notes.push(format!("what takes a superuser, done for the owner: {each}"));
    }
    notes
}

/// So that nobody takes what waits for the next migration for checked.
pub(crate) fn note_on_calls_ahead(project: &Project) -> Option<String> {
    let count = project.calls_ahead();
    (count > 0).then(|| {
        format!("{count} recorded calls wait for a migration after theirs to be compared across")
    })
}

/// Which tables were taken for lists of some people, where nobody has said it, and whether others can add
/// themselves.
pub(crate) fn note_on_rosters(actors: &[Actor], matrix: &Matrix) -> Option<String> {
    let people: Vec<Person> = actors.iter().map(Actor::person).collect();
    let listed = actors.iter().zip(&people).flat_map(|(actor, person)| {
        let is_free = can_list_themselves(&people, matrix, person);
        let guessed = actor.rosters().iter().filter(|roster| !roster.is_stated);
        guessed.map(move |roster| match is_free {
            true => format!("{} (`{}`, but others can add themselves)", roster.name, person.name),
            false => format!("{} (`{}`)", roster.name, person.name),
        })
    });
    let listed: Vec<String> = listed.collect();
    (!listed.is_empty()).then(|| {
        format!(
            "policies ask only whether somebody has a row in {}, so that nobody else has one here; where \
             that is anybody, say which tables list some people only by `staff = [...]` under `[tenancy]`",
            listed.join(", ")
        )
    })
}

/// Which relations may be open only because nothing says that new tables are not.
pub(crate) fn note_on_grants(matrix: &Matrix) -> Option<String> {
    // The API never truncates, so that files hardly ever grant it: whoever may got all by default.
    let is_granted = |cell: &Cell| {
        let is_denied = matches!(cell.verdict, Verdict::NoGrant | Verdict::Untested { .. });
        cell.command == Command::Truncate && !is_denied && cell.actor != SERVICE_ROLE
    };
    let is_guessed = |subject: &&Subject| matrix.of(&subject.relation).iter().any(is_granted);
    let guessed: Vec<String> =
        matrix.subjects().iter().filter(is_guessed).map(|s| s.relation.to_string()).collect();
    (!guessed.is_empty()).then(|| {
        format!(
            "nothing says what new tables are granted, so they are open to the API roles, as the \
             Supabase CLI has it: {}; say it by `auto_expose_new_tables` under `[api]` of \
             supabase/config.toml, or try `--grants 2026`",
            first_names(&guessed)
        )
    })
}

/// A member who is allowed nothing makes every denial empty: the policies may look at a claim that
/// the token of the world does not carry. It may be meant, so it is a note.
pub(crate) fn note_on_idle(matrix: &Matrix, actors: &[Actor]) -> Option<String> {
    let is_idle = |actor: &&Actor| {
        let mut cells = matrix.cells().iter().filter(|cell| cell.actor == actor.name());
        !actor.member_of().is_empty() && !cells.any(|cell| cell.verdict.is_allowed())
    };
    let idle: Vec<&str> = actors.iter().filter(is_idle).map(Actor::name).collect();
    (!idle.is_empty()).then(|| {
        format!(
            "{} are members and were allowed nothing at all; if that is not meant, see whether the \
             policies read a claim that `[actors.<name>] claims` has to set",
            idle.join(", ")
        )
    })
}
