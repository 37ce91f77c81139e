//! One instance: a shop and the HTTP server in front of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use unstale::{Reason, State, TokioRuntime, Transport};

use crate::Error;
use crate::database::Database;
use crate::shop::Shop;
use crate::web;

/// How long requests that are being answered may take when an instance leaves.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// An instance that serves until it is told to leave.
pub(crate) struct Instance {
    number: usize,
    address: SocketAddr,
    shop: Arc<Shop>,
    leave: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Instance {
    /// Starts to serve on this port of the loopback interface; 0 takes a free one.
    pub(crate) async fn start(
        number: usize,
        port: u16,
        database: &Path,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|error| {
            format!("cannot listen on port {port}: {error} (choose one with --port; 0 is any)")
        })?;
        let address = listener.local_addr()?;
        // A recorder for each instance. A process with one node installs one recorder for all, with
        // `PrometheusBuilder::install_recorder`.
        let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
        let metrics = recorder.handle();
        let runtime = Arc::new(TokioRuntime::new());
        let shop = Arc::new(Shop::open(Database::new(database), transport, runtime, recorder)?);
        tokio::spawn(report_changes(number, Arc::clone(&shop)));

        // Small answers at once: else they wait for the acknowledgement of the ones before.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let (leave, mut left) = watch::channel(false);
        let routes = web::routes(web::Context { shop: Arc::clone(&shop), metrics });
        let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
            let _ = left.wait_for(|leave| *leave).await;
        });
        let server = tokio::spawn(server.into_future());
        Ok(Self { number, address, shop, leave, server })
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the requests that have begun, and leaves the cluster.
    pub(crate) async fn leave(self) {
        let _ = self.leave.send(true);
        // Clients that never hang up must not keep us.
        let server = self.server.abort_handle();
        if tokio::time::timeout(DRAIN_PATIENCE, self.server).await.is_err() {
            server.abort();
        }
        // After the last request: its invalidations are in the outbox, and go out first.
        if let Err(error) = self.shop.close().await {
            eprintln!("storefront: instance {}: {error}", self.number);
        }
    }
}

/// Says on standard error what becomes of the node. It needs nobody's help to come back, but somebody should
/// know: what it reads from the database meanwhile, the database has to bear.
async fn report_changes(number: usize, shop: Arc<Shop>) {
    let mut statuses = shop.node().status_stream();
    // The shop is not kept alive by being watched.
    drop(shop);
    let mut was_live = false;
    while let Some(status) = statuses.next().await {
        let is_live = status.state == State::Live;
        let is_expected = match status.reason {
            Some(Reason::ShutDown) => return,
            Some(Reason::Connecting | Reason::Synchronizing) => true,
            _ => is_live && !was_live,
        };
        if !is_expected || !status.warnings.is_empty() {
            eprintln!("storefront: instance {number}: {status}");
        }
        was_live |= is_live;
    }
}
