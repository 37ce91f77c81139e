//! The contract between `unstale` and what carries its frames.
//!
//! A [`Transport`] is deliberately dumb: it opens a subscription, yields items until it breaks, and
//! publishes. Reconnecting, retrying, ordering and repair live in this crate, once, for all transports.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Carries opaque frames over one channel; knows nothing about caches.
///
/// # Delivery
/// [`subscribe`](Self::subscribe) resolves when the broker has confirmed the subscription. From then on the
/// subscription yields *every* frame that the broker accepts, own ones included, until it ends. One
/// [`publish`](Self::publish) call is accepted at most once and yielded at most once per subscription; a
/// transport over a broker that redelivers filters by the broker's own sequence number.
///
/// # Ordering
/// All subscriptions yield the frames in the broker's one order. Publishing and subscribing go through the
/// one server that orders the channel (*one sequencer*); its identity is the subscription's
/// [`sequencer`](Subscription::sequencer).
///
/// # Gaps
/// Anything that may have dropped a frame **ends** the subscription with an error: an unsolicited
/// unsubscribe, a lagged internal queue, a moved slot, a demoted primary, a reply that nobody asked for. A
/// transport never reconnects a subscription behind its caller's back.
///
/// Wrong: `Lagged(n) => continue`. Right: `Lagged(n) => return Err(TransportErrorKind::Lagged.error(..))`.
///
/// # Cancel safety
/// A dropped `subscribe` future leaves no subscription behind. A dropped `publish` future may or may not
/// have published, now or later, exactly like an `Err`.
///
/// # Clone and sharing
/// A transport is shared as `Arc<dyn Transport>`; all methods take `&self`, and any number of publishes may
/// run beside one subscription. Several subscriptions may be open at once.
///
/// # Errors
/// Every error says by its [kind](TransportErrorKind) whether a retry can help. A transport does not retry.
///
/// # Panics
/// None, whatever the network sends.
///
/// # Example
/// A decorator that counts what passes. It changes nothing, so it hands on the inner transport's capabilities.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use unstale::transport::{Capabilities, Subscription, Transport, TransportError};
///
/// struct Counting {
///     inner: Arc<dyn Transport>,
///     published: AtomicU64,
/// }
///
/// #[async_trait]
/// impl Transport for Counting {
///     async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
///         self.inner.subscribe().await
///     }
///
///     async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
///         self.published.fetch_add(1, Ordering::Relaxed);
///         self.inner.publish(frame).await
///     }
///
///     fn capabilities(&self) -> Capabilities {
///         self.inner.capabilities()
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Opens a subscription; resolves when the broker has confirmed it.
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError>;

    /// Publishes one frame. `Ok`: the broker accepted it. `Err`: it may or may not have, now or later.
    ///
    /// An error of kind [`Rejected`](TransportErrorKind::Rejected) says that *this frame* can never be
    /// accepted.
    async fn publish(&self, frame: Bytes) -> Result<(), TransportError>;

    /// What this transport can do. The same for the whole life of the transport.
    fn capabilities(&self) -> Capabilities;
}

/// A confirmed subscription: yields items until it ends.
///
/// Dropping it ends it; nothing has to be awaited. A node that leaves in order [closes](Self::close) it.
#[async_trait]
pub trait Subscription: Send {
    /// Who orders the channel (Redis: the primary's `run_id`), where the broker tells. Two subscriptions
    /// with the same identity saw one order; with different ones, or none, nothing is known.
    fn sequencer(&self) -> Option<&SequencerId>;

    /// The next item, in the broker's order; an error is the end, and nothing may be polled after it.
    ///
    /// The waker is notified when an item is ready. Dropping the waiter loses no item.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>>;

    /// Asks for [`Item::Fenced`] with this token, at a place in the stream that is after every frame that the
    /// broker accepted before this call. Called only if [`Capabilities::native_fences`]; does not block: the
    /// request leaves with the next [`poll_next`](Self::poll_next) at the latest. An error here is reported
    /// by the next `poll_next`.
    fn fence(&mut self, token: u64);

    /// Ends the subscription for good, and removes what the broker keeps for it. Where the broker keeps nothing
    /// that is a drop. What cannot be removed is left to the broker; there is nothing that a caller could do.
    ///
    /// # Cancel safety
    /// When dropped, the subscription has ended; what the broker keeps may be removed later, or stay.
    async fn close(self: Box<Self>);
}

/// Waiting for the next item as a future.
#[async_trait]
pub trait SubscriptionExt {
    /// The next item; an error is the end. Cancel safe.
    async fn next(&mut self) -> Result<Item, TransportError>;
}

#[async_trait]
impl SubscriptionExt for Box<dyn Subscription> {
    async fn next(&mut self) -> Result<Item, TransportError> {
        poll_fn(|context| self.poll_next(context)).await
    }
}

/// What a subscription yields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A frame that the broker accepted.
    Frame(Bytes),
    /// The answer to [`Subscription::fence`], in its place in the stream.
    Fenced(u64),
}

/// Identity of the server that orders a channel: opaque bytes, compared for equality only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SequencerId(Bytes);

impl SequencerId {
    /// At most this many bytes are kept; what identifies a server is far shorter.
    pub const MAX_LEN: usize = 64;

    /// An identity from the broker's own bytes, cut off after [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(identity: impl AsRef<[u8]>) -> Self {
        let bytes = identity.as_ref();
        Self(Bytes::copy_from_slice(&bytes[..bytes.len().min(Self::MAX_LEN)]))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SequencerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequencerId({})", self.0.escape_ascii())
    }
}

/// What a transport can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The transport's name in traces and metrics (`"redis"`).
    pub name: &'static str,
    /// The largest frame that [`Transport::publish`] takes, in bytes; at least
    /// [`MIN_FRAME_BYTES`](Self::MIN_FRAME_BYTES).
    pub max_frame_bytes: usize,
    /// Whether [`Subscription::fence`] works. Where it does not, a node publishes a frame to itself.
    pub native_fences: bool,
    /// Whether every frame costs money. A node then sends fewer that nothing asked for: half of the beacons
    /// after a publish, one a minute at most in quiet times (one a second by the whole cluster), and fences
    /// rest after a minute without a read.
    pub metered: bool,
}

impl Capabilities {
    /// The smallest `max_frame_bytes` that a node works with.
    pub const MIN_FRAME_BYTES: usize = 4 * 1024;

    /// Capabilities of a transport with frames of up to 1 MiB and without native fences.
    pub fn new(name: &'static str) -> Self {
        Self { name, max_frame_bytes: 1 << 20, native_fences: false, metered: false }
    }

    /// Sets the largest frame, in bytes.
    #[must_use]
    pub fn with_max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// Says that every frame costs money.
    #[must_use]
    pub fn with_metered_frames(mut self) -> Self {
        self.metered = true;
        self
    }

    /// Says that [`Subscription::fence`] works.
    #[must_use]
    pub fn with_native_fences(mut self) -> Self {
        self.native_fences = true;
        self
    }
}

/// Why a transport failed: its [kind](TransportErrorKind) decides what a node does about it.
///
/// Its text never contains a password, key or token.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What went wrong, as far as a node or an operator must tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The broker cannot be reached, or the connection broke. A retry can help.
    Unreachable,
    /// The broker refuses our credentials. A retry helps only after someone changed them.
    Unauthorized,
    /// The channel does not exist, and the transport may not create it.
    NotFound,
    /// A quota or rate is exhausted; see [`TransportError::retry_after`].
    Throttled,
    /// This frame can never be accepted (size, format).
    Rejected,
    /// Frames may have been dropped because we were too slow.
    Lagged,
    /// The server we talk to is no longer the one that orders the channel.
    Demoted,
    /// The transport's own configuration cannot work.
    Configuration,
    /// The broker said something that this transport does not understand.
    Protocol,
    /// The transport was shut down; no retry can help.
    Closed,
}

impl TransportErrorKind {
    /// An error of this kind. The message must not contain a secret.
    pub fn error(self, message: impl Into<Cow<'static, str>>) -> TransportError {
        TransportError { kind: self, message: message.into(), retry_after: None, source: None }
    }
}

impl TransportError {
    /// What went wrong.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Whether trying the same again later can help, perhaps after an operator did something.
    pub fn can_retry(&self) -> bool {
        !matches!(self.kind, TransportErrorKind::Rejected | TransportErrorKind::Closed)
    }

    /// How long the broker asked us to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Adds how long to wait before the next try.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds the cause. Its text must not contain a secret either.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
