//! The paths that a pattern of somebody's config stands for: `./seed.sql`, `seeds/*.sql`, `**`. We walk
//! by ourselves, since the crate takes no folder whose name is not UTF-8.

use std::fs;
use std::path::{Path, PathBuf};

use glob::Pattern;

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
    let Some(pattern) = pattern_of(first) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if *first == "**" {
            if is_folder {
                collect(&entry.path(), parts, found);
            }
        } else if entry.file_name().to_str().is_some_and(|name| pattern.matches(name)) {
            collect(&entry.path(), rest, found);
        }
    }
}

/// The pattern of one part of a path: `*`, `?`, `[a-z]`, and `[!a-z]` or `[^a-z]`.
fn pattern_of(part: &str) -> Option<Pattern> {
    Pattern::new(&part.replace("[^", "[!").replace("**", "*")).ok()
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
            ("[^0-9]*", "7a", false),
            ("[^0-9]*", "a7", true),
            ("a**.sql", "ab.sql", true),
            ("[a", "[a", false),
            ("*", "", true),
            ("*", ".hidden", true),
            ("seed.sql", "seed.sql", true),
        ] {
            let fits = pattern_of(pattern).is_some_and(|pattern| pattern.matches(name));
            assert_eq!(fits, is_fit, "{pattern} {name}");
        }
    }
    #[test]
    fn files_that_fit() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["seed.sql", "a/1.sql", "a/2.txt", "a/b/3.sql", "[x]/4.sql"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (pattern, files) in [
            ("./seed.sql", &["seed.sql"][..]),
            ("gone.sql", &[]),
            ("a/*.sql", &["a/1.sql"]),
            ("*/*.sql", &["[x]/4.sql", "a/1.sql"]),
            ("a/**", &[]),
            ("**/*.sql", &["[x]/4.sql", "a/1.sql", "a/b/3.sql", "seed.sql"]),
            ("a/../*.sql", &["a/../seed.sql"]),
            ("[a/*.sql", &[]),
        ] {
            let expected: Vec<_> = files.iter().map(|file| folder.path().join(file)).collect();
            assert_eq!(matching(folder.path(), pattern), expected, "{pattern}");
        }
    }
}
