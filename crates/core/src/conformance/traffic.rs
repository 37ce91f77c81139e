//! A publisher that goes on in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::lab::{Checks, Lab, Outcome, Task};
use super::stamp::stamp;
use crate::transport::Transport;

const PACE: Duration = Duration::from_millis(1);

/// How far a publisher has come.
pub(super) struct Accepted(Arc<AtomicU32>);

impl Accepted {
    /// All numbers below this one were accepted by the broker.
    pub(super) fn below(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until this number was accepted.
    pub(super) async fn beyond(&self, number: u32, checks: &Checks) -> Outcome {
        checks
            .within("traffic in the background", async {
                while self.below() <= number {
                    checks.pause(PACE).await;
                }
            })
            .await
    }
}

/// Publishes stamped frames from 0 on, until the task is dropped.
pub(super) fn traffic(
    lab: &Lab<'_>,
    transport: Arc<dyn Transport>,
    publisher: u32,
) -> (Accepted, Task<Outcome>) {
    let accepted = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&accepted);
    let checks = lab.checks.clone();
    let task = lab.spawn(async move {
        for number in 0..u32::MAX {
            checks.publish(&*transport, stamp(publisher, number)).await?;
            counter.store(number + 1, Ordering::SeqCst);
            // In clusters of eight, so that a stopped clock, which only moves when all wait, moves too.
            if number % 8 == 7 {
                checks.pause(PACE).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    });
    (Accepted(accepted), task)
}
