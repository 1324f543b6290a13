//! What may be otherwise where a file is applied next, and what to do where a file depends on it. Pure.

use std::fmt;

use serde::Serialize;

/// Something that no file says and that a run of it may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Circumstance {
    /// `TimeZone` of the session.
    TimeZone,
    /// `DateStyle` of the session.
    DateStyle,
    /// `IntervalStyle` of the session.
    IntervalStyle,
    /// `extra_float_digits` of the session.
    FloatDigits,
    /// `lc_numeric`, `lc_monetary` and `lc_time` of the session.
    Locale,
    /// In which order rows are read that no `order by` puts in one.
    RowOrder,
}

impl Circumstance {
    /// The setting by which a session has it; none for the order of rows.
    pub(crate) fn settings(self) -> &'static [&'static str] {
        match self {
            Self::TimeZone => &["TimeZone"],
            Self::DateStyle => &["DateStyle"],
            Self::IntervalStyle => &["IntervalStyle"],
            Self::FloatDigits => &["extra_float_digits"],
            Self::Locale => &["lc_numeric", "lc_monetary", "lc_time"],
            Self::RowOrder => &[],
        }
    }

    /// The values that are tried; of those for which one is enough, the first that is another one.
    pub(crate) fn values(self) -> &'static [&'static str] {
        match self {
            // Whatever the time is, it is another day in one of them.
            Self::TimeZone => &["Pacific/Auckland", "Etc/GMT+12"],
            Self::DateStyle => &["SQL, DMY", "ISO, MDY"],
            Self::IntervalStyle => &["sql_standard", "postgres"],
            Self::FloatDigits => &["0", "1"],
            Self::Locale | Self::RowOrder => &[],
        }
    }

    /// The way out.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::TimeZone => {
                "say in which zone the times are: `at time zone 'UTC'` in the conversion, or \
                 `set local time zone 'UTC'` before it"
            }
            Self::DateStyle => {
                "read dates by `to_date(text, 'DD/MM/YYYY')` or `to_timestamp`, and write them by \
                 `to_char`; or `set local datestyle = 'ISO, DMY'` before it"
            }
            Self::IntervalStyle => {
                "write intervals by `to_char`, or as `extract(epoch from ...)`; or `set local \
                 intervalstyle = 'postgres'` before it"
            }
            Self::FloatDigits => {
                "round before it becomes text, as `round(x::numeric, 2)`; or `set local \
                 extra_float_digits = 1` before it"
            }
            Self::Locale => {
                "write and read numbers with `.` and without `G`, `D` and `L`; or set `lc_numeric`, \
                 `lc_monetary` and `lc_time` before it"
            }
            Self::RowOrder => {
                "say in which order, down to a unique key: `row_number() over (order by at, id)`, \
                 `distinct on (a) ... order by a, id`, `array_agg(x order by id)`, `order by id \
                 limit 1`"
            }
        }
    }
}

/// As after "under another".
impl fmt::Display for Circumstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimeZone => "time zone",
            Self::DateStyle => "date style",
            Self::IntervalStyle => "interval style",
            Self::FloatDigits => "number of float digits",
            Self::Locale => "locale",
            Self::RowOrder => "order of rows",
        })
    }
}
