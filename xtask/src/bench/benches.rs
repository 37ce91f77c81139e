//! What there is to be measured: a line for each benchmark. Everything else follows from this table.

/// A benchmark of the package `unstale-benches`.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Its name, as in `cargo bench --bench NAME`.
    pub(crate) name: &'static str,
    /// The feature of the package that it needs, if any.
    pub(crate) feature: Option<&'static str>,
    /// Where its figures are found afterwards.
    pub(crate) form: Form,
    /// The arguments of a quick run; none if a quick run leaves it out.
    pub(crate) quick: Option<&'static [&'static str]>,
    /// What it measures: the heading of its part of the document.
    pub(crate) title: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In criterion's folders, an entry for each subject.
    Criterion,
    /// In a file that the benchmark writes with `Report`.
    Report,
}

/// Nodes that are moved by hand.
const PROTOCOL: Option<&str> = Some("protocol");

/// In the order in which they are run and shown. A quick run of all of them takes less than three minutes.
pub(crate) const BENCHES: [Bench; 8] = [
    Bench {
        name: "ratios",
        feature: None,
        form: Form::Report,
        quick: Some(&["--quick"]),
        title: "Measured in turns with the floor",
    },
    Bench {
        name: "hit",
        feature: None,
        form: Form::Criterion,
        quick: Some(&[
            "hit/arc/(uniform|stream)/1",
            "--sample-size",
            "20",
            "--measurement-time",
            "0.4",
        ]),
        title: "A hit",
    },
    Bench {
        name: "fill",
        feature: None,
        form: Form::Criterion,
        quick: Some(&["fill/room/", "--sample-size", "10", "--measurement-time", "0.4"]),
        title: "A fill",
    },
    Bench {
        name: "invalidate",
        feature: None,
        form: Form::Criterion,
        quick: Some(&[
            "invalidate/(present|absent|batch)",
            "--sample-size",
            "10",
            "--measurement-time",
            "0.4",
        ]),
        title: "An invalidation",
    },
    Bench {
        name: "applying",
        feature: PROTOCOL,
        form: Form::Report,
        quick: Some(&["--quick"]),
        title: "A received key",
    },
    Bench {
        name: "protocol",
        feature: PROTOCOL,
        form: Form::Criterion,
        quick: None,
        title: "The protocol",
    },
    Bench {
        name: "transport",
        feature: None,
        form: Form::Report,
        quick: Some(&["--quick"]),
        title: "From node to node",
    },
    Bench {
        name: "footprint",
        feature: PROTOCOL,
        form: Form::Report,
        quick: Some(&[]),
        title: "Memory",
    },
];

/// Measured by `cargo xtask azure-speed` and `scaling`, which write pages of their own.
#[cfg(test)]
const ELSEWHERE: [&str; 2] = ["azure", "scale"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Done;
    use crate::shell::{cargo, output};

    #[test]
    fn every_bench_of_the_package_is_in_the_table() -> Done {
        let metadata =
            output(&mut cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]))?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        let packages = metadata["packages"].as_array().ok_or("no packages")?;
        let package = packages.iter().find(|it| it["name"] == "unstale-benches");
        let targets = package.and_then(|it| it["targets"].as_array()).ok_or("no such package")?;
        let is_bench = |it: &&serde_json::Value| it["kind"][0] == "bench";
        let mut there: Vec<&str> =
            targets.iter().filter(is_bench).filter_map(|it| it["name"].as_str()).collect();
        let mut listed: Vec<&str> =
            BENCHES.iter().map(|bench| bench.name).chain(ELSEWHERE).collect();
        there.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, there);
        Ok(())
    }
}
