//! How the program says things.

use std::fmt::Arguments;
use std::io::Write;
use std::time::Duration;

/// Prints a line. A reader who has gone, as with `storefront | head`, does not matter.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// `1.23 ms`.
pub(crate) fn time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    if ms < 1_000.0 { format!("{ms:.2} ms") } else { format!("{:.2} s", ms / 1_000.0) }
}

/// `12.99`.
pub(crate) fn price(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Where an answer came from.
pub(crate) fn source(from_memory: bool) -> &'static str {
    if from_memory { "memory" } else { "database" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(price(4_205), "42.05");
        assert_eq!(time(Duration::from_micros(1_234)), "1.23 ms");
        assert_eq!(time(Duration::from_millis(2_500)), "2.50 s");
    }
}
