//! What follows `bench` on the command line.

use lexopt::prelude::*;

use super::benches::BENCHES;
use super::storefront;
use crate::Done;

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Short measurements of a part.
    pub(crate) quick: bool,
    /// Whatever is measured becomes what is committed.
    save: bool,
    /// Compares with what is committed.
    pub(crate) check: bool,
    /// Measures nothing.
    pub(crate) render: bool,
    /// Only these benchmarks, if any are named.
    only: Vec<String>,
}

impl Options {
    pub(crate) fn parse(mut arguments: lexopt::Parser) -> Done<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("quick") => options.quick = true,
                Long("save") => options.save = true,
                Long("check") => options.check = true,
                Long("render") => options.render = true,
                Long("only") => options.only.push(arguments.value()?.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        let known: Vec<&str> =
            BENCHES.iter().map(|bench| bench.name).chain([storefront::NAME]).collect();
        match options.only.iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => {
                Err(format!("no such benchmark: {unknown}; there are: {}", known.join(", ")).into())
            }
            None => Ok(options),
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Whether the results become what is committed: those of all benchmarks do by themselves.
    pub(crate) fn is_kept(&self) -> bool {
        self.save || (!self.quick && self.only.is_empty() && !self.check)
    }

    /// As one would type it.
    pub(crate) fn command(&self) -> String {
        let mut command = String::from("cargo xtask bench");
        if self.quick {
            command.push_str(" --quick");
        }
        for name in &self.only {
            command.push_str(" --only ");
            command.push_str(name);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parse(arguments: &[&str]) -> Done<Options> {
        Options::parse(lexopt::Parser::from_args(arguments.iter().map(OsString::from)))
    }

    #[test]
    fn only_a_whole_run_replaces_what_is_committed_unless_asked_to() -> Done {
        for (arguments, is_kept) in [
            (&[][..], true),
            (&["--check"], false),
            (&["--quick"], false),
            (&["--only", "hit"], false),
            (&["--quick", "--save"], true),
        ] {
            assert_eq!(parse(arguments)?.is_kept(), is_kept, "{arguments:?}");
        }
        let options = parse(&["--quick", "--only", "hit", "--check"])?;
        assert_eq!(options.command(), "cargo xtask bench --quick --only hit");
        assert!(options.wants("hit") && !options.wants("ratios"));
        assert!(parse(&["--only", "hits"]).is_err());
        assert!(parse(&["--slow"]).is_err());
        Ok(())
    }
}
