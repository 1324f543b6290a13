//! Tables that come one after the other: what is in the earlier ones stays. None of their columns is
//! JSONB; arguments and results are JSON as text, which nobody checks.

use leakproof::project::Project;

use super::conversations::{first_difference, written};
use super::dice::Dice;
use super::documents::{moment, plain_text, write_any};
use super::load::{Row, Rows, Table, load, read_rows};
use super::trial::{Told, keeps_promises};
use crate::support::empty_scratch;

/// What is loaded after each version, from the first on, and how it is read.
const STAGES: &[(Table, &str)] = &[
    (
        Table {
            name: "public.users",
            columns: &[("id", "text"), ("email", "text"), ("name", "text")],
        },
        "select * from public.users order by id",
    ),
    (
        Table {
            name: "public.chat_sessions",
            columns: &[
                ("id", "text"),
                ("user_id", "text"),
                ("session_token", "text"),
                ("started_at", "timestamp"),
                ("ended_at", "timestamp"),
                ("last_message_at", "timestamp"),
                ("message_count", "integer"),
                ("user_agent", "text"),
                ("ip_address", "text"),
            ],
        },
        "select * from public.chat_sessions order by id",
    ),
    (
        Table {
            name: "public.chat_messages",
            columns: &[
                ("id", "text"),
                ("session_id", "text"),
                ("role", "text"),
                ("content", "text"),
                ("function_name", "text"),
                ("function_args", "text"),
                ("function_result", "text"),
                ("\"timestamp\"", "timestamp"),
            ],
        },
        "select * from public.chat_messages order by id",
    ),
    (
        Table {
            name: "public.chat_analytics",
            columns: &[
                ("id", "text"),
                ("session_id", "text"),
                ("products_viewed", "text"),
                ("user_satisfaction", "integer"),
                ("total_cost_usd", "numeric"),
                ("created_at", "timestamp"),
            ],
        },
        "select * from public.chat_analytics order by id",
    ),
];

/// Loads each stage after its version; whatever was there before stays, on the way there and where
/// the way back refuses to delete it.
pub fn try_stages(project: &Project, seed: u64, documents: usize) -> Result<Told, String> {
    let mut told = Told::default();
    let mut scratch = empty_scratch(project);
    let mut client = scratch.connect().expect("a connection");
    let mut kept: Vec<(&str, Rows)> = Vec::new();
    for (at, (table, query)) in STAGES.iter().enumerate() {
        let version = at as i64 + 1;
        told.time(format!("V{version}"), || scratch.migrate_to(version))
            .map_err(|error| error.to_string())?;
        for (query, was) in &kept {
            if let Some((was, is)) = first_difference(was, &read_rows(&mut client, query)) {
                return Err(format!("V{version}:\n  was {was}\n  is  {is}"));
            }
        }
        let rows = (0..documents).map(|place| write(&mut Dice::of(seed, place), at, place));
        let rows: Vec<Row> = rows.collect();
        for (state, count) in load(&mut client, &[*table], &rows) {
            *told.refused.entry(state).or_default() += count;
        }
        kept.push((query, read_rows(&mut client, query)));
        told.loaded += kept[at].1.len();
    }
    keeps_promises(&scratch)?;
    for version in (0..STAGES.len() as i64).rev() {
        if scratch.roll_back_to(version).is_ok() {
            return Err(format!("the way back to V{version} deleted rows"));
        }
    }
    let differs =
        |(query, was): &(&str, Rows)| first_difference(was, &read_rows(&mut client, query));
    match kept.iter().find_map(differs) {
        Some((was, is)) => Err(format!("the way back:\n  was {was}\n  is  {is}")),
        None => Ok(told),
    }
}

fn write(dice: &mut Dice, stage: usize, place: usize) -> Row {
    let id = |kind: &str| Some(format!("{kind}-{place}").into_bytes());
    let json = |dice: &mut Dice| (!dice.one_in(4)).then(|| written(|out| write_any(dice, out, 3)));
    let known = |dice: &mut Dice, kind: &str| {
        Some(format!("{kind}-{}", dice.below(place + 1)).into_bytes())
    };
    let text = |dice: &mut Dice| (!dice.one_in(5)).then(|| plain_text(dice));
    let values = match stage {
        0 => vec![Some(plain_id(dice, "user", place)), id("mail"), text(dice)],
        1 => vec![
            id("chat"),
            if dice.one_in(2) { None } else { known(dice, "user") },
            if dice.one_in(9) { text(dice) } else { id("token") },
            moment(dice),
            moment(dice),
            moment(dice),
            Some(b"-2147483648".to_vec()),
            text(dice),
            text(dice),
        ],
        2 => vec![
            id("message"),
            known(dice, "chat"),
            text(dice),
            text(dice),
            text(dice),
            json(dice),
            json(dice),
            moment(dice),
        ],
        _ => vec![
            id("record"),
            known(dice, "chat"),
            json(dice),
            None,
            Some((*dice.pick(&["0.00005", "999999.9999", "-0", "NaN", "1e7", "1e-400"])).into()),
            moment(dice),
        ],
    };
    Row { table: 0, values }
}

/// Mostly short, so that chats find their users.
fn plain_id(dice: &mut Dice, kind: &str, place: usize) -> Vec<u8> {
    let mut id = format!("{kind}-{place}").into_bytes();
    if dice.one_in(20) {
        id.extend(plain_text(dice));
    }
    id
}
