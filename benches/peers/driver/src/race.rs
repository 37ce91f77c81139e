//! Changes while `b` loads the row.

use std::io;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::adapter::{Kind, PATIENCE};
use crate::bench::Bench;
use crate::case::Means;
use crate::report::{Outcome, Read};
use crate::trial::{Item, ended, watch};

/// How long an invalidation that may never come is waited for.
const ARRIVAL: Duration = Duration::from_secs(1);

/// One batch of trials.
///
/// # Errors
/// When the library does not even do what it does without a race.
pub async fn run(bench: &mut Bench<'_>, means: Means, trials: usize) -> io::Result<Vec<Outcome>> {
    let items = bench.make_items(trials, means);
    let released = match bench.adapter()?.hello.kind {
        Kind::Loading => while_loading(bench, &items, means).await?,
        Kind::Tracking => while_answered(bench, &items, means).await?,
    };
    let mut trials = JoinSet::new();
    for item in items {
        trials.spawn(watch(bench.adapter()?, item, released, ended(released)));
    }
    Ok(trials.join_all().await)
}

/// The loader has read the old value and is slow; the change reaches `b`; the loader returns. When it was let go.
async fn while_loading(bench: &mut Bench<'_>, items: &[Item], means: Means) -> io::Result<Instant> {
    let marker = bench.make_items(1, Means::Key);
    bench.hold_at_b(&marker).await?;
    bench.write(items, |item| &item.old).await?;
    items.iter().for_each(|item| bench.rows.hold_next(&item.key));
    let mut reads = JoinSet::new();
    bench.begin_reads(items, &mut reads)?;
    let all_load = async {
        for item in items {
            bench.rows.held(&item.key).await;
        }
    };
    within(PATIENCE, all_load, "`b` does not load").await?;

    bench.change_all(items, means).await?;
    arrived(bench, &marker).await?;

    let adapter = bench.adapter()?;
    let released = Instant::now();
    for waiting in items.iter().filter_map(|item| bench.rows.release(&item.key)) {
        adapter.answer_load(waiting);
    }
    // A read that joins a load that began before the change may get its value.
    let all_read = async { while reads.join_next().await.is_some() {} };
    within(PATIENCE, all_read, "the released loads do not end").await?;
    Ok(released)
}

/// Waits until `b` has heard of one more change, before which it has heard of all earlier ones.
async fn arrived(bench: &Bench<'_>, marker: &[Item]) -> io::Result<()> {
    let adapter = bench.adapter()?;
    for item in marker {
        bench.change(item).await?;
        let begun = Instant::now();
        while item.read(&adapter).await != Read::New && begun.elapsed() < ARRIVAL {
            sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// Redis has answered with the old value, and then told of the change; both are under way, and arrive together. When they
/// did.
async fn while_answered(
    bench: &mut Bench<'_>,
    items: &[Item],
    means: Means,
) -> io::Result<Instant> {
    bench.write(items, |item| &item.old).await?;
    bench.proxy.hold();
    let mut reads = JoinSet::new();
    match means {
        // Each key by itself: its answer is followed by what makes it invalid.
        Means::Key => {
            for item in items {
                answer_and_change(bench, std::slice::from_ref(item), means, &mut reads).await?;
            }
        }
        Means::Tag | Means::Clear => answer_and_change(bench, items, means, &mut reads).await?,
    }
    let released = Instant::now();
    bench.proxy.release();
    let all_read = async { while reads.join_next().await.is_some() {} };
    within(PATIENCE, all_read, "the released reads do not end").await?;
    Ok(released)
}

async fn answer_and_change(
    bench: &Bench<'_>,
    items: &[Item],
    means: Means,
    reads: &mut JoinSet<()>,
) -> io::Result<()> {
    let proxy = &bench.proxy;
    bench.begin_reads(items, reads)?;
    let answered = proxy.until(|proxy| items.iter().all(|item| proxy.holds_reply(&item.old)));
    within(PATIENCE, answered, "Redis is not asked for the rows").await?;

    let before = proxy.held_pushes();
    bench.change_all(items, means).await?;
    let told = proxy.until(|proxy| match means {
        Means::Key | Means::Tag => items.iter().all(|item| proxy.holds_push(&item.key)),
        Means::Clear => proxy.held_pushes() > before,
    });
    // A client that is told nothing is tried all the same.
    let _ = timeout(ARRIVAL, told).await;
    Ok(())
}

async fn within(limit: Duration, what: impl Future<Output = ()>, or_else: &str) -> io::Result<()> {
    timeout(limit, what).await.map_err(|_| io::Error::other(or_else.to_owned()))
}
