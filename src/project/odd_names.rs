//! Names that nothing of a project has, in what somebody may write into a config: they are sent to the
//! server, and shown.

use std::path::Path;

use toml::Value;

use crate::error::Error;

/// What is no name: texts that are shown as they are, and values of tokens.
const NOT_NAMES: [&str; 2] = ["reason", "claims"];

/// The first text of a config that would be a name with a control character, or with the mark that ends our
/// blocks.
pub(crate) fn odd_name(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => is_odd(text).then_some(text),
        Value::Array(all) => all.iter().find_map(odd_name),
        Value::Table(table) => table.iter().find_map(|(key, inner)| match is_odd(key) {
            true => Some(key.as_str()),
            false if NOT_NAMES.contains(&key.as_str()) => None,
            false => odd_name(inner),
        }),
        _ => None,
    }
}

/// The error that says so.
pub(crate) fn odd(path: &Path, name: &str) -> Error {
    let name = name.escape_debug();
    Error::new(format!("`{}` has a name that nothing can have: `{name}`", path.display()))
        .cause("it has a control character in it, or a mark of ours")
        .help("write the name as it is in the database")
}

fn is_odd(text: &str) -> bool {
    text.chars().any(char::is_control) || text.contains("$leakproof$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_line_breaks() {
        let found = |text: &str| {
            let table = text.parse::<toml::Table>().expect("TOML");
            odd_name(&Value::Table(table)).map(str::to_owned)
        };
        assert_eq!(found("[project]\nschemas = ['public', 'Odd Name']"), None);
        assert_eq!(found("[[waive]]\nreason = '''two\nlines'''"), None);
        assert_eq!(found("[project]\nschemas = ['public', \"a\\nb\"]").as_deref(), Some("a\nb"));
        assert_eq!(found("[tenancy.owners]\n\"a\\rb\" = 'shared'").as_deref(), Some("a\rb"));
        let block = found("[identity]\nrole = 'a$leakproof$b'");
        assert_eq!(block.as_deref(), Some("a$leakproof$b"));
    }
}
