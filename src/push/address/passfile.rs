//! libpq's password file: who may read it, and which line of it is that of a target.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a password file gives.
pub(crate) enum Found {
    /// There is no file, or no line for the target.
    Nothing,
    Password(String),
    /// Why it was not read.
    Refused(String),
}

/// Whom a password is for.
pub(crate) struct Login<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// Looks for a password. As with libpq, a file that others may read is not read.
pub(crate) fn look_up(path: &Path, login: &Login<'_>) -> Found {
    let shown = path.display();
    let text = match fs::metadata(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Found::Nothing,
        Ok(metadata) if !metadata.is_file() => {
            return Found::Refused(format!("`{shown}` was not read: it is no plain file"));
        }
        Ok(metadata) if is_open_to(&metadata, 0o077) => {
            return Found::Refused(format!(
                "`{shown}` was not read: others may read it (`chmod 600 {shown}`)"
            ));
        }
        Ok(_) => fs::read(path),
        Err(cause) => Err(cause),
    };
    match text {
        Ok(text) => match find(&String::from_utf8_lossy(&text), login) {
            Some(password) => Found::Password(password),
            None => Found::Nothing,
        },
        Err(cause) => Found::Refused(format!("`{shown}` could not be read: {cause}")),
    }
}

/// Whether somebody else has one of these rights to a file.
pub(crate) fn is_open_to(file: &Metadata, rights: u32) -> bool {
    file.mode() & rights != 0
}

/// The password of the first line that matches: `host:port:database:user:password`.
fn find(text: &str, login: &Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, port.as_str(), login.database, login.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in wanted {
            let (field, after) = next_field(rest)?;
            if field != wanted && !rest.starts_with("*:") {
                return None;
            }
            rest = after;
        }
        let password = next_field(rest).map_or_else(|| unescaped(rest), |(field, _)| field);
        Some(password)
    })
}

/// A field up to a colon that no backslash stands before, and what comes after the colon.
fn next_field(text: &str) -> Option<(String, &str)> {
    let mut is_escaped = false;
    let end = text.find(|letter| {
        let ends = letter == ':' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    })?;
    Some((unescaped(&text[..end]), &text[end + 1..]))
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_is_taken() {
        let long = "x".repeat(2048);
        let text = format!(
            "# db:5432:app:me:comment\r\nshort:5432\n\
             db:5432:app:you:not mine\n\
             db:5432:app:me:a\\:b\\\\c päß'\"@/%\r\n\
             db:*:*:me:{long}\n\
             \\*:5432:app:me:a star\n\
             fe80\\:\\:1:5432:*:me:six\n\
             *:1:*:*:any:more\n"
        );
        for (host, port, user, password) in [
            ("db", 5432, "me", Some("a:b\\c päß'\"@/%")),
            ("db", 5433, "me", Some(long.as_str())),
            ("*", 5432, "me", Some("a star")),
            ("fe80::1", 5432, "me", Some("six")),
            ("else", 1, "who", Some("any")),
            ("else", 5432, "me", None),
            ("short", 5432, "me", None),
        ] {
            let login = Login { host, port, database: "app", user };
            assert_eq!(find(&text, &login).as_deref(), password, "{host} {port} {user}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_not_read() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".pgpass");
        let login = Login { host: "db", port: 5432, database: "app", user: "me" };
        assert!(matches!(look_up(&path, &login), Found::Nothing));
        fs::write(&path, "*:*:*:*:hunter2\n").expect("written");
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            match look_up(&path, &login) {
                Found::Password(password) => assert!(is_read && password == "hunter2", "{mode:o}"),
                Found::Refused(why) => {
                    assert!(!is_read && why.contains("chmod 600") && !why.contains("hunter2"));
                }
                Found::Nothing => panic!("{mode:o}"),
            }
        }
    }
}
