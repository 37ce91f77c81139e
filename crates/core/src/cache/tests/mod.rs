//! Tests of the cache's behaviour, one file per subject.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod basics;
mod builder;
mod clocks;
mod expiry;
mod fills;
mod foreign_code;
mod hits;
mod many;
mod monotonic;
mod nesting;
mod random;
mod sharing;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::{Cache, LoadContext};

fn ok<T>(value: T) -> Result<T, Infallible> {
    Ok(value)
}

/// Reads through a cache; the source holds `value`.
async fn load(cache: &Cache<u64, u64>, key: u64, value: u64) -> u64 {
    let read = cache.get_or_load(&key, |_| async move { ok(value) });
    read.await.unwrap()
}

/// A loader that ends when it is told a value.
fn when_told(
    told: oneshot::Receiver<u64>,
) -> impl FnOnce(LoadContext) -> Pin<Box<dyn Future<Output = Result<u64, &'static str>> + Send>> {
    |_| Box::pin(async { told.await.map_err(|_| "not told") })
}

/// Polls a future once.
fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
