//! Bad weather over the emulator of Service Bus: what must hold while service and network fail, and afterwards.
//!
//! Every case: nodes with warm caches over one table with versions, a writer that changes rows through one
//! node, readers on all, and an oracle that knows every commit and every completed invalidation. Over AMQP and over
//! HTTPS.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests run on real sockets in real time, and may panic"
)]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test program: its modules share what they need"
)]

#[path = "../support/mod.rs"]
mod support;

// The same for every transport, which uses a part of it.
#[path = "../../../../tests/weather/oracle.rs"]
#[allow(dead_code)]
mod oracle;
#[path = "../../../../tests/weather/table.rs"]
#[allow(dead_code)]
mod table;
#[path = "../../../../tests/weather/workload.rs"]
#[allow(dead_code)]
mod workload;
#[path = "../../../../tests/weather/world.rs"]
#[allow(dead_code)]
mod world;

/// Makes a case a test for each path that frames can go. A case without this is dead code, and the compiler says so.
macro_rules! on_each_path {
    ($case:ident) => {
        mod $case {
            #[cfg(feature = "amqp")]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn amqp() {
                super::$case(unstale_azure::DataPath::Amqp).await;
            }

            #[cfg(feature = "rest")]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn rest() {
                super::$case(unstale_azure::DataPath::Rest).await;
            }
        }
    };
}

mod links;
mod process;
mod service;
mod subscriptions;
