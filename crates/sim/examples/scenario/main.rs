//! A transport of one's own in the simulator: `cargo run --example scenario -p unstale-sim`.
//!
//! What is tested is in `hub.rs`: a broker of a hundred lines and its transport, as they would run anywhere else but
//! for the network's types. This file says who takes part, what they do and what goes wrong.

mod hub;

use std::sync::Arc;
use std::time::Duration;

use unstale_sim::{Failure, Profile, Scenario, Workload};

fn main() -> Result<(), Failure> {
    let report = Scenario::new("a hub", |host| Ok(Arc::new(hub::HubTransport::new(host))))
        .broker("hub", hub::serve)
        .nodes(4)
        .freshness(Duration::from_millis(500))
        .duration(Duration::from_secs(15))
        .profile(Profile::Swarm)
        .workload(Workload { reads_per_s: 20.0, writes_per_s: 5.0, keys: 8 })
        .seeds(0..6)
        .run()?;
    println!("{}", report.verdict.headline);
    for guarantee in &report.guarantees {
        println!("{:>3} {:>9} checks  {}", guarantee.id, guarantee.checked, guarantee.name);
    }
    for (name, value) in report.configuration.iter().chain(&report.figures) {
        println!("{name}: {value}");
    }
    Ok(())
}
