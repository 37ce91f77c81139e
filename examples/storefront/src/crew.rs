//! All instances together: in this process, or each in one of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Error;
use crate::arguments::{Arguments, Broker};
use crate::brokers::Brokers;
use crate::instance::Instance;

/// What an instance prints before its address when it serves.
pub(crate) const SERVES: &str = "serving on http://";

const START_PATIENCE: Duration = Duration::from_secs(20);
const LEAVE_PATIENCE: Duration = Duration::from_secs(15);

/// The instances.
pub(crate) enum Crew {
    /// Tasks of this process.
    Tasks(Vec<Instance>),
    /// Processes of the same program.
    Processes(Vec<Process>),
}

/// An instance in a process of its own. Killed if it is dropped.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Crew {
    /// Starts all instances. Each serves when this returns.
    pub(crate) async fn start(arguments: &Arguments, database: &Path) -> Result<Self, Error> {
        if arguments.processes {
            let mut processes = Vec::with_capacity(arguments.instances);
            for index in 0..arguments.instances {
                processes.push(Process::start(arguments, index, database).await?);
            }
            return Ok(Self::Processes(processes));
        }
        let brokers = Brokers::new(arguments.broker.as_ref()).await?;
        let mut instances = Vec::with_capacity(arguments.instances);
        for index in 0..arguments.instances {
            // One transport per node, also within one process: each has its own connections.
            let transport = brokers.transport()?;
            let port = arguments.port_of(index);
            instances.push(Instance::start(index + 1, port, database, transport).await?);
        }
        Ok(Self::Tasks(instances))
    }

    /// Where they serve, the first one first.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::Tasks(instances) => instances.iter().map(Instance::address).collect(),
            Self::Processes(processes) => processes.iter().map(|it| it.address).collect(),
        }
    }

    /// Makes all of them leave, and waits until they have.
    pub(crate) async fn leave(self) {
        // All at once: without a broker each waits for as long as it may.
        let mut leaving = JoinSet::new();
        match self {
            Self::Tasks(instances) => {
                instances.into_iter().for_each(|it| drop(leaving.spawn(it.leave())));
            }
            Self::Processes(processes) => {
                processes.into_iter().for_each(|it| drop(leaving.spawn(it.leave())));
            }
        }
        leaving.join_all().await;
    }
}

impl Process {
    async fn start(arguments: &Arguments, index: usize, database: &Path) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--instances", "1", "--no-visit", "--until-eof", "--port"]);
        command.arg(arguments.port_of(index).to_string()).arg("--database").arg(database);
        for variable in Broker::VARIABLES {
            command.env_remove(variable);
        }
        command.envs(arguments.broker.as_ref().map(Broker::variable));
        // It leaves when its standard input ends: when we close it, and also when we die.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("a child without standard output")?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(START_PATIENCE, lines.next_line()).await;
        let line = line.map_err(|_| format!("instance {} does not start", index + 1))??;
        let address = line.as_deref().and_then(|line| line.split_once(SERVES));
        let (_, address) = address.ok_or_else(|| format!("instance {} failed", index + 1))?;
        Ok(Self { address: address.parse()?, child })
    }

    async fn leave(mut self) {
        drop(self.child.stdin.take());
        if timeout(LEAVE_PATIENCE, self.child.wait()).await.is_err() {
            eprintln!("storefront: the instance at {} had to be killed", self.address);
        }
    }
}
