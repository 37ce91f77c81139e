//! `unstale-peers`: compares libraries that keep local caches coherent.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use lexopt::prelude::*;
use serde::Deserialize;
use tokio::process::Command;
use unstale_peers::adapter::Streams;
use unstale_peers::bench::Launch;
use unstale_peers::case::Case;
use unstale_peers::report::Report;
use unstale_peers::speed::Effort;
use unstale_peers::subject::{self, Plan};

const USAGE: &str = "\
unstale-peers --redis-server PATH --adapters FILE --out FILE [options]

  --redis-server PATH  the server's program
  --adapters FILE      JSON: [{\"name\": \"…\", \"command\": [\"program\", \"argument\", …],
                       \"environment\": {\"NAME\": \"value\"}}, …]. To each command its name and `--a URL --b URL`
                       are added
  --out FILE           where the results go, as JSON
  --logs FOLDER        where the adapters' standard error goes, a file each [else: to the terminal]
  --trials N           of each case [200]
  --only NAME          only this adapter; can be given several times
  --case NAME          only this case; can be given several times
  --quick              20 trials, and short measurements
";

struct Arguments {
    redis_server: PathBuf,
    adapters: PathBuf,
    out: PathBuf,
    logs: Option<PathBuf>,
    only: Vec<String>,
    plan: Plan,
}

fn parse() -> Result<Option<Arguments>, Box<dyn Error>> {
    let (mut redis_server, mut adapters, mut out, mut logs) = (None, None, None, None);
    let (mut only, mut cases, mut trials, mut is_quick) = (Vec::new(), Vec::new(), None, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("redis-server") => redis_server = Some(parser.value()?.into()),
            Long("adapters") => adapters = Some(parser.value()?.into()),
            Long("out") => out = Some(parser.value()?.into()),
            Long("logs") => logs = Some(parser.value()?.into()),
            Long("trials") => trials = Some(parser.value()?.parse()?),
            Long("only") => only.push(parser.value()?.string()?),
            Long("case") => cases.push(parser.value()?.parse_with(Case::named)?),
            Long("quick") => is_quick = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let plan = Plan {
        cases: if cases.is_empty() { Case::ALL.to_vec() } else { cases },
        trials: trials.unwrap_or(if is_quick { 20 } else { 200 }),
        control_trials: 20,
        speed: Some(if is_quick { Effort::QUICK } else { Effort::FULL }),
    };
    Ok(Some(Arguments {
        redis_server: redis_server.ok_or("--redis-server is missing")?,
        adapters: adapters.ok_or("--adapters is missing")?,
        out: out.ok_or("--out is missing")?,
        logs,
        only,
        plan,
    }))
}

/// How to start an adapter.
#[derive(Deserialize)]
struct Program {
    name: String,
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(skip)]
    logs: Option<PathBuf>,
}

impl Launch for Program {
    fn launch(&self, a: u16, b: u16) -> io::Result<Streams> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
        let url = |port: u16| format!("redis://127.0.0.1:{port}");
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.name).args(["--a", &url(a), "--b", &url(b)]);
        command.envs(&self.environment).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(self.log()?);
        let mut child = command.spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Streams { from: Box::new(from), to: Box::new(to), child: Some(child) })
    }
}

impl Program {
    fn log(&self) -> io::Result<Stdio> {
        let Some(folder) = &self.logs else { return Ok(Stdio::inherit()) };
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("{}.log", self.name));
        Ok(fs::File::options().create(true).append(true).open(file)?.into())
    }
}

fn programs(arguments: &Arguments) -> Result<Vec<Program>, Box<dyn Error>> {
    let text = fs::read_to_string(&arguments.adapters)
        .map_err(|error| format!("{}: {error}", arguments.adapters.display()))?;
    let mut programs: Vec<Program> = serde_json::from_str(&text)?;
    let known: Vec<String> = programs.iter().map(|program| program.name.clone()).collect();
    if let Some(unknown) = arguments.only.iter().find(|name| !known.contains(name)) {
        return Err(format!("no adapter {unknown}; there are: {}", known.join(", ")).into());
    }
    programs.retain(|it| arguments.only.is_empty() || arguments.only.contains(&it.name));
    for program in &mut programs {
        program.logs.clone_from(&arguments.logs);
    }
    Ok(programs)
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match parse() {
        Ok(Some(arguments)) => run(arguments).await,
        Ok(None) => {
            print!("{USAGE}");
            Ok(())
        }
        Err(error) => Err(format!("{error}\n\n{USAGE}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unstale-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mut report =
        Report { subjects: Vec::new(), trials: arguments.plan.trials, redis: String::new() };
    for program in programs(&arguments)? {
        let ran = subject::run(&arguments.redis_server, &program, &arguments.plan).await;
        let (subject, redis) = ran.map_err(|error| format!("{}: {error}", program.name))?;
        report.redis = redis;
        report.subjects.push(subject);
        // After each: a long run that fails late leaves what it has.
        write(&arguments.out, &report)?;
    }
    Ok(())
}

fn write(out: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(report)?;
    Ok(fs::write(out, text + "\n")?)
}
