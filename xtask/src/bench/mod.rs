//! `cargo xtask bench`: measures, and writes `docs/benchmarks.md` from what is measured.

mod benches;
mod check;
mod criterion;
mod groups;
mod measure;
mod missed;
mod number;
mod options;
mod peers;
mod plot;
mod render;
mod results;
mod scale;
mod scoreboard;
mod storefront;
mod tables;
mod target;
mod targets;

use std::process::ExitCode;

use self::options::Options;
use self::results::{Conditions, Results};
use crate::Done;
use crate::shell::workspace;

/// Does what the arguments ask for.
pub(crate) fn run(arguments: lexopt::Parser) -> Done<ExitCode> {
    let options = Options::parse(arguments)?;
    if options.help {
        print!("{}", options::USAGE);
        return Ok(ExitCode::SUCCESS);
    }
    if options.render {
        render::write()?;
        return Ok(ExitCode::SUCCESS);
    }
    // What is measured is what there is at the beginning.
    let conditions = Conditions::now(&options.command())?;
    let verdict =
        if options.measures_own() { own(&options, &conditions)? } else { ExitCode::SUCCESS };
    if options.measures_peers() {
        peers::run(&options, &conditions)?;
    }
    if options.is_kept() {
        render::write()?;
    }
    Ok(verdict)
}

/// Measures this library.
fn own(options: &Options, conditions: &Conditions) -> Done<ExitCode> {
    let figures = measure::figures(options)?;
    let results = Results { conditions: conditions.clone(), figures };
    results.write(&workspace().join("target/bench/results.json"))?;
    let verdict = if options.check { check(options, &results)? } else { ExitCode::SUCCESS };
    if options.is_kept() {
        let committed = Results::read(&Results::committed())?.filter(|_| options.is_part());
        let results = committed.map_or(results.clone(), |committed| results.over(&committed));
        results.write(&Results::committed())?;
        // Before what follows can fail.
        render::write()?;
    }
    Ok(verdict)
}

/// Compares with what is committed, and says what is worse. That is measured a second time: what other programs do on the
/// machine does not hit the same figure twice.
fn check(options: &Options, measured: &Results) -> Done<ExitCode> {
    let path = Results::committed();
    let committed = Results::read(&path)?
        .ok_or_else(|| format!("{} is not there: cargo xtask bench writes it", path.display()))?;
    let mut comparison = check::compare(&committed.figures, &measured.figures);
    if comparison.compared == 0 {
        return Err("nothing that was measured is in the committed results".into());
    }
    report(&comparison, &committed);
    if !comparison.regressions.is_empty() {
        eprintln!("xtask: once more");
        comparison.also_in(&check::compare(&committed.figures, &measure::figures(options)?));
        report(&comparison, &committed);
    }
    let is_well = comparison.regressions.is_empty();
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(comparison: &check::Comparison, committed: &Results) {
    let (compared, worse) = (comparison.compared, comparison.regressions.len());
    let commit = &committed.conditions.commit;
    println!("{compared} figures compared with those of commit {commit}: {worse} are worse");
    comparison.regressions.iter().for_each(|regression| println!("  {regression}"));
}
