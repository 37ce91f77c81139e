//! Changes that `b` cannot hear of, and changes without any fault.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::adapter::{Adapter, Kind, PATIENCE};
use crate::bench::Bench;
use crate::case::{Case, Means};
use crate::report::Outcome;
use crate::trial::{Item, ended, watch};

/// How long `b` is cut off.
const CUT: Duration = Duration::from_millis(200);
/// How long the broker is away.
const AWAY: Duration = Duration::from_millis(200);
/// How long after an invalidation pushes are still swallowed, in case it takes more than one.
const LINGER: Duration = Duration::from_millis(50);
/// How long an application repeats what fails.
const REPEATED: Duration = Duration::from_secs(5);

/// One batch of trials of what is no race.
///
/// # Errors
/// When the library does not even do what it does without a fault.
pub async fn run(bench: &mut Bench<'_>, case: Case, trials: usize) -> io::Result<Vec<Outcome>> {
    let items = bench.make_items(trials, Means::Key);
    bench.hold_at_b(&items).await?;
    match case {
        Case::SubscriberCut => subscriber_cut(bench, items).await,
        Case::LastMessageLost => last_message_lost(bench, items).await,
        _ => broker_restarted(bench, items).await,
    }
}

/// Nothing happens but the change.
///
/// # Errors
/// When the library does not work.
pub async fn control(
    bench: &mut Bench<'_>,
    means: Means,
    trials: usize,
) -> io::Result<Vec<Outcome>> {
    let items = bench.make_items(trials, means);
    bench.hold_at_b(&items).await?;
    bench.change_all(&items, means).await?;
    let changed = Instant::now();
    let mut trials = JoinSet::new();
    for item in items {
        trials.spawn(watch(bench.adapter()?, item, changed, ended(changed)));
    }
    Ok(trials.join_all().await)
}

async fn subscriber_cut(bench: &mut Bench<'_>, items: Vec<Item>) -> io::Result<Vec<Outcome>> {
    bench.proxy.cut().await;
    let cut = Instant::now();
    let (end, is_over) = watch::channel(None);
    let trials = change_and_watch(bench, items, &is_over).await?;
    sleep_until(cut + CUT).await;
    bench.proxy.accept().await?;
    end.send_replace(Some(Instant::now()));
    Ok(trials.join_all().await)
}

async fn last_message_lost(bench: &mut Bench<'_>, items: Vec<Item>) -> io::Result<Vec<Outcome>> {
    let before = bench.proxy.swallowed();
    bench.proxy.swallow();
    let (end, is_over) = watch::channel(None);
    let trials = change_and_watch(bench, items, &is_over).await?;
    let lost = bench.proxy.until(|proxy| proxy.swallowed() > before);
    // A library that sends nothing loses nothing.
    let _ = timeout(LINGER, lost).await;
    sleep(LINGER).await;
    bench.proxy.release();
    end.send_replace(Some(Instant::now()));
    Ok(trials.join_all().await)
}

/// Changes the rows, and begins to watch each as soon as all are changed.
async fn change_and_watch(
    bench: &Bench<'_>,
    items: Vec<Item>,
    is_over: &watch::Receiver<Option<Instant>>,
) -> io::Result<JoinSet<Outcome>> {
    bench.change_all(&items, Means::Key).await?;
    let changed = Instant::now();
    let mut trials = JoinSet::new();
    for item in items {
        trials.spawn(watch(bench.adapter()?, item, changed, is_over.clone()));
    }
    Ok(trials)
}

async fn broker_restarted(bench: &mut Bench<'_>, items: Vec<Item>) -> io::Result<Vec<Outcome>> {
    bench.proxy.cut().await;
    bench.server.kill().await?;
    let (end, is_over) = watch::channel(None);
    let mut trials = JoinSet::new();
    for item in items.iter().cloned() {
        bench.rows.set(&item.key, &item.new);
        let adapter = bench.adapter()?;
        let is_over = is_over.clone();
        trials.spawn(async move {
            invalidate_stubbornly(&adapter, &item).await;
            watch(adapter, item, Instant::now(), is_over).await
        });
    }
    sleep(AWAY).await;
    bench.server.restart().await?;
    if bench.adapter()?.hello.kind == Kind::Tracking {
        // Redis has lost the rows; whoever owns them writes them again.
        bench.write(&items, |item| &item.new).await?;
    }
    bench.proxy.accept().await?;
    end.send_replace(Some(Instant::now()));
    Ok(trials.join_all().await)
}

/// Invalidates as an application that calls again when it gets an error.
async fn invalidate_stubbornly(adapter: &Arc<Adapter>, item: &Item) {
    let begun = Instant::now();
    while let Some(left) = REPEATED.checked_sub(begun.elapsed()) {
        let limit = left.min(PATIENCE);
        if adapter.invalidate(&item.key, &item.new, limit).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
