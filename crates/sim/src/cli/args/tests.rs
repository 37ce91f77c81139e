use super::*;
use crate::plan;

fn parse(arguments: &[&str]) -> Result<Args, Usage> {
    super::parse(arguments.iter().map(OsString::from))
}

fn batch(arguments: &[&str]) -> Batch {
    match parse(arguments).unwrap().what {
        What::Batch(batch) | What::Mutant(batch) | What::Ranges(batch) | What::Compare(batch) => {
            batch
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_something_of_everything() {
    assert_eq!(parse(&[]).unwrap().what, What::Representative);
    assert_eq!(parse(&["--nightly", "--json"]).unwrap().what, What::Nightly);
    let args = parse(&["--out", "there", "--json", "--shrink"]).unwrap();
    assert_eq!(args.what, What::Representative);
    assert!(args.json && args.shrink && *args.out == *"there");
}

#[test]
fn options_say_what_is_run() {
    let it = batch(&[
        "--tier=1",
        "--transport",
        "memory",
        "--seeds",
        "5..9",
        "--nodes",
        "7",
        "--freshness",
        "250",
        "--duration",
        "20.5",
    ]);
    assert_eq!((it.tier, it.transport, it.seeds), (Tier::One, TransportKind::Memory, 5..9));
    assert_eq!(it.request.nodes, Some(7));
    assert_eq!(it.request.mode, Some(Mode::Within { ms: 250 }));
    assert_eq!(it.request.duration, Some(Duration::from_millis(20_500)));
    assert_eq!(it.request.profile, Profile::Swarm);
    assert_eq!(batch(&["--seed", "1982"]).seeds, 1982..1983);
    assert_eq!(batch(&["--seeds", "9"]).seeds, 0..9);
    assert_eq!(batch(&["--transport", "redis"]).tier, Tier::One);
    assert_eq!(batch(&["--profile", "storm"]).tier, Tier::Two);
}

#[test]
fn a_focus_is_a_storm() {
    let it = batch(&["--focus", "two-marks"]);
    assert_eq!((it.request.focus, it.request.profile), (Some("two-marks"), Profile::Storm));
    assert_eq!(it.command(3, None), "cargo xtask sim --tier 2 --focus two-marks --seed 3");
    let What::EachFocus(each) = parse(&["--focus", "all", "--seeds", "2"]).unwrap().what else {
        panic!("not each focus");
    };
    assert_eq!(each.with_each_focus().len(), plan::focuses().count());
    let refused = |arguments: &[&str]| parse(arguments).unwrap_err().to_string();
    assert!(refused(&["--focus", "no-such"]).contains("two-marks"));
    assert!(
        refused(&["--focus", "two-marks", "--profile", "calm"]).contains("leave one of them out")
    );
    assert!(refused(&["--focus", "all", "--mutant", "all"]).contains("name it"));
}

#[test]
fn what_a_batch_says_repeats_it() {
    let given = [
        "--tier",
        "3",
        "--transport",
        "redis",
        "--profile",
        "rolling",
        "--nodes",
        "9",
        "--duration",
        "30",
        "--freshness",
        "eventual",
        "--seeds",
        "4..6",
    ];
    let first = batch(&given);
    let command = first.whole_command(None);
    let words: Vec<_> = command.split(' ').skip(3).collect();
    assert_eq!(batch(&words), first);
}

#[test]
fn mutants_are_run_in_storms() {
    let it = parse(&["--mutant", "no-fill-guard"]).unwrap();
    assert_eq!(it.mutant.as_deref(), Some("no-fill-guard"));
    assert!(matches!(it.what, What::Mutant(it) if it.request.profile == Profile::Storm));
    assert_eq!(batch(&["--mutant", "x", "--ranges"]).seeds, 0..500);
    let all = parse(&["--mutant", "all", "--tier", "2"]).unwrap();
    assert_eq!(all.what, What::AllMutants(vec!["--tier".into(), "2".into()]));
    assert_eq!(parse(&["--mutants"]).unwrap().what, What::ListMutants);
}

#[test]
fn a_comparison_is_rolling() {
    let it = parse(&["--compare", "--nodes", "8"]).unwrap().what;
    assert!(matches!(it, What::Compare(it) if it.request.profile == Profile::Rolling));
}

/// Each says which value is wrong, and what would be right.
#[test]
fn what_makes_no_sense_is_said_with_a_remedy() {
    for (arguments, value, remedy) in [
        (&["--tier", "4"][..], "--tier 4", "1, 2 or 3"),
        (&["--transport", "kafka"], "--transport kafka", "memory, redis or azure"),
        (&["--profile", "hail"], "--profile hail", "calm, swarm, storm or rolling"),
        (&["--seeds", "9..3"], "--seeds 9..3", "larger"),
        (&["--seeds", "a..b"], "--seeds a..b", "write 0..100"),
        (&["--seed", "-1"], "--seed -1", "write a number"),
        (&["--nodes", "0"], "--nodes 0", "1 to 20000"),
        (&["--duration", "0"], "--duration 0", "1 to 86400"),
        (&["--duration", "NaN"], "--duration NaN", "1 to 86400"),
        (&["--freshness", "0"], "--freshness 0", "eventual, or naive"),
        (&["--duration", "20", "--profile", "storm"], "--duration 20", "leave it out"),
        (&["--duration", "9", "--profile", "swarm"], "--duration 9", "15 s at least"),
        (&["--tier", "2", "--transport", "redis"], "--transport redis", "--tier 1 or 3"),
        (&["--tier", "1", "--freshness", "naive"], "--freshness naive", "choose --tier 2"),
        (&["--compare", "--tier", "1"], "--compare", "leave out --tier"),
        (&["--compare", "--freshness", "9"], "--compare", "leave out --freshness"),
        (&["--ranges"], "--ranges", "--mutant NAME"),
        (&["--nightly", "--seeds", "9"], "--nightly", "leave out"),
        (&["--nightly", "--mutant", "no-fill-guard"], "--nightly", "leave out"),
        (&["--plan", "no/such/file"], "--plan no/such/file", "plan.json"),
        (&["--mutant", "all", "--plan", "x"], "--mutant all", "leave out --plan"),
        (&["--seed"], "--seed", "missing"),
        (&["--wind"], "--wind", "--help"),
        (&["storm"], "storm", "--help"),
    ] {
        let error = parse(arguments).unwrap_err().to_string();
        assert!(error.contains(value) && error.contains(remedy), "{arguments:?}: {error}");
    }
}

#[test]
fn a_plan_says_all_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.json");
    let mut plan = crate::plan::Plan::draw(&Request::default(), 77);
    std::fs::write(&path, serde_json::to_vec(&plan).unwrap()).unwrap();
    let path = path.to_str().unwrap();
    let it = batch(&["--plan", path, "--tier", "2"]);
    assert_eq!((it.seeds.clone(), it.plan(0)), (77..78, plan.clone()));
    let error = parse(&["--plan", path, "--nodes", "3"]).unwrap_err().to_string();
    assert!(error.contains("--nodes") && error.contains("leave it out"), "{error}");
    plan.topology.nodes = 1;
    std::fs::write(path, serde_json::to_vec(&plan).unwrap()).unwrap();
    let error = parse(&["--plan", path]).unwrap_err().to_string();
    assert!(error.contains("correct topology.nodes"), "{error}");
}
