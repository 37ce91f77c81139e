//! `cargo xtask test`: everything that must pass.

use crate::shell::{cargo, output, run};
use crate::{Done, architecture, instructions, rabbitmq, redis, referees};

/// The simulator's package.
const SIM: &str = "unstale-sim";

/// Features that nothing in the workspace switches on by itself.
const FEATURES: &str =
    "unstale-redis/fred,unstale-azure/rest,unstale-azure/websocket,unstale-azure/entra";

/// Runs all of it; the first failure stops.
pub(crate) fn everything() -> Done {
    architecture::run()?;
    simulation()?;
    let redis_server = redis::server()?;
    eprintln!("xtask: {}={}", redis::VARIABLE, redis_server.display());
    let rabbitmq_server = rabbitmq::server()?;
    eprintln!("xtask: {}={}", rabbitmq::VARIABLE, rabbitmq_server.display());
    let referees = referees::folder()?;
    eprintln!("xtask: {}={}", referees::VARIABLE, referees.display());
    let mut tests = cargo(&["test", "--workspace", "--exclude", SIM]);
    tests.env(redis::VARIABLE, &redis_server).env(referees::VARIABLE, &referees);
    tests.env(rabbitmq::VARIABLE, &rabbitmq_server);
    run(tests.args(["--features", FEATURES]))?;
    model()?;
    instructions::check()
}

/// The simulator and what it says: first that a run repeats itself, on which all else rests. Optimised: it is a hundred
/// times as much work as any other test.
fn simulation() -> Done {
    let test = ["test", "--release", "--package", SIM];
    run(cargo(&test).args(["--test", "determinism"]))?;
    run(cargo(&test).args(["--", "--skip", "repeats_itself"]))
}

/// Core's model tests. Feature `model` swaps core's synchronisation primitives, so it is built by itself,
/// never together with the rest of the workspace.
fn model() -> Done {
    const TEST: [&str; 7] =
        ["test", "--package", "unstale", "--features", "model", "--lib", "model"];
    let mut list = cargo(&TEST);
    // A filter that matches nothing would pass: count first.
    if count(&output(list.args(["--", "--list", "--format", "terse"]))?) == 0 {
        return Err("there are no model tests: was their module renamed?".into());
    }
    run(&mut cargo(&TEST))
}

/// How many tests a list of the test harness names.
fn count(list: &str) -> usize {
    list.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn tests_are_counted_and_nothing_else() {
        assert_eq!(count("a::model::x: test\na::model::y: test\nz: benchmark\n\n"), 2);
        assert_eq!(count("running 0 tests\n"), 0);
    }
}
