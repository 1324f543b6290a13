//! Loose messages that become chats, one for each user and mentor.

use std::collections::{BTreeMap, BTreeSet};

use super::conversations::{first_difference, written};
use super::dice::Dice;
use super::documents::{iso, large_array, large_text, moment, plain_text, write_any};
use super::load::{Row, Rows, Table, TextRow};
use super::trial::{Subject, brief};

pub const SUBJECT: Subject = Subject {
    tables: &[
        Table {
            name: "public.users",
            columns: &[("id", "text"), ("email", "text"), ("name", "text")],
        },
        Table { name: "public.mentors", columns: &[("id", "text"), ("name", "text")] },
        Table {
            name: "public.messages",
            columns: &[
                ("id", "text"),
                ("user_id", "text"),
                ("mentor_id", "text"),
                ("role", "text"),
                ("content", "text"),
                ("prompt", "text"),
                ("model", "text"),
                ("tokens", "integer"),
                ("metadata", "jsonb"),
                ("created_at", "timestamptz"),
                ("task_id", "text"),
            ],
        },
    ],
    write,
    write_large,
    legacy: &[
        "select m.id, m.user_id, m.role, m.content, m.prompt, m.model, m.tokens, m.metadata,
             m.created_at, m.task_id, m.mentor_id
         from public.messages m order by m.created_at, m.id",
        "select id, name from public.mentors order by id",
        USERS,
    ],
    new: &[
        "select m.id, m.user_id, m.role, m.content, m.prompt, m.model, m.tokens, m.metadata,
             m.created_at, m.task_id, m.chat_id, r.mentor_id, r.user_id
         from public.messages m
         left join public.message_rejects r on r.message_id = m.id
         order by m.created_at, m.id",
        "select c.id, c.user_id, c.grouped_by, c.mentor_id, c.title, c.created_at, c.updated_at,
             c.is_active, c.metadata
         from public.chats c order by c.id",
        USERS,
        "select message_id from public.message_rejects order by message_id",
    ],
    compare,
};

const USERS: &str = "select id, email, name, created_at from public.users order by id";

const MENTORS: &[&str] = &[
    "cmentor000000000000career",
    "cmentor000000000000health",
    "cmentor00000000000deleted",
    "CMENTOR000000000000CAREER",
    "",
    "   ",
    "\t",
    "null",
];

fn write(dice: &mut Dice, place: usize, rows: &mut Vec<Row>) {
    if place.is_multiple_of(20) {
        let values = vec![
            Some(long_id(dice, "u", place)),
            Some(format!("{place}@example.net").into_bytes()),
            if dice.one_in(4) { None } else { Some(plain_text(dice)) },
        ];
        rows.push(Row { table: 0, values });
    }
    if place.is_multiple_of(50) {
        let id =
            if dice.one_in(2) { mentor(dice) } else { format!("mentor-{}", place / 50).into() };
        rows.push(Row { table: 1, values: vec![Some(id), Some(plain_text(dice))] });
    }
    let user = match dice.below(12) {
        0 => None,
        1 => Some(b"cuser0000000000000000anna".to_vec()),
        _ => rows.iter().rev().find(|row| row.table == 0).and_then(|row| row.values[0].clone()),
    };
    // Now and then a message comes twice.
    let number = if dice.one_in(300) { 0 } else { place };
    let values = vec![
        Some(long_id(dice, "m", number)),
        user,
        if dice.one_in(5) { None } else { Some(mentor(dice)) },
        if dice.one_in(300) { None } else { Some(plain_text(dice)) },
        Some(plain_text(dice)),
        if dice.one_in(2) { None } else { Some(plain_text(dice)) },
        if dice.one_in(2) { None } else { Some(plain_text(dice)) },
        if dice.one_in(2) { None } else { Some(dice.pick(TOKENS).as_bytes().to_vec()) },
        if dice.one_in(3) { None } else { Some(written(|out| write_any(dice, out, 3))) },
        said_at(dice),
        if dice.one_in(2) { None } else { Some(plain_text(dice)) },
    ];
    rows.push(Row { table: 2, values });
}

/// A chat of many messages, and messages that are long.
fn write_large(dice: &mut Dice, bytes: usize, rows: &mut Vec<Row>) {
    let numbers = large_array(bytes, |at, out| out.extend(format!("{at}.0").bytes()));
    let text = large_text(dice, bytes);
    let many = (0..bytes / 250).map(|_| (large_text(dice, 150), None)).collect::<Vec<_>>();
    let all = [(text, None), (Vec::new(), Some(numbers))].into_iter().chain(many);
    for (at, (content, metadata)) in all.enumerate() {
        let values = vec![
            Some(format!("large-{at:08}").into_bytes()),
            Some(b"cuser0000000000000000anna".to_vec()),
            Some(b"large".to_vec()),
            Some(b"user".to_vec()),
            Some(content),
            None,
            None,
            None,
            metadata,
            said_at(dice).or_else(|| Some(b"2024-01-01 00:00:00+00".to_vec())),
            None,
        ];
        rows.push(Row { table: 2, values });
    }
}

const TOKENS: &[&str] = &["0", "-1", "2147483647", "-2147483648", "17"];

/// An id as whoever imports rows may make one up.
fn long_id(dice: &mut Dice, kind: &str, place: usize) -> Vec<u8> {
    let mut id = format!("{kind}{place:08}-").into_bytes();
    match dice.below(60) {
        0 => id.extend(plain_text(dice)),
        1 => (0..dice.between(100, 2800)).for_each(|_| id.push(b'!' + dice.below(90) as u8)),
        _ => {}
    }
    id
}

/// Mostly one of few, so that chats have more than one message.
fn mentor(dice: &mut Dice) -> Vec<u8> {
    match dice.below(10) {
        0 => plain_text(dice),
        1 => "ü".repeat(dice.between(250, 260)).into_bytes(),
        2 => format!("mentor-{}", dice.below(40)).into_bytes(),
        _ => (*dice.pick(MENTORS)).into(),
    }
}

/// Close together, so that some are equal; NULL is refused.
fn said_at(dice: &mut Dice) -> Option<Vec<u8>> {
    if dice.one_in(6) {
        return moment(dice);
    }
    Some(iso(1_700_000_000_000_000 + dice.below(500) as i64 * 1000, 5).into_bytes())
}

fn compare(legacy: &[Rows], new: &[Rows]) -> Result<(), String> {
    if let Some((was, is)) = first_difference(&legacy[2], &new[2]) {
        return Err(format!("another user:\n  was {was}\n  is  {is}"));
    }
    if legacy[0].len() != new[0].len() {
        return Err(format!("{} messages became {}", legacy[0].len(), new[0].len()));
    }
    let chats: BTreeMap<&str, &TextRow> =
        new[1].iter().map(|chat| (chat[0].as_deref().unwrap_or(""), chat)).collect();
    let mut grouped: BTreeMap<&str, Vec<&TextRow>> = BTreeMap::new();
    let mut rejected = BTreeSet::new();
    for (was, is) in legacy[0].iter().zip(&new[0]) {
        if was[..10] != is[..10] {
            return Err(format!("another message:\n  was {}\n  is  {}", brief(was), brief(is)));
        }
        match compare_mentor(was, is, &chats) {
            Ok(Some(chat)) => grouped.entry(chat).or_default().push(was),
            Ok(None) => drop(was[10].is_some() && rejected.insert(&was[0])),
            Err(what) => {
                return Err(format!("{what}:\n  was {}\n  is  {}", brief(was), brief(is)));
            }
        }
    }
    if rejected.len() != new[3].len() || grouped.len() != chats.len() {
        return Err("there are chats or rejects of no message".into());
    }
    let mentors: BTreeMap<_, _> = legacy[1].iter().map(|row| (&row[0], &row[1])).collect();
    chats.iter().try_for_each(|(id, chat)| compare_chat(chat, &grouped[id], &mentors))
}

/// The chat of a message; `None` for one that stands alone.
fn compare_mentor<'a>(
    was: &TextRow,
    is: &'a TextRow,
    chats: &BTreeMap<&'a str, &TextRow>,
) -> Result<Option<&'a str>, &'static str> {
    let mentor = was[10].as_deref();
    let can_be_grouped = was[1].is_some()
        && mentor.is_some_and(|mentor| !mentor.trim_matches(' ').is_empty() && is_usable(mentor));
    match is[10].as_deref() {
        Some(id) if can_be_grouped => match chats.get(id) {
            Some(chat) if chat[1] == was[1] && chat[2] == was[10] && is[11].is_none() => {
                Ok(Some(id))
            }
            _ => Err("in a chat with somebody else"),
        },
        None if !can_be_grouped && is[11] == was[10] && (mentor.is_none() || is[12] == was[1]) => {
            Ok(None)
        }
        _ => Err("in a chat, or in none, by mistake"),
    }
}

fn is_usable(id: &str) -> bool {
    id.chars().count() <= 255
}

/// With its mentor, if that is there, and from its first message to its last.
fn compare_chat(
    chat: &TextRow,
    messages: &[&TextRow],
    mentors: &BTreeMap<&Option<String>, &Option<String>>,
) -> Result<(), String> {
    let name = mentors.get(&chat[2]).and_then(|name| name.as_deref());
    let mentor = name.and(chat[2].as_ref());
    let title = name.map(|name| format!("Chat with {name}"));
    let (first, last) = (&messages[0][8], &messages[messages.len() - 1][8]);
    let is_same = chat[3].as_ref() == mentor
        && chat[4] == title
        && (&chat[5], &chat[6]) == (first, last)
        && chat[7].as_deref() == Some("t")
        && chat[8].is_none();
    if is_same { Ok(()) } else { Err(format!("another chat: {}", brief(chat))) }
}
