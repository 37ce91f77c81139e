//! A user's transport, and the brokers that it connects to.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use unstale::{Runtime, Transport};

use crate::scenario::{BoxError, HostContext};

type MakeTransport =
    dyn Fn(&HostContext) -> Result<Arc<dyn Transport>, BoxError> + Send + Sync + 'static;
type RunBroker = dyn Fn() -> LocalBoxFuture<'static, turmoil::Result> + Send + Sync + 'static;

/// The kinds of fault that need nothing of a broker but that it is a process on a host. The others reach into one.
pub(crate) const STRUCK: &[&str] = &[
    "partition",
    "partition-oneway",
    "hold",
    "delay",
    "jitter",
    "broker-restart",
    "slow-subscriber",
    "crash",
    "clone",
    "pause",
    "suspend",
    "slow-source",
    "failing-source",
    "burst",
];

/// What a user brings.
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) transport: Arc<MakeTransport>,
    /// By their hosts' names.
    pub(crate) brokers: Vec<(String, Arc<RunBroker>)>,
}

impl Own {
    pub(super) fn hosts(&self) -> Vec<String> {
        self.brokers.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn install(&self, sim: &mut turmoil::Sim<'_>) {
        for (name, run) in &self.brokers {
            let run = Arc::clone(run);
            sim.host(name.as_str(), move || run());
        }
    }

    pub(super) fn transport(
        &self,
        runtime: &Arc<dyn Runtime>,
        node: usize,
    ) -> Result<Arc<dyn Transport>, BoxError> {
        (self.transport)(&HostContext::new(node, Arc::clone(runtime), self.hosts()))
    }
}
