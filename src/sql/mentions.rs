//! What the statements of a file say of roles and of objects in named schemas, as words: also those in
//! the bodies of functions and `do` blocks, never those in comments and strings. Pure.

use crate::sql::statement::{deep_parts, is_string};

/// What a text names, each with its place in bytes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mentions {
    /// Roles that it makes.
    pub made_roles: Vec<String>,
    /// Roles to whom it grants, for whom a policy is, who get to own something or whom a session becomes.
    pub roles: Vec<(String, usize)>,
    /// `schema.name` that it makes.
    pub made_objects: Vec<(String, String)>,
    /// `schema.name` wherever it stands.
    pub objects: Vec<(String, String, usize)>,
}

/// A word, folded as the server folds it, and its place.
struct Word {
    text: String,
    at: usize,
    is_quoted: bool,
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        !self.is_quoted && self.text == keyword
    }

    fn is_name(&self) -> bool {
        let is_start = |c: char| c.is_alphabetic() || c == '_';
        self.is_quoted || self.text.chars().next().is_some_and(is_start)
    }
}

/// Reads what a file names.
pub(crate) fn mentions(file: &str) -> Mentions {
    let mut found = Mentions::default();
    for part in deep_parts(file) {
        let words: Vec<Word> = part.into_iter().filter_map(word).collect();
        (0..words.len()).for_each(|at| found.read(&words, at));
    }
    found
}

fn word((text, at): (&str, usize)) -> Option<Word> {
    if is_string(text) {
        return None;
    }
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(match quoted {
        Some(name) => Word { text: name.replace("\"\"", "\""), at, is_quoted: true },
        None => Word { text: text.to_lowercase(), at, is_quoted: false },
    })
}

impl Mentions {
    /// Reads what begins at a word.
    fn read(&mut self, words: &[Word], at: usize) {
        let word = &words[at];
        let is = |ahead: usize, keyword: &str| words.get(at + ahead).is_some_and(|w| w.is(keyword));
        let is_role_kind = |ahead: usize| {
            (is(ahead, "role") || is(ahead, "user") || is(ahead, "group"))
                && !is(ahead + 1, "mapping")
        };
        if is(1, ".") && words.get(at + 2).is_some_and(Word::is_name) && word.is_name() {
            let is_inner = at > 0 && words[at - 1].is(".");
            if !is_inner {
                let name = words[at + 2].text.clone();
                self.objects.push((word.text.clone(), name, word.at));
            }
        }
        if word.is("create") && is_role_kind(1) {
            self.made_roles.extend(words.get(at + 2).map(|name| name.text.clone()));
        } else if word.is("create") || (word.is("alter") && is(1, "policy")) {
            self.read_creation(words, at);
        } else if word.is("grant") || word.is("revoke") {
            self.read_grant(words, at);
        } else if word.is("owner") && is(1, "to") {
            self.roles_at(words, at + 2);
        } else if (word.is("for") || word.is("set") || is_set_scope(word)) && is_role_kind(1) {
            // `alter default privileges for role`, `set local role`.
            self.roles_at(words, at + 2);
        }
    }

    /// `create table [if not exists] a.b`, `create policy ... to a, b`.
    fn read_creation(&mut self, words: &[Word], at: usize) {
        let rest = &words[at..];
        if rest.get(1).is_some_and(|word| word.is("policy")) {
            // Its name may be any word.
            let is_end = |word: &Word| word.is("using") || word.is("check");
            let head = rest.iter().skip(3).take_while(|word| !is_end(word));
            if let Some(to) = head.into_iter().position(|word| word.is("to")) {
                self.roles_at(words, at + 3 + to + 1);
            }
            return;
        }
        const KINDS: [&str; 6] = ["table", "view", "function", "procedure", "type", "sequence"];
        let head = rest.iter().take(5);
        let Some(kind) = head.into_iter().position(|word| KINDS.iter().any(|kind| word.is(kind)))
        else {
            return;
        };
        let is_filler = |word: &&Word| word.is("if") || word.is("not") || word.is("exists");
        let name: Vec<&Word> = rest.iter().skip(kind + 1).skip_while(is_filler).take(3).collect();
        if let [schema, dot, name] = name.as_slice()
            && dot.is(".")
        {
            self.made_objects.push((schema.text.clone(), name.text.clone()));
        }
    }

    /// `grant ... on ... to a, b`, `grant a, b to c`.
    fn read_grant(&mut self, words: &[Word], at: usize) {
        let is_to = |word: &Word| word.is("to") || word.is("from");
        let Some(to) = words[at..].iter().position(is_to).map(|ahead| at + ahead) else { return };
        let is_of_roles = !words[at..to].iter().any(|word| word.is("on"));
        if is_of_roles {
            self.roles_at(words, at + 1);
        }
        self.roles_at(words, to + 1);
    }

    /// A list of roles.
    fn roles_at(&mut self, words: &[Word], at: usize) {
        const NO_ROLES: [&str; 8] = [
            "public",
            "current_user",
            "session_user",
            "current_role",
            "none",
            "default",
            "all",
            "admin",
        ];
        let at = at + usize::from(words.get(at).is_some_and(|word| word.is("group")));
        let Some(word) = words.get(at).filter(|word| word.is_name()) else { return };
        if !NO_ROLES.iter().any(|keyword| word.is(keyword)) {
            self.roles.push((word.text.clone(), word.at));
        }
        if words.get(at + 1).is_some_and(|word| word.is(",")) {
            self.roles_at(words, at + 2);
        }
    }
}

fn is_set_scope(word: &Word) -> bool {
    word.is("local") || word.is("session")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(sql: &str) -> String {
        let found = mentions(sql);
        let roles: Vec<String> = found.roles.into_iter().map(|(name, _)| name).collect();
        format!("{}; made {}", roles.join(" "), found.made_roles.join(" "))
    }

    #[test]
    fn roles_are_read_where_the_grammar_has_them() {
        for (sql, told) in [
            (
                "grant select on public.notes to anon, \"Web User\" with grant option",
                "anon Web User",
            ),
            ("GRANT app_user TO app_login", "app_user app_login"),
            ("revoke all on all tables in schema public from public, reader", "reader"),
            ("create policy p on t for select to anon using (a = 'to b')", "anon"),
            ("create policy \"to b\" on t using (true)", ""),
            ("create policy p on t using (exists (select from granted to_))", ""),
            ("alter policy p on t to current_user, clerk", "clerk"),
            (
                "alter default privileges for role maker in schema s grant all on tables to app",
                "maker app",
            ),
            ("alter table t owner to boss", "boss"),
            ("set local role clerk; set role none; reset role", "clerk"),
            ("-- grant select on t to anon\nselect 'grant select on t to anon'", ""),
            ("do $$ begin if true then grant select on t to anon; end if; end $$", "anon"),
            ("copy t from stdin;\ngrant all to anon;\n\\.\n", ""),
            ("alter table t rename to anon", ""),
        ] {
            assert_eq!(roles(sql), format!("{told}; made "), "{sql}");
        }
        let made = "create role app; do $x$ begin create user \"App\" login; end $x$; \
             create user mapping for app server s";
        assert_eq!(roles(made), "; made app App");
    }

    #[test]
    fn objects_are_read_with_their_schema() {
        let sql = "create table if not exists auth.users (id uuid);\n\
             create or replace function auth.uid() returns uuid language sql as $$\n\
             select id from \"auth\".sessions -- auth.jwt()\n$$;\nselect 'auth.role()', a.b.c";
        let found = mentions(sql);
        let made: Vec<String> =
            found.made_objects.iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
        assert_eq!(made, ["auth.users", "auth.uid"]);
        let mut named: Vec<String> =
            found.objects.iter().map(|(schema, name, _)| format!("{schema}.{name}")).collect();
        named.sort();
        assert_eq!(named, ["a.b", "auth.sessions", "auth.uid", "auth.users"]);
        let at = found.objects.iter().find(|(_, name, _)| name == "sessions").map(|one| one.2);
        assert_eq!(at, sql.find("\"auth\""));
    }
}
