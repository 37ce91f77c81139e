//! An emulator of Azure Service Bus: topics and subscriptions, by AMQP 1.0 and by HTTP, with faults to order.
//!
//! Everything comes in by [`Emulator::serve`], over any stream: AMQP, also in TLS and in a WebSocket, management
//! requests (Atom, as Microsoft's administration clients send them), and requests that send and receive. One port is
//! enough for all of it: what a connection speaks shows in its first bytes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::UNIX_EPOCH;
//! use unstale_servicebus_emulator::{Clock, Emulator, Message, Options};
//!
//! let emulator = Emulator::new(Options::new(Clock::tokio(UNIX_EPOCH)));
//! emulator.create_topic("orders")?;
//! emulator.create_subscription("orders", "audit")?;
//! let listening = emulator.listen("127.0.0.1:0").await?;
//! println!("{:?}", emulator.connection_string("RootManageSharedAccessKey", &listening.addr().to_string()));
//!
//! emulator.send_raw("orders", Message::new("hello"))?;
//! assert_eq!(emulator.subscription_info("orders", "audit").map(|info| info.waiting), Some(1));
//! # Ok(())
//! # }
//! ```
//!
//! # In a simulation
//! Nothing here reads a clock but the one in [`Options`], draws a random number, or depends on the order of a map
//! that has none. A connection is one future, which spawns nothing. Only [`Emulator::listen`] knows sockets.
//!
//! # Where it differs from Azure
//! - There are topics and subscriptions, with rules. There are no queues, sessions, scheduled or deferred messages,
//!   transactions, forwarding, duplicate detection or rule actions; what asks for them is refused. `$management`
//!   links (peek, lock renewal by AMQP) are not found.
//! - Every topic has one order, also if it is created with `EnablePartitioning`.
//! - Dead letters are counted and kept for [`Emulator::dead_letters`]; no client can receive them.
//! - A topic is never deleted for being idle; its description does not say that it could be.
//! - Names of application properties are in lower case when they come by HTTP, whose headers have no case.
//! - A host in a token or an address is not looked at: the emulator is every namespace.
//! - An idle connection is cut without the close that Azure sends.

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
