//! A transport with one flaw.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use unstale::Transport;
use unstale::transport::{
    Capabilities, Item, SequencerId, Subscription, TransportError, TransportErrorKind,
};

use crate::flaws::Flaw;

pub(crate) const SECRET: &str = "hunter2";

pub(crate) struct Flawed {
    inner: Arc<dyn Transport>,
    flaw: Flaw,
    shared: Arc<Shared>,
}

/// What a transport and its subscriptions know together.
#[derive(Default)]
struct Shared {
    published: Mutex<Vec<Bytes>>,
    fences: Mutex<Vec<u64>>,
    calls: AtomicU64,
    subscriptions: AtomicU64,
    drops: AtomicU64,
    stuck: AtomicBool,
    kept: Mutex<Vec<Box<dyn Subscription>>>,
}

impl Flawed {
    pub(crate) fn new(inner: Arc<dyn Transport>, flaw: Flaw) -> Self {
        Self { inner, flaw, shared: Arc::default() }
    }

    fn alter(&self, error: TransportError) -> TransportError {
        match self.flaw {
            Flaw::ShowsTheSecret => error.with_source(format!("password {SECRET}")),
            Flaw::EndsForGood => TransportErrorKind::Closed.error("for good"),
            _ => error,
        }
    }

    /// Sets the flag over an await, as code that is not cancel safe does.
    async fn with_flag(&self) -> Result<(), TransportError> {
        if self.shared.stuck.swap(true, Ordering::SeqCst) {
            return Err(TransportErrorKind::Unreachable.error("stuck"));
        }
        tokio::task::yield_now().await;
        self.shared.stuck.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// What is really published for a frame.
    async fn frames(&self, frame: Bytes) -> Result<Vec<Bytes>, TransportError> {
        let shared = &self.shared;
        let call = shared.calls.fetch_add(1, Ordering::SeqCst);
        let before = {
            let mut published = shared.published.lock().unwrap();
            published.push(frame.clone());
            published.iter().rev().nth(1).cloned()
        };
        let largest = self.inner.capabilities().max_frame_bytes;
        Ok(match self.flaw {
            Flaw::LosesOnPublish if call % 10 == 9 => Vec::new(),
            Flaw::PublishesTwice => vec![frame.clone(), frame],
            Flaw::AcceptsLater => before.into_iter().collect(),
            Flaw::MergesEqualFrames if before.as_ref() == Some(&frame) => Vec::new(),
            Flaw::DropsEmptyFrames if frame.is_empty() => Vec::new(),
            Flaw::ReplacesInvalidText => {
                vec![String::from_utf8_lossy(&frame).into_owned().into()]
            }
            Flaw::CutsTheLargestFrame if frame.len() == largest => vec![frame.slice(1..)],
            Flaw::SwallowsTooLarge if frame.len() > largest => Vec::new(),
            Flaw::TooLargeIsUnreachable if frame.len() > largest => {
                return Err(TransportErrorKind::Unreachable.error("the server hung up"));
            }
            Flaw::BrokenByTooLarge if shared.stuck.load(Ordering::SeqCst) => {
                return Err(TransportErrorKind::Unreachable.error("broken"));
            }
            Flaw::BrokenByTooLarge if frame.len() > largest => {
                shared.stuck.store(true, Ordering::SeqCst);
                vec![frame]
            }
            Flaw::StuckAfterADroppedPublish => {
                self.with_flag().await?;
                vec![frame]
            }
            _ => vec![frame],
        })
    }
}

#[async_trait]
impl Transport for Flawed {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let shared = &self.shared;
        let number = shared.subscriptions.fetch_add(1, Ordering::SeqCst);
        match self.flaw {
            Flaw::StuckAfterADroppedSubscribe => self.with_flag().await?,
            Flaw::RunsOutOfSubscriptions if number == 50 => {
                return Err(TransportErrorKind::Throttled.error("too many"));
            }
            _ => {}
        }
        let opened = self.inner.subscribe().await.map_err(|error| self.alter(error))?;
        let sequencer = match self.flaw {
            Flaw::NewSequencerEachTime => Some(SequencerId::new(number.to_be_bytes())),
            Flaw::SameSequencerForEver => Some(SequencerId::new("redis")),
            _ => opened.sequencer().cloned(),
        };
        let mut early = VecDeque::new();
        if self.flaw == Flaw::ReplaysTheLastFrame {
            early.extend(shared.published.lock().unwrap().last().cloned().map(Item::Frame));
        }
        let subscription = match self.flaw {
            Flaw::ConfirmsBeforeSubscribing => None,
            _ => Some(opened),
        };
        Ok(Box::new(FlawedSubscription {
            transport: Arc::clone(&self.inner),
            flaw: self.flaw,
            shared: Arc::clone(shared),
            number,
            drops: shared.drops.load(Ordering::SeqCst),
            fences_seen: shared.fences.lock().unwrap().len(),
            sequencer,
            subscription,
            opening: None,
            early,
            fences: Vec::new(),
            first_waker: None,
            frames: 0,
            in_a_row: 0,
            waits: 0,
        }))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        for frame in self.frames(frame).await? {
            match self.inner.publish(frame).await {
                Err(_) if self.flaw == Flaw::SwallowsPublishErrors => {}
                result => result.map_err(|error| self.alter(error))?,
            }
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.inner.capabilities();
        match self.flaw {
            Flaw::NoNativeFences => Capabilities::new(capabilities.name)
                .with_max_frame_bytes(capabilities.max_frame_bytes),
            Flaw::ShrinkingCapabilities => {
                let call = self.shared.calls.fetch_add(1, Ordering::SeqCst) as usize;
                let bytes = capabilities.max_frame_bytes - call;
                capabilities.with_max_frame_bytes(bytes)
            }
            _ => capabilities,
        }
    }
}

struct FlawedSubscription {
    transport: Arc<dyn Transport>,
    flaw: Flaw,
    shared: Arc<Shared>,
    number: u64,
    drops: u64,
    fences_seen: usize,
    sequencer: Option<SequencerId>,
    subscription: Option<Box<dyn Subscription>>,
    opening: Option<BoxFuture<'static, Result<Box<dyn Subscription>, TransportError>>>,
    /// To be yielded before anything else.
    early: VecDeque<Item>,
    fences: Vec<u64>,
    first_waker: Option<Waker>,
    frames: u64,
    in_a_row: u64,
    waits: u64,
}

impl FlawedSubscription {
    /// The honest stream; opens a subscription where there is none.
    fn poll_honest(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        loop {
            if let Some(subscription) = &mut self.subscription {
                return subscription.poll_next(context);
            }
            let transport = Arc::clone(&self.transport);
            let opening = self
                .opening
                .get_or_insert_with(|| async move { transport.subscribe().await }.boxed());
            match opening.poll_unpin(context) {
                Poll::Ready(Ok(subscription)) => self.subscription = Some(subscription),
                // Tried again at the next poll; the case's time limit ends it.
                Poll::Ready(Err(_)) | Poll::Pending => {
                    self.opening = None;
                    return Poll::Pending;
                }
            }
            self.opening = None;
        }
    }

    /// What becomes of a frame: itself, nothing, or several.
    fn pass(&mut self, frame: Bytes, context: &mut Context<'_>) -> Vec<Item> {
        self.frames += 1;
        self.in_a_row += 1;
        let foreign = frame.starts_with(b"\x00not");
        let own = || self.shared.published.lock().unwrap().contains(&frame);
        match self.flaw {
            Flaw::LosesInTheStream if self.frames % 10 == 9 => Vec::new(),
            Flaw::LosesInABurst if self.in_a_row == 2_000 => Vec::new(),
            Flaw::LosesAfterAWait if self.waits > 1 => {
                self.waits = 0;
                Vec::new()
            }
            Flaw::RepeatsInTheStream if self.frames % 10 == 9 => {
                vec![Item::Frame(frame.clone()), Item::Frame(frame)]
            }
            Flaw::SwapsNeighbours if self.number == 0 => match self.poll_honest(context) {
                Poll::Ready(Ok(next)) => vec![next, Item::Frame(frame)],
                _ => vec![Item::Frame(frame)],
            },
            Flaw::HidesOwnFrames if own() => Vec::new(),
            Flaw::HidesForeignFrames if foreign => Vec::new(),
            Flaw::PanicsOnForeignFrames if foreign => panic!("what is that?"),
            _ => vec![Item::Frame(frame)],
        }
    }

    /// What becomes of the end: itself, or nothing.
    fn pass_end(&mut self, error: TransportError) -> Option<TransportError> {
        let lagged = error.kind() == TransportErrorKind::Lagged;
        match self.flaw {
            Flaw::ReconnectsInSecret => self.subscription = None,
            Flaw::ContinuesAfterLagging if lagged => self.subscription = None,
            Flaw::EndsForGood => return Some(TransportErrorKind::Closed.error("for good")),
            Flaw::ShowsTheSecret => return Some(error.with_source(SECRET)),
            _ => return Some(error),
        }
        None
    }

    /// Fences that this subscription yields when there is nothing else.
    fn late_fence(&mut self) -> Option<u64> {
        match self.flaw {
            Flaw::FencesBackwards => self.fences.pop(),
            Flaw::FencesForEveryone => {
                let fence = self.shared.fences.lock().unwrap().get(self.fences_seen).copied();
                self.fences_seen += usize::from(fence.is_some());
                fence
            }
            _ => None,
        }
    }

    fn poll_flawed(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        if !self.lives() {
            return Poll::Ready(Err(TransportErrorKind::Unreachable.error("a sibling left")));
        }
        if self.was_robbed() {
            return Poll::Pending;
        }
        loop {
            if let Some(item) = self.early.pop_front() {
                return Poll::Ready(Ok(item));
            }
            match self.poll_honest(context) {
                Poll::Ready(Ok(Item::Frame(frame))) => {
                    let passed = self.pass(frame, context);
                    self.early.extend(passed);
                }
                Poll::Ready(Ok(item)) => {
                    self.early.push_back(item.clone());
                    if self.flaw == Flaw::FencesTwice {
                        self.early.push_back(item);
                    }
                }
                Poll::Ready(Err(_)) if self.flaw == Flaw::SwallowsTheEnd => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    if let Some(error) = self.pass_end(error) {
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Pending => {
                    self.in_a_row = 0;
                    self.waits += 1;
                    let fence = self.late_fence();
                    return fence
                        .map_or(Poll::Pending, |token| Poll::Ready(Ok(Item::Fenced(token))));
                }
            }
        }
    }

    fn lives(&self) -> bool {
        self.flaw != Flaw::DroppingOneEndsAll
            || self.drops == self.shared.drops.load(Ordering::SeqCst)
    }

    fn was_robbed(&self) -> bool {
        self.flaw == Flaw::StealsTheEarlierSubscription
            && self.number + 1 != self.shared.subscriptions.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Subscription for FlawedSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        self.sequencer.as_ref()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        let waker = self.first_waker.get_or_insert_with(|| context.waker().clone());
        if self.flaw == Flaw::KeepsTheFirstWaker {
            let waker = waker.clone();
            return self.poll_flawed(&mut Context::from_waker(&waker));
        }
        self.poll_flawed(context)
    }

    fn fence(&mut self, token: u64) {
        match (self.flaw, &mut self.subscription) {
            (Flaw::FencesNever, _) => {}
            (Flaw::FencesEarly, _) => self.early.push_back(Item::Fenced(token)),
            (Flaw::FencesBackwards, _) => self.fences.push(token),
            (Flaw::FencesForEveryone, _) => self.shared.fences.lock().unwrap().push(token),
            (_, Some(subscription)) => subscription.fence(token),
            (_, None) => self.early.push_back(Item::Fenced(token)),
        }
    }

    async fn close(self: Box<Self>) {}
}

impl Drop for FlawedSubscription {
    fn drop(&mut self) {
        if self.flaw == Flaw::KeepsDroppedSubscriptions {
            self.shared.kept.lock().unwrap().extend(self.subscription.take());
        }
        self.shared.drops.fetch_add(1, Ordering::SeqCst);
    }
}
