//! What the AMQP library's errors mean.

use fe2o3_amqp::connection::{ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, LinkStateError, ReceiverAttachError, RecvError, SendError, SenderAttachError,
    SessionStopReason,
};
use fe2o3_amqp::session::BeginError;
use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition};
use fe2o3_amqp::types::messaging::Outcome;
use fe2o3_amqp::types::primitives::Symbol;
use fe2o3_amqp_management::error::{AttachError, Error as CbsError};
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::error::{amqp_refused, presentable};

/// What is behind an error of the library.
pub(super) enum Cause {
    /// The service says why.
    Said(Error),
    /// The service ended it without a reason.
    Ended,
    /// The connection broke, or something else that a new one mends.
    Broken(String),
    /// This message cannot be sent.
    TooLarge(String),
}

impl Cause {
    pub(super) fn error(&self, doing: &str) -> TransportError {
        match self {
            Self::Said(said) => {
                amqp_refused(doing, &condition(&said.condition), said.description.as_deref())
            }
            Self::Ended => Kind::Unreachable.error(format!("{doing}: the service ended it")),
            Self::Broken(what) => {
                Kind::Unreachable.error(format!("{doing}: {}", presentable(what)))
            }
            Self::TooLarge(what) => Kind::Rejected
                .error(format!("{doing}: {what}; lower `max_frame_bytes` to what the tier takes")),
        }
    }

    /// Whether the service itself said that it is over.
    pub(super) fn is_from_service(&self) -> bool {
        matches!(self, Self::Said(_) | Self::Ended)
    }

    /// Whether the service says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Said(said)
            if said.condition == ErrorCondition::AmqpError(AmqpError::NotFound))
    }

    pub(super) fn broken(error: &impl ToString) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The condition's name.
fn condition(condition: &ErrorCondition) -> String {
    let symbol = match condition {
        ErrorCondition::AmqpError(known) => Symbol::from(known),
        ErrorCondition::ConnectionError(known) => Symbol::from(known),
        ErrorCondition::SessionError(known) => Symbol::from(known),
        ErrorCondition::LinkError(known) => Symbol::from(known),
        ErrorCondition::Custom(symbol) => symbol.clone(),
    };
    // A foreign text: it may be anything.
    presentable(symbol.as_str())
}

impl From<ConnectionStopReason> for Cause {
    fn from(reason: ConnectionStopReason) -> Self {
        match reason {
            ConnectionStopReason::RemoteClosedWithError(said) => Self::Said(said),
            ConnectionStopReason::RemoteClosed => Self::Ended,
            ConnectionStopReason::Closed => Self::Broken("the connection ended".to_owned()),
            ConnectionStopReason::ClosedWithError(error) => Self::broken(&error),
        }
    }
}

impl From<SessionStopReason> for Cause {
    fn from(reason: SessionStopReason) -> Self {
        match reason {
            SessionStopReason::RemoteEndedWithError(said) => Self::Said(said),
            SessionStopReason::RemoteEnded => Self::Ended,
            SessionStopReason::ConnectionStopped(reason) => reason.into(),
            SessionStopReason::Ended => Self::Broken("the session ended".to_owned()),
            SessionStopReason::EndedWithError(error) => Self::broken(&error),
        }
    }
}

impl From<OpenError> for Cause {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::RemoteClosedWithError(said) => Self::Said(said),
            OpenError::RemoteClosed => Self::Ended,
            error => Self::broken(&error),
        }
    }
}

impl From<BeginError> for Cause {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::RemoteEndedWithError(said) => Self::Said(said),
            BeginError::RemoteEnded => Self::Ended,
            BeginError::ConnectionStopped(reason) => reason.into(),
            error => Self::broken(&error),
        }
    }
}

impl From<LinkStateError> for Cause {
    fn from(error: LinkStateError) -> Self {
        match error {
            LinkStateError::RemoteClosedWithError(said)
            | LinkStateError::RemoteDetachedWithError(said) => Self::Said(said),
            LinkStateError::RemoteClosed | LinkStateError::RemoteDetached => Self::Ended,
            LinkStateError::SessionStopped(reason) => reason.into(),
            error => Self::broken(&error),
        }
    }
}

impl From<DetachError> for Cause {
    fn from(error: DetachError) -> Self {
        LinkStateError::from(error).into()
    }
}

impl From<SenderAttachError> for Cause {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(said) => Self::Said(said),
            SenderAttachError::SessionStopped(reason) => reason.into(),
            error => Self::broken(&error),
        }
    }
}

impl From<ReceiverAttachError> for Cause {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(said) => Self::Said(said),
            ReceiverAttachError::SessionStopped(reason) => reason.into(),
            error => Self::broken(&error),
        }
    }
}

impl From<SendError> for Cause {
    fn from(error: SendError) -> Self {
        match error {
            SendError::LinkStateError(error) => error.into(),
            SendError::Detached(error) => error.into(),
            SendError::MessageSizeExceeded(size) => Self::TooLarge(size.to_string()),
            error => Self::broken(&error),
        }
    }
}

impl From<RecvError> for Cause {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::LinkStateError(error) => error.into(),
            error => Self::broken(&error),
        }
    }
}

impl From<AttachError> for Cause {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Sender(error) => error.into(),
            AttachError::Receiver(error) => error.into(),
        }
    }
}

/// A refused token: only the status and the service's own words are kept.
pub(super) fn token_refused(error: CbsError) -> TransportError {
    const DOING: &str = "showing the token";
    match error {
        CbsError::Status(status) => {
            let code = status.code.0.get();
            let description = status.description.as_deref().map(presentable).unwrap_or_default();
            let kind = match code {
                401 | 403 => Kind::Unauthorized,
                404 => Kind::NotFound,
                429 | 503 => Kind::Throttled,
                500.. => Kind::Unreachable,
                _ => Kind::Unauthorized,
            };
            kind.error(format!(
                "{DOING}: refused with {code} ({description}); check the credential"
            ))
        }
        CbsError::Send(error) => Cause::from(error).error(DOING),
        CbsError::Recv(error) => Cause::from(error).error(DOING),
        _ => Kind::Protocol.error("showing the token: the answer is not what `$cbs` answers"),
    }
}

/// Whether the service took a message.
pub(super) fn accepted(outcome: Outcome, doing: &str) -> Result<(), TransportError> {
    match outcome {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Rejected(rejected) => Err(match rejected.error {
            Some(said) => Cause::Said(said).error(doing),
            None => Kind::Rejected.error(format!("{doing}: the service rejected the message")),
        }),
        Outcome::Released(_) | Outcome::Modified(_) => {
            Err(Kind::Unreachable.error(format!("{doing}: the service did not take the message")))
        }
        #[allow(
            unreachable_patterns,
            reason = "further outcomes belong to a feature of the library"
        )]
        _ => Err(Kind::Protocol.error(format!("{doing}: an outcome that is not understood"))),
    }
}
