//! Rows of messages that become arrays: here the documents are what comes of it.

use std::collections::BTreeMap;

use super::conversations::first_difference;
use super::dice::Dice;
use super::documents::{iso, large_text, moment, plain_text, uuid};
use super::json;
use super::load::{Row, Rows, Table, TextRow};
use super::trial::{Subject, brief};

pub const SUBJECT: Subject = Subject {
    tables: &[
        Table { name: "public.users", columns: &[("id", "uuid"), ("name", "text")] },
        Table {
            name: "public.chat_history",
            columns: &[
                ("id", "uuid"),
                ("user_id", "uuid"),
                ("topic_id", "varchar"),
                ("subtopic_id", "varchar"),
                ("role", "varchar"),
                ("content", "text"),
                ("phase", "varchar"),
                ("created_at", "timestamp"),
            ],
        },
    ],
    write,
    write_large,
    legacy: &[
        "select h.user_id, h.topic_id, h.subtopic_id, h.id, h.role, h.content, h.phase,
             h.created_at,
             to_json(h.created_at) #>> '{}' || case when isfinite(h.created_at) then 'Z' else '' end
         from public.chat_history h
         order by h.user_id, h.topic_id, h.subtopic_id, h.created_at nulls first, h.id",
        USERS,
    ],
    new: &[
        "select s.user_id, s.topic_id, s.subtopic_id, s.messages, s.phase, s.created_at,
             s.updated_at, s.id
         from public.chat_sessions s
         order by s.user_id, s.topic_id, s.subtopic_id",
        USERS,
    ],
    compare,
};

const USERS: &str = "select id, name, created_at from public.users order by id";

/// About this many messages are one document.
const MESSAGES: usize = 6;

/// One document is one chat: its messages, which may be another document's, too.
fn write(dice: &mut Dice, place: usize, rows: &mut Vec<Row>) {
    let user = uuid(0xd1, (place / 4) as u64, 4);
    if place.is_multiple_of(4) {
        let values = vec![Some(user.clone().into_bytes()), Some(plain_text(dice))];
        rows.push(Row { table: 0, values });
    }
    let user = (!dice.one_in(20)).then(|| user.into_bytes());
    let topic = label(dice, "topic", place);
    let subtopic = label(dice, "subtopic", place);
    let length = if dice.one_in(60) { dice.below(300) } else { dice.below(2 * MESSAGES) };
    for at in 0..length {
        let number = if dice.one_in(300) { 0 } else { (place * 1000 + at) as u64 };
        let values = vec![
            Some(uuid(0xd2, number.wrapping_mul(0x9e37_79b9) & 0xffff_ffff_ffff, 4).into_bytes()),
            user.clone(),
            topic.clone(),
            subtopic.clone(),
            short(dice, 24, &["user", "assistant", "system", "", " "]),
            if dice.one_in(12) { None } else { Some(plain_text(dice)) },
            short(dice, 54, &["session", "playtime", "assignment", "feedback", ""]),
            said_at(dice, at),
        ];
        rows.push(Row { table: 1, values });
    }
}

/// Chats of many messages, and of a long one.
fn write_large(dice: &mut Dice, bytes: usize, rows: &mut Vec<Row>) {
    let user = Some(uuid(0xd9, 0, 4).into_bytes());
    rows.push(Row { table: 0, values: vec![user.clone(), Some(b"Large".to_vec())] });
    for (topic, length) in [("regular", 150), ("short", 0), ("long", bytes)] {
        let count = if length == bytes { 1 } else { bytes / (length + 100) };
        for at in 0..count {
            let id = (topic.len() * 10_000_000 + at) as u64;
            let values = vec![
                Some(uuid(0xd8, id, 4).into_bytes()),
                user.clone(),
                Some(topic.into()),
                None,
                Some(b"user".to_vec()),
                Some(large_text(dice, length)),
                None,
                said_at(dice, at),
            ];
            rows.push(Row { table: 1, values });
        }
    }
}

/// Many chats have one of their own; some share one, so that their messages are one chat.
fn label(dice: &mut Dice, kind: &str, place: usize) -> Option<Vec<u8>> {
    match dice.below(10) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(b" ".to_vec()),
        3 => Some(format!("{kind}-{}", dice.below(3)).into_bytes()),
        4 => short(dice, 104, &[]),
        _ => Some(format!("{kind}-of-{place}").into_bytes()),
    }
}

/// A text of up to `length` characters, which may be more than the column takes.
fn short(dice: &mut Dice, length: usize, known: &[&str]) -> Option<Vec<u8>> {
    if dice.one_in(12) {
        return None;
    }
    if !known.is_empty() && !dice.one_in(3) {
        return Some((*dice.pick(known)).into());
    }
    let text = plain_text(dice);
    let length = if dice.is_poisoned { length } else { length - 4 };
    match String::from_utf8(text) {
        Ok(text) => Some(text.chars().take(length).collect::<String>().into_bytes()),
        Err(odd) => Some(odd.into_bytes()),
    }
}

/// Times may be equal, missing, and without end.
fn said_at(dice: &mut Dice, at: usize) -> Option<Vec<u8>> {
    if dice.one_in(6) {
        return moment(dice);
    }
    let micros = 1_700_000_000_000_000 + (at / 2) as i64 * 1_234_567;
    Some(iso(micros, dice.below(6)).into_bytes())
}

type Place<'a> = (&'a Option<String>, &'a Option<String>, &'a Option<String>);

fn compare(legacy: &[Rows], new: &[Rows]) -> Result<(), String> {
    if let Some((was, is)) = first_difference(&legacy[1], &new[1]) {
        return Err(format!("another user:\n  was {was}\n  is  {is}"));
    }
    let mut chats: BTreeMap<Place<'_>, Vec<&TextRow>> = BTreeMap::new();
    for row in &legacy[0] {
        chats.entry((&row[0], &row[1], &row[2])).or_default().push(row);
    }
    if chats.len() != new[0].len() {
        return Err(format!("{} chats became {}", chats.len(), new[0].len()));
    }
    for session in &new[0] {
        let place = (&session[0], &session[1], &session[2]);
        let Some(rows) = chats.remove(&place) else {
            return Err(format!("a chat of no rows, or one that is there twice: {place:?}"));
        };
        compare_chat(&rows, session).map_err(|error| format!("chat {place:?}: {error}"))?;
    }
    Ok(())
}

fn compare_chat(rows: &[&TextRow], session: &TextRow) -> Result<(), String> {
    let messages = json::elements(session[3].as_deref().unwrap_or_default());
    if rows.len() != messages.len() {
        return Err(format!("{} rows, {} messages", rows.len(), messages.len()));
    }
    for (row, message) in rows.iter().zip(messages) {
        const KEYS: [(&str, usize); 5] =
            [("id", 3), ("role", 4), ("content", 5), ("phase", 6), ("timestamp", 8)];
        let is_same = json::fields(message).len() == KEYS.len()
            && KEYS.iter().all(|(key, at)| match (json::field(message, key), &row[*at]) {
                (Some("null"), None) => true,
                (Some(said), Some(was)) => json::text(said).as_ref() == Some(was),
                _ => false,
            });
        if !is_same {
            return Err(format!("another message\n  row: {}\n  message: {message}", brief(row)));
        }
    }
    // The rows are in the order of their times, those without one first.
    let phase = rows.iter().rev().find_map(|row| row[6].as_ref());
    let first = rows.iter().find_map(|row| row[7].as_ref());
    let last = rows.iter().rev().find_map(|row| row[7].as_ref());
    if (session[4].as_ref(), session[5].as_ref(), session[6].as_ref()) != (phase, first, last) {
        return Err(format!("another phase or time than {phase:?}, {first:?}, {last:?}"));
    }
    Ok(())
}
