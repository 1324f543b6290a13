//! Columns whose names say that not everybody may read them. Pure.

use crate::catalog::relation::Column;
use crate::words::words_of;

/// Parts of the names of columns that hold what opens something else.
const SECRETS: [&str; 11] = [
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "private_key",
    "signing_key",
    "service_key",
    "access_token",
    "refresh_token",
    "credential",
];

/// Words in the names of columns that tell something of a person who has no account.
const PERSONAL: [&str; 14] = [
    "birth",
    "birthday",
    "birthdate",
    "customer",
    "diagnosis",
    "dob",
    "guest",
    "iban",
    "passport",
    "patient",
    "recipient",
    "salary",
    "ssn",
    "surname",
];

/// Columns that hold the name of a person.
const NAMES: [&str; 3] = ["first_name", "full_name", "last_name"];

/// Whether a column is named like a secret, or like personal data.
pub(crate) fn is_confidential(column: &Column) -> bool {
    let words = words_of(&column.name);
    SECRETS.iter().any(|part| column.name.contains(part))
        || words.iter().any(|word| PERSONAL.contains(&word.as_str()))
        || NAMES.contains(&words.join("_").as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::sample::relation;

    #[test]
    fn names_of_what_is_confidential() {
        for (name, is_one) in [
            ("api_key", true),
            ("guest_phone", true),
            ("dateOfBirth", true),
            ("full_name", true),
            ("stripe_customer", true),
            ("name", false),
            ("adobe_id", false),
            ("guests", false),
        ] {
            let table = relation(json!({}), &[json!({ "name": name })]);
            assert_eq!(is_confidential(&table.columns[0]), is_one, "{name}");
        }
    }
}
