//! The suite's hands on a hub.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::conformance::{Harness, Hook};
use unstale::{Runtime, TokioRuntime, Transport};
use unstale_memory::Hub;
use unstale_memory::fault::Faulty;

use crate::flawed::{Flawed, SECRET};
use crate::flaws::Flaw;

/// What the suite gets instead of the hub's own transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    None,
    Flawed(Flaw),
    /// By the fault decorator, with this delay both ways and no other fault.
    Faulty(Duration),
}

/// Whether the harness has the hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abilities {
    All,
    Required,
}

pub(crate) struct MemoryHarness {
    hub: Hub,
    wrapping: Wrapping,
    abilities: Abilities,
}

impl MemoryHarness {
    pub(crate) fn new(wrapping: Wrapping, abilities: Abilities) -> Self {
        Self { hub: Hub::new(), wrapping, abilities }
    }

    fn wrap(&self, transport: impl Transport) -> Arc<dyn Transport> {
        let transport = Arc::new(transport);
        match self.wrapping {
            Wrapping::None => transport,
            Wrapping::Flawed(flaw) => Arc::new(Flawed::new(transport, flaw)),
            Wrapping::Faulty(delay) => {
                let faulty = Faulty::new(transport, self.runtime());
                let faults = faulty.handle();
                faults.delay_publish(delay);
                faults.delay_receive(delay);
                Arc::new(faulty)
            }
        }
    }

    fn hook(&self, act: impl FnOnce()) -> Hook {
        if self.abilities == Abilities::Required {
            return Hook::NotSupported;
        }
        act();
        Hook::Done
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn transport(&self, channel: u32) -> Arc<dyn Transport> {
        let channel = match self.wrapping {
            Wrapping::Flawed(Flaw::OneChannelForAll) => 0,
            _ => channel,
        };
        self.wrap(self.hub.channel(format!("conformance-{channel}")))
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }

    async fn break_subscriptions(&self) -> Hook {
        self.hook(|| {
            self.hub.set_down(true);
            self.hub.set_down(false);
        })
    }

    async fn restart_broker(&self) -> Hook {
        self.hook(|| self.hub.restart())
    }

    async fn begin_outage(&self) -> Hook {
        self.hook(|| self.hub.set_down(true))
    }

    async fn end_outage(&self) {
        self.hub.set_down(false);
    }

    async fn publish_foreign(&self, channel: u32, frame: Bytes) -> Hook {
        let hook = self.hook(|| ());
        if hook == Hook::Done {
            let foreign = self.hub.channel(format!("conformance-{channel}"));
            foreign.publish(frame).await.unwrap();
        }
        hook
    }

    async fn subscriptions(&self, _channel: u32) -> Option<usize> {
        // Cases run one after the other: the hub has no other channel open.
        (self.abilities == Abilities::All).then(|| self.hub.subscriptions())
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        if variant > 0 || self.abilities == Abilities::Required {
            return None;
        }
        let nowhere = Hub::new();
        nowhere.set_down(true);
        Some(self.wrap(nowhere.transport()))
    }
}
