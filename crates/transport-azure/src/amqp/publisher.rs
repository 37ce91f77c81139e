//! Sends frames and fences to the topic, over a connection of its own.
//!
//! A task owns the connection. It is opened by the first message, and by the next one after it broke; messages
//! are sent without waiting for the outcome of earlier ones.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::Sender;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::types::messaging::{Data, Message, Outcome};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, OnceCell, mpsc, oneshot};
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use super::connection::{Connection, Dialer};
use super::failure::{Cause, accepted};
use super::message;
use crate::order::Fence;

/// Messages that wait for the task. A node publishes one after the other, with a few of other kinds beside.
const QUEUE: usize = 64;

type Reply = oneshot::Sender<Result<(), TransportError>>;

struct Job {
    message: Message<Data>,
    /// A fence that nobody waits for has none.
    reply: Option<Reply>,
}

/// Hands messages to the task that sends them.
#[derive(Debug)]
pub(crate) struct Publisher {
    dialer: Dialer,
    timeout: Duration,
    jobs: OnceCell<mpsc::Sender<Job>>,
    /// Gives the present connection up.
    give_up: Arc<Notify>,
}

impl Publisher {
    pub(crate) fn new(dialer: Dialer, timeout: Duration) -> Self {
        Self { dialer, timeout, jobs: OnceCell::new(), give_up: Arc::default() }
    }

    /// Sends a frame; `Ok` once the service accepted it.
    pub(crate) async fn publish(&self, frame: &[u8]) -> Result<(), TransportError> {
        self.send(message::frame(frame)).await
    }

    /// Sends a fence; `Ok` once the service accepted it.
    pub(super) async fn publish_fence(&self, fence: &Fence) -> Result<(), TransportError> {
        self.send(message::fence(fence)).await
    }

    /// Sends a fence in the background. One that cannot be sent never comes back, which its node notices.
    pub(super) fn send_fence(&self, fence: &Fence) {
        let job = Job { message: message::fence(fence), reply: None };
        if let Some(jobs) = self.jobs.get() {
            // A full queue means that nothing gets through now.
            let _ = jobs.try_send(job);
        }
    }

    async fn send(&self, message: Message<Data>) -> Result<(), TransportError> {
        let jobs = self.jobs.get_or_init(|| async { self.start() }).await;
        let network = self.dialer.network();
        let sent = async {
            let (reply, answer) = oneshot::channel();
            let gone = || Kind::Unreachable.error("publishing: the connection was given up");
            jobs.send(Job { message, reply: Some(reply) }).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        // Connecting has a limit of its own, and may come first.
        let limit = self.timeout + network.timeout;
        let result = network.within(limit, "publishing", sent).await;
        if let Err(error) = &result
            && error.kind() == Kind::Unreachable
        {
            // It may be the connection that fell silent.
            self.give_up.notify_one();
        }
        result
    }

    fn start(&self) -> mpsc::Sender<Job> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let task = Task {
            dialer: self.dialer.clone(),
            jobs,
            give_up: Arc::clone(&self.give_up),
            link: None,
            outcomes: FuturesUnordered::new(),
        };
        self.dialer.network().runtime.spawn("unstale-azure-publisher", Box::pin(task.run()));
        sender
    }
}

struct Task {
    dialer: Dialer,
    jobs: mpsc::Receiver<Job>,
    give_up: Arc<Notify>,
    link: Option<Link>,
    /// Messages whose outcome is not known yet.
    outcomes: FuturesUnordered<Pending>,
}

struct Link {
    // In this order: the connection goes first, with its stream.
    _connection: Connection,
    sender: Sender,
}

/// Waits for a message's outcome and passes it on.
struct Pending {
    outcome: DeliveryFut<Result<Outcome, SendError>>,
    reply: Option<Reply>,
}

impl Future for Pending {
    /// Whether the link works.
    type Output = bool;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<bool> {
        let outcome = std::task::ready!(std::pin::Pin::new(&mut self.outcome).poll(context));
        let (works, result) = match outcome {
            Ok(outcome) => (true, accepted(outcome, "publishing")),
            Err(error) => (false, Err(Cause::from(error).error("publishing"))),
        };
        if let Some(reply) = self.reply.take() {
            // Whoever waited may have gone.
            let _ = reply.send(result);
        }
        std::task::Poll::Ready(works)
    }
}

impl Task {
    async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(works) = self.outcomes.next(), if !self.outcomes.is_empty() => {
                    if !works {
                        self.drop_link();
                    }
                }
                () = self.give_up.notified() => self.drop_link(),
                job = self.jobs.recv() => match job {
                    Some(job) => self.send(job).await,
                    None => return,
                },
            }
        }
    }

    /// What was sent and not answered may or may not have been accepted: its waiters are told by the end of
    /// their channel.
    fn drop_link(&mut self) {
        self.link = None;
        self.outcomes.clear();
    }

    async fn send(&mut self, job: Job) {
        if self.link.is_none() {
            match Link::open(&self.dialer).await {
                Ok(link) => self.link = Some(link),
                Err(error) => return self.fail_all(job, &error),
            }
            // It was meant for the connection before.
            let _ = futures_util::FutureExt::now_or_never(self.give_up.notified());
        }
        let Some(link) = &mut self.link else { return };
        let give_up = Arc::clone(&self.give_up);
        // Without credit this waits.
        let sent = tokio::select! {
            sent = link.sender.send_batchable(job.message) => Some(sent),
            () = give_up.notified() => None,
        };
        match sent {
            Some(Ok(outcome)) => self.outcomes.push(Pending { outcome, reply: job.reply }),
            Some(Err(error)) => {
                let cause = Cause::from(error);
                if let Some(reply) = job.reply {
                    let _ = reply.send(Err(cause.error("publishing")));
                }
                if !matches!(cause, Cause::TooLarge(_)) {
                    self.drop_link();
                }
            }
            None => self.drop_link(),
        }
    }

    /// Whoever waits now would only wait for the next failure.
    fn fail_all(&mut self, first: Job, error: &TransportError) {
        let again = || {
            let same = error.kind().error(error.to_string());
            match error.retry_after() {
                Some(wait) => same.with_retry_after(wait),
                None => same,
            }
        };
        let waiting = std::iter::from_fn(|| self.jobs.try_recv().ok());
        for reply in std::iter::once(first).chain(waiting).filter_map(|job| job.reply) {
            let _ = reply.send(Err(again()));
        }
    }
}

impl Link {
    async fn open(dialer: &Dialer) -> Result<Self, TransportError> {
        let mut connection = dialer.open().await?;
        let network = dialer.network();
        let attach = async {
            Sender::attach(&mut connection.session, "unstale-sender", dialer.topic.as_str())
                .await
                .map_err(|error| Cause::from(error).error("attaching to the topic"))
        };
        let sender = network.within(network.timeout, "attaching to the topic", attach).await?;
        Ok(Self { _connection: connection, sender })
    }
}
