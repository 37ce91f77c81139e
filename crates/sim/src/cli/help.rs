//! What `--help` says.

pub(super) const TEXT: &str = "\
Runs unstale under simulated faults and checks every guarantee.

Usage: cargo xtask sim [OPTIONS]

Without options: a representative run of all three tiers, in about two minutes.

What to run
  --tier 1|2|3           1: real drivers and transports over a simulated network
                         2: many nodes over a discrete-event network (default)
                         3: as 1, with many nodes on few hosts
  --transport NAME       memory, redis or azure; tiers 1 and 3 (default: redis; implies --tier 1)
  --profile NAME         calm, swarm, storm or rolling (default: swarm)
  --focus NAME           storms of one sequence of faults and nothing else; `all`: each in turn
  --seeds A..B           from A until before B; N means 0..N
  --seed N               this one: the same run as ever
  --nodes N              how many nodes (default: drawn, or 16)
  --duration SECONDS     simulated time of a run (default: the profile's)
  --freshness MODE       a bound in milliseconds, `eventual`, or `naive`: what usual
                         libraries do, for comparison (default: drawn)
  --plan FILE            this plan, as a run has written it
  --nightly              much of everything, for the night: every
                         state of the protocol must be reached under every fault
  --compare              the rolling profile with a bound, without one, and naively
  --shrink               makes the plan of a failure smaller

Mutants
  --mutants              lists the deliberate mistakes
  --mutant NAME          switches one on, and runs until something notices
  --mutant all           does so with all, and writes DIR/mutants.md

What to write
  --out DIR              where reports go (default: target/sim)
  --traces               the trace of every run, not only of the one that is shown
  --json                 the report on standard output, and nothing else there
  --help                 this

Ends with 0 if every guarantee held, 1 if one was broken (or, with mutants: one was noticed;
`all`: one was not), 2 if the options make no sense, 3 if only liveness failed (or, with
--nightly: a cell of the coverage table stayed empty; each is named).
";
