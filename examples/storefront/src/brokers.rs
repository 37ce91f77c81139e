//! What connects the instances.

use std::sync::Arc;

use unstale::Transport;
use unstale::transport::TransportErrorKind as Kind;
use unstale_azure::{AzureTransport, AzureTransportBuilder, ConfigError};
use unstale_memory::Hub;
use unstale_redis::RedisTransport;

use crate::Error;
use crate::arguments::Broker;
use crate::shop::NAMESPACE;

/// Makes a transport for each instance.
pub(crate) enum Brokers {
    Memory(Hub),
    /// The URL.
    Redis(String),
    Azure(Box<AzureTransportBuilder>),
}

impl Brokers {
    /// What was asked for, `None` being memory.
    pub(crate) async fn new(broker: Option<&Broker>) -> Result<Self, Error> {
        Ok(match broker {
            None => Self::Memory(Hub::new()),
            Some(Broker::Redis(url)) => Self::Redis(url.clone()),
            Some(Broker::Azure(connection_string)) => {
                let builder = azure(connection_string)?;
                create_topic(&builder).await?;
                Self::Azure(Box::new(builder))
            }
        })
    }

    /// One transport per node, also within one process: each has its own connections.
    pub(crate) fn transport(&self) -> Result<Arc<dyn Transport>, Error> {
        Ok(match self {
            Self::Memory(hub) => Arc::new(hub.transport()),
            Self::Redis(url) => Arc::new(RedisTransport::new(url, NAMESPACE)?),
            Self::Azure(builder) => Arc::new(builder.as_ref().clone().build()?),
        })
    }
}

/// The topic is the connection string's own, if it has one.
fn azure(connection_string: &str) -> Result<AzureTransportBuilder, ConfigError> {
    let builder = AzureTransport::builder()
        .connection_string(connection_string)
        .subscription_prefix(NAMESPACE);
    match builder.clone().build() {
        Ok(_) => Ok(builder),
        Err(ConfigError::Topic(topic)) if topic.is_empty() => Ok(builder.topic(NAMESPACE)),
        Err(error) => Err(error),
    }
}

/// A shop that is tried out should need no preparation; in a real one, whoever sets up the namespace makes the topic.
async fn create_topic(builder: &AzureTransportBuilder) -> Result<(), Error> {
    match builder.clone().administration()?.create_topic().await {
        Ok(_) => Ok(()),
        // The instances start without their broker, and find it when it is back.
        Err(error) if matches!(error.kind(), Kind::Unreachable | Kind::Throttled) => {
            eprintln!("storefront: Azure Service Bus: {error}");
            Ok(())
        }
        Err(error) => Err(format!("Azure Service Bus: {error}").into()),
    }
}
