//! `cargo xtask test`: everything that must pass.

use crate::shell::{cargo, output, run};
use crate::{Done, architecture, redis};

/// Runs all of it; the first failure stops.
pub(crate) fn everything() -> Done {
    architecture::run()?;
    simulation()?;
    let redis_server = redis::server()?;
    eprintln!("xtask: {}={}", redis::VARIABLE, redis_server.display());
    // Feature `fred` is the only one that nothing in the workspace switches on by itself.
    let mut tests = cargo(&["test", "--workspace", "--features", "unstale-redis/fred"]);
    run(tests.env(redis::VARIABLE, &redis_server))?;
    model()
}

/// That a simulated run repeats itself, on which all else rests that the simulator says, and that its tiers agree; then
/// some seeds of the worst weather in each tier. Optimised: it is a hundred times as much work as any test.
fn simulation() -> Done {
    let sim = ["--package", "unstale-sim"];
    let tests = ["--test", "determinism", "--test", "cross_check"];
    run(cargo(&["test", "--release"]).args(sim).args(tests))?;
    let storms: [&[&str]; 4] = [
        &["--tier", "1", "--transport", "redis", "--seeds", "40"],
        &["--tier", "1", "--transport", "memory", "--seeds", "40"],
        &["--tier", "2", "--seeds", "200"],
        &["--tier", "2", "--focus", "all", "--seeds", "10"],
    ];
    for storm in storms {
        let mut simulate = cargo(&["run", "--release", "--quiet"]);
        simulate.args(sim).args(["--bin", "unstale-sim", "--", "--profile", "storm"]).args(storm);
        run(&mut simulate)?;
    }
    Ok(())
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
