//! The settings in which values are read as text, whatever a file has set.

use crate::session::open::Session;

/// Text forms depend on settings; both sides use the same ones, whatever a file has set.
const FORMATS: [&str; 9] = [
    "set local search_path = \"$user\", public, extensions",
    "set local timezone = 'UTC'",
    "set local datestyle = 'ISO, YMD'",
    "set local intervalstyle = 'postgres'",
    "set local extra_float_digits = 1",
    "set local bytea_output = 'hex'",
    "set local xmlbinary = 'base64'",
    "set local row_security = on",
    // Rows that are read in parts come in the order of all at once.
    "set local cursor_tuple_fraction = 1",
];

/// What a file finds as its session has it. Its zone stays: that of a server is nobody's choice.
const LEFT: [&str; 7] = [
    "datestyle",
    "intervalstyle",
    "extra_float_digits",
    "bytea_output",
    "xmlbinary",
    "row_security",
    "cursor_tuple_fraction",
];

/// What else is somebody's choice in a real database.
const LEFT_IN_REAL_DATABASE: [&str; 4] = ["timezone", "search_path", "jit", "plan_cache_mode"];

/// Has a file run in the formats of its session, whatever we have read before it.
pub(crate) fn leave_formats(session: &mut Session) {
    let more: &[&str] = if session.is_in_real_database() { &LEFT_IN_REAL_DATABASE } else { &[] };
    let names = LEFT.iter().chain(more);
    names.for_each(|name| session.say(format!("set local {name} to default")));
}

/// Has all values read in the same form from here on.
pub(crate) fn pin_formats(session: &mut Session) {
    FORMATS.into_iter().for_each(|statement| session.say(statement));
    if session.is_in_real_database() {
        // Whom policies bind gets an error there, and not fewer rows.
        session.say("set local row_security = off");
        // As in scratch databases: compiling our queries takes longer than running them.
        session.say("set local jit = off");
        // What is prepared is not planned anew for other tables.
        session.say("set local plan_cache_mode = force_generic_plan");
    }
}
