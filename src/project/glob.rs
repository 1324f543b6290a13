//! The paths that a pattern of somebody's config stands for: `./seed.sql`, `seeds/*.sql`, `**`.

use std::fs;
use std::path::{Path, PathBuf};

/// The files below `folder` that fit, sorted. A pattern that fits nothing gives none.
pub(crate) fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let parts: Vec<&str> =
        pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let mut found = Vec::new();
    collect(folder, &parts, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(folder: &Path, parts: &[&str], found: &mut Vec<PathBuf>) {
    let Some((first, rest)) = parts.split_first() else {
        if folder.is_file() {
            found.push(folder.to_owned());
        }
        return;
    };
    if !first.contains(['*', '?', '[']) {
        return collect(&folder.join(first), rest, found);
    }
    if *first == "**" {
        collect(folder, rest, found);
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if *first == "**" {
            if is_folder {
                collect(&entry.path(), parts, found);
            }
        } else if entry.file_name().to_str().is_some_and(|name| fits(first, name)) {
            collect(&entry.path(), rest, found);
        }
    }
}

/// Whether a name fits a pattern of one part: `*`, `?` and `[a-z]`.
fn fits(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut others = name.chars();
    let next = others.next();
    match first {
        '*' => fits(rest, name) || (next.is_some() && fits(pattern, others.as_str())),
        '?' => next.is_some() && fits(rest, others.as_str()),
        '[' => match (rest.split_once(']'), next) {
            (Some((class, rest)), Some(next)) => is_in(class, next) && fits(rest, others.as_str()),
            _ => false,
        },
        _ => next == Some(first) && fits(rest, others.as_str()),
    }
}

fn is_in(class: &str, wanted: char) -> bool {
    let (is_negated, class) = match class.strip_prefix(['^', '!']) {
        Some(class) => (true, class),
        None => (false, class),
    };
    let chars: Vec<char> = class.chars().collect();
    let in_range =
        chars.windows(3).any(|three| three[1] == '-' && (three[0]..=three[2]).contains(&wanted));
    (in_range || chars.contains(&wanted)) != is_negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit() {
        for (pattern, name, is_fit) in [
            ("*.sql", "a.sql", true),
            ("*.sql", "a.sqlx", false),
            ("0?_*.sql", "01_a.sql", true),
            ("0?_*.sql", "0_a.sql", false),
            ("[0-9]*", "7a", true),
            ("[!0-9]*", "7a", false),
            ("*", "", true),
            ("seed.sql", "seed.sql", true),
        ] {
            assert_eq!(fits(pattern, name), is_fit, "{pattern} {name}");
        }
    }
}
