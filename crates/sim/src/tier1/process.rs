//! The process of a node: it starts the node, and runs the application on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use unstale::{Authentication, Freshness, Node, Runtime};

use super::app::App;
use super::brokers::Brokers;
use super::machine::{Gated, MachineRuntime, sleep_ns};
use super::transport::Watched;
use super::universe::{Command, Process, Universe};
use crate::app::{Caches, Watcher};
use crate::frames::NAMESPACE;
use crate::history::Event;
use crate::plan::{Mode, Op};
use crate::rng::stream_of;
use crate::tier2::{SECRET, limits};
use crate::value::CacheName;

/// Runs until it is killed.
pub(super) async fn run(universe: Arc<Universe>, brokers: Brokers, node: usize) -> turmoil::Result {
    let seeds = universe.begin_life(node);
    let most = universe.plan.topology.start_within_ms * 1_000_000;
    if universe.time.now() < most {
        sleep_ns(stream_of(universe.plan.seed, "starts", node as u64).u64(..most.max(1))).await;
    }
    let slot = &universe.slots[node];
    let runtime = MachineRuntime::new(Arc::clone(&slot.clock), Arc::clone(&slot.gate), seeds);
    let runtime: Arc<dyn Runtime> = Arc::new(runtime);
    let topology = &universe.plan.topology;
    let tells_accepted = matches!(brokers, Brokers::Own(_));
    let freshness = match topology.mode {
        Mode::Within { ms } => Freshness::Within(Duration::from_millis(ms)),
        Mode::Eventual | Mode::Naive => Freshness::Eventual { cap: None },
    };
    let watcher = Watcher::new(node, Arc::clone(&universe.history), 1);
    let mut builder = Node::builder(NAMESPACE)
        .freshness(freshness)
        .runtime(Arc::clone(&runtime))
        .limits(limits(topology))
        .probe(Arc::new(watcher.clone()));
    if topology.authenticated {
        builder = builder.authentication(Authentication::sign_with(1, SECRET));
    }
    for lane in 0..topology.lanes {
        let transport = brokers.transport(topology, &runtime, node, lane)?;
        let universe = Arc::clone(&universe);
        builder = builder.transport(Watched::new(transport, universe, node, tells_accepted));
    }
    universe.record(&Event::Started { node });
    let handle = builder.build()?;
    let caches = Caches::build(&handle, &universe.terms, topology, node)?;
    watcher.watch(&caches);
    let (commands, told) = mpsc::unbounded_channel();
    let process = Process { node: handle, caches, commands };
    universe.set_process(node, process.clone());
    let app = App::new(&universe, process, node, seeds.own);
    work(&universe, &app, told).await;
    Ok(())
}

/// Does what the plan says, each in a task of its own, and what it is told from outside.
async fn work(universe: &Arc<Universe>, app: &App, mut told: mpsc::UnboundedReceiver<Command>) {
    let node = app.node;
    let nodes = universe.slots.len();
    let now = universe.time.now();
    let ops: Vec<Op> =
        universe.plan.workload.iter().filter(|op| op.node % nodes == node).cloned().collect();
    let mut ops = ops.into_iter().filter(|op| op.at_ms * 1_000_000 > now).peekable();
    loop {
        let until = ops.peek().map(|op| op.at_ms * 1_000_000);
        let next = async {
            match until {
                Some(until) => sleep_ns(until.saturating_sub(universe.time.now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = told.recv() => match command {
                Some(command) => obey(app, command),
                None => return,
            },
            () = next => {
                if let Some(op) = ops.next() {
                    obey(app, Command::Do(op.what));
                }
            }
        }
    }
}

fn obey(app: &App, command: Command) {
    let gate = &app.universe.slots[app.node].gate;
    if gate.is_closed() {
        // The application stands still too.
        return;
    }
    match command {
        Command::Do(action) => spawn(gate, app.clone().act(action)),
        Command::Fill(cache) => {
            for key in 0..app.universe.plan.topology.keys {
                let app = app.clone();
                spawn(gate, async move { app.read(cache, key).await });
            }
        }
        Command::Reread(cache) => app.reread(cache),
    }
}

fn spawn(gate: &Arc<super::machine::Gate>, task: impl Future<Output = ()> + Send + 'static) {
    tokio::task::spawn_local(Gated::new(gate, task));
}

/// The caches that are filled and read at the end.
pub(super) const LAST_CACHES: [CacheName; 2] = [CacheName::Rows, CacheName::Lasting];
