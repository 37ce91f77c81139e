//! The storefront's times to coherence: three processes over one Redis, and readers over HTTP.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::results::Figure;
use crate::shell::{cargo, output, run, workspace};
use crate::{Done, redis};

pub(crate) const NAME: &str = "storefront";
pub(crate) const TITLE: &str = "Time to coherence of the storefront";

/// How often it is visited; the median of the visits counts.
const VISITS: usize = 3;

const READS: &str = "reads";
const STALE: &str = "stale reads";

/// Visits the storefront over a Redis of its own.
pub(crate) fn measure() -> Done<Vec<Figure>> {
    run(&mut cargo(&["build", "--release", "--package", "storefront"]))?;
    let server = Server::start()?;
    let url = format!("redis://127.0.0.1:{}", server.port);
    let storefront = workspace().join("target/release/storefront");
    let mut visits = Vec::new();
    for _ in 0..VISITS {
        let arguments = ["--once", "--processes", "--port", "0", "--redis", &url];
        visits.push(parsed(&output(Command::new(&storefront).args(arguments))?)?);
    }
    Ok(together(&visits))
}

type Measured = (String, &'static str, f64);

/// What one visit prints: times to coherence in milliseconds, and what was read.
fn parsed(printed: &str) -> Done<Vec<Measured>> {
    let mut lines = printed.lines().skip_while(|line| !line.contains("time to coherence")).skip(1);
    let mut measured = Vec::new();
    for line in lines.by_ref() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [ref what @ .., median, "ms", p99, "ms", max, "ms"] => {
                for (name, value) in [("p50", median), ("p99", p99), ("max", max)] {
                    measured.push((format!("{} {name}", what.join(" ")), "ms", value.parse()?));
                }
            }
            [reads, "reads,", memory, "of", "them", "from", "memory"] => {
                measured.push((READS.to_owned(), "", reads.parse()?));
                measured.push(("reads from memory".to_owned(), "", memory.parse()?));
            }
            [stale, "stale", "reads"] => measured.push((STALE.to_owned(), "", stale.parse()?)),
            _ => {}
        }
    }
    if measured.len() == 9 {
        Ok(measured)
    } else {
        Err(format!("not what the storefront prints otherwise:\n{printed}").into())
    }
}

/// The median of each figure; of the stale reads, all.
fn together(visits: &[Vec<Measured>]) -> Vec<Figure> {
    let figure = |(index, (subject, unit, _)): (usize, &Measured)| {
        let mut values: Vec<f64> = visits.iter().map(|visit| visit[index].2).collect();
        values.sort_unstable_by(f64::total_cmp);
        let is_stale = subject == STALE;
        let value = if is_stale { values.iter().sum() } else { values[values.len() / 2] };
        let [bench, group] = [NAME, NAME].map(str::to_owned);
        Figure { bench, group, subject: subject.clone(), unit: (*unit).to_owned(), value }
    };
    visits.first().into_iter().flatten().enumerate().map(figure).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "all live\n  3 reads of this and that\n\n200 more changes, with a reader:\n  \
        time to coherence, as seen over HTTP   median       p99       max\n  \
        since the write was answered          0.08 ms   0.68 ms   0.81 ms\n  \
        since the write was sent              1.15 ms   1.84 ms   2.92 ms\n  \
        6362 reads, 5150 of them from memory\n  1 stale reads\n";

    #[test]
    fn only_what_was_measured_is_kept() -> Done {
        let visit = parsed(PRINTED)?;
        assert_eq!(visit[1], ("since the write was answered p99".to_owned(), "ms", 0.68));
        let other = PRINTED.replace("0.68", "0.60");
        let figures = together(&[visit.clone(), visit, parsed(&other)?]);
        let value =
            |subject: &str| figures.iter().find(|it| it.subject == subject).map(|it| it.value);
        assert_eq!(value("since the write was answered p99"), Some(0.68));
        assert_eq!(value("reads"), Some(6362.0));
        assert_eq!(value("stale reads"), Some(3.0));
        assert!(parsed("").is_err());
        assert!(parsed(&PRINTED.replace(" ms", " s")).is_err());
        Ok(())
    }
}
