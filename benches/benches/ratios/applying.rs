//! What a received key costs: to decode it and to apply it, beside a bare removal.

use unstale_benches::Report;

pub(crate) fn measure(_report: &mut Report, _wanted: &dyn Fn(&str) -> bool) {}
