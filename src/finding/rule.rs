//! The rules: what can be found, in one table. A rule has its name, severity, page and help here and
//! nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Whoever can ask the API can do it, or data is lost.
    #[default]
    High,
    /// It takes SQL of one's own, or nothing leaks: truncating, schemas that no API exposes,
    /// statements that raise.
    Low,
}

/// What there is to say about a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The name in reports and in `leakproof.toml`.
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// How much it matters where an API stands between who asks and an exposed schema.
    pub severity_through_api: Severity,
    /// Whether it may be meant, so that reports show how to declare that.
    pub is_waivable: bool,
    /// Whether it is about what a migration does to rows, so that nothing shows where there are none.
    pub is_about_rows: bool,
    /// What the finding says.
    pub meaning: &'static str,
    /// What somebody can do with it.
    pub exploit: &'static str,
    /// The imperative.
    pub help: &'static str,
}

/// What the rules about access have in common: it may be meant.
const ACCESS: Page = Page {
    name: "",
    severity: Severity::High,
    severity_through_api: Severity::High,
    is_waivable: true,
    is_about_rows: false,
    meaning: "",
    exploit: "",
    help: "",
};

/// What the others have in common: nobody means it.
const FAULT: Page = Page { is_waivable: false, ..ACCESS };

/// Makes the enum, the list of all, and the way to a page of one table, so that none of them can lack
/// a rule.
macro_rules! rules {
    ($($rule:ident: $page:expr,)*) => {
        /// A named way of leaking or losing, in the order of names. [`Self::page`] says what it means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Rule { $($rule,)* }

        impl Rule {
            /// All rules, by name.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// What there is to say about it.
            pub const fn page(self) -> &'static Page {
                match self { $(Self::$rule => const { &$page },)* }
            }
        }
    };
}

rules! {
    AccessWidened: Page {
        name: "access-widened",
        is_about_rows: true,
        meaning: "After a migration somebody of the data sees values that only others saw before it: \
                  in the same table, in one that was unpacked from it, or in a copy.",
        exploit: "Whoever looks while that version is the latest reads what was another's.",
        help: "protect the table in the migration that fills it; if people are meant to see more, \
               waive it with the reason",
        ..ACCESS
    },
    AnswerChanged: Page {
        name: "answer-changed",
        meaning: "A call recorded in `api/` is answered otherwise right after a migration than \
                  right before it: other rows, another order, an error.",
        exploit: "Nobody needs to attack: whoever relies on the answer is told something else.",
        help: "mend the migration; where the answer changes on purpose, end the call with \
               `-- until:` and the migration's version",
        ..FAULT
    },
    BlindDelete: Page {
        name: "blind-delete",
        meaning: "A DELETE without WHERE reaches rows of another tenant, though one with WHERE \
                  does not: WHERE pulls in the SELECT policies, a blind statement meets only the \
                  DELETE policies.",
        exploit: "`delete from t` over a connection without `safeupdate`, or through a function, \
                  deletes rows the caller cannot even see.",
        help: "put the owner's condition into the DELETE policy itself, not only into SELECT",
        ..ACCESS
    },
    BlindUpdate: Page {
        name: "blind-update",
        meaning: "An UPDATE without WHERE reaches rows of another tenant, though one with WHERE \
                  does not: only the UPDATE policies are asked when no column is read.",
        exploit: "`update t set title = 'x'` overwrites rows the caller cannot see.",
        help: "put the owner's condition into the UPDATE policy's USING, not only into SELECT",
        ..ACCESS
    },
    CrossTenantDelete: Page {
        name: "cross-tenant-delete",
        meaning: "Rows of another tenant can be deleted.",
        exploit: "`delete from t where id = ...` with a guessed or leaked id.",
        help: "restrict the DELETE policy to the rows of the caller's tenants",
        ..ACCESS
    },
    CrossTenantInsert: Page {
        name: "cross-tenant-insert",
        meaning: "A row can be inserted that belongs to another tenant.",
        exploit: "Messages, members or settings are planted in somebody else's tenant.",
        help: "let WITH CHECK of the INSERT policy compare the owner columns with the caller's",
        ..ACCESS
    },
    CrossTenantMove: Page {
        name: "cross-tenant-move",
        meaning: "A row can change its owner across tenants: given away or taken over.",
        exploit: "`update t set tenant_id = ...` takes a row of another tenant, or hides one there.",
        help: "check the owner columns in WITH CHECK too, and ask USING for the same tenant",
        ..ACCESS
    },
    CrossTenantRead: Page {
        name: "cross-tenant-read",
        meaning: "Rows of another tenant can be read.",
        exploit: "`select * from t` shows one customer's data to another.",
        help: "enable row level security and restrict the SELECT policy to the caller's tenants",
        ..ACCESS
    },
    CrossTenantUpdate: Page {
        name: "cross-tenant-update",
        meaning: "Rows of another tenant can be changed.",
        exploit: "`update t set ... where id = ...` with a guessed or leaked id.",
        help: "restrict USING of the UPDATE policy to the rows of the caller's tenants",
        ..ACCESS
    },
    DataLost: Page {
        name: "data-lost",
        is_about_rows: true,
        meaning: "A table or column had values before a migration and has not, or not the same, \
                  after it; no preserve pair covers it.",
        exploit: "Nobody needs to attack: the data is gone.",
        help: "keep the values, or vouch for the change with a preserve pair that covers it",
        ..FAULT
    },
    FailsOnRows: Page {
        name: "fails-on-rows",
        is_about_rows: true,
        meaning: "A migration adds a column that may not be NULL and has no default, to a table that \
                  may have rows. It passes on an empty table only.",
        exploit: "Nobody needs to attack: the deployment stops at that file.",
        help: "give the column a default, or add it nullable, fill it, and set NOT NULL then",
        ..FAULT
    },
    ForgeableClaim: Page {
        name: "forgeable-claim",
        meaning: "Somebody who belongs to no tenant reaches rows by what a client writes itself: \
                  metadata at sign-up, `user_metadata` of the token, or a header, cookie or path of the \
                  request.",
        exploit: "`supabase.auth.updateUser({ data: { role: 'admin' } })`, the same with `signUp`, or one \
                  header, opens the rows of others.",
        help: "ask `app_metadata`, or a table that only the back end writes, and that no trigger fills \
               from what users say",
        ..ACCESS
    },
    NotRepeatable: Page {
        name: "not-repeatable",
        is_about_rows: true,
        meaning: "A migration, applied to the same rows once more, gives other rows or fails where the \
                  session has another time zone, date style, interval style or locale, or where rows \
                  come in another order: it reads texts or picks rows in a way that no file states.",
        exploit: "Nobody needs to attack: on the next server, times are hours off, days and months \
                  trade places, or another of two rows stays.",
        help: "state it in the file: a zone, a format, or an order down to a unique key",
        ..ACCESS
    },
    OwnerlessRead: Page {
        name: "ownerless-read",
        meaning: "Rows whose owner column is NULL, or the default that stands for nobody, can be read by \
                  everybody.",
        exploit: "Whatever loses its owner becomes public.",
        help: "make the owner column NOT NULL, or leave NULL out of the policy",
        ..ACCESS
    },
    OwnerlessWrite: Page {
        name: "ownerless-write",
        meaning: "Rows without an owner can be written, or rows can be made so.",
        exploit: "A row moved to owner NULL escapes every policy that compares owners.",
        help: "make the owner column NOT NULL, or refuse NULL in USING and WITH CHECK",
        ..ACCESS
    },
    PeopleReach: Page {
        name: "people-reach",
        meaning: "`people = \"none\"` says that only a back end is to reach rows, and a person does.",
        exploit: "Whoever has the public key of the API, or an account, asks for the rows.",
        help: "take the privilege from the roles of people, or enable row level security without a policy \
               for them",
        ..ACCESS
    },
    PrivilegeEscalation: Page {
        name: "privilege-escalation",
        meaning: "Somebody can make themselves what only some are, by a row of their own that says what they \
                  are, and reaches by that what they did not reach before.",
        exploit: "`update profiles set role = 'admin' where id = auth.uid()`, and then every request as an \
                  administrator.",
        help: "keep people from the column: grant UPDATE and INSERT on the others only, or let WITH CHECK or \
               a trigger refuse a change of it",
        ..ACCESS
    },
    PromiseBroken: Page {
        name: "promise-broken",
        meaning: "A preserve pair gives other rows after the migration than before it.",
        exploit: "Nobody needs to attack: the data is not what it was.",
        help: "mend the migration; the differing rows are shown",
        ..FAULT
    },
    RemovedMemberRead: Page {
        name: "removed-member-read",
        meaning: "Somebody whose membership was removed still reads rows of the tenant.",
        exploit: "A dismissed employee keeps reading with the token, or the account, of before.",
        help: "ask the membership table in the policy, not only whose row it is or what the token \
               says",
        ..ACCESS
    },
    RemovedMemberWrite: Page {
        name: "removed-member-write",
        meaning: "Somebody whose membership was removed still writes rows of the tenant.",
        exploit: "A dismissed employee plants or destroys data.",
        help: "ask the membership table in WITH CHECK and in the policies of UPDATE and DELETE",
        ..ACCESS
    },
    RoundTripDiffers: Page {
        name: "round-trip-differs",
        meaning: "A rollback file does not lead back to what was before its version, or the \
                  migrations lead elsewhere from there.",
        exploit: "Nobody needs to attack: whoever has to go back finds a schema or rows that are not \
                  what they were.",
        help: "mend the rollback file; `gone`, `new`, `was` and `is` tell what it leaves",
        ..FAULT
    },
    SecretRead: Page {
        name: "secret-read",
        severity: Severity::Low,
        severity_through_api: Severity::Low,
        meaning: "Rows that belong to nobody can be read, and a column of theirs is named like a secret, or \
                  like personal data.",
        exploit: "Whoever can ask reads a key that opens something else, or the personal data of others.",
        help: "take SELECT on that column, or on the table, from the roles of people; if it is no \
               secret, waive it",
        ..ACCESS
    },
    SharedWrite: Page {
        name: "shared-write",
        meaning: "Rows that belong to nobody can be inserted, changed or deleted by people.",
        exploit: "One customer changes prices, settings or templates for all the others.",
        help: "take INSERT, UPDATE and DELETE from the roles of people, or enable row level security \
               and write no policy for these; say under `[tenancy.owners]` whose the rows are, should \
               they be somebody's",
        ..ACCESS
    },
    StaffReach: Page {
        name: "staff-reach",
        severity: Severity::Low,
        severity_through_api: Severity::Low,
        meaning: "Whoever is listed in a table, or has a value such as `plan = 'pro'` in a row of theirs, reaches \
                  rows of others, and nobody has said that only some people are or have it: names and the \
                  policies suggest it.",
        exploit: "If it lists customers, an import adds everybody, or customers get the value, each of them reads \
                  or changes the rows of all.",
        help: "say which tables list some people only, `staff = [\"schema.table\"]` under `[tenancy]`; narrow the \
               policy; or waive it with the reason",
        ..ACCESS
    },
    StatementRaises: Page {
        name: "statement-raises",
        severity: Severity::Low,
        severity_through_api: Severity::Low,
        meaning: "A plain statement raises an error other than a denial: a policy or view fails.",
        exploit: "At best the application breaks; at worst the message shows another's value.",
        help: "run the statement as that actor; a policy that reads its own table recurses, one \
               that reads a table the actor may not read needs a SECURITY DEFINER function",
        ..ACCESS
    },
    TruncateGranted: Page {
        name: "truncate-granted",
        severity_through_api: Severity::Low,
        meaning: "The role may TRUNCATE the table. Row level security does not apply to TRUNCATE.",
        exploit: "One statement empties the table for all tenants.",
        help: "revoke truncate on the table from the role; default privileges grant it",
        ..ACCESS
    },
    Unknown: Page {
        name: "unknown",
        meaning: "The rows of the table could be somebody's, but nothing has settled whose they are: no \
                  foreign key leads from it to a user or a tenant, and no column could be read from \
                  the policies as the owner. Yet a policy relates the rows to who is asking, or a \
                  column could hold a user or a tenant, or lead to one, or the rows belong to such a \
                  table.",
        exploit: "Rows without a known owner are tried as rows that everybody shares, so a policy \
                  that shows, changes or deletes another's rows would not be noticed.",
        help: "say under `[tenancy.owners]` of `leakproof.toml` whose the rows are, such as \
               `{ user = \"keeper\" }`, or `\"shared\"` where they are meant for everybody",
        ..ACCESS
    },
    Untested: Page {
        name: "untested",
        meaning: "Something was not tried: a policy lets rows through on a condition that nobody of the world \
                  and no row of it met, or no row of some owner could be made.",
        exploit: "Whoever meets the condition reaches whatever the policy lets through: a policy for \
                  administrators, or for a date to come, may open the rows of every tenant.",
        help: "add somebody who meets it as `[actors.<name>]` with `claims` or `membership`, or a row that does \
               in `seed.sql` after `-- leakproof: rows of the world`; or waive it with the reason",
        ..ACCESS
    },
    WaiverExpired: Page {
        name: "waiver-expired",
        meaning: "A waiver's `expires` date is past.",
        exploit: "An exception that was meant to be temporary goes on.",
        help: "close the hole, or decide again and set a new date",
        ..FAULT
    },
    WaiverIncomplete: Page {
        name: "waiver-incomplete",
        meaning: "A waiver does not say who may do what to whose rows, or which policies it is about, \
                  so that it waives nothing.",
        exploit: "It would go on to hide what comes later: other people, other rows, other commands.",
        help: "add the lines to it, without those that are not meant",
        ..FAULT
    },
    WaiverUnused: Page {
        name: "waiver-unused",
        meaning: "A waiver matches no finding.",
        exploit: "It would hide the next such hole without anybody deciding so.",
        help: "delete it from `leakproof.toml`",
        ..FAULT
    },
}

impl Rule {
    /// The name in reports and in `leakproof.toml`, such as `cross-tenant-read`.
    pub const fn name(self) -> &'static str {
        self.page().name
    }

    /// The rule of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }

    /// How much it matters. Behind an API, what the API does not let through matters less:
    /// `is_exposed` says whether it does, and is none without an API.
    pub(crate) fn severity(self, is_exposed: Option<bool>) -> Severity {
        match is_exposed {
            None => self.page().severity,
            Some(true) => self.page().severity_through_api,
            Some(false) => Severity::Low,
        }
    }

    /// The help that does for all of its findings.
    pub(crate) fn help(self) -> String {
        self.page().help.to_owned()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CrossTenantRead` as `cross-tenant-read`.
    fn kebab(rule: Rule) -> String {
        let mut name = String::new();
        for (at, letter) in format!("{rule:?}").char_indices() {
            if letter.is_uppercase() && at > 0 {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    #[test]
    fn every_rule_is_named_as_it_is_written_and_has_a_page() {
        for rule in Rule::ALL {
            assert_eq!(rule.name(), kebab(*rule));
            assert_eq!(Rule::named(rule.name()), Some(*rule));
            assert_eq!(serde_json::to_value(rule).expect("a text"), rule.name());
            let Page { meaning, exploit, help, .. } = rule.page();
            assert!([meaning, exploit].iter().all(|text| text.ends_with('.')), "{rule}");
            assert!(!help.is_empty() && !help.ends_with('.'), "{rule}");
        }
        assert_eq!(Rule::named("cross-tenant-raed"), None);
    }

    /// Findings are shown in the order of the enum, people read them in that of names.
    #[test]
    fn rules_are_in_the_order_of_their_names() {
        let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        assert!(Rule::ALL.is_sorted());
    }

    #[test]
    fn severity_follows_from_the_rule_and_the_api() {
        use Severity::{High, Low};
        for (rule, [without, exposed, hidden]) in [
            (Rule::CrossTenantRead, [High, High, Low]),
            (Rule::BlindDelete, [High, High, Low]),
            (Rule::OwnerlessWrite, [High, High, Low]),
            (Rule::StatementRaises, [Low, Low, Low]),
            (Rule::TruncateGranted, [High, Low, Low]),
        ] {
            assert_eq!(rule.severity(None), without, "{rule}");
            assert_eq!(rule.severity(Some(true)), exposed, "{rule}");
            assert_eq!(rule.severity(Some(false)), hidden, "{rule}");
        }
    }

    #[test]
    fn what_is_lost_is_never_meant() {
        let names = |is_it: fn(&Page) -> bool| -> Vec<&str> {
            let those = Rule::ALL.iter().filter(|rule| is_it(rule.page()));
            those.map(|rule| rule.name()).collect()
        };
        let never = [
            "answer-changed",
            "data-lost",
            "fails-on-rows",
            "promise-broken",
            "round-trip-differs",
            "waiver-expired",
            "waiver-incomplete",
            "waiver-unused",
        ];
        assert_eq!(names(|page| !page.is_waivable), never);
        let about_rows = ["access-widened", "data-lost", "fails-on-rows", "not-repeatable"];
        assert_eq!(names(|page| page.is_about_rows), about_rows);
    }
}
