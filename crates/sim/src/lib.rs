//! A deterministic simulation of [`unstale`].

mod app;
mod clock;
mod frames;
mod history;
mod measure;
mod mutants;
mod oracle;
pub mod plan;
pub mod report;
mod rng;
mod run;
mod tier2;
mod value;
pub use oracle::Violation;

/// For now.
#[doc(hidden)]
pub fn try_out(profile: plan::Profile, from: u64, to: u64) {
    for seed in from..to {
        let request = plan::Request { profile, ..plan::Request::default() };
        let plan = plan::Plan::draw(&request, seed);
        let outcome =
            tier2::run(&plan, run::Options { lines: std::env::var_os("LINES").is_some() });
        if let Some(lines) = &outcome.lines {
            std::fs::write("/tmp/trace.jsonl", lines).unwrap();
        }
        if let Some(violation) = &outcome.violation {
            let kinds: Vec<_> = plan.faults.iter().map(|it| it.kind.name()).collect();
            println!("{seed}: {violation:?} {:?} {kinds:?}", plan.topology.mode);
        }
        if seed == from {
            for row in &outcome.guarantees {
                println!("{} {} {}", row.id, row.checked, row.broken);
            }
            println!("{:?} {:x}", outcome.counters, outcome.digest);
        }
    }
}
