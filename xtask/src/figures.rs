//! `cargo xtask figures`: measures, and writes `docs/figures.md`.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::shell::{cargo, conditions, output, run, workspace};
use crate::{Done, redis};

/// The lines of each group of the bench `hit`; the first is the floor.
const SUBJECTS: [&str; 5] = ["quick_cache", "plain", "time_to_live", "tags_2", "tags_8"];
/// How often the storefront is visited over Redis.
const VISITS: usize = 3;

/// Measures all of it and writes the document.
pub(crate) fn run_all() -> Done {
    run(&mut cargo(&["bench", "--package", "unstale-benches", "--bench", "hit"]))?;
    let hits = hits(&workspace().join("target/criterion"))?;
    let visits = visits()?;
    let document = document(&hits, &visits)?;
    fs::write(workspace().join("docs/figures.md"), document)?;
    Ok(())
}

/// A group of the bench: its name, and the median of each subject in nanoseconds.
type Group = (String, Vec<f64>);

fn hits(results: &Path) -> Done<Vec<Group>> {
    let mut groups = Vec::new();
    for value in ["u64", "arc"] {
        for keys in ["hot", "uniform"] {
            for threads in ["1_thread", "2_threads"] {
                let folder = results.join(format!("{value}_{keys}_{threads}"));
                let medians = SUBJECTS
                    .iter()
                    .map(|subject| median_ns(&folder.join(subject).join("new/estimates.json")));
                let name = format!("{value}, {keys}, {}", threads.replace('_', " "));
                groups.push((name, medians.collect::<Done<_>>()?));
            }
        }
    }
    Ok(groups)
}

fn median_ns(estimates: &Path) -> Done<f64> {
    let text = fs::read_to_string(estimates)
        .map_err(|error| format!("{}: {error}", estimates.display()))?;
    let estimates: serde_json::Value = serde_json::from_str(&text)?;
    let median = estimates["median"]["point_estimate"].as_f64();
    Ok(median.ok_or("criterion's estimates have no median")?)
}

/// What the storefront prints of its changes, for each of several visits over a Redis of their own.
fn visits() -> Done<Vec<Vec<String>>> {
    run(&mut cargo(&["build", "--release", "--package", "storefront"]))?;
    let server = Server::start()?;
    let url = format!("redis://127.0.0.1:{}", server.port);
    let storefront = workspace().join("target/release/storefront");
    (0..VISITS)
        .map(|_| {
            let arguments = ["--once", "--processes", "--port", "0", "--redis", &url];
            let printed = output(Command::new(&storefront).args(arguments))?;
            Ok(measured(&printed))
        })
        .collect()
}

/// The lines from the table of times on.
fn measured(printed: &str) -> Vec<String> {
    let table = printed.lines().skip_while(|line| !line.contains("time to coherence"));
    table.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// A server for the visits, which ends with this.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Done<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let port_text = port.to_string();
        let arguments = ["--port", &port_text, "--save", "", "--bind", "127.0.0.1"];
        let mut command = Command::new(redis::server()?);
        let child = command.args(arguments).stdout(Stdio::null()).spawn()?;
        // The storefront itself waits until the server answers.
        Ok(Self { child, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn document(hits: &[Group], visits: &[Vec<String>]) -> Done<String> {
    let mut text = format!(
        "# Figures\n\nWritten by `cargo xtask figures` {}. Ratios within one run say more than times.\n\n",
        conditions()?
    );
    text.push_str("## A hit beside the engine by itself\n\n");
    text.push_str("Medians, nanoseconds a read: `cargo bench -p unstale-benches --bench hit`.\n\n");
    text.push_str("| values, keys, threads | quick_cache | plain | ratio | time to live | 2 tags | 8 tags |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for (name, medians) in hits {
        let [floor, plain, time_to_live, tags_2, tags_8] = medians[..] else { continue };
        writeln!(
            text,
            "| {name} | {floor:.1} | {plain:.1} | {:.2} | {time_to_live:.1} | {tags_2:.1} | {tags_8:.1} |",
            plain / floor
        )?;
    }
    text.push_str("\n## Time to coherence of the storefront\n\n");
    text.push_str(
        "Three processes over one Redis on loopback, 200 changes each: \
         `cargo run --release -p storefront -- --once --processes --redis URL`.\n",
    );
    for visit in visits {
        text.push_str("\n```text\n");
        for line in visit {
            writeln!(text, "{line}")?;
        }
        text.push_str("```\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::measured;

    #[test]
    fn only_what_was_measured_is_kept() {
        let printed = "all live\n\n200 more changes\n  time to coherence   median\n  since  1 ms\n\n  0 stale\n";
        assert_eq!(
            measured(printed),
            ["  time to coherence   median", "  since  1 ms", "  0 stale"]
        );
    }
}
