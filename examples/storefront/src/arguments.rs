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
  --processes       make each instance a process of its own; needs a Redis
  --once            leave after the visit; fails if any answer was stale
  --no-visit        only serve: for instances that are started one by one
  --until-eof       leave when standard input ends, too: for instances that another program starts
  --help            print this
";

/// Where a Redis URL comes from if not from the command line.
pub(crate) const REDIS_VARIABLE: &str = "STOREFRONT_REDIS";

/// What was asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) instances: usize,
    pub(crate) port: u16,
    pub(crate) database: Option<PathBuf>,
    /// May contain a password: not to be shown.
    pub(crate) redis: Option<String>,
    pub(crate) processes: bool,
    pub(crate) once: bool,
    pub(crate) visit: bool,
    pub(crate) until_eof: bool,
    pub(crate) help: bool,
}

impl Arguments {
    /// Reads the process's own arguments and environment.
    pub(crate) fn of_process() -> Result<Self, Error> {
        let redis = std::env::var(REDIS_VARIABLE).ok().filter(|url| !url.is_empty());
        Self::parse(std::env::args_os().skip(1), redis)
    }

    fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        redis: Option<String>,
    ) -> Result<Self, Error> {
        let mut parsed = Self {
            instances: 3,
            port: 4000,
            database: None,
            redis,
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
                Long("redis") => parsed.redis = Some(parser.value()?.string()?),
                Long("processes") => parsed.processes = true,
                Long("once") => parsed.once = true,
                Long("no-visit") => parsed.visit = false,
                Long("until-eof") => parsed.until_eof = true,
                Short('h') | Long("help") => parsed.help = true,
                other => return Err(other.unexpected().into()),
            }
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
        if self.processes && self.redis.is_none() {
            return Err("--processes needs --redis: memory does not reach other processes".into());
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

    fn parse(line: &str) -> Result<Arguments, String> {
        let arguments = line.split_whitespace().map(OsString::from);
        Arguments::parse(arguments, None).map_err(|error| error.to_string())
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
        assert_eq!(arguments.redis.as_deref(), Some("redis://h"));
        assert!(arguments.processes && arguments.once);
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
