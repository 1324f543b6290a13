//! Lists of which only the first are shown.

use std::fmt::{Result, Write};

/// How wide a line is.
pub(crate) const LINE: usize = 100;

/// Writes the first lines, indented, and how many there are beside them.
pub(crate) fn write_first(
    out: &mut String,
    most: usize,
    lines: impl ExactSizeIterator<Item = String>,
) -> Result {
    let rest = lines.len().saturating_sub(most);
    for line in lines.take(most) {
        writeln!(out, "  {line}")?;
    }
    match rest {
        0 => Ok(()),
        rest => writeln!(out, "  and {rest} more; `--format json` lists them all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_counted() {
        for (count, expected) in [
            (0, ""),
            (2, "  1\n  2\n"),
            (3, "  1\n  2\n  and 1 more; `--format json` lists them all\n"),
        ] {
            let mut out = String::new();
            let lines: Vec<String> = (1..=count).map(|at: usize| at.to_string()).collect();
            write_first(&mut out, 2, lines.into_iter()).expect("a string takes all");
            assert_eq!(out, expected);
        }
    }
}
