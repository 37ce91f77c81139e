//! Many runs on a few threads, with results in order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// How many runs go on at a time.
pub(crate) const THREADS: usize = 2;

/// Does jobs `0..count`, a job at a time on each thread, and hands the results over in the order of jobs, whichever
/// was done first. After a `Break` no job begins, and no result is handed over.
pub(crate) fn in_order<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut absorb: impl FnMut(usize, T) -> ControlFlow<()>,
) {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Not bounded but by the number of jobs: results are small, and a slow job holds up nobody.
        let (sender, results) = mpsc::channel();
        for _ in 0..THREADS.min(count) {
            let (sender, work, next, stopped) = (sender.clone(), &work, &next, &stopped);
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= count || sender.send((job, work(job))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut turn = 0;
        while let Ok((job, result)) = results.recv() {
            early.insert(job, result);
            while let Some(result) = early.remove(&turn) {
                if absorb(turn, result).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    return;
                }
                turn += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_jobs() {
        let mut seen = Vec::new();
        let work = |job: usize| {
            // The even ones take longer.
            let rounds = if job.is_multiple_of(2) { 20_000 } else { 1 };
            (0..rounds).fold(job, |sum, n| std::hint::black_box(sum ^ n ^ n))
        };
        in_order(100, work, |job, result| {
            seen.push((job, result));
            ControlFlow::Continue(())
        });
        assert_eq!(seen, (0..100).map(|job| (job, job)).collect::<Vec<_>>());
    }

    #[test]
    fn after_a_break_nothing_is_handed_over() {
        let mut seen = Vec::new();
        in_order(
            1_000_000,
            |job| job,
            |job, _| {
                seen.push(job);
                if job == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    }
}
