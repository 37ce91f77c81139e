//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Error;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A shop in several instances over one SQLite database. Each instance answers from its own memory; a change at one
is a change at all. Starts the instances, pays them a visit that measures it, and serves until Ctrl-C.

Usage: storefront [OPTIONS]

  --instances N     how many instances [default: 3]
  --port P          the first instance's port on 127.0.0.1; 0 takes free ones [default: 4000]
  --database PATH   the SQLite file, filled if it is empty [default: a temporary one]
  --redis URL       connect the instances by this Redis instead of within the process;
                    the variable STOREFRONT_REDIS does the same and keeps a password off the command line
  --azure CONNECTION_STRING
                    connect the instances by this namespace of Azure Service Bus: by the topic that its EntityPath
                    names, or else `storefront`, created if it is not there; needs the right Manage;
                    the variable STOREFRONT_AZURE does the same and keeps a key off the command line
  --processes       make each instance a process of its own; needs a Redis or a Service Bus
  --once            leave after the visit; fails if any answer was stale
  --no-visit        only serve: for instances that are started one by one
  --until-eof       leave when standard input ends, too: for instances that another program starts
  --help            print this
";

/// What connects the instances if it is not memory. The text may contain a password or a key: not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Broker {
    /// A URL.
    Redis(String),
    /// A connection string.
    Azure(String),
}

impl Broker {
    /// Where addresses come from if not from the command line.
    pub(crate) const VARIABLES: [&'static str; 2] = ["STOREFRONT_REDIS", "STOREFRONT_AZURE"];

    /// What the environment names.
    fn in_environment() -> Vec<Self> {
        let address = |name: &str| std::env::var(name).ok().filter(|address| !address.is_empty());
        let [redis, azure] = Self::VARIABLES.map(address);
        redis.map(Self::Redis).into_iter().chain(azure.map(Self::Azure)).collect()
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "Redis",
            Self::Azure(_) => "Azure Service Bus",
        }
    }

    /// The variable that tells this to another process: for everybody on the machine can read its arguments.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        let [redis, azure] = Self::VARIABLES;
        match self {
            Self::Redis(url) => (redis, url),
            Self::Azure(connection_string) => (azure, connection_string),
        }
    }
}

/// What was asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) instances: usize,
    pub(crate) port: u16,
    pub(crate) database: Option<PathBuf>,
    /// `None` for the memory of this process.
    pub(crate) broker: Option<Broker>,
    pub(crate) processes: bool,
    pub(crate) once: bool,
    pub(crate) visit: bool,
    pub(crate) until_eof: bool,
    pub(crate) help: bool,
}

impl Arguments {
    /// Reads the process's own arguments and environment.
    pub(crate) fn of_process() -> Result<Self, Error> {
        Self::parse(std::env::args_os().skip(1), Broker::in_environment())
    }

    /// `variables` has the brokers that the environment names. What the command line says goes before them.
    fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        variables: Vec<Broker>,
    ) -> Result<Self, Error> {
        let mut options = Vec::new();
        let mut parsed = Self {
            instances: 3,
            port: 4000,
            database: None,
            broker: None,
            processes: false,
            once: false,
            visit: true,
            until_eof: false,
            help: false,
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("instances") => parsed.instances = parser.value()?.parse()?,
                Long("port") => parsed.port = parser.value()?.parse()?,
                Long("database") => parsed.database = Some(parser.value()?.into()),
                Long("redis") => options.push(Broker::Redis(parser.value()?.string()?)),
                Long("azure") => options.push(Broker::Azure(parser.value()?.string()?)),
                Long("processes") => parsed.processes = true,
                Long("once") => parsed.once = true,
                Long("no-visit") => parsed.visit = false,
                Long("until-eof") => parsed.until_eof = true,
                Short('h') | Long("help") => parsed.help = true,
                other => return Err(other.unexpected().into()),
            }
        }
        let mut brokers = if options.is_empty() { variables } else { options };
        parsed.broker = brokers.pop();
        if !brokers.is_empty() {
            return Err("one broker is enough: --redis or --azure (or STOREFRONT_REDIS or STOREFRONT_AZURE)".into());
        }
        parsed.check()?;
        Ok(parsed)
    }

    fn check(&self) -> Result<(), Error> {
        if self.instances == 0 || self.instances > 100 {
            return Err("--instances must be between 1 and 100".into());
        }
        if self.port != 0 && usize::from(self.port) + self.instances > 1 << 16 {
            return Err("--port leaves no room for that many instances".into());
        }
        if self.processes && self.broker.is_none() {
            return Err(
                "--processes needs --redis or --azure: memory does not reach other processes"
                    .into(),
            );
        }
        if self.once && !self.visit {
            return Err("--once leaves after the visit, and --no-visit makes none".into());
        }
        Ok(())
    }

    /// The port of an instance, counted from 0.
    pub(crate) fn port_of(&self, index: usize) -> u16 {
        // Checked to fit.
        if self.port == 0 { 0 } else { self.port.saturating_add(index as u16) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_AZURE: &str = "Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey=secret";

    fn parse_with(line: &str, variables: &[Broker]) -> Result<Arguments, String> {
        let arguments = line.split_whitespace().map(OsString::from);
        Arguments::parse(arguments, variables.to_vec()).map_err(|error| error.to_string())
    }

    fn parse(line: &str) -> Result<Arguments, String> {
        parse_with(line, &[])
    }

    #[test]
    fn the_defaults_need_nothing() {
        let arguments = parse("").ok().unwrap();
        assert_eq!(arguments.instances, 3);
        assert_eq!(arguments.port_of(2), 4002);
        assert!(arguments.visit && !arguments.once && !arguments.processes);
    }

    #[test]
    fn everything_can_be_said() {
        let line = "--instances=5 --port 0 --database a.db --redis redis://h --processes --once";
        let arguments = parse(line).ok().unwrap();
        assert_eq!((arguments.instances, arguments.port_of(4)), (5, 0));
        assert_eq!(arguments.database, Some("a.db".into()));
        assert!(arguments.broker == Some(Broker::Redis("redis://h".into())));
        assert!(arguments.processes && arguments.once);
    }

    #[test]
    fn a_broker_comes_from_the_command_line_or_a_variable() {
        let azure = Broker::Azure(IN_AZURE.to_owned());
        let redis = Broker::Redis("redis://h".to_owned());
        for (line, variables) in [
            (format!("--azure {IN_AZURE} --processes"), vec![]),
            (format!("--azure={IN_AZURE}"), vec![redis.clone()]),
            ("--processes".to_owned(), vec![azure.clone()]),
        ] {
            assert!(parse_with(&line, &variables).ok().unwrap().broker == Some(azure.clone()));
        }
        assert!(
            parse_with("--redis redis://h", std::slice::from_ref(&azure)).ok().unwrap().broker
                == Some(redis.clone())
        );
        assert!(parse("").ok().unwrap().broker.is_none());
        for (line, variables) in [
            (format!("--azure {IN_AZURE} --redis redis://h"), vec![]),
            (String::new(), vec![redis, azure]),
        ] {
            let error = parse_with(&line, &variables).err().unwrap();
            assert!(error.contains("one broker") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for line in [
            "--instances 0",
            "--instances 101",
            "--port 65534",
            "--port 65536",
            "--processes",
            "--once --no-visit",
            "--nonsense",
            "word",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
