//! Exploration of every state of a small model of the core protocol.

mod broker;
mod configurations;
mod frames;
mod model;
mod mutants;
mod node;
mod properties;
mod publishing;
mod receiving;
mod repair;
mod vector;

use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn probe() {
    let only = std::env::var("ONLY").unwrap_or_default();
    for configuration in configurations::all() {
        if !configuration.name.contains(&only) {
            continue;
        }
        let cap = std::env::var("CAP").ok().and_then(|cap| cap.parse().ok()).unwrap_or(300_000);
        let checker = configuration.model.checker().target_state_count(cap).spawn_bfs().join();
        println!(
            "{}: {} unique, {} total, depth {} done {}",
            configuration.name,
            checker.unique_state_count(),
            checker.state_count(),
            checker.max_depth(),
            checker.is_done()
        );
        let mut found: Vec<_> = checker.discoveries().into_iter().collect();
        found.sort_by_key(|(name, _)| *name);
        for (name, path) in found {
            println!("   {name}: {}", path.clone().into_actions().len());
            if !properties::REACHED.contains(&name) {
                for (state, action) in path.into_vec() {
                    println!("      {action:?}");
                    if action.is_none() {
                        println!("{state:#?}");
                    }
                }
            }
        }
    }
}

#[test]
fn probe_mutants() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let which = std::env::var("MUTANT").unwrap_or_default();
    let cap = std::env::var("CAP").ok().and_then(|cap| cap.parse().ok()).unwrap_or(300_000);
    for (mutant, _) in mutants::Mutant::ALL {
        if !format!("{mutant:?}").contains(&which) {
            continue;
        }
        for configuration in configurations::all() {
            if !configuration.name.contains(&only) {
                continue;
            }
            let model = model::Protocol { mutant: Some(mutant), ..configuration.model };
            let checker = model
                .checker()
                .finish_when(HasDiscoveries::AnyFailures)
                .target_state_count(cap)
                .spawn_bfs()
                .join();
            let found: Vec<_> = checker
                .discoveries()
                .into_iter()
                .map(|(_, path)| {
                    let name = properties::violated(checker.model(), path.last_state());
                    (name, path.into_actions())
                })
                .collect();
            if found.is_empty() && checker.is_done() && std::env::var("ALL").is_err() { continue }
            println!(
                "{mutant:?} in {}: {} states: {:?}",
                configuration.name,
                checker.unique_state_count(),
                found.iter().map(|(name, path)| (name, path.len())).collect::<Vec<_>>()
            );
            if std::env::var("SHOW").is_ok() {
                println!("{found:#?}");
            }
        }
    }
}
