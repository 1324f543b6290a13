//! What each rule means, how it is exploited and how it is closed.

/// A page about one rule.
#[derive(Debug)]
pub struct Page {
    /// The rule's name.
    pub rule: &'static str,
    /// What the finding says.
    pub meaning: &'static str,
    /// What somebody can do with it.
    pub exploit: &'static str,
    /// The imperative.
    pub help: &'static str,
}

/// The page of a rule, if there is such a rule.
pub fn explain(rule: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.rule == rule)
}

/// All pages, by name.
pub fn pages() -> &'static [Page] {
    PAGES
}

const PAGES: &[Page] = &[
    Page {
        rule: "access-widened",
        meaning: "After a migration somebody of the data sees values that only others saw before it: \
                  in the same table, in one that was unpacked from it, or in a copy.",
        exploit: "Whoever looks while that version is the latest reads what was another's.",
        help: "protect the table in the migration that fills it; if people are meant to see more, \
               waive it with the reason",
    },
    Page {
        rule: "answer-changed",
        meaning: "A call recorded in `api/` is answered otherwise right after a migration than \
                  right before it: other rows, another order, an error.",
        exploit: "Nobody needs to attack: whoever relies on the answer is told something else.",
        help: "mend the migration; where the answer changes on purpose, end the call with \
               `-- until:` and the migration's version",
    },
    Page {
        rule: "blind-delete",
        meaning: "A DELETE without WHERE reaches rows of another tenant, though one with WHERE \
                  does not: WHERE pulls in the SELECT policies, a blind statement meets only the \
                  DELETE policies.",
        exploit: "`delete from t` over a connection without `safeupdate`, or through a function, \
                  deletes rows the caller cannot even see.",
        help: "put the owner's condition into the DELETE policy itself, not only into SELECT",
    },
    Page {
        rule: "blind-update",
        meaning: "An UPDATE without WHERE reaches rows of another tenant, though one with WHERE \
                  does not: only the UPDATE policies are asked when no column is read.",
        exploit: "`update t set title = 'x'` overwrites rows the caller cannot see.",
        help: "put the owner's condition into the UPDATE policy's USING, not only into SELECT",
    },
    Page {
        rule: "cross-tenant-delete",
        meaning: "Rows of another tenant can be deleted.",
        exploit: "`delete from t where id = ...` with a guessed or leaked id.",
        help: "restrict the DELETE policy to the rows of the caller's tenants",
    },
    Page {
        rule: "cross-tenant-insert",
        meaning: "A row can be inserted that belongs to another tenant.",
        exploit: "Messages, members or settings are planted in somebody else's tenant.",
        help: "let WITH CHECK of the INSERT policy compare the owner columns with the caller's",
    },
    Page {
        rule: "cross-tenant-move",
        meaning: "A row can change its owner across tenants: given away or taken over.",
        exploit: "`update t set tenant_id = ...` takes a row of another tenant, or hides one there.",
        help: "check the owner columns in WITH CHECK too, and ask USING for the same tenant",
    },
    Page {
        rule: "cross-tenant-read",
        meaning: "Rows of another tenant can be read.",
        exploit: "`select * from t` shows one customer's data to another.",
        help: "enable row level security and restrict the SELECT policy to the caller's tenants",
    },
    Page {
        rule: "cross-tenant-update",
        meaning: "Rows of another tenant can be changed.",
        exploit: "`update t set ... where id = ...` with a guessed or leaked id.",
        help: "restrict USING of the UPDATE policy to the rows of the caller's tenants",
    },
    Page {
        rule: "data-lost",
        meaning: "A table or column had values before a migration and has not, or not the same, \
                  after it; no preserve pair covers it.",
        exploit: "Nobody needs to attack: the data is gone.",
        help: "keep the values, or vouch for the change with a preserve pair that covers it",
    },
    Page {
        rule: "fails-on-rows",
        meaning: "A migration adds a column that may not be NULL and has no default, to a table that \
                  may have rows. It passes on an empty table only.",
        exploit: "Nobody needs to attack: the deployment stops at that file.",
        help: "give the column a default, or add it nullable, fill it, and set NOT NULL then",
    },
    Page {
        rule: "ownerless-read",
        meaning: "Rows whose owner column is NULL can be read by everybody.",
        exploit: "Whatever loses its owner becomes public.",
        help: "make the owner column NOT NULL, or leave NULL out of the policy",
    },
    Page {
        rule: "ownerless-write",
        meaning: "Rows without an owner can be written, or rows can be made so.",
        exploit: "A row moved to owner NULL escapes every policy that compares owners.",
        help: "make the owner column NOT NULL, or refuse NULL in USING and WITH CHECK",
    },
    Page {
        rule: "promise-broken",
        meaning: "A preserve pair gives other rows after the migration than before it.",
        exploit: "Nobody needs to attack: the data is not what it was.",
        help: "mend the migration; the differing rows are shown",
    },
    Page {
        rule: "removed-member-read",
        meaning: "Somebody whose membership was removed still reads rows of the tenant.",
        exploit: "A dismissed employee keeps reading with the token, or the account, of before.",
        help: "ask the membership table in the policy, not only whose row it is or what the token \
               says",
    },
    Page {
        rule: "removed-member-write",
        meaning: "Somebody whose membership was removed still writes rows of the tenant.",
        exploit: "A dismissed employee plants or destroys data.",
        help: "ask the membership table in WITH CHECK and in the policies of UPDATE and DELETE",
    },
    Page {
        rule: "round-trip-differs",
        meaning: "A rollback file does not lead back to what was before its version, or the \
                  migrations lead elsewhere from there.",
        exploit: "Nobody needs to attack: whoever has to go back finds a schema or rows that are not \
                  what they were.",
        help: "mend the rollback file; `gone`, `new`, `was` and `is` tell what it leaves",
    },
    Page {
        rule: "statement-raises",
        meaning: "A plain statement raises an error other than a denial: a policy or view fails.",
        exploit: "At best the application breaks; at worst the message shows another's value.",
        help: "run the statement as that actor; a policy that reads its own table recurses, one \
               that reads a table the actor may not read needs a SECURITY DEFINER function",
    },
    Page {
        rule: "truncate-granted",
        meaning: "The role may TRUNCATE the table. Row level security does not apply to TRUNCATE.",
        exploit: "One statement empties the table for all tenants.",
        help: "revoke truncate on the table from the role; default privileges grant it",
    },
    Page {
        rule: "waiver-expired",
        meaning: "A waiver's `expires` date is past.",
        exploit: "An exception that was meant to be temporary goes on.",
        help: "close the hole, or decide again and set a new date",
    },
    Page {
        rule: "waiver-unused",
        meaning: "A waiver matches no finding.",
        exploit: "It would hide the next such hole without anybody deciding so.",
        help: "delete it from `leakproof.toml`",
    },
];
