//! A deterministic simulation of [`unstale`].

mod app;
mod clock;
mod frames;
mod history;
mod measure;
mod mutants;
mod oracle;
pub mod plan;
pub mod redis;
pub mod report;
mod rng;
mod run;
mod tier1;
mod tier2;
mod value;
pub use oracle::Violation;

/// For now.
#[doc(hidden)]
pub fn try_out(tier: &str, profile: plan::Profile, from: u64, to: u64) {
    for seed in from..to {
        let mut request = plan::Request { profile, ..plan::Request::default() };
        if tier == "redis" {
            request.native_fences = Some(true);
        }
        if let Some(nodes) = std::env::var("NODES").ok().and_then(|it| it.parse().ok()) {
            request.nodes = Some(nodes);
        }
        let plan = plan::Plan::draw(&request, seed);
        let options = run::Options { lines: std::env::var_os("LINES").is_some() };
        let outcome = match tier {
            "2" => tier2::run(&plan, options),
            "redis" => tier1::run(&plan, tier1::TransportKind::Redis, plan.topology.nodes, options),
            _ => tier1::run(&plan, tier1::TransportKind::Memory, plan.topology.nodes, options),
        };
        if let Some(lines) = &outcome.lines {
            std::fs::write("/tmp/trace.jsonl", lines).unwrap();
        }
        if let Some(violation) = &outcome.violation {
            let kinds: Vec<_> = plan.faults.iter().map(|it| (it.at_ms, it.kind.name())).collect();
            println!("{seed}: {violation:?} {:?} {kinds:?}", plan.topology.mode);
        }
        if seed == from {
            for row in &outcome.guarantees {
                println!("{} {} {}", row.id, row.checked, row.broken);
            }
            println!("{:?} {:x} {:?}", outcome.counters, outcome.digest, outcome.measures.counts);
        }
    }
}
