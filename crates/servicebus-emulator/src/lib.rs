//! An emulator of Azure Service Bus: topics and subscriptions, by AMQP 1.0 and by HTTP, with faults to order.

mod address;
mod amqp;
mod auth;
mod broker;
mod cut;
mod emulator;
mod faults;
mod filter;
mod http;
mod intercept;
mod listen;
mod message;
mod options;
mod prefixed;
mod serve;
mod time;

pub use amqp::wire::Malformed;
pub use auth::sign;
pub use broker::counters::Operations;
pub use broker::description::{Rule, SubscriptionDescription, TopicDescription};
pub use broker::refusal::Refusal;
pub use cut::{CutStream, Scissors};
pub use emulator::{Emulator, SubscriptionInfo};
pub use filter::{CorrelationFilter, Filter, SqlFilter};
pub use intercept::{CopyFate, Fate, Interceptor};
pub use listen::Listening;
pub use message::Message;
pub use options::{BearerToken, Options, Policy, Quotas, Rights, Scope};
pub use time::Clock;
