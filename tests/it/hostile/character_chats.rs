//! Arrays of chats, one for each user, that become rows of chats and rejects.

use std::collections::{HashMap, HashSet};

use super::conversations::{first_difference, places, read_time, written};
use super::dice::Dice;
use super::documents::{
    Object, key, large_array, large_text, moment, number, plain_text, time, write_any, write_array,
    write_quoted, write_text,
};
use super::json::{self, Kind};
use super::load::{Row, Rows, Table, TextRow};
use super::times;
use super::trial::{Subject, brief};

pub const SUBJECT: Subject = Subject {
    tables: &[
        Table {
            name: "public.users",
            columns: &[
                ("id", "varchar"),
                ("email", "varchar"),
                ("name", "varchar"),
                ("chat_history", "jsonb"),
                ("created_at", "timestamptz"),
            ],
        },
        Table {
            name: "public.personas",
            columns: &[("user_id", "varchar"), ("name", "varchar"), ("description", "varchar")],
        },
    ],
    write,
    write_large,
    legacy: &[
        "select id, email, name, created_at, chat_history from public.users order by id",
        REFERENCES,
    ],
    new: &[
        "select id, email, name, created_at, public.fetch_user_chat_history(id)
         from public.users order by id",
        REFERENCES,
        "select h.user_id, h.ordinal, 'chat', h.chat_id, h.title, h.character_name,
             h.character_picture, h.scene_name, h.scene_picture, h.messages, h.legacy,
             h.character_id, h.scene_id, h.persona_id,
             trunc(extract(epoch from h.last_updated) * 1000000),
             trunc(extract(epoch from h.created_at) * 1000000), null
         from public.chat_histories h
         union all
         select j.user_id, j.ordinal, 'reject', j.reason, null, null, null, null, null, null, null,
             null, null, null, null, null, j.element
         from public.chat_history_rejects j
         order by 1, 2",
    ],
    compare,
};

/// What a chat may refer to.
const REFERENCES: &str = "
    select 'character_id', id, null from public.characters
    union all select 'scene_id', id, null from public.scenes
    union all select 'persona_id', id, user_id from public.personas
    order by 1, 2";

/// The columns of a chat that are texts of its element, and their places in the row.
const TEXTS: &[(&str, usize)] =
    &[("character_name", 5), ("character_picture", 6), ("scene_name", 7), ("scene_picture", 8)];
const REFERRED: &[(&str, usize)] = &[("character_id", 11), ("scene_id", 12), ("persona_id", 13)];
const TIMES: &[(&str, usize)] = &[("last_updated", 14), ("created_at", 15)];

fn write(dice: &mut Dice, place: usize, rows: &mut Vec<Row>) {
    let id = user_id(dice, place);
    let values = vec![
        Some(id.clone()),
        Some(format!("{place}@example.net").into_bytes()),
        if dice.one_in(8) { None } else { Some(plain_text(dice)) },
        document(dice),
        moment(dice),
    ];
    rows.push(Row { table: 0, values });
    if dice.one_in(4) {
        let values = vec![Some(id), Some(plain_text(dice)), None];
        rows.push(Row { table: 1, values });
    }
}

/// The application makes ids up: they may be anything, of any length.
fn user_id(dice: &mut Dice, place: usize) -> Vec<u8> {
    let mut id = format!("u{place}-").into_bytes();
    match dice.below(40) {
        0 => id.extend(plain_text(dice)),
        1 => (0..dice.between(100, 2800)).for_each(|_| id.push(b'!' + dice.below(90) as u8)),
        _ => {}
    }
    id
}

/// Regular chats, chats as short as can be, duplicates, hostile ones, and a long one.
fn write_large(dice: &mut Dice, bytes: usize, rows: &mut Vec<Row>) {
    let regular = large_array(bytes, |at, out| {
        let text = large_text(dice, 500);
        let mut object = Object::begin(out);
        write_quoted(object.value_of("chat_id"), format!("chat-{at}").as_bytes());
        write_quoted(object.value_of("title"), b"Regular");
        object.value_of("character_id").extend(b"1");
        let messages = object.value_of("messages");
        write_array(messages, 1, |_, out| write_quoted(out, &text));
        object.end();
    });
    let short = large_array(bytes, |at, out| {
        out.extend(format!(r#"{{"chat_id":"{at}"}}"#).bytes());
    });
    let duplicates = large_array(bytes, |_, out| {
        out.extend(format!(r#"{{"chat_id":"{}"}}"#, dice.below(100)).bytes());
    });
    let hostile = large_array(bytes, |_, out| write_chat(dice, out));
    let long = written(|out| {
        out.push(b'[');
        let mut object = Object::begin(out);
        write_quoted(object.value_of("chat_id"), b"long");
        let messages = large_array(bytes, |at, out| out.extend(format!("{at}.0").bytes()));
        object.value_of("messages").extend(messages);
        object.end();
        out.push(b']');
    });
    let documents = [regular, short, duplicates, hostile, long];
    for (at, document) in documents.into_iter().enumerate() {
        let (id, email) = (format!("large-{at}"), format!("large-{at}@example.net"));
        let values = vec![
            Some(id.into_bytes()),
            Some(email.into_bytes()),
            None,
            Some(document),
            Some(b"2024-01-01 00:00:00+00".to_vec()),
        ];
        rows.push(Row { table: 0, values });
    }
}

fn document(dice: &mut Dice) -> Option<Vec<u8>> {
    if dice.one_in(40) {
        return None;
    }
    Some(written(|out| match dice.below(14) {
        0 => write_any(dice, out, 3),
        1 => write_chat(dice, out),
        2 => out.extend(b"[]"),
        _ => {
            let length = if dice.one_in(30) { dice.below(70) } else { dice.between(1, 5) };
            write_array(out, length, |_, out| write_chat(dice, out));
        }
    }))
}

fn write_chat(dice: &mut Dice, out: &mut Vec<u8>) {
    if dice.one_in(8) {
        return write_any(dice, out, 3);
    }
    const PARTS: &[&str] = &[
        "chat_id",
        "title",
        "character_id",
        "scene_id",
        "persona_id",
        "character_name",
        "character_picture",
        "scene_name",
        "scene_picture",
        "messages",
        "last_updated",
        "created_at",
    ];
    let mut object = Object::begin(out);
    for part in PARTS {
        let is_there = !dice.one_in(if *part == "chat_id" { 20 } else { 3 });
        // Of a key that comes twice the last counts.
        let times = usize::from(is_there) * if dice.one_in(40) { 2 } else { 1 };
        for _ in 0..times {
            write_part(dice, object.value_of(part), part);
        }
    }
    while dice.one_in(3) {
        let key = key(dice);
        write_any(dice, object.value_of(&key), 2);
    }
    object.end();
}

fn write_part(dice: &mut Dice, out: &mut Vec<u8>, part: &str) {
    if dice.one_in(12) {
        return write_any(dice, out, 2);
    }
    match part {
        "chat_id" => match dice.below(12) {
            // Few enough that one array has one twice, in large letters or small.
            0..=2 => {
                write_quoted(out, dice.pick(&["a", "A", "b", " ", "", "é", "e\u{301}"]).as_bytes())
            }
            3 => write_quoted(out, "ü".repeat(dice.between(250, 260)).as_bytes()),
            4 => write_text(dice, out),
            _ => write_quoted(out, format!("{:x}", dice.roll()).as_bytes()),
        },
        "title" if dice.one_in(6) => {
            write_quoted(out, "𝒳".repeat(dice.between(250, 260)).as_bytes());
        }
        "character_id" | "scene_id" | "persona_id" => match dice.below(4) {
            0 => out.extend(number(dice).bytes()),
            1 => out.extend(format!("{}.0", dice.below(8)).bytes()),
            _ => out.extend(format!("{}", dice.below(60)).bytes()),
        },
        "messages" => {
            let length = dice.below(4);
            write_array(out, length, |_, out| write_any(dice, out, 2));
        }
        "last_updated" | "created_at" => write_quoted(out, time(dice).as_bytes()),
        _ => write_text(dice, out),
    }
}

/// Who may be referred to by which key; of personas, whose they are.
type References<'a> = HashMap<(&'a str, &'a str), Option<&'a str>>;

fn compare(legacy: &[Rows], new: &[Rows]) -> Result<(), String> {
    for (was, is) in legacy.iter().zip(new) {
        if let Some((was, is)) = first_difference(was, is) {
            return Err(format!("the API answers something else:\n  was {was}\n  is  {is}"));
        }
    }
    let references: References<'_> = legacy[1]
        .iter()
        .map(|row| {
            let key = (row[0].as_deref().unwrap_or(""), row[1].as_deref().unwrap_or(""));
            (key, row[2].as_deref())
        })
        .collect();
    let mut rest = new[2].as_slice();
    for user in &legacy[0] {
        let count = rest.iter().take_while(|row| row[0] == user[0]).count();
        let (own, others) = rest.split_at(count);
        compare_user(user[0].as_deref().unwrap_or(""), user[4].as_deref(), own, &references)
            .map_err(|error| format!("user {:?}: {error}", user[0]))?;
        rest = others;
    }
    match rest.first() {
        Some(row) => Err(format!("a row of no user: {}", brief(row))),
        None => Ok(()),
    }
}

fn compare_user(
    user: &str,
    document: Option<&str>,
    rows: &[TextRow],
    references: &References<'_>,
) -> Result<(), String> {
    let places = places(document);
    if places.len() != rows.len() {
        return Err(format!("{} elements, {} rows", places.len(), rows.len()));
    }
    let mut known = HashSet::new();
    for ((ordinal, element), row) in places.iter().zip(rows) {
        let wrong = |what: &str| {
            let element = element.unwrap_or("NULL");
            Err(format!("{what}\n  element {ordinal}: {element}\n  row: {}", brief(row)))
        };
        if row[1].as_deref() != Some(&ordinal.to_string()) {
            return wrong("another place");
        }
        let chat_id = element.filter(|_| *ordinal > 0).and_then(usable_id);
        let is_chat = chat_id.is_some_and(|id| known.insert(id));
        if row[2].as_deref() == Some("reject") {
            if is_chat || row[16].as_deref() != *element {
                return wrong("a reject that is none, or another");
            }
            continue;
        }
        let Some(element) = element.filter(|_| is_chat) else {
            return wrong("a chat that is none");
        };
        if let Err(what) = columns_say_the_same(element, row)
            .and_then(|()| refers_to_the_same(user, element, row, references))
            .and_then(|()| rebuilds(element, row))
        {
            return wrong(what);
        }
    }
    Ok(())
}

fn usable_id(element: &str) -> Option<String> {
    let id = json::field(element, "chat_id").and_then(json::text)?;
    (1..=255).contains(&id.chars().count()).then_some(id)
}

fn columns_say_the_same(element: &str, row: &TextRow) -> Result<(), &'static str> {
    let said = |key: &str| json::field(element, key).and_then(json::text);
    let title: String = said("title").unwrap_or_default().chars().take(255).collect();
    if row[3] != said("chat_id") || row[4].as_deref() != Some(&title) {
        return Err("another id or title");
    }
    if TEXTS.iter().any(|(key, at)| row[*at] != said(key)) {
        return Err("another name or picture");
    }
    if row[9].as_deref() != json::field(element, "messages") {
        return Err("other messages");
    }
    for (key, at) in TIMES {
        let stated = json::field(element, key).and_then(read_time);
        let micros: Option<i64> = row[*at].as_deref().and_then(|micros| micros.parse().ok());
        let is_same = match (stated, micros) {
            (Some(stated), Some(micros)) => {
                micros.abs_diff(stated.micros) <= u64::from(!stated.is_exact)
            }
            (None, None) => row[*at].is_none(),
            _ => false,
        };
        if !is_same {
            return Err("another time");
        }
    }
    Ok(())
}

/// What the element refers to is referred to if it is there, and if a persona is the user's own.
fn refers_to_the_same(
    user: &str,
    element: &str,
    row: &TextRow,
    references: &References<'_>,
) -> Result<(), &'static str> {
    for (key, at) in REFERRED {
        let number = json::field(element, key).filter(|value| json::kind(value) == Kind::Number);
        let whole = number.map(|number| match number.split_once('.') {
            Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
            _ => number,
        });
        let is_there = |id: &&str| {
            references
                .get(&(*key, *id))
                .is_some_and(|owner| owner.is_none_or(|owner| owner == user))
        };
        if row[*at].as_deref() != whole.filter(is_there) {
            return Err("another reference");
        }
    }
    Ok(())
}

/// What the columns state, under what `legacy` lays over it, is the element: no more, no less.
fn rebuilds(element: &str, row: &TextRow) -> Result<(), &'static str> {
    let mut fields: HashMap<String, String> = HashMap::new();
    let own = json::fields(element);
    // Texts were compared above, so that here only their being there counts.
    for (key, value) in own.iter().filter(|(_, value)| json::kind(value) == Kind::Text) {
        let name = key.trim_matches('"');
        let is_column = match name {
            "chat_id" => true,
            "title" => row[4].as_deref().is_some_and(|title| !title.is_empty()),
            _ => TEXTS.iter().any(|(key, at)| *key == name && row[*at].is_some()),
        };
        let is_whole = name != "title" || json::text(value) == row[4];
        if is_column && is_whole {
            fields.insert((*key).into(), (*value).into());
        }
    }
    for (key, at) in REFERRED {
        row[*at].as_ref().map(|id| fields.insert(format!("\"{key}\""), id.clone()));
    }
    for (key, at) in TIMES {
        let micros = row[*at].as_deref().and_then(|micros| micros.parse::<i64>().ok());
        micros.map(|micros| fields.insert(format!("\"{key}\""), python_time(micros)));
    }
    row[9].as_ref().map(|messages| fields.insert("\"messages\"".into(), messages.clone()));
    for (key, value) in json::fields(row[10].as_deref().unwrap_or("{}")) {
        fields.insert(key.into(), value.into());
    }
    let is_same = fields.len() == own.len()
        && own.iter().all(|(key, value)| fields.get(*key).is_some_and(|kept| kept == value));
    if is_same { Ok(()) } else { Err("a row that cannot be put together to the element") }
}

/// As `datetime.isoformat()` has it.
fn python_time(micros: i64) -> String {
    match times::write_seconds(micros) {
        (seconds, 0) => format!("\"{seconds}+00:00\""),
        (seconds, rest) => format!("\"{seconds}.{rest:06}+00:00\""),
    }
}
