//! What a migration does otherwise under other circumstances, in one sentence.

use crate::migrate::applied::MigrationName;
use crate::preserve::circumstance::Circumstance;
use crate::preserve::repeated::{Difference, DifferenceKind, Other, What};
use crate::words::joined;

/// `V2 change, line 3: in the time zone "Pacific/Auckland" ...`
pub(crate) fn repeat_sentence(migration: &MigrationName, difference: &Difference) -> String {
    let Difference { under, line, what } = difference;
    let line = line.map_or(String::new(), |line| format!(", line {line}"));
    let under = joined(&under.iter().map(circumstance).collect::<Vec<_>>());
    let said = match what {
        What::Fails { .. } => "it fails".to_owned(),
        What::Table { table, kind, columns, rows, is_at_least, of, .. } => {
            let least = if *is_at_least { "at least " } else { "" };
            let (names, count) = (columns.join(", "), format!("{least}{rows} of {of}"));
            match (kind, columns.as_slice()) {
                (DifferenceKind::Values, [column]) => {
                    format!("{table}.{column} holds other values ({count})")
                }
                (DifferenceKind::Values, _) => {
                    format!("{table} holds other values in {names} ({count})")
                }
                (DifferenceKind::Rows, []) => format!("{table} holds other rows ({count})"),
                (DifferenceKind::Rows, _) => {
                    format!("{table} holds other rows, by {names} ({count})")
                }
                (DifferenceKind::Places, _) => {
                    format!("{table} holds the same values in other rows ({count})")
                }
                (DifferenceKind::Numbers, _) => {
                    format!("rows of {table} get another {names} ({count})")
                }
                (DifferenceKind::Columns, _) => format!("{table} has other columns: {names}"),
            }
        }
    };
    format!("{migration}{line}: {under}, {said}")
}

fn circumstance(other: &Other) -> String {
    let value = other.value.as_deref().unwrap_or_default();
    match other.circumstance {
        Circumstance::RowOrder => "with rows in another order".into(),
        Circumstance::FloatDigits => format!("with extra_float_digits = {value}"),
        known => format!("with the {known} {value:?}"),
    }
}
