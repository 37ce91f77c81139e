//! Exploration of every state of a small model of the core protocol, with `stateright`.
//!
//! What is modelled and what is left out, the properties, and the figures stand in `docs/exhaustive.md`.
//! `UPDATE_DOCS=1` writes the figures there; without it they are compared. `EXHAUSTIVE_WIDE=1` also visits
//! what takes minutes.
//!
//! | file | what |
//! | --- | --- |
//! | `frames.rs`, `vector.rs`, `node.rs` | the state of a node, and its cache of one key |
//! | `publishing.rs`, `receiving.rs`, `repair.rs` | the rules, by the names of the functions they mirror |
//! | `broker.rs`, `model.rs` | the broker, and all that can happen |
//! | `properties.rs` | what must hold, and what must be reached |
//! | `configurations.rs`, `mutants.rs` | bounds; rules that are broken on purpose |
//! | `mirrors.rs`, `figures.rs` | that the names exist; that the documented figures are right |

mod broker;
mod configurations;
mod figures;
mod frames;
mod mirrors;
mod model;
mod mutants;
mod node;
mod properties;
mod publishing;
mod receiving;
mod repair;
mod vector;

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, Model};

use configurations::Configuration;
use model::{Action, Protocol};

/// What a visit of every state found.
struct Visited {
    states: usize,
    steps: usize,
    /// Which of [`properties::REACHED`].
    reached: BTreeSet<usize>,
}

/// Visits every state within the bounds, in each of which every property must hold.
fn visit(configuration: &Configuration) -> Visited {
    let checker = configuration.model.clone().checker().spawn_bfs().join();
    let found = checker.discoveries();
    let mut reached = BTreeSet::new();
    for property in checker.model().properties() {
        let Some(path) = found.get(property.name) else { continue };
        if matches!(property.expectation, Expectation::Always) {
            let last = path.last_state().clone();
            let steps = path.clone().into_actions();
            panic!("{}: no {}: {steps:#?}\n{last:#?}", configuration.name, property.name);
        }
        reached.extend(properties::REACHED.iter().position(|name| *name == property.name));
    }
    let states = checker.unique_state_count();
    // It counts states along a path, not steps between them.
    let steps = checker.max_depth() - 1;
    println!("{}: {states} states, at most {steps} steps", configuration.name);
    Visited { states, steps, reached }
}

/// The shortest way to a state in which something that is served is wrong, and what is.
fn counterexample(model: Protocol) -> Option<(Vec<Action>, &'static str)> {
    let checker = model.checker().spawn_bfs().join();
    let path = checker.discoveries().into_values().next()?;
    let violated = properties::violated(checker.model(), path.last_state())?;
    Some((path.into_actions(), violated))
}

#[test]
fn the_rules_hold_in_every_state() {
    let configurations = configurations::all();
    let visited: Vec<_> = configurations.iter().map(visit).collect();
    for (at, what) in properties::REACHED.iter().enumerate() {
        let reached = visited.iter().any(|visited| visited.reached.contains(&at));
        assert!(reached, "nothing is known of a model in which never {what}");
    }
    figures::check("configurations", &figures::of_configurations(&configurations, &visited));
}

#[test]
fn the_rules_hold_in_every_state_of_wide_bounds() {
    if std::env::var_os("EXHAUSTIVE_WIDE").is_none() {
        println!("not visited: EXHAUSTIVE_WIDE is not set");
        return;
    }
    let configurations = configurations::wide();
    let visited: Vec<_> = configurations.iter().map(visit).collect();
    figures::check("wide", &figures::of_configurations(&configurations, &visited));
}

#[test]
fn every_broken_rule_is_noticed() {
    let configurations = configurations::all();
    let mut lines = Vec::new();
    for (mutant, what, within) in mutants::ALL {
        let configuration = configurations.iter().find(|it| it.name == within);
        let model = configuration.unwrap_or_else(|| panic!("no {within}")).model.clone();
        let found = counterexample(Protocol { mutant: Some(mutant), ..model });
        let Some((steps, violated)) = found else {
            panic!("{mutant:?} goes unnoticed in {within}");
        };
        println!("{mutant:?}: {violated} after {} steps", steps.len());
        if std::env::var_os("EXHAUSTIVE_SHOW").is_some() {
            println!("{steps:#?}");
        }
        lines.push(format!("| {what} | {within} | {violated} | {} |", steps.len()));
    }
    figures::check("mutants", &lines);
}
