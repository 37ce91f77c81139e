//! Configuring a node.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::driver::{Driver, Surroundings};
use super::health::Health;
use super::lane::Lane;
use super::uplink::Router;
use super::watchdog::Watchdog;
use super::{Inner, Node};
use crate::cache::ConfigError;
use crate::cache::domain::Domain;
use crate::freshness::Freshness;
use crate::protocol::{Authentication, Config, Replica};
use crate::runtime::{Runtime, TokioRuntime};
use crate::transport::{Capabilities, Transport};

/// The longest namespace, in bytes: it travels with every frame.
const MAX_NAMESPACE_BYTES: usize = 100;
/// More lanes than this share no load any more.
const MAX_LANES: usize = 64;

/// Configures and starts a [`Node`].
///
/// | setting | default | because |
/// | --- | --- | --- |
/// | transport | none, required | it decides which broker the nodes share |
/// | freshness | [`Freshness::DEFAULT`], within 5 s | see there |
/// | authentication | none | brokers usually have their own access control |
/// | runtime | [`TokioRuntime`] | the real clocks, entropy and tasks |
/// | strict suspend | off | a hit costs half as much; a resume is noticed within 50 ms |
/// | metrics recorder (feature `metrics`) | the process's own | one node per process is usual |
///
/// ```
/// use std::time::Duration;
/// use unstale::{Authentication, ConfigError, Freshness, Node};
/// use unstale_memory::Hub;
///
/// fn start(hub: &Hub, secret: &[u8]) -> Result<Node, ConfigError> {
///     Node::builder("shop")
///         .transport(hub.transport())
///         .freshness(Freshness::Within(Duration::from_millis(500)))
///         .authentication(Authentication::sign_with(1, secret))
///         .build()
/// }
/// # #[tokio::main]
/// # async fn main() {
/// let hub = Hub::new();
/// assert!(start(&hub, b"thirty-two bytes of good entropy").is_ok());
/// let error = start(&hub, b"hunter2").unwrap_err();
/// assert!(error.to_string().contains("has 7 bytes; use at least 16"));
/// # }
/// ```
#[must_use = "call `build` to start the node"]
pub struct NodeBuilder {
    namespace: String,
    transports: Vec<Arc<dyn Transport>>,
    freshness: Freshness,
    authentication: Option<Authentication>,
    runtime: Option<Arc<dyn Runtime>>,
    strict_suspend: bool,
    #[cfg(feature = "simulation")]
    limits: crate::simulation::Limits,
    #[cfg(feature = "simulation")]
    probe: Option<Arc<dyn crate::simulation::Probe>>,
    #[cfg(feature = "metrics")]
    recorder: Option<super::metrics::SharedRecorder>,
}

impl NodeBuilder {
    pub(super) fn new(namespace: String) -> Self {
        Self {
            namespace,
            transports: Vec::new(),
            freshness: Freshness::default(),
            authentication: None,
            runtime: None,
            strict_suspend: false,
            #[cfg(feature = "simulation")]
            limits: crate::simulation::Limits::default(),
            #[cfg(feature = "simulation")]
            probe: None,
            #[cfg(feature = "metrics")]
            recorder: None,
        }
    }

    /// The way to the broker. Call it several times for several lanes: independent channels over which keys
    /// and tags are spread, for more throughput than one server gives. All nodes of a namespace need
    /// the same lanes in the same order.
    pub fn transport(self, transport: impl Transport) -> Self {
        self.shared_transport(Arc::new(transport))
    }

    /// Like [`transport`](Self::transport), for one that is shared already.
    pub fn shared_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transports.push(transport);
        self
    }

    /// How stale a read may be, for caches that set nothing else.
    pub fn freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// Authenticates frames by shared secrets.
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = Some(authentication);
        self
    }

    /// Where time, randomness and tasks come from.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Notices a suspend of the machine on every hit, so that not even in the first 50 ms after it resumes anything
    /// too old is served. Costs a second coarse clock on every hit. Without effect together with [`runtime`](Self::runtime).
    pub fn strict_suspend(mut self, strict_suspend: bool) -> Self {
        self.strict_suspend = strict_suspend;
        self
    }

    /// Table sizes, for simulations of their overflow.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    pub fn limits(mut self, limits: crate::simulation::Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Is told what is done to the caches.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    pub fn probe(mut self, probe: Arc<dyn crate::simulation::Probe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Where the node's metrics go, once a second, instead of to the recorder that the process installed. For
    /// several nodes of one namespace in one process, whose figures would otherwise overwrite each other.
    ///
    /// The recorder of the process must be installed before the node is built, to know the descriptions.
    #[cfg(feature = "metrics")]
    pub fn metrics_recorder(mut self, recorder: Arc<dyn metrics::Recorder + Send + Sync>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Starts the node. The broker need not be reachable: reads go through until it is.
    ///
    /// # Errors
    /// [`ConfigError`] says which value cannot work and what to do about it.
    pub fn build(self) -> Result<Node, ConfigError> {
        self.validate()?;
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None if tokio::runtime::Handle::try_current().is_err() => {
                return Err(ConfigError::NoTokio);
            }
            None => Arc::new(TokioRuntime::with_strict_suspend(self.strict_suspend)),
        };
        let count = self.transports.len();
        let health = Arc::new(Health::new(count, runtime.now()));
        let mut lanes = Vec::with_capacity(count);
        let mut drivers = Vec::with_capacity(count);
        let horizons: Arc<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let metered = self.transports.iter().any(|transport| transport.capabilities().metered);
        for (index, transport) in self.transports.into_iter().enumerate() {
            let within = self.freshness.within().unwrap_or(DEFAULT_WITHIN);
            let mut config = Config::new(self.namespace.clone(), within);
            let capabilities = transport.capabilities();
            config.authentication.clone_from(&self.authentication);
            config.lanes = count as u16;
            config.first_lane = index == 0;
            config.max_frame_bytes = capabilities.max_frame_bytes;
            config.native_fences = capabilities.native_fences;
            if capabilities.metered {
                config.economise();
            }
            #[cfg(feature = "simulation")]
            self.limits.apply(&mut config);
            let outbox = Arc::new(config.outbox());
            let (lane, progress) = Lane::new(outbox.clone(), within);
            let lane = Arc::new(lane);
            let replica = Replica::new(config, outbox, runtime.random_seed(), runtime.now());
            health.publish(index, &replica);
            lanes.push(lane.clone());
            drivers.push((index, replica, lane, progress, transport));
        }
        let router =
            Arc::new(Router::new(lanes, health.clone(), horizons.clone(), runtime.clone()));
        let domain = Domain::new(runtime.clone(), router.clone(), self.freshness);
        #[cfg(feature = "simulation")]
        if let Some(probe) = self.probe {
            domain.set_probe(probe);
        }
        let surroundings = Surroundings {
            domain: Arc::downgrade(&domain),
            horizons,
            health: health.clone(),
            runtime: runtime.clone(),
        };
        for (index, replica, lane, progress, transport) in drivers {
            let node = surroundings.clone();
            let driver = Driver::new(index, replica, lane, progress, transport, node);
            runtime.spawn("unstale driver", Box::pin(driver.run()));
        }
        let watchdog = Watchdog::new(
            Watchdog::idle_after(metered),
            Arc::downgrade(&domain),
            router.clone(),
            health.clone(),
            runtime.clone(),
            #[cfg(feature = "metrics")]
            super::metrics::Exporter::new(self.namespace.clone(), self.recorder),
        );
        runtime.spawn("unstale watchdog", Box::pin(watchdog.run()));
        let namespace = self.namespace;
        Ok(Node { inner: Arc::new(Inner { namespace, domain, router, health, runtime }) })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.namespace.is_empty() || self.namespace.len() > MAX_NAMESPACE_BYTES {
            return Err(ConfigError::Namespace {
                namespace: self.namespace.clone(),
                max_bytes: MAX_NAMESPACE_BYTES,
            });
        }
        if self.transports.is_empty() || self.transports.len() > MAX_LANES {
            return Err(ConfigError::Lanes { lanes: self.transports.len(), most: MAX_LANES });
        }
        for transport in &self.transports {
            let max_frame_bytes = transport.capabilities().max_frame_bytes;
            if max_frame_bytes < Capabilities::MIN_FRAME_BYTES {
                return Err(ConfigError::FrameSize {
                    bytes: max_frame_bytes,
                    least: Capabilities::MIN_FRAME_BYTES,
                });
            }
        }
        if let Some(problem) = self.authentication.as_ref().and_then(Authentication::problem) {
            return Err(ConfigError::Authentication { problem: problem.to_owned() });
        }
        self.freshness.validate()
    }
}

/// What fences and repairs go by when nothing asks for a bound.
const DEFAULT_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
