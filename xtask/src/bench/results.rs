//! The results: figures, and what they were measured on. Committed as `benches/results/benches.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Done;
use crate::shell::{output, workspace};

/// All figures of one run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) conditions: Conditions,
    pub(crate) figures: Vec<Figure>,
}

/// What was measured, on what, and by which command.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Conditions {
    pub(crate) command: String,
    /// With `-dirty` if something was changed that is not committed.
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) rustc: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) bench: String,
    /// Subjects of one group do the same, so that their figures can be compared. Parts are divided by `/`.
    pub(crate) group: String,
    pub(crate) subject: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
}

impl Results {
    /// The file that is committed.
    pub(crate) fn committed() -> PathBuf {
        workspace().join("benches/results/benches.json")
    }

    /// What a file holds; nothing if there is no such file.
    pub(crate) fn read(path: &Path) -> Done<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(path)?;
        let results =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Some(results))
    }

    /// These, and of benchmarks that were not measured again what there was; the benchmarks stay in their order.
    pub(crate) fn over(self, before: &Self) -> Self {
        let is_new = |bench: &str| self.figures.iter().any(|figure| figure.bench == bench);
        let mut figures: Vec<Figure> = Vec::new();
        for figure in before.figures.iter().chain(&self.figures) {
            let is_there = figures.iter().any(|it| it.bench == figure.bench);
            match (is_new(&figure.bench), is_there) {
                (true, false) => {
                    let measured = self.figures.iter().filter(|it| it.bench == figure.bench);
                    figures.extend(measured.cloned());
                }
                (true, true) => {}
                (false, _) => figures.push(figure.clone()),
            }
        }
        Self { conditions: self.conditions.after(&before.conditions), figures }
    }

    /// Writes them, a line for each figure, so that changes can be read.
    pub(crate) fn write(&self, path: &Path) -> Done {
        let conditions = serde_json::to_string_pretty(&self.conditions)?.replace('\n', "\n  ");
        let figures: Vec<String> =
            self.figures.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let figures = figures.join(",\n    ");
        let text = format!(
            "{{\n  \"conditions\": {conditions},\n  \"figures\": [\n    {figures}\n  ]\n}}\n"
        );
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
        eprintln!("xtask: written: {}", path.display());
        Ok(())
    }
}

impl Conditions {
    /// Those of a run of this command that begins now.
    pub(crate) fn now(command: &str) -> Done<Self> {
        let said = |program: &str, arguments: &[&str]| -> Done<String> {
            let mut command = Command::new(program);
            Ok(output(command.args(arguments).current_dir(workspace()))?.trim().to_owned())
        };
        // Not every system has these files; the rest is the same everywhere.
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = field(&file("/proc/cpuinfo"), "model name").unwrap_or("unknown").to_owned();
        let memory = file("/proc/meminfo");
        let memory =
            field(&memory, "MemTotal").and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            command: command.to_owned(),
            commit: said("git", &["describe", "--always", "--dirty", "--exclude", "*"])?,
            date: said("date", &["-u", "+%Y-%m-%d"])?,
            rustc: said("rustc", &["--version"])?,
            processor,
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: memory.unwrap_or_default() / 1024,
            kernel: said("uname", &["-sr"])?,
        })
    }

    /// These, and before them those under which the rest was measured.
    fn after(self, before: &Self) -> Self {
        let both = |before: &str, now: &str| match before == now {
            true => now.to_owned(),
            false => format!("{before}, then {now}"),
        };
        Self {
            command: both(&before.command, &self.command),
            commit: both(&before.commit, &self.commit),
            date: both(&before.date, &self.date),
            rustc: both(&before.rustc, &self.rustc),
            processor: both(&before.processor, &self.processor),
            ..self
        }
    }

    /// For a sentence in a document.
    pub(crate) fn sentence(&self) -> String {
        let Self { command, commit, date, rustc, processor, cores, memory_mib, kernel } = self;
        let memory_gib = *memory_mib as f64 / 1024.0;
        format!(
            "`{command}` on {date} at commit {commit}, with {rustc}, on {processor}, {cores} cores, {memory_gib:.0} GiB, {kernel}"
        )
    }
}

/// The first field of this name in a file of the kernel's.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| *key == name)
        .map(|it| it.1)
}

#[cfg(test)]
pub(crate) fn figure(bench: &str, group: &str, subject: &str, unit: &str, value: f64) -> Figure {
    let [bench, group, subject, unit] = [bench, group, subject, unit].map(str::to_owned);
    Figure { bench, group, subject, unit, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() -> Done {
        let path = std::env::temp_dir().join(format!("xtask-results-{}.json", std::process::id()));
        assert!(Results::read(&path)?.is_none());
        let figures = vec![
            figure("hit", "hit/a/1", "plain", "ns", 21.5),
            figure("x", "y", "\"z\"", "bytes", 40.0),
        ];
        let conditions = Conditions { cores: 2, memory_mib: 4096, ..Conditions::default() };
        let results = Results { conditions, figures };
        results.write(&path)?;
        let read = Results::read(&path)?.ok_or("it is there")?;
        fs::remove_file(&path)?;
        assert_eq!(read.figures, results.figures);
        assert_eq!(read.conditions.cores, 2);
        Ok(())
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: Xeon: 3\nmodel name\t: other\n";
        assert_eq!(field(text, "model name"), Some("Xeon: 3"));
        assert_eq!(field("MemTotal:       4096 kB\n", "MemTotal"), Some("4096 kB"));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    fn a_part_takes_the_place_of_the_same_part() {
        let results = |commit: &str, figures: &[Figure]| Results {
            conditions: Conditions { commit: commit.to_owned(), ..Conditions::default() },
            figures: figures.to_vec(),
        };
        let old = ["hit", "fill", "idle"].map(|bench| figure(bench, "a", "plain", "ns", 1.0));
        let new = ["fill", "scale"].map(|bench| figure(bench, "a", "plain", "ns", 2.0));
        let both = results("b", &new).over(&results("a", &old));
        let expected = [old[0].clone(), new[0].clone(), old[2].clone(), new[1].clone()];
        assert_eq!(both.figures, expected);
        assert_eq!(both.conditions.commit, "a, then b");
    }
}
