//! What is written at the end.

use std::time::Duration;

use serde::Serialize;

use crate::adapter::Kind;
use crate::case::Case;

/// The whole file.
#[derive(Debug, Serialize)]
pub struct Report {
    /// One for each library.
    pub subjects: Vec<Subject>,
    /// How many trials each case has.
    pub trials: usize,
    /// The server's version.
    pub redis: String,
}

/// A library.
#[derive(Debug, Serialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its language.
    pub language: String,
    /// Where its values come from.
    pub kind: Kind,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Hits a second, one thread.
    pub hits_per_s: Option<Measured<f64>>,
    /// From an invalidation at one instance until another one no longer holds the key.
    pub latency_us: Option<Measured<Latency>>,
    /// Keys that are invalidated in the other instance a second.
    pub keys_per_s: Option<Measured<f64>>,
    /// The same as in the scoreboard, without any fault: whether the library works here at all.
    pub control: Vec<Line>,
    /// What it does under each fault.
    pub scoreboard: Vec<Line>,
}

/// A number, or why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Measured<T> {
    /// It was measured.
    Value(T),
    /// It was not.
    Not {
        /// Why.
        unsupported: String,
    },
}

/// Quantiles, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// One in a hundred takes longer.
    pub p99: f64,
}

/// A case of the scoreboard.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Which.
    pub case: Case,
    /// How often it was tried.
    pub trials: usize,
    /// How often a read that began a second later returned the old value.
    pub stale: usize,
    /// How long it took until a read returned the new value, of those that did within five seconds.
    pub until_right_ms: Option<UntilRight>,
    /// How many did not.
    pub never: usize,
    /// In how many the read that began a second later gave neither value.
    pub unanswered: usize,
    /// Why there are no trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<String>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UntilRight {
    /// Half of the trials took at most this.
    pub median: f64,
    /// None took longer.
    pub max: f64,
}

/// How one trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the read returned that began a second later.
    pub late_read: Read,
    /// When reads began to return the new value.
    pub right_after: Option<Duration>,
}

/// What a read returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The value from before the change.
    Old,
    /// The value from after it.
    New,
    /// An error, nothing, or no answer in time.
    Neither,
}

impl Line {
    /// Sums trials up.
    pub fn of(case: Case, outcomes: &[Outcome]) -> Self {
        let count = |read| outcomes.iter().filter(|outcome| outcome.late_read == read).count();
        let right = outcomes.iter().filter_map(|outcome| outcome.right_after);
        let mut right: Vec<f64> = right.map(|after| after.as_secs_f64() * 1e3).collect();
        right.sort_by(f64::total_cmp);
        let until_right_ms = right.last().map(|&max| UntilRight {
            median: rounded(quantile(&right, 0.5).unwrap_or(max)),
            max: rounded(max),
        });
        Self {
            case,
            trials: outcomes.len(),
            stale: count(Read::Old),
            until_right_ms,
            never: outcomes.len() - right.len(),
            unanswered: count(Read::Neither),
            unsupported: None,
        }
    }

    /// A case that cannot be tried.
    pub fn unsupported(case: Case, why: impl Into<String>) -> Self {
        Self { unsupported: Some(why.into()), ..Self::of(case, &[]) }
    }
}

impl Latency {
    /// Quantiles of microseconds.
    pub fn of(mut micros: Vec<f64>) -> Option<Self> {
        micros.sort_by(f64::total_cmp);
        let at = |q| quantile(&micros, q).map(rounded);
        Some(Self { p50: at(0.5)?, p99: at(0.99)? })
    }
}

/// The smallest of the sorted values that at least this part of all does not exceed.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Nothing here is exact to more than a tenth.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(late_read: Read, right_ms: Option<u64>) -> Outcome {
        Outcome { late_read, right_after: right_ms.map(Duration::from_millis) }
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&sorted, 0.5), Some(50.0));
        assert_eq!(quantile(&sorted, 0.99), Some(99.0));
        assert_eq!(quantile(&sorted, 1.0), Some(100.0));
        assert_eq!(quantile(&sorted, 0.0), Some(1.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
        let latency = Latency::of(vec![30.04, 10.0, 20.0]);
        assert_eq!(latency, Some(Latency { p50: 20.0, p99: 30.0 }));
        assert_eq!(Latency::of(Vec::new()), None);
    }

    #[test]
    fn trials_are_summed_up() {
        let outcomes = [
            outcome(Read::New, Some(10)),
            outcome(Read::New, Some(30)),
            outcome(Read::Old, Some(1_200)),
            outcome(Read::Old, None),
            outcome(Read::Neither, None),
        ];
        let line = Line::of(Case::SubscriberCut, &outcomes);
        assert_eq!((line.trials, line.stale, line.never, line.unanswered), (5, 2, 2, 1));
        assert_eq!(line.until_right_ms, Some(UntilRight { median: 30.0, max: 1_200.0 }));
    }

    #[test]
    fn what_cannot_be_tried_says_why() {
        let line = Line::unsupported(Case::TagDuringLoad, "no tags");
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!(json["case"], "tag-during-load");
        assert_eq!(json["unsupported"], "no tags");
        assert_eq!(
            (&json["trials"], &json["until_right_ms"]),
            (&0.into(), &serde_json::Value::Null)
        );
        let measured = serde_json::to_value(Line::of(Case::KeyDuringLoad, &[])).unwrap();
        assert_eq!(measured.get("unsupported"), None);
    }

    #[test]
    fn a_number_that_is_missing_says_why() {
        let measured =
            [Measured::Value(2.5), Measured::Not { unsupported: "no messages".to_owned() }];
        let json = serde_json::to_value(measured).unwrap();
        assert_eq!(json, serde_json::json!([2.5, { "unsupported": "no messages" }]));
    }
}
