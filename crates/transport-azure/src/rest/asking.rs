//! Asks for messages: one at a time while little comes, several at once while much does.
//!
//! While messages follow one another quickly, up to [`MAX_ASKS`] requests are on their way, and each is answered with
//! another message. Their answers overtake each other, so they are put in the order of their numbers again. A number
//! that is missing may still be in an answer on its way; only when there is none any more is it missing for good.
//!
//! A request that was given up may be answered all the same, as far as the service is concerned: with a message that is
//! then locked for a while, perhaps the opening of the next link. So what a link to a given subscription leaves on its
//! way is taken over by the next one.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use azure_core_legacy::StatusCode;
use azure_messaging_servicebus::service_bus::{PeekLockResponse, SubscriptionReceiver};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use unstale::Runtime;
use unstale::runtime::BoxFuture;
use unstale::transport::TransportErrorKind as Kind;

use super::client::Failure;
use super::message::Locked;
use crate::subscription::End;

/// How long the service waits for a message before it says that there is none. What is between us and it may end
/// requests that take a minute.
const WAIT: Duration = Duration::from_secs(30);
/// How long it waits if others are asked for at the same time. They are waited for when a number is missing.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// A service that does not wait is not asked more often than this.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// An answer that takes no longer is that of a message that had been waiting already, or nearly.
const QUICK: Duration = Duration::from_millis(500);
/// How long what another link has left on its way may take. It may be on a dead connection.
const LEFT_WAIT: Duration = Duration::from_secs(2);
/// Requests at once, and messages that have come and are not handed on.
const MAX_ASKS: usize = 8;

/// What has come of one request.
pub(super) struct Answer {
    message: Result<Option<PeekLockResponse>, Failure>,
    quick: bool,
}

/// What links have left on its way, by the name of the subscription.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<Mutex<BTreeMap<String, Vec<BoxFuture<Answer>>>>>);

impl Left {
    fn put(&self, name: String, asks: Vec<BoxFuture<Answer>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, asks);
    }

    fn take(&self, name: &str) -> Vec<BoxFuture<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name).unwrap_or_default()
    }
}

/// Asks for the messages of one subscription, and puts them in order.
pub(super) struct Asking {
    receiver: SubscriptionReceiver,
    runtime: Arc<dyn Runtime>,
    asks: FuturesUnordered<BoxFuture<Answer>>,
    /// What has come and is not handed on, by number.
    come: BTreeMap<i64, Locked>,
    /// The highest number that was handed on, and when the service had accepted it.
    last: Option<(i64, Option<SystemTime>)>,
    /// How many quick answers there were one after the other.
    streak: usize,
    /// The subscription's name, and where what is left on its way goes, if the name is used again.
    left: Option<(String, Left)>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some((name, left)) = self.left.take() {
            left.put(name, std::mem::take(&mut self.asks).into_iter().collect());
        }
    }
}

impl Asking {
    pub(super) fn new(
        receiver: SubscriptionReceiver,
        runtime: Arc<dyn Runtime>,
        left: Option<(String, Left)>,
    ) -> Self {
        let taken = left.iter().flat_map(|(name, left)| left.take(name));
        let taken = taken.map(|ask| take_over(ask, Arc::clone(&runtime)));
        let (asks, come) = (taken.collect(), BTreeMap::new());
        Self { receiver, runtime, asks, come, last: None, streak: 0, left }
    }

    /// The next message. Asks for more only if it may.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        may_ask: bool,
    ) -> Poll<Result<Locked, End>> {
        loop {
            while let Poll::Ready(Some(answer)) = self.asks.poll_next_unpin(context) {
                self.take(answer)?;
            }
            match self.next_wait().filter(|_| may_ask) {
                Some(wait) => self.ask(wait),
                None => break,
            }
        }
        match self.next_in_order() {
            Some(message) => Poll::Ready(self.check(message)),
            None => Poll::Pending,
        }
    }

    fn ask(&self, wait: Duration) {
        let (receiver, runtime) = (self.receiver.clone(), Arc::clone(&self.runtime));
        self.asks.push(Box::pin(ask(receiver, runtime, wait)));
    }

    fn take(&mut self, answer: Answer) -> Result<(), End> {
        let Some(message) = answer.message.map_err(|failure| end(failure, self.asks.len()))? else {
            self.streak = 0;
            return Ok(());
        };
        self.streak = if answer.quick { self.streak.saturating_add(1) } else { 0 };
        let message = Locked::new(message);
        // What has no number ends the subscription.
        self.come.insert(message.received.sequence.unwrap_or(i64::MIN), message);
        Ok(())
    }

    /// How long the next request shall wait, if there is to be one.
    fn next_wait(&self) -> Option<Duration> {
        let at_once = (1 + self.streak / 2).min(MAX_ASKS);
        let busy = self.asks.len() + self.come.len();
        match at_once {
            // A long one is alone, so that a number that is missing is not waited for so long.
            1 => (busy == 0).then_some(WAIT),
            _ if self.is_number_missing() => None,
            _ => (busy < at_once).then_some(SHORT_WAIT),
        }
    }

    fn is_number_missing(&self) -> bool {
        let Some((first, _)) = self.come.first_key_value() else { return false };
        self.last.is_none_or(|(last, _)| *first > last.saturating_add(1))
    }

    /// The message with the lowest number, unless one before it may still come.
    fn next_in_order(&mut self) -> Option<Locked> {
        if self.is_number_missing() && !self.asks.is_empty() {
            return None;
        }
        self.come.pop_first().map(|(_, message)| message)
    }

    /// Takes note of a message that is handed on.
    ///
    /// A subscription that is deleted and created again between two requests begins to count anew, and its messages
    /// would look like redeliveries. But a redelivered message was not accepted after one with a higher number.
    fn check(&mut self, message: Locked) -> Result<Locked, End> {
        let (number, accepted) = (message.received.sequence, message.accepted_at);
        match (number, self.last) {
            (Some(number), Some((last, when))) if number <= last => {
                if accepted.zip(when).is_some_and(|(accepted, when)| accepted > when) {
                    return Err(End::uncertain(Kind::Lagged.error(
                        "the subscription's numbers begin anew: it was deleted and created again",
                    )));
                }
            }
            (Some(number), _) => self.last = Some((number, accepted)),
            (None, _) => {}
        }
        Ok(message)
    }
}

/// Waits for a message, and locks it.
async fn ask(receiver: SubscriptionReceiver, runtime: Arc<dyn Runtime>, wait: Duration) -> Answer {
    let asked = runtime.now();
    let answer = receiver.peek_lock_message2(Some(wait)).await;
    let quick = runtime.now() <= asked.after(QUICK);
    let message = match answer {
        Ok(message) if *message.status() == StatusCode::NoContent => {
            runtime.sleep_until(asked.after(LEAST_WAIT)).await;
            Ok(None)
        }
        answer => answer.map(Some).map_err(Failure::from),
    };
    Answer { message, quick }
}

/// A request of an earlier link, whose failure is nothing to the next one.
fn take_over(ask: BoxFuture<Answer>, runtime: Arc<dyn Runtime>) -> BoxFuture<Answer> {
    Box::pin(async move {
        let deadline = runtime.sleep_until(runtime.now().after(LEFT_WAIT));
        let message = match select(ask, pin!(deadline)).await {
            Either::Left((answer, _)) => answer.message.unwrap_or_default(),
            Either::Right(_) => None,
        };
        Answer { message: Ok(message), quick: false }
    })
}

/// What comes of an answer that is no message, while there are `others` on their way.
fn end(failure: Failure, others: usize) -> End {
    let Failure { error, status } = failure;
    let vanished = status.is_some_and(|status| matches!(status.as_u16(), 404 | 410));
    // Whoever answers waits no longer.
    End { error, vanished, nobody_reads: vanished || (status.is_some() && others == 0) }
}
