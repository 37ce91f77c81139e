//! The contract of transports, kept over AMQP.
#![cfg(feature = "amqp")]
#![expect(clippy::unwrap_used, reason = "what a harness cannot do panics")]

#[path = "support/harness.rs"]
mod harness;
mod support;

use harness::{OneNamespace, Strategy};
use unstale::conformance;
use unstale_azure::DataPath;

#[tokio::test]
async fn subscriptions_of_its_own_keep_the_contract() {
    let harness = OneNamespace::start(DataPath::Amqp, Strategy::Automatic).await;
    conformance::run(&harness).await.assert_passed();
}

#[tokio::test]
async fn given_subscriptions_keep_the_contract() {
    let harness = OneNamespace::start(DataPath::Amqp, Strategy::Manual).await;
    conformance::run(&harness).await.assert_passed();
}
