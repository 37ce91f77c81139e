//! Requests that send and receive.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::address::SubscriptionKey;
use crate::broker::SendOutcome;
use crate::broker::connections::{Delivery, Event};
use crate::broker::subscription::Settlement;
use crate::broker::tokens::{Token, to_text};
use crate::serve::Place;
use crate::time::sleep_until;
use crate::{Emulator, Message, Refusal};

use super::broker_properties::{Settable, Told, ascii};
use super::{Answer, Asked, Cut, custom, refusal, refused, with_status};

const BROKER_PROPERTIES: HeaderName = HeaderName::from_static("brokerproperties");
/// Several messages in one body.
const BATCH: &str = "application/vnd.microsoft.servicebus.json";
/// How long a request waits that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// `POST /TOPIC/messages`
pub(super) fn send(emulator: &Emulator, topic: &str, asked: &Asked) -> Result<Answer, Cut> {
    if asked.head.method != Method::POST {
        return Ok(refused(StatusCode::METHOD_NOT_ALLOWED, "Messages are sent with POST."));
    }
    let messages = match messages(asked) {
        Ok(messages) => messages,
        Err(why) => return Ok(refused(StatusCode::BAD_REQUEST, &format!("{why}."))),
    };
    let mut broker = emulator.broker();
    let size: usize = messages.iter().map(Message::size).sum();
    if size > broker.quotas.message_bytes {
        let limit = broker.quotas.message_bytes;
        return Ok(refusal(&Refusal::too_large(size, limit)));
    }
    match broker.publish(None, &topic.to_lowercase(), messages) {
        SendOutcome::Accepted => Ok(with_status(StatusCode::CREATED, Bytes::new())),
        SendOutcome::Silence => Err(Cut),
        SendOutcome::Refused(why) => Ok(busy_or(&why)),
    }
}

/// Throttling has another status here than in management.
fn busy_or(why: &Refusal) -> Answer {
    match why.condition.as_str() {
        "com.microsoft:server-busy" => refused(StatusCode::SERVICE_UNAVAILABLE, &why.description),
        "com.microsoft:message-lock-lost" => refused(StatusCode::NOT_FOUND, &why.description),
        _ => refusal(why),
    }
}

fn messages(asked: &Asked) -> Result<Vec<Message>, String> {
    let headers = &asked.head.headers;
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.as_bytes());
    let content_type = text(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value).into_owned());
    if content_type.as_deref().is_some_and(|kind| kind.starts_with(BATCH)) {
        return batch(&asked.body);
    }
    let settable = match text(BROKER_PROPERTIES) {
        None => Settable::default(),
        Some(json) => serde_json::from_slice(json)
            .map_err(|error| format!("BrokerProperties is not valid: {error}"))?,
    };
    let application = custom::from_headers(headers);
    settable.into_message(content_type, application, asked.body.clone()).map(|one| vec![one])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InBatch {
    body: String,
    #[serde(default)]
    broker_properties: Settable,
    #[serde(default)]
    user_properties: BTreeMap<String, serde_json::Value>,
}

fn batch(body: &[u8]) -> Result<Vec<Message>, String> {
    let batch: Vec<InBatch> = serde_json::from_slice(body)
        .map_err(|error| format!("the body is no batch of messages: {error}"))?;
    let message = |each: InBatch| {
        let properties = each.user_properties.iter();
        let application =
            properties.filter_map(|(k, v)| Some((k.clone(), custom::from_json(v)?))).collect();
        each.broker_properties.into_message(None, application, each.body.into())
    };
    batch.into_iter().map(message).collect()
}

/// `POST` and `DELETE` on `…/messages/head`: waits for a message.
pub(super) async fn receive(
    emulator: &Emulator,
    key: &SubscriptionKey,
    asked: &Asked,
) -> Result<Answer, Cut> {
    let deletes = asked.head.method == Method::DELETE;
    if !deletes && asked.head.method != Method::POST {
        return Ok(refused(StatusCode::METHOD_NOT_ALLOWED, "This is no way to receive."));
    }
    let place = Place::take(emulator, None).ok_or(Cut)?;
    let ends_at = {
        let mut broker = emulator.broker();
        match broker.attach_receiver(place.id, key, deletes) {
            Ok(link) => broker.flow(link, 0, 1, false),
            Err(why) => return Ok(busy_or(&why)),
        }
        let seconds = asked.query.number("timeout").map(|seconds| seconds as u64);
        let timeout = seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        broker.now().checked_add(timeout)
    };
    match wait(emulator, &place, ends_at).await? {
        Waited::Message(delivery) => Ok(message_answer(&delivery, key, asked)),
        Waited::Refused(why) => Ok(busy_or(&why)),
        Waited::Nothing => {
            if let Some(subscription) = emulator.broker().find_mut(key) {
                subscription.operations.empty_polls += 1;
            }
            Ok(with_status(StatusCode::NO_CONTENT, Bytes::new()))
        }
    }
}

enum Waited {
    Message(Box<Delivery>),
    Refused(Refusal),
    Nothing,
}

async fn wait(
    emulator: &Emulator,
    place: &Place,
    ends_at: Option<SystemTime>,
) -> Result<Waited, Cut> {
    loop {
        let deadline = {
            let mut broker = emulator.broker();
            let deadline = broker.tick(place.id);
            if broker.is_cut(place.id) {
                return Err(Cut);
            }
            for event in broker.collect(place.id, usize::MAX) {
                match event {
                    Event::Deliver(delivery) => return Ok(Waited::Message(Box::new(delivery))),
                    Event::Detach { reason, .. } => return Ok(Waited::Refused(reason)),
                    Event::Drained { .. } | Event::ExpireTokens => {}
                }
            }
            if ends_at.is_some_and(|end| end <= broker.now()) {
                return Ok(Waited::Nothing);
            }
            [deadline, ends_at].into_iter().flatten().min()
        };
        tokio::select! {
            biased;
            () = place.notify.notified() => {}
            () = sleep_until(emulator.clock(), deadline) => {}
        }
    }
}

fn message_answer(delivery: &Delivery, key: &SubscriptionKey, asked: &Asked) -> Answer {
    let Delivery { message, stamp, token, .. } = delivery;
    let status = if stamp.lock.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer = with_status(status, message.body().unwrap_or_default());
    let headers = answer.headers_mut();
    custom::add(&message.application, headers);
    let mut add = |name: HeaderName, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    let told = serde_json::to_string(&Told::of(delivery)).unwrap_or_default();
    add(BROKER_PROPERTIES, ascii(&told));
    let kind = message.properties.content_type.as_ref();
    add(CONTENT_TYPE, kind.map_or("application/octet-stream", |kind| kind.as_str()).to_owned());
    if stamp.lock.is_some() {
        let (base, path) = (asked.base(), key.path());
        let (sequence, token) = (stamp.sequence, to_text(*token));
        add(LOCATION, format!("{base}/{path}/messages/{sequence}/{token}"));
    }
    answer
}

/// `DELETE`, `PUT` and `POST` on `…/messages/MESSAGE/LOCK`: completes, unlocks, renews.
pub(super) fn settle(
    emulator: &Emulator,
    key: &SubscriptionKey,
    token: Token,
    asked: &Asked,
) -> Answer {
    let mut broker = emulator.broker();
    if let Err(busy) = broker.refuse_if_throttled() {
        return busy_or(&busy);
    }
    let method = &asked.head.method;
    let result = if *method == Method::DELETE {
        broker.settle(key, token, Settlement::Complete)
    } else if *method == Method::PUT {
        broker.settle(key, token, Settlement::Abandon)
    } else if *method == Method::POST {
        broker.renew(key, token).map(drop)
    } else {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "This is no way to settle.");
    };
    match result {
        Ok(()) => with_status(StatusCode::OK, Bytes::new()),
        Err(why) => busy_or(&why),
    }
}
