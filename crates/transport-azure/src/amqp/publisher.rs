//! Sends frames to the topic, over a connection of its own.
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
use tokio::sync::{OnceCell, mpsc, oneshot};
use unstale::runtime::BoxFuture;
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use super::connection::{Connection, Dialer};
use super::failure::{Cause, accepted};
use super::message;

/// Messages that wait for the task. A node publishes one after the other, with a few of other kinds beside.
const QUEUE: usize = 64;

type Reply = oneshot::Sender<Result<(), TransportError>>;

struct Job {
    message: Message<Data>,
    reply: Reply,
}

/// Hands messages to the task that sends them.
#[derive(Debug)]
pub(crate) struct Publisher {
    dialer: Dialer,
    timeout: Duration,
    jobs: OnceCell<mpsc::Sender<Job>>,
}

impl Publisher {
    pub(crate) fn new(dialer: Dialer, timeout: Duration) -> Self {
        Self { dialer, timeout, jobs: OnceCell::new() }
    }

    /// Sends a frame; `Ok` once the service accepted it.
    pub(crate) async fn publish(&self, frame: &[u8]) -> Result<(), TransportError> {
        let jobs = self.jobs.get_or_init(|| async { self.start() }).await;
        let (reply, answer) = oneshot::channel();
        let gone = || Kind::Unreachable.error("publishing: the connection broke or fell silent");
        let job = Job { message: message::frame(frame), reply };
        jobs.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn start(&self) -> mpsc::Sender<Job> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let task = Task {
            dialer: self.dialer.clone(),
            jobs,
            link: None,
            outcomes: FuturesUnordered::new(),
            timeout: self.timeout,
            deadline: None,
        };
        self.dialer.network().runtime.spawn("unstale-azure-publisher", Box::pin(task.run()));
        sender
    }
}

struct Task {
    dialer: Dialer,
    jobs: mpsc::Receiver<Job>,
    link: Option<Link>,
    /// Messages whose outcome is not known yet.
    outcomes: FuturesUnordered<Pending>,
    /// How long the service may leave us without any outcome.
    timeout: Duration,
    /// Until when the next outcome has to come, while there are some to come.
    deadline: Option<BoxFuture<()>>,
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
                    if works {
                        self.rearm();
                    } else {
                        self.drop_link();
                    }
                }
                () = passed(&mut self.deadline) => {
                    tracing::debug!("the publishing connection has fallen silent");
                    self.drop_link();
                }
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
        self.deadline = None;
    }

    /// Something has come: whatever else is to come has its time anew.
    fn rearm(&mut self) {
        let runtime = &self.dialer.network().runtime;
        let waits = !self.outcomes.is_empty();
        self.deadline = waits.then(|| runtime.sleep_until(runtime.now().after(self.timeout)));
    }

    async fn send(&mut self, job: Job) {
        if self.link.is_none() {
            match Link::open(&self.dialer).await {
                Ok(link) => self.link = Some(link),
                Err(error) => return self.fail_all(job, &error),
            }
        }
        let Some(link) = &mut self.link else { return };
        let runtime = Arc::clone(&self.dialer.network().runtime);
        // Without credit this waits.
        let sent = tokio::select! {
            sent = link.sender.send_batchable(job.message) => Some(sent),
            () = runtime.sleep_until(runtime.now().after(self.timeout)) => None,
        };
        match sent {
            Some(Ok(outcome)) => {
                self.outcomes.push(Pending { outcome, reply: Some(job.reply) });
                if self.deadline.is_none() {
                    self.rearm();
                }
            }
            Some(Err(error)) => {
                let cause = Cause::from(error);
                let _ = job.reply.send(Err(cause.error("publishing")));
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
        for job in std::iter::once(first).chain(waiting) {
            let _ = job.reply.send(Err(again()));
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

/// Resolves when a deadline has passed; never without one.
async fn passed(deadline: &mut Option<BoxFuture<()>>) {
    match deadline {
        Some(deadline) => deadline.await,
        None => std::future::pending().await,
    }
}
