//! The driver against libraries of which it is known what they do.

mod fake;

use std::path::{Path, PathBuf};

use unstale_peers::bench::Launch;
use unstale_peers::case::Case;
use unstale_peers::report::{Line, Subject};
use unstale_peers::subject::{self, Plan};

use fake::{Fake, Habit};

const TRIALS: usize = 3;

fn redis_server() -> PathBuf {
    let named = std::env::var_os("UNSTALE_REDIS_SERVER").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from("redis-server"))
}

async fn run(launcher: &dyn Launch, cases: &[Case]) -> Subject {
    let plan = Plan { cases: cases.to_vec(), trials: TRIALS, control_trials: TRIALS, speed: None };
    let server = redis_server();
    let ran = subject::run(Path::new(&server), launcher, &plan).await;
    let (subject, redis) = ran.expect("needs a redis-server: see UNSTALE_REDIS_SERVER");
    assert!(redis.starts_with(|digit: char| digit.is_ascii_digit()), "{redis}");
    for line in &subject.control {
        assert_eq!((line.stale, line.never, line.unanswered), (0, 0, 0), "{line:?}");
    }
    subject
}

fn stale(lines: &[Line]) -> Vec<(Case, usize, usize)> {
    lines.iter().map(|line| (line.case, line.trials, line.stale)).collect()
}

/// Each case in its own time: what is stale for ever is watched for five seconds.
async fn all_are_stale(case: Case) {
    let subject = run(&Fake(Habit::Trusting), &[case]).await;
    assert_eq!(stale(&subject.scoreboard), [(case, TRIALS, TRIALS)]);
    let [line] = &subject.scoreboard[..] else { panic!("one case") };
    assert_eq!((line.never, line.until_right_ms), (TRIALS, None));
}

#[tokio::test]
async fn trusting_key_during_load() {
    all_are_stale(Case::KeyDuringLoad).await;
}

#[tokio::test]
async fn trusting_tag_during_load() {
    all_are_stale(Case::TagDuringLoad).await;
}

#[tokio::test]
async fn trusting_clear_during_load() {
    all_are_stale(Case::ClearDuringLoad).await;
}

#[tokio::test]
async fn trusting_subscriber_cut() {
    all_are_stale(Case::SubscriberCut).await;
}

#[tokio::test]
async fn trusting_last_message_lost() {
    all_are_stale(Case::LastMessageLost).await;
}

#[tokio::test]
async fn trusting_broker_restarted() {
    all_are_stale(Case::BrokerRestarted).await;
}

#[tokio::test]
async fn what_is_kept_for_a_moment_only_is_right_a_second_later() {
    let subject = run(&Fake(Habit::Brief), &Case::ALL).await;
    assert_eq!(stale(&subject.scoreboard), Case::ALL.map(|case| (case, TRIALS, 0)));
    for line in &subject.scoreboard {
        assert_eq!((line.never, line.unanswered), (0, 0), "{line:?}");
        let max = line.until_right_ms.expect("all became right").max;
        assert!(max < 1_000.0, "{line:?}");
    }
}

#[tokio::test]
async fn a_client_that_tracks_is_tried_on_the_wire() {
    let cases = [Case::KeyDuringLoad, Case::TagDuringLoad, Case::ClearDuringLoad];
    let subject = run(&Fake(Habit::Tracking), &cases).await;
    let [key, tag, clear] = &subject.scoreboard[..] else { panic!("three cases") };
    assert_eq!((key.stale, clear.stale), (TRIALS, TRIALS));
    assert!(tag.unsupported.is_some());
}

#[tokio::test]
async fn a_client_that_tracks_and_forgets_all_when_it_reconnects() {
    let cases = [Case::SubscriberCut, Case::LastMessageLost, Case::BrokerRestarted];
    let subject = run(&Fake(Habit::Tracking), &cases).await;
    let stale: Vec<_> = subject.scoreboard.iter().map(|line| line.stale).collect();
    assert_eq!(stale, [0, TRIALS, 0]);
}
