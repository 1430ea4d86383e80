//! Times as records write them and people ask for them.

/// A time of the clock, given in milliseconds since 1970, such as `2026-01-31T08:05:09.250Z`.
pub fn rfc3339(ms_since_1970: u128) -> String {
    crate::admin::rfc3339(i64::try_from(ms_since_1970).unwrap_or(i64::MAX))
}

/// Reads a time such as `2026-01-31T08:05:09.250Z` or `2026-01-31T09:05:09+01:00` (RFC 3339), as
/// milliseconds since 1970.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let is_at =
        |at: usize, letters: &str| text.as_bytes().get(at).is_some_and(|byte| letters.contains(char::from(*byte)));
    if ![(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")].iter().all(|(at, letters)| is_at(*at, letters)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let rest = text.get(19..)?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?),
        None => ("0", rest),
    };
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let days = days_since_1970(year, month, day)?;
    if fraction.is_empty() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds(offset)?;
    Some(seconds * 1_000 + ms)
}

fn offset_seconds(offset: &str) -> Option<i64> {
    if matches!(offset, "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let seconds = hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60;
    match offset.as_bytes()[0] {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Years are taken to begin in March, so that a leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > longest {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rfc3339;

    #[test]
    fn what_is_written_is_read() {
        for ms in [0, 1, 951_782_399_999, 951_782_400_000, 1_709_251_199_001, 4_107_542_400_000, -1] {
            assert_eq!(parse_rfc3339(&rfc3339(ms)), Some(ms));
        }
    }

    #[test]
    fn times_are_read_as_the_specification_has_them() {
        for (text, ms) in [
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01 00:00:01.5z", Some(1_500)),
            ("1970-01-01T01:00:00.123456+01:00", Some(123)),
            ("1969-12-31T23:30:00-00:30", Some(0)),
            ("2024-02-30T00:00:00Z", None),
            ("2023-02-29T00:00:00Z", None),
            ("2024-13-01T00:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T00:00:00", None),
            ("2024-01-01T00:00:00.Z", None),
            ("2024-01-01", None),
            ("+024-01-01T00:00:00Z", None),
            ("2024-01-01T00:00:00+1:00", None),
            ("2024-01-01T00:00:00é", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text), ms, "{text}");
        }
    }
}
