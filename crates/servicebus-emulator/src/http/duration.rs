//! Durations and times, as XML and HTTP have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest duration there is, which stands for none.
pub(crate) const UNLIMITED: &str = "P10675199DT2H48M5.4775807S";
/// From here on a duration is no limit.
const ENDLESS: Duration = Duration::from_secs(10_675_199 * 86_400);

/// Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (date, time) = match text.trim().strip_prefix('P')?.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (text.trim().strip_prefix('P')?, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = sum(date, &[('W', 604_800), ('D', 86_400)])?;
    let time = sum(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    date.checked_add(time)
}

fn sum(mut rest: &str, units: &[(char, u64)]) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for (unit, seconds) in units {
        let Some((number, others)) = rest.split_once(*unit) else {
            continue;
        };
        rest = others;
        let amount = if *unit == 'S' {
            let valid = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let number = valid.then(|| number.parse().ok())??;
            Duration::try_from_secs_f64(number).ok()?
        } else {
            let valid = number.bytes().all(|b| b.is_ascii_digit());
            let number: u64 = valid.then(|| number.parse().ok())??;
            Duration::from_secs(number.checked_mul(*seconds)?)
        };
        total = total.checked_add(amount)?;
    }
    rest.is_empty().then_some(total)
}

/// The same, where no limit is `None`.
pub(crate) fn parse_limit(text: &str) -> Option<Option<Duration>> {
    let duration = parse(text)?;
    Some((duration < ENDLESS).then_some(duration))
}

/// Writes what [`parse`] reads.
pub(crate) fn format(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let mut text = String::from("P");
    let mut part = |number: u64, unit: &str| {
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    };
    part(days, "D");
    let rest = seconds % 60;
    let nanos = duration.subsec_nanos();
    if duration.is_zero() || hours + minutes + rest > 0 || nanos > 0 {
        text.push('T');
        let mut part = |number: u64, unit: &str| {
            if number > 0 {
                text.push_str(&format!("{number}{unit}"));
            }
        };
        part(hours, "H");
        part(minutes, "M");
        if nanos > 0 {
            let fraction = format!("{nanos:09}");
            text.push_str(&format!("{rest}.{}S", fraction.trim_end_matches('0')));
        } else if rest > 0 || duration.is_zero() {
            text.push_str(&format!("{rest}S"));
        }
    }
    text
}

/// The same, where `None` is no limit.
pub(crate) fn format_limit(duration: Option<Duration>) -> String {
    duration.map_or_else(|| UNLIMITED.to_owned(), format)
}

/// A time of day in a year, in UTC.
struct Civil {
    year: i64,
    month: usize,
    day: u64,
    weekday: usize,
    seconds: u64,
    millis: u32,
}

/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(time: SystemTime) -> Civil {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let days = since.as_secs() / 86_400;
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Civil {
        year: i64::try_from(year).unwrap_or(i64::MAX),
        month: usize::try_from(month).unwrap_or(1),
        day,
        weekday: usize::try_from((days + 4) % 7).unwrap_or(0),
        seconds: since.as_secs() % 86_400,
        millis: since.subsec_millis(),
    }
}

/// A time as Atom has it: `2026-11-25T02:01:25.123Z`.
pub(crate) fn atom_time(time: SystemTime) -> String {
    let Civil { year, month, day, seconds, millis, .. } = civil(time);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// A time as HTTP has it: `Wed, 25 Nov 2026 02:01:25 GMT`.
pub(crate) fn http_time(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 13] =
        ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Civil { year, month, day, weekday, seconds, .. } = civil(time);
    let (weekday, month) = (DAYS[weekday % 7], MONTHS[month % 13]);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive_text() {
        for (text, millis) in [
            ("PT0S", 0),
            ("PT30S", 30_000),
            ("PT5M", 300_000),
            ("P1DT2H3M4.5S", 93_784_500),
            ("P14D", 1_209_600_000),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(text), Some(duration), "{text}");
            assert_eq!(format(duration), text);
        }
        assert_eq!(parse_limit(UNLIMITED), Some(None));
        assert_eq!(parse_limit(&format_limit(None)), Some(None));
        assert_eq!(parse("P1W"), parse("P7D"));
        for nonsense in
            ["", "P", "PT", "5M", "PTM", "PT-5S", "PTinfS", "P99999999999999999D", "PT1Sx"]
        {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn times_are_written_as_others_write_them() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_572_085_123);
        assert_eq!(atom_time(time), "2026-11-25T02:01:25.123Z");
        assert_eq!(http_time(time), "Wed, 25 Nov 2026 02:01:25 GMT");
        let leap = UNIX_EPOCH + Duration::from_secs(1_709_164_800);
        assert_eq!(http_time(leap), "Thu, 29 Feb 2024 00:00:00 GMT");
        assert_eq!(http_time(UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
