//! The section on data: what the migrations did to rows and to who sees them, where there were
//! fixtures, on generated rows, and on the way back and there again.

use std::fmt::{Result, Write};

use crate::check::audience::widening::Followed;
use crate::check::outcome::{Failure, Rehearsal, RoundTrip};
use crate::migrate::applied::Applied;
use crate::preserve::outcome::Preservation;
use crate::report::value::Report;
use crate::words::counted;

/// The versions that were applied.
pub(crate) fn write_migrations(out: &mut String, report: &Report) -> Result {
    let statements: usize = report.applied.iter().map(|applied| applied.statements).sum();
    writeln!(out, "migrations  {} applied, {statements} statements", report.applied.len())?;
    for applied in &report.applied {
        writeln!(out, "  V{} {}", applied.version, applied.name)?;
    }
    Ok(())
}

/// What the migrations did to the data.
pub(crate) fn write_preservation(out: &mut String, report: &Report) -> Result {
    let seen: Vec<&Preservation> = report.applied.iter().map(|a| &a.preservation).collect();
    let losses: usize = seen.iter().map(|preservation| preservation.losses.len()).sum();
    let pairs: usize = seen.iter().map(|preservation| preservation.pairs.len()).sum();
    let broken = seen
        .iter()
        .flat_map(|preservation| &preservation.pairs)
        .filter(|pair| !pair.holds())
        .count();
    writeln!(
        out,
        "data        {losses} losses in the census, {} of {pairs} preserve pairs hold",
        pairs - broken
    )?;
    let calls: Vec<_> = seen.iter().flat_map(|preservation| &preservation.calls).collect();
    if !calls.is_empty() {
        let same = calls.iter().filter(|call| call.holds()).count();
        writeln!(out, "            {same} of {} answers to recorded calls as before", calls.len())?;
    }
    report.applied.iter().try_for_each(|applied| write_applied(out, applied))
}

/// What one migration did to the data.
fn write_applied(out: &mut String, applied: &Applied) -> Result {
    let Preservation {
        noted, tables, rows, losses, covered, retyped, stamped, pairs, calls, ..
    } = &applied.preservation;
    let title = format!("V{} {}", applied.version, applied.name);
    if *rows == 0 {
        writeln!(out, "  {title}: no data yet")?;
    } else {
        writeln!(out, "  {title}: {rows} rows of {tables} tables, {} lost", losses.len())?;
    }
    for loss in covered {
        writeln!(out, "    planned: {}", loss.sentence())?;
    }
    for sentence in retyped {
        writeln!(out, "    retyped: {sentence}")?;
    }
    for column in stamped {
        writeln!(out, "    stamped: {column}, by a trigger on update")?;
    }
    for sentence in noted {
        writeln!(out, "    note: {sentence}")?;
    }
    // Without data they say nothing.
    for pair in pairs.iter().filter(|_| *rows > 0) {
        let is_vain = pair.is_empty && !pair.covers.is_empty();
        let state = match (pair.holds(), is_vain) {
            (true, true) => "shows nothing",
            (true, false) => "holds",
            (false, _) => "BROKEN",
        };
        writeln!(out, "    {state}: {} ({} rows)", pair.name, pair.rows)?;
        if !pair.by_place.is_empty() {
            let names = pair.by_place.iter().map(|[was, is]| format!("{was} as {is}"));
            let names: Vec<String> = names.collect();
            writeln!(out, "      columns are compared by place: {}", names.join(", "))?;
        }
    }
    for call in calls.iter().filter(|call| !call.holds()) {
        writeln!(out, "    CHANGED: the answer to {}", call.name)?;
    }
    if !calls.is_empty() {
        let same = calls.iter().filter(|call| call.holds()).count();
        writeln!(out, "    answers as before: {same} of {} recorded calls", calls.len())?;
    }
    Ok(())
}

/// Who was asked after each migration, and what more they saw.
pub(crate) fn write_followed(out: &mut String, followed: &Followed) -> Result {
    let Followed { users, of, values, widenings, partly, unread } = followed;
    if *users == 0 {
        return writeln!(out, "audience    not followed: no fixture makes users");
    }
    writeln!(
        out,
        "audience    {users} of {} of the data and a visitor asked after each migration",
        counted(*of, "user")
    )?;
    writeln!(out, "  {values} rows and values followed, {} times newly seen", widenings.len())?;
    for relation in partly {
        writeln!(out, "  only some rows of {relation} were followed, since it is large")?;
    }
    for reason in unread {
        writeln!(out, "  {}", reason.replace('\n', " "))?;
    }
    Ok(())
}

/// What the new files did to generated rows.
pub(crate) fn write_rehearsal(out: &mut String, rehearsal: &Rehearsal) -> Result {
    let rows = counted(rehearsal.rows, "generated row");
    writeln!(out, "new files   tried on {rows}, since there are no fixtures")?;
    rehearsal.applied.iter().try_for_each(|applied| write_applied(out, applied))?;
    for Failure { version, name, error, by_any_row_of } in &rehearsal.failed {
        let help = match by_any_row_of {
            Some(_) => "",
            None => "; see whether your rows are such",
        };
        writeln!(
            out,
            "  V{version} {name}: fails where there are rows: {}{help}",
            error.in_brief()
        )?;
    }
    rehearsal.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))
}

/// How far back, and what was not as before.
pub(crate) fn write_round_trip(out: &mut String, trip: &RoundTrip) -> Result {
    let back: Vec<String> = trip.back.iter().map(|version| format!("V{version}")).collect();
    if back.is_empty() {
        return writeln!(out, "round trip  none: there is only one version");
    }
    let (back, turned_at) = (back.join(", "), trip.turned_at);
    writeln!(out, "round trip  back over {back} to V{turned_at}, and there again")?;
    if trip.is_cut_short {
        writeln!(out, "  V{turned_at} is not the first version, but has no file in `rollback/`")?;
    }
    for version in &trip.without_data {
        writeln!(out, "  V{version}: only the schema was compared, since fixtures came later")?;
    }
    let lines: usize = trip.differences.iter().map(|difference| difference.lines.len()).sum();
    writeln!(out, "  {} in schema and rows", counted(lines, "difference"))
}
