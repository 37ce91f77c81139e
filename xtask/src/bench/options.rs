//! What follows `bench` on the command line.

use lexopt::prelude::*;

use super::benches::BENCHES;
use super::{peers, storefront};
use crate::Done;

pub(crate) const USAGE: &str = "\
cargo xtask bench [options]

Measures everything beside its floor (ten minutes), then other libraries (forty minutes); writes the results into
benches/results/, and from them docs/benchmarks.md and the tables of README.md.

  --own        only this library beside its floors
  --peers      only other libraries; needs Node.js and Python for those in these languages
  --quick      a part, shortened: less than three minutes for --own, which it implies unless --peers is there too
  --only NAME  only this benchmark, or with --peers this library; more than once for more
  --save       what is quick, or only a part, takes the place of the same in the committed results
  --check      fails if ratios are worse than the committed ones; implies --own, and that nothing is replaced
  --render     measures nothing: writes the pages from the committed results

Results are in target/bench/results.json and target/peers/results.json in any case.
";

#[derive(Debug, Default)]
pub(crate) struct Options {
    own: bool,
    peers: bool,
    /// Short measurements of a part.
    pub(crate) quick: bool,
    only: Vec<String>,
    save: bool,
    /// Compares with what is committed.
    pub(crate) check: bool,
    /// Measures nothing.
    pub(crate) render: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(mut arguments: lexopt::Parser) -> Done<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("own") => options.own = true,
                Long("peers") => options.peers = true,
                Long("quick") => options.quick = true,
                Long("only") => options.only.push(arguments.value()?.string()?),
                Long("save") => options.save = true,
                Long("check") => options.check = true,
                Long("render") => options.render = true,
                Short('h') | Long("help") => options.help = true,
                other => return Err(other.unexpected().into()),
            }
        }
        if options.peers && (options.own || options.check) {
            return Err("--peers does not go with --own and --check".into());
        }
        options.check_names()?;
        Ok(options)
    }

    fn check_names(&self) -> Done {
        let benches = || BENCHES.iter().map(|bench| bench.name).chain([storefront::NAME]).collect();
        let known: Vec<&str> = if self.peers { peers::names() } else { benches() };
        match self.only.iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => {
                Err(format!("no such name: {unknown}; there are: {}", known.join(", ")).into())
            }
            None => Ok(()),
        }
    }

    /// Whether this library is measured beside its floors.
    pub(crate) fn measures_own(&self) -> bool {
        !self.peers
    }

    /// Whether other libraries are measured.
    pub(crate) fn measures_peers(&self) -> bool {
        self.peers || (!self.own && !self.quick && !self.check && self.only.is_empty())
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Whether the results become what is committed: those of a whole run do by themselves.
    pub(crate) fn is_kept(&self) -> bool {
        self.save || (!self.is_part() && !self.check)
    }

    /// Whether not all is measured, or not as it should be.
    pub(crate) fn is_part(&self) -> bool {
        self.quick || !self.only.is_empty()
    }

    /// As one would type it.
    pub(crate) fn command(&self) -> String {
        let mut command = String::from("cargo xtask bench");
        for (is_given, name) in
            [(self.own, " --own"), (self.peers, " --peers"), (self.quick, " --quick")]
        {
            command.push_str(if is_given { name } else { "" });
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
            (&["--own"], true),
            (&["--peers"], true),
            (&["--check"], false),
            (&["--quick"], false),
            (&["--peers", "--quick"], false),
            (&["--peers", "--only", "moka"], false),
            (&["--quick", "--save"], true),
        ] {
            assert_eq!(parse(arguments)?.is_kept(), is_kept, "{arguments:?}");
        }
        Ok(())
    }

    #[test]
    fn other_libraries_are_measured_in_a_whole_run_and_when_asked_for() -> Done {
        for (arguments, own, peers) in [
            (&[][..], true, true),
            (&["--own"], true, false),
            (&["--peers", "--quick"], false, true),
            (&["--quick"], true, false),
            (&["--check"], true, false),
            (&["--only", "hit"], true, false),
        ] {
            let options = parse(arguments)?;
            assert_eq!(
                (options.measures_own(), options.measures_peers()),
                (own, peers),
                "{arguments:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn names_are_checked_before_anything_is_built() -> Done {
        let options = parse(&["--quick", "--only", "hit", "--check"])?;
        assert_eq!(options.command(), "cargo xtask bench --quick --only hit");
        assert!(options.wants("hit") && !options.wants("ratios"));
        assert!(parse(&["--peers", "--only", "moka"])?.wants("moka"));
        for wrong in [
            &["--only", "moka"][..],
            &["--peers", "--only", "hit"],
            &["--slow"],
            &["--peers", "--check"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        Ok(())
    }
}
