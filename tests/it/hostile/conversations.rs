//! Arrays of messages that become rows of messages and rejects.

use std::collections::HashSet;

use super::dice::Dice;
use super::documents::{
    Object, iso, large_array, large_text, moment, plain_text, time, uuid, write_any, write_array,
    write_quoted, write_text,
};
use super::json::{self, Kind};
use super::load::{Row, Rows, Table, TextRow};
use super::times::{self, Stated};
use super::trial::{Subject, brief};

pub const SUBJECT: Subject = Subject {
    tables: &[Table {
        name: "public.chat_sessions",
        columns: &[
            ("id", "uuid"),
            ("tenant_id", "uuid"),
            ("user_id", "uuid"),
            ("title", "varchar"),
            ("messages", "jsonb"),
            ("metadata", "jsonb"),
            ("created_at", "timestamptz"),
            ("updated_at", "timestamptz"),
        ],
    }],
    write,
    write_large,
    legacy: &[LEGACY],
    new: &[
        "select id, tenant_id, user_id, title, metadata, created_at, updated_at
         from public.conversations order by id",
        // `messages` of the old name, the one thing that is the project's own work.
        LEGACY,
        "select m.conversation_id, m.ordinal, m.tenant_id, 'message', m.id, m.role, m.content,
             m.metadata, trunc(extract(epoch from m.created_at) * 1000000), null
         from public.messages m
         union all
         select r.conversation_id, r.ordinal, r.tenant_id, 'reject', null, r.reason, null,
             null, null, r.element
         from public.message_rejects r
         order by 1, 2",
    ],
    compare,
};

const LEGACY: &str = "
    select id, tenant_id, user_id, title, messages, metadata, created_at, updated_at,
        trunc(extract(epoch from coalesce(created_at, updated_at)) * 1000000)
    from public.chat_sessions order by id";

const USERS: &[&str] = &[
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
    "00000000-0000-4000-8000-000000000006",
];
const TENANTS: &[&str] =
    &["a0000000-0000-4000-8000-00000000000a", "b0000000-0000-4000-8000-00000000000b"];

fn write(dice: &mut Dice, place: usize, rows: &mut Vec<Row>) {
    // Now and then a chat comes twice.
    let id = if dice.one_in(200) && place > 0 { dice.below(place) } else { place };
    let is_nobodys = dice.is_poisoned && dice.one_in(10);
    let tenant = if is_nobodys { "nobody" } else { dice.pick(TENANTS) };
    let values = vec![
        Some(uuid(0xd0, id as u64, 4).into_bytes()),
        Some(tenant.into()),
        Some((*dice.pick(USERS)).into()),
        if dice.one_in(100) { None } else { Some(plain_text(dice)) },
        document(dice, place),
        if dice.one_in(8) { None } else { Some(written(|out| write_any(dice, out, 2))) },
        moment(dice),
        moment(dice),
    ];
    rows.push(Row { table: 0, values });
}

pub fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// Regular messages, messages as short as can be, rejects, hostile ones, and few but long ones.
fn write_large(dice: &mut Dice, bytes: usize, rows: &mut Vec<Row>) {
    let mut clock = Clock { micros: 1_600_000_000_000_000, form: 11 };
    let regular = large_array(bytes, |_, out| {
        let mut object = Object::begin(out);
        write_quoted(object.value_of("role"), b"user");
        let text = large_text(dice, 150);
        write_quoted(object.value_of("content"), &text);
        clock.micros += 1000;
        write_quoted(object.value_of("timestamp"), iso(clock.micros, 11).as_bytes());
        object.end();
    });
    let short = large_array(bytes, |_, out| out.extend(br#"{"role":"user","content":""}"#));
    let rejects = large_array(bytes, |at, out| out.extend(format!("{at}.000").bytes()));
    let mut clock = Clock::of(dice);
    let hostile = large_array(bytes, |at, out| write_message(dice, out, &mut clock, at));
    let long = large_array(bytes, |_, out| {
        let mut object = Object::begin(out);
        write_quoted(object.value_of("role"), b"system");
        let text = large_text(dice, bytes / 3);
        write_quoted(object.value_of("content"), &text);
        let numbers = large_array(bytes / 9, |at, out| out.extend(format!("{at}").bytes()));
        object.value_of("metadata").extend(numbers);
        object.end();
    });
    for (at, document) in [regular, short, rejects, hostile, long].into_iter().enumerate() {
        let values = vec![
            Some(uuid(0xd9, at as u64, 4).into_bytes()),
            Some(TENANTS[0].into()),
            Some(USERS[0].into()),
            Some(b"large".to_vec()),
            Some(document),
            None,
            None,
            moment(dice),
        ];
        rows.push(Row { table: 0, values });
    }
}

fn document(dice: &mut Dice, place: usize) -> Option<Vec<u8>> {
    if dice.one_in(40) {
        return None;
    }
    let mut out = Vec::new();
    match dice.below(14) {
        0 => write_any(dice, &mut out, 3),
        1 => {
            let mut clock = Clock::of(dice);
            write_message(dice, &mut out, &mut clock, place);
        }
        2 => out.extend(b"[]"),
        _ => {
            let mut clock = Clock::of(dice);
            let length = if dice.one_in(50) { dice.below(200) } else { dice.between(1, 8) };
            write_array(&mut out, length, |_, out| write_message(dice, out, &mut clock, place));
        }
    }
    Some(out)
}

/// How the messages of one chat state their times.
struct Clock {
    micros: i64,
    form: usize,
}

impl Clock {
    fn of(dice: &mut Dice) -> Self {
        let micros = 1_600_000_000_000_000 + dice.below(150_000_000_000_000) as i64;
        Self { micros: micros / 1000 * 1000, form: dice.below(12) }
    }

    fn write(&mut self, dice: &mut Dice, out: &mut Vec<u8>) {
        self.micros += dice.between(1, 5_000_000) as i64 * 1000;
        match self.form {
            // Hostile, each by itself.
            0..=2 => write_quoted(out, time(dice).as_bytes()),
            3 => write_any(dice, out, 1),
            4 => out.extend(format!("{}", self.micros / 1_000_000).bytes()),
            5 => out.extend(format!("{}.25", self.micros / 1000).bytes()),
            // Regular, as some application writes them.
            form => write_quoted(out, iso(self.micros, form - 6).as_bytes()),
        }
    }
}

fn write_message(dice: &mut Dice, out: &mut Vec<u8>, clock: &mut Clock, place: usize) {
    if dice.one_in(8) {
        return write_any(dice, out, 3);
    }
    let mut object = Object::begin(out);
    for key in ["id", "role", "content", "timestamp", "created_at", "metadata", "legacy"] {
        let chances = match key {
            "role" | "content" => 30,
            "timestamp" => 6,
            "id" => 3,
            _ => 0,
        };
        let is_there = if chances > 0 { !dice.one_in(chances) } else { dice.one_in(6) };
        // Of a key that comes twice the last counts.
        let times = usize::from(is_there) * if dice.one_in(40) { 2 } else { 1 };
        for _ in 0..times {
            write_part(dice, object.value_of(key), key, clock, place);
        }
    }
    while dice.one_in(4) {
        let key = super::documents::key(dice);
        write_any(dice, object.value_of(&key), 2);
    }
    object.end();
}

fn write_part(dice: &mut Dice, out: &mut Vec<u8>, key: &str, clock: &mut Clock, place: usize) {
    if dice.one_in(12) {
        return write_any(dice, out, 2);
    }
    match key {
        "id" => write_quoted(out, message_id(dice, place).as_bytes()),
        "role" => {
            let role = dice.pick(&["user", "user", "assistant", "system", "tool", "User", ""]);
            write_quoted(out, role.as_bytes());
        }
        "content" => write_text(dice, out),
        "timestamp" | "created_at" => clock.write(dice, out),
        "metadata" => {
            let mut object = Object::begin(out);
            while dice.one_in(2) {
                let key = super::documents::key(dice);
                write_any(dice, object.value_of(&key), 2);
            }
            object.end();
        }
        _ => write_any(dice, out, 2),
    }
}

/// Mostly one of its own; sometimes one that others claim, of another version, or no uuid.
fn message_id(dice: &mut Dice, place: usize) -> String {
    let own = (place as u64) << 16 | dice.below(1 << 16) as u64;
    match dice.below(10) {
        0 => uuid(0xee, dice.below(30) as u64, 4),
        1 => uuid(0xe1, own, 5),
        2 => uuid(0xe2, own, 1),
        3 => uuid(0xab, own, 4).to_uppercase(),
        4 => format!("{{{}}}", uuid(0xe3, own, 4)),
        5 => uuid(0xe4, own, 4).replace('-', ""),
        _ => uuid(0xe5, own, 4),
    }
}

/// A chat as it was: the columns of `LEGACY`.
struct Chat<'a> {
    id: &'a str,
    tenant: &'a str,
    messages: Option<&'a str>,
    began: Option<i64>,
}

fn compare(legacy: &[Rows], new: &[Rows]) -> Result<(), String> {
    let (chats, conversations, views, rows) = (&legacy[0], &new[0], &new[1], &new[2]);
    if let Some((was, is)) = first_difference(chats, views) {
        return Err(format!("the old name shows another chat:\n  was {was}\n  is  {is}"));
    }
    let mut rest = rows.as_slice();
    let mut ids = HashSet::new();
    if chats.len() != conversations.len() {
        return Err(format!("{} chats, {} conversations", chats.len(), conversations.len()));
    }
    for (chat, conversation) in chats.iter().zip(conversations) {
        let kept: Vec<_> = chat[..4].iter().chain(&chat[5..8]).collect();
        if !kept.iter().zip(conversation).all(|(was, is)| *was == is) {
            return Err(format!("a chat is another conversation: {}", brief(conversation)));
        }
        let chat = Chat {
            id: chat[0].as_deref().unwrap_or_default(),
            tenant: chat[1].as_deref().unwrap_or_default(),
            messages: chat[4].as_deref(),
            began: chat[8].as_deref().and_then(|micros| micros.parse().ok()),
        };
        let count = rest.iter().take_while(|row| row[0].as_deref() == Some(chat.id)).count();
        let (own, others) = rest.split_at(count);
        compare_chat(&chat, own, &mut ids).map_err(|error| format!("chat {}: {error}", chat.id))?;
        rest = others;
    }
    match rest.first() {
        Some(row) => Err(format!("a row of no chat: {}", brief(row))),
        None => Ok(()),
    }
}

/// The first rows that differ, or that only one side has.
pub fn first_difference(was: &[TextRow], is: &[TextRow]) -> Option<(String, String)> {
    let shown = |row: Option<&TextRow>| row.map_or("nothing".into(), brief);
    (0..was.len().max(is.len()))
        .find(|at| was.get(*at) != is.get(*at))
        .map(|at| (shown(was.get(at)), shown(is.get(at))))
}

/// The elements of a document with their places; the whole document, in place 0, if it is no array.
pub fn places(document: Option<&str>) -> Vec<(usize, Option<&str>)> {
    match document {
        Some(array) if json::kind(array) == Kind::Array => {
            let elements = json::elements(array).into_iter();
            elements.enumerate().map(|(at, element)| (at + 1, Some(element))).collect()
        }
        other => vec![(0, other)],
    }
}

fn compare_chat<'a>(
    chat: &Chat<'_>,
    rows: &'a [TextRow],
    ids: &mut HashSet<&'a str>,
) -> Result<(), String> {
    let places = places(chat.messages);
    if places.len() != rows.len() {
        return Err(format!("{} elements, {} rows", places.len(), rows.len()));
    }
    let times = expected_times(&places, chat.began);
    for (((ordinal, element), row), time) in places.iter().zip(rows).zip(times) {
        let wrong = |what: &str| {
            let element = element.unwrap_or("NULL");
            Err(format!("{what}\n  element {ordinal}: {element}\n  row: {}", brief(row)))
        };
        if row[1].as_deref() != Some(&ordinal.to_string()) || row[2].as_deref() != Some(chat.tenant)
        {
            return wrong("another place or tenant");
        }
        if row[3].as_deref() == Some("reject") {
            if is_message(*ordinal, *element) || row[9].as_deref() != *element {
                return wrong("a reject that is none, or another");
            }
            continue;
        }
        let Some(element) = element.filter(|_| is_message(*ordinal, *element)) else {
            return wrong("a message that is none");
        };
        if !says_the_same(element, row) {
            return wrong("a message that says something else");
        }
        if !ids.insert(row[4].as_deref().unwrap_or_default()) {
            return wrong("a message with the id of another");
        }
        let micros: i64 = row[8].as_deref().and_then(|micros| micros.parse().ok()).unwrap_or(0);
        if time.is_some_and(|time| micros.abs_diff(time.micros) > u64::from(!time.is_exact)) {
            return wrong(&format!("a message of another time than {time:?}"));
        }
    }
    increase(rows)
}

/// A text that one of the three says is a message; all else is kept as it is.
fn is_message(ordinal: usize, element: Option<&str>) -> bool {
    let Some(element) = element.filter(|_| ordinal > 0) else { return false };
    let role = json::field(element, "role").and_then(json::text);
    matches!(role.as_deref(), Some("user" | "assistant" | "system"))
        && json::field(element, "content").is_some_and(|content| json::kind(content) == Kind::Text)
}

/// Every field of the element is in the row: in a column of its own, or to the letter in `legacy`,
/// which stands in for id and time. And nothing else is.
fn says_the_same(element: &str, row: &TextRow) -> bool {
    let metadata = row[7].as_deref().unwrap_or("{}");
    let legacy = json::field(metadata, "legacy").filter(|kept| json::kind(kept) == Kind::Object);
    let own: Vec<_> = json::fields(metadata)
        .into_iter()
        .filter(|(key, _)| legacy.is_none() || *key != "\"legacy\"")
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    let fields = json::fields(element);
    let stated = fields.iter().filter(|(key, value)| match *key {
        "\"role\"" => json::text(value) != row[5],
        "\"content\"" => json::text(value) != row[6],
        _ => true,
    });
    let mut stated: Vec<String> = stated.map(|(key, value)| format!("{key}: {value}")).collect();
    let mut kept: Vec<String> = match legacy {
        Some(legacy) => {
            json::fields(legacy).iter().map(|(key, value)| format!("{key}: {value}")).collect()
        }
        None => regular_fields(row),
    };
    if !own.is_empty() {
        kept.push(format!("\"metadata\": {{{}}}", own.join(", ")));
    }
    stated.sort();
    kept.sort();
    stated == kept
}

/// Id and time as a row without `legacy` states them; ids of version 5 were made for the row.
fn regular_fields(row: &TextRow) -> Vec<String> {
    let id = row[4].as_deref().unwrap_or_default();
    let mut fields = Vec::new();
    if &id[14..15] != "5" {
        fields.push(format!("\"id\": \"{id}\""));
    }
    if let Some(micros) = row[8].as_deref().and_then(|micros| micros.parse::<i64>().ok()) {
        let (seconds, rest) = times::write_seconds(micros);
        let fraction =
            if rest % 1000 == 0 { format!("{:03}", rest / 1000) } else { format!("{rest:06}") };
        fields.push(format!("\"timestamp\": \"{seconds}.{fraction}Z\""));
    }
    fields
}

/// What an element states as its time, if it is to be believed.
fn stated_time(element: &str) -> Option<Stated> {
    let read = |key: &str| read_time(json::field(element, key)?);
    read("timestamp").or_else(|| read("created_at"))
}

pub fn read_time(value: &str) -> Option<Stated> {
    match json::kind(value) {
        Kind::Number => times::read_number(value),
        Kind::Text => times::read_iso(&json::text(value)?),
        _ => None,
    }
}

/// Times that increase by themselves stay; the others are a microsecond behind the latest so far,
/// or before the first that is stated. Where none is, the chat's own counts, if it is of our age.
fn expected_times(places: &[(usize, Option<&str>)], began: Option<i64>) -> Vec<Option<Stated>> {
    let starts: Vec<Option<Stated>> = places
        .iter()
        .map(|(ordinal, element)| {
            let stated = element.and_then(stated_time)?;
            Some(Stated { micros: stated.micros - *ordinal as i64, ..stated })
        })
        .collect();
    let began = began.filter(|micros| (0..4_102_444_800_000_000).contains(micros));
    let began = began.map(|micros| Stated { micros, is_exact: true });
    let mut latest = starts.iter().flatten().next().copied().or(began);
    let mut times = Vec::new();
    for ((ordinal, _), start) in places.iter().zip(starts) {
        latest = match (latest, start) {
            (Some(latest), Some(start)) => Some(Stated {
                micros: latest.micros.max(start.micros),
                is_exact: latest.is_exact && start.is_exact,
            }),
            (latest, start) => latest.or(start),
        };
        times.push(
            latest.map(|latest| Stated { micros: latest.micros + *ordinal as i64, ..latest }),
        );
    }
    times
}

/// Whatever the times are, each message is later than the one before it.
fn increase(rows: &[TextRow]) -> Result<(), String> {
    let times: Vec<Option<i64>> = rows
        .iter()
        .filter(|row| row[3].as_deref() == Some("message"))
        .map(|row| row[8].as_deref().and_then(|micros| micros.parse().ok()))
        .collect();
    if times.contains(&None) {
        return Err("a message without a time, or with none that is finite".into());
    }
    match times.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(format!("times do not increase: {pair:?}")),
        None => Ok(()),
    }
}
