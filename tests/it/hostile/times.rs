//! Times, reckoned here and not by the server: microseconds since 1970, in UTC.

/// A time that a JSON value states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    pub micros: i64,
    /// Whether it has no more digits than a microsecond holds; else one may differ by rounding.
    pub is_exact: bool,
}

/// Days since 1970 of a day of the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970.
fn day_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `2024-03-01T10:00:00` and the microseconds behind it.
pub fn write_seconds(micros: i64) -> (String, i64) {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (year, month, day) = day_of(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    (format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"), rest)
}

/// The strict ISO form with a zone, of years that are believed.
pub fn read_iso(text: &str) -> Option<Stated> {
    let shape: String =
        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).take(19).collect();
    if shape != "0000-00-00T00:00:00" || text.len() < 20 || !text.is_ascii() {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().expect("digits");
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let is_time = hour < 24 && minute < 60 && second < 60;
    let is_day = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_time || !is_day || !(1970..=2099).contains(&year) {
        return None;
    }
    let days = days_of(year, month, day);
    if day_of(days) != (year, month, day) {
        return None;
    }
    let (fraction, zone) = split_fraction(&text[19..])?;
    let is_exact = fraction.len() <= 6;
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - read_zone(zone)?;
    let micros = seconds * 1_000_000 + six.parse::<i64>().expect("digits");
    Some(Stated { micros, is_exact })
}

fn split_fraction(rest: &str) -> Option<(&str, &str)> {
    let Some(digits) = rest.strip_prefix('.') else { return Some(("", rest)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (1..=9).contains(&end).then(|| digits.split_at(end))
}

/// Seconds east of Greenwich.
fn read_zone(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hour, minute) = zone[1..].split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute) = (hour.parse::<i64>().ok()?, minute.parse::<i64>().ok()?);
    (hour <= 14 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

/// A number as the server writes it: seconds, or milliseconds where seconds would be past 2099.
pub fn read_number(number: &str) -> Option<Stated> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.starts_with('-') || whole.len() > 13 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let digits = |count: usize| -> i64 {
        let padded: String = fraction.chars().chain("0000000".chars()).take(count).collect();
        padded.parse().expect("digits")
    };
    let rest_is_zero = |count: usize| fraction.bytes().skip(count).all(|digit| digit == b'0');
    match whole {
        // Nothing is left of it in microseconds.
        0 if digits(7) < 5 => None,
        0..4_102_444_800 => Some(Stated {
            micros: whole * 1_000_000 + digits(6),
            is_exact: rest_is_zero(6) && fraction.len() <= 3,
        }),
        4_102_444_800..4_102_444_800_000 => {
            Some(Stated { micros: whole * 1000 + digits(3), is_exact: rest_is_zero(0) })
        }
        _ => None,
    }
}

#[test]
fn times_are_reckoned_right() {
    let micros = |text: &str| read_iso(text).map(|stated| stated.micros);
    assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(micros("2024-02-29T00:00:00.5-05:30"), Some(1_709_184_600_500_000));
    assert_eq!(micros("2023-02-29T00:00:00Z"), None);
    assert_eq!(micros("2024-02-29T24:00:00Z"), None);
    assert_eq!(write_seconds(1_709_184_600_500_000), ("2024-02-29T05:30:00".into(), 500_000));
    assert_eq!(read_number("1678521601000.25").map(|s| s.micros), Some(1_678_521_601_000_250));
    assert_eq!(read_number("0.000"), None);
}
