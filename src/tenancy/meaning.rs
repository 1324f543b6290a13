//! What an expression of a policy stands for, as far as it tells whose a row is. Pure.

use std::collections::BTreeSet;

use crate::names::Oid;

/// By what the SQL of a project knows who is asking.
#[derive(Debug, Clone)]
pub(crate) enum Asker {
    /// `auth.uid()`, or the claim `sub` of the token.
    Supabase,
    /// Settings such as `app.user_id`.
    Settings { user: Option<String>, tenant: Option<String> },
    /// Nobody knows yet: each setting stands for itself.
    Unknown,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The id of who is asking.
    User,
    /// The tenant in whose name a back end asks.
    Tenant,
    /// What stands at a place in the token; all of it where the place is empty.
    Claim(Vec<String>),
    /// A column of the row that the policy judges.
    Own(String),
    /// That row as a whole.
    Row,
    /// A column of a relation that a query reads; the same relation read twice has two numbers.
    Read {
        reading: usize,
        relation: Oid,
        column: String,
    },
    /// What stands at a place in another setting, by its name.
    Setting(String, Vec<String>),
    Text(String),
    /// One of several, such as the elements of an array.
    OneOf(Vec<Meaning>),
    Other,
}

/// A value, and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub meaning: Meaning,
    /// Whether it depends on who is asking.
    pub asks: bool,
    /// Whether it depends on the row that the policy judges.
    pub is_of_row: bool,
    /// The readings of relations on which it depends.
    pub reads: BTreeSet<usize>,
}

/// Whether what stands at a place in a token is written by its user.
pub(crate) fn is_of_user(place: &[String]) -> bool {
    const WRITTEN: [&str; 2] = ["user_metadata", "raw_user_meta_data"];
    place.first().is_some_and(|first| WRITTEN.contains(&first.as_str()))
}

/// The claim, and the column of the users, that is the address with which somebody signed up.
pub(crate) const EMAIL: &str = "email";

/// Whether a place in a token is that of the address with which its user signed up.
pub(crate) fn is_email(place: &[String]) -> bool {
    place == [EMAIL]
}

/// Claims that are the same for many people.
const OF_MANY: [&str; 8] = ["aal", "amr", "aud", "exp", "iat", "is_anonymous", "iss", "role"];

impl Value {
    pub(crate) fn constant(meaning: Meaning) -> Self {
        Self { meaning, asks: false, is_of_row: false, reads: BTreeSet::new() }
    }

    /// A value that depends on who asks.
    pub(crate) fn asking(meaning: Meaning) -> Self {
        Self { asks: true, ..Self::constant(meaning) }
    }

    /// A value of the row that the policy judges.
    pub(crate) fn of_row(meaning: Meaning) -> Self {
        Self { is_of_row: true, ..Self::constant(meaning) }
    }

    /// A column of a relation that a query reads.
    pub(crate) fn read(reading: usize, relation: Oid, column: String) -> Self {
        let meaning = Meaning::Read { reading, relation, column };
        Self { reads: BTreeSet::from([reading]), ..Self::constant(meaning) }
    }

    /// What is known of a claim: `sub` is the user, and a role is nobody's own.
    pub(crate) fn claim(place: Vec<String>, asker: &Asker) -> Self {
        let is_role = |key: &String| key.ends_with("role") || key.ends_with("roles");
        let is_of_many = match place.as_slice() {
            [one] => OF_MANY.contains(&one.as_str()) || is_role(one),
            [.., last] => is_role(last),
            [] => false,
        };
        let is_user = place == ["sub"] && matches!(asker, Asker::Supabase);
        let meaning = if is_user { Meaning::User } else { Meaning::Claim(place) };
        Self { asks: !is_of_many, ..Self::constant(meaning) }
    }

    /// What is known of a setting, by its name.
    pub(crate) fn setting(name: &str, asker: &Asker) -> Self {
        let name = name.to_ascii_lowercase();
        let is_it = |setting: &Option<String>| {
            setting.as_ref().is_some_and(|setting| name == setting.to_ascii_lowercase())
        };
        match asker {
            Asker::Settings { user, .. } if is_it(user) => return Self::asking(Meaning::User),
            Asker::Settings { tenant, .. } if is_it(tenant) => {
                return Self::asking(Meaning::Tenant);
            }
            Asker::Unknown if name.contains('.') => {
                return Self::asking(Meaning::Setting(name, Vec::new()));
            }
            _ => {}
        }
        match name.strip_prefix("request.jwt.claim") {
            Some("s" | "") => return Self::claim(Vec::new(), asker),
            Some(claim) if claim.starts_with('.') => {
                return Self::claim(vec![claim[1..].to_owned()], asker);
            }
            _ => {}
        }
        // The server's own have no dot; what the request and the installation are is nobody's own.
        let is_own = name.contains('.')
            && !name.starts_with("request.")
            && !name.starts_with("app.settings.");
        Self { asks: is_own, ..Self::constant(Meaning::Setting(name, Vec::new())) }
    }

    /// Something that is made of others.
    pub(crate) fn made_of<'v>(values: impl IntoIterator<Item = &'v Self>) -> Self {
        let mut made = Self::constant(Meaning::Other);
        values.into_iter().for_each(|value| made.depend_on(value));
        made
    }

    /// One of several.
    pub(crate) fn one_of(values: Vec<Self>) -> Self {
        let mut one = Self::made_of(&values);
        let mut meanings: Vec<Meaning> = Vec::new();
        for meaning in values.into_iter().flat_map(|value| value.meaning.each()) {
            let tells = !matches!(meaning, Meaning::Text(_) | Meaning::Other);
            if tells && !meanings.contains(&meaning) {
                meanings.push(meaning);
            }
        }
        one.meaning = match meanings.len() {
            0 => Meaning::Other,
            1 => meanings.remove(0),
            _ => Meaning::OneOf(meanings),
        };
        one
    }

    /// The same value, found by way of another.
    pub(crate) fn depend_on(&mut self, other: &Self) {
        self.asks |= other.asks;
        self.is_of_row |= other.is_of_row;
        self.reads.extend(&other.reads);
    }

    /// What arrows lead to, by the keys that they name.
    pub(crate) fn member(self, keys: Vec<String>, asker: &Asker) -> Self {
        match (self.meaning, keys.as_slice()) {
            (Meaning::Claim(mut place), _) => {
                place.extend(keys);
                let mut claim = Self::claim(place, asker);
                claim.is_of_row = self.is_of_row;
                claim.reads = self.reads;
                claim
            }
            (Meaning::Setting(name, mut place), _) => {
                place.extend(keys);
                Self { meaning: Meaning::Setting(name, place), ..self }
            }
            (Meaning::Row, [column]) => Self::of_row(Meaning::Own(column.clone())),
            _ => Self { meaning: Meaning::Other, ..self },
        }
    }
}

impl Meaning {
    /// What it is, each by itself where it is one of several.
    pub(crate) fn each(self) -> Vec<Self> {
        match self {
            Self::OneOf(all) => all,
            one => vec![one],
        }
    }
}
