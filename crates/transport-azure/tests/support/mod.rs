//! A namespace of the emulator on a loopback port, and transports on it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests wait for real sockets in real time, and may panic"
)]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "every test uses a part of it")]

// The same for every transport.
#[path = "../../../../tests/weather/patience.rs"]
mod patience;
#[path = "../../../../tests/weather/proxy.rs"]
pub mod proxy;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use unstale_azure::{AzureTransport, AzureTransportBuilder, DataPath};
use unstale_servicebus_emulator::{Clock, Emulator, Listening, Options, Policy, Rights, Scope};

pub use patience::{soon, until};

/// The topic of most tests.
pub(crate) const TOPIC: &str = "invalidations";
/// The key of the policy `all`.
pub(crate) const KEY: &str = "hunter2-all";
/// The key of the policy `use`, which may send and listen.
pub(crate) const USE_KEY: &str = "hunter2-use";

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An emulator that listens.
pub(crate) struct Namespace {
    pub(crate) emulator: Emulator,
    address: SocketAddr,
    /// What its transports go by.
    path: DataPath,
    listening: Mutex<Option<Listening>>,
}

impl Namespace {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// One whose transports go by this path.
    pub(crate) async fn start_on(path: DataPath) -> Self {
        Self { path, ..Self::start().await }
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(Clock::new(SystemTime::now));
        let policy = |name: &str, key: &str, rights| Policy {
            name: name.to_owned(),
            key: key.to_owned(),
            rights,
            scope: Scope::Namespace,
        };
        let both = Rights { send: true, listen: true, manage: false };
        options.policies = vec![policy("all", KEY, Rights::MANAGE), policy("use", USE_KEY, both)];
        change(&mut options);
        let emulator = Emulator::new(options);
        emulator.create_topic(TOPIC).unwrap();
        let listening = emulator.listen("127.0.0.1:0").await.unwrap();
        let (address, path) = (listening.addr(), DataPath::default());
        Self { emulator, address, path, listening: Mutex::new(Some(listening)) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the portal would show for a policy.
    pub(crate) fn connection_string(&self, policy: &str, key: &str) -> String {
        connection_string(self.port(), policy, key)
    }

    /// A transport with all rights on the usual topic.
    pub(crate) fn builder(&self) -> AzureTransportBuilder {
        self.builder_at(self.port())
    }

    /// The same, by way of another port.
    pub(crate) fn builder_at(&self, port: u16) -> AzureTransportBuilder {
        AzureTransport::builder()
            .connection_string(connection_string(port, "all", KEY))
            .topic(TOPIC)
            .path(self.path)
            .connect_timeout(Duration::from_secs(3))
            .publish_timeout(Duration::from_secs(3))
    }

    pub(crate) fn transport(&self) -> AzureTransport {
        self.builder().build().unwrap()
    }

    /// Stops listening and cuts all connections.
    pub(crate) fn go_away(&self) {
        drop(self.listening.lock().unwrap().take());
    }

    /// Listens again, where it did.
    pub(crate) async fn come_back(&self) {
        // The task that listened is only asked to stop; its socket goes when it has.
        let listening = loop {
            match self.emulator.listen(self.address).await {
                Ok(listening) => break listening,
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        *self.listening.lock().unwrap() = Some(listening);
    }
}

fn connection_string(port: u16, policy: &str, key: &str) -> String {
    format!(
        "Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName={policy};SharedAccessKey={key};\
         UseDevelopmentEmulator=true"
    )
}
