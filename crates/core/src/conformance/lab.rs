//! What the cases are made with: limited waits, background tasks, errors that are looked at.

use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{AbortHandle, Either, abortable, select};
use tokio::sync::oneshot;

use super::harness::{Harness, Hook};
use super::reader::Reader;
use crate::runtime::Runtime;
use crate::transport::{Transport, TransportError};

/// Why a case did not pass.
#[derive(Debug)]
pub(super) enum Stop {
    Skip(String),
    Fail(String),
}

pub(super) type Outcome<T = ()> = Result<T, Stop>;

impl Stop {
    pub(super) fn fail(reason: impl Into<String>) -> Self {
        Self::Fail(reason.into())
    }
}

/// Fails the case, unless `held`.
pub(super) fn ensure(held: bool, reason: impl FnOnce() -> String) -> Outcome {
    if held { Ok(()) } else { Err(Stop::Fail(reason())) }
}

/// The parts of a harness that go along into background tasks.
#[derive(Clone)]
pub(super) struct Checks {
    runtime: Arc<dyn Runtime>,
    pub(super) time_limit: Duration,
    secrets: Arc<[String]>,
}

impl Checks {
    pub(super) fn new(harness: &dyn Harness) -> Self {
        Self {
            runtime: harness.runtime(),
            time_limit: harness.time_limit(),
            secrets: harness.secrets().into(),
        }
    }

    /// The future's output, or a failure when it takes longer than one wait may.
    pub(super) async fn within<T>(
        &self,
        what: impl Display,
        future: impl Future<Output = T>,
    ) -> Outcome<T> {
        self.within_limit(what, self.time_limit, future).await
    }

    pub(super) async fn within_limit<T>(
        &self,
        what: impl Display,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Outcome<T> {
        let deadline = self.runtime.now().after(limit);
        // The limit is looked at first: a wake-up that got lost must not be mended by the one of the limit.
        match select(self.runtime.sleep_until(deadline), pin!(future)).await {
            Either::Left(_) => Err(Stop::fail(format!("{what}: not within {limit:?}"))),
            Either::Right((output, _)) => Ok(output),
        }
    }

    pub(super) async fn pause(&self, pause: Duration) {
        let deadline = self.runtime.now().after(pause);
        self.runtime.sleep_until(deadline).await;
    }

    /// Every error that a case meets, also an expected one, comes by here: none may show a secret.
    pub(super) fn inspect(&self, error: &TransportError) -> Outcome {
        let mut texts = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            texts.push_str(&format!(" {cause} {cause:?}"));
            source = cause.source();
        }
        let shown = self.secrets.iter().any(|secret| texts.contains(secret));
        // The text is not repeated here: it would then be in the report.
        ensure(!shown, || format!("an error of kind {:?} shows a secret", error.kind()))
    }

    /// A failure that tells of an unexpected error.
    pub(super) fn unexpected(&self, what: impl Display, error: &TransportError) -> Stop {
        match self.inspect(error) {
            Ok(()) => Stop::fail(format!("{what}: {error}")),
            Err(leak) => leak,
        }
    }

    pub(super) async fn publish(&self, transport: &dyn Transport, frame: Bytes) -> Outcome {
        let published = self.within("a publish", transport.publish(frame)).await?;
        published.map_err(|error| self.unexpected("a publish failed", &error))
    }

    /// What the broker or the transport must refuse, with its error.
    pub(super) async fn refused<T>(
        &self,
        what: &str,
        future: impl Future<Output = Result<T, TransportError>>,
    ) -> Outcome<TransportError> {
        match self.within(what, future).await? {
            Ok(_) => Err(Stop::fail(format!("{what} succeeded"))),
            Err(error) => {
                self.inspect(&error)?;
                Ok(error)
            }
        }
    }
}

/// One case's own channel on the harness.
pub(super) struct Lab<'h> {
    pub(super) harness: &'h dyn Harness,
    pub(super) checks: Checks,
    pub(super) channel: u32,
}

impl<'h> Lab<'h> {
    pub(super) fn new(harness: &'h dyn Harness, checks: Checks, channel: u32) -> Self {
        Self { harness, checks, channel }
    }

    /// A new transport on the case's channel.
    pub(super) async fn transport(&self) -> Arc<dyn Transport> {
        self.harness.transport(self.channel).await
    }

    /// A new transport on a channel that no other case has.
    pub(super) async fn transport_elsewhere(&self) -> Arc<dyn Transport> {
        self.harness.transport(self.channel + 1_000).await
    }

    pub(super) async fn subscribe(&self, transport: &dyn Transport) -> Outcome<Reader> {
        let subscribed = self.checks.within("a subscribe", transport.subscribe());
        let subscription = subscribed
            .await?
            .map_err(|error| self.checks.unexpected("a subscribe failed", &error))?;
        Ok(Reader::new(subscription, self.checks.clone()))
    }

    pub(super) async fn publish(&self, transport: &dyn Transport, frame: Bytes) -> Outcome {
        self.checks.publish(transport, frame).await
    }

    /// A subscription and a publish, tried again while the broker comes back.
    pub(super) async fn subscribe_again(&self, transport: &dyn Transport) -> Outcome<Reader> {
        let subscription = self.again("subscribing again", || transport.subscribe());
        Ok(Reader::new(subscription.await?, self.checks.clone()))
    }

    pub(super) async fn publish_again(&self, transport: &dyn Transport, frame: Bytes) -> Outcome {
        self.again("publishing again", || transport.publish(frame.clone())).await
    }

    async fn again<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Outcome<T>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        const PAUSE: Duration = Duration::from_millis(50);
        // By number, not by the clock: a test may have stopped the clock.
        let mut left = self.checks.time_limit.as_millis() / PAUSE.as_millis();
        loop {
            let error = match self.checks.within(what, attempt()).await? {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            self.checks.inspect(&error)?;
            if left == 0 || !error.can_retry() {
                return Err(Stop::fail(format!("{what} never worked: {error}")));
            }
            left -= 1;
            self.checks.pause(PAUSE).await;
        }
    }

    /// Runs `task` in the background until it ends or the returned handle is dropped.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let (sender, output) = oneshot::channel();
        let (task, abort) = abortable(async move {
            // Nobody waits any more when this fails.
            let _ = sender.send(task.await);
        });
        self.checks.runtime.spawn(
            "conformance",
            Box::pin(async move {
                let _ = task.await;
            }),
        );
        Task { output, abort }
    }

    /// Skips the case unless the transport has native fences.
    pub(super) fn needs_native_fences(&self, transport: &dyn Transport) -> Outcome {
        if transport.capabilities().native_fences {
            Ok(())
        } else {
            Err(Stop::Skip("the transport has no native fences".to_owned()))
        }
    }

    /// Skips the case unless the harness did what it was asked for.
    pub(super) fn needs(&self, what: &str, hook: Hook) -> Outcome {
        match hook {
            Hook::Done => Ok(()),
            Hook::NotSupported => Err(Stop::Skip(format!("the harness has no `{what}`"))),
        }
    }
}

/// A task in the background; dropping this ends it.
pub(super) struct Task<T> {
    output: oneshot::Receiver<T>,
    abort: AbortHandle,
}

impl<T> Task<Outcome<T>> {
    pub(super) async fn join(mut self) -> Outcome<T> {
        match (&mut self.output).await {
            Ok(output) => output,
            Err(_) => Err(Stop::fail("a background task of the case panicked")),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
