//! What was judged, over all runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Done;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// A test failed.
    Caught,
    /// No test failed.
    Missed,
    /// The tests did not end.
    Timeout,
    /// It does not compile.
    Unviable,
}

impl Verdict {
    pub(super) const ALL: [Self; 4] = [Self::Caught, Self::Missed, Self::Timeout, Self::Unviable];

    /// As the tool names its files.
    fn name(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Missed => "missed",
            Self::Timeout => "timeout",
            Self::Unviable => "unviable",
        }
    }
}

/// One change: `crates/core/src/protocol/log.rs:93:9: replace Log::meet -> Met with Default::default()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// As the tool names it.
    pub(super) name: String,
    /// The same without the place, which other changes move; counted where several read the same.
    pub(super) key: String,
}

impl Mutant {
    pub(super) fn file(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }

    pub(super) fn line(&self) -> &str {
        self.name.split(':').nth(1).unwrap_or_default()
    }
}

/// All changes that there are to judge, in the order of the sources.
#[derive(Debug, Default)]
pub(super) struct Listed(pub(super) Vec<Mutant>);

impl Listed {
    pub(super) fn parse(list: &str) -> Self {
        let mut seen = BTreeMap::new();
        let mutants = list.lines().filter_map(|name| {
            let mut parts = name.splitn(4, ':');
            let (file, what) = (parts.next()?, parts.nth(2)?);
            let key = format!("{file}:{what}");
            let times: &mut usize = seen.entry(key.clone()).or_default();
            *times += 1;
            let key = if *times == 1 { key } else { format!("{key} ({times})") };
            Some(Mutant { name: name.to_owned(), key })
        });
        Self(mutants.collect())
    }
}

/// Verdicts by [`Mutant::key`], kept in a file.
pub(super) struct Ledger {
    folder: PathBuf,
    verdicts: BTreeMap<String, Verdict>,
}

impl Ledger {
    const FILE: &str = "judged.tsv";
    /// The list that the tool's present results are of.
    const LISTED: &str = "listed.txt";
    const RESULTS: &str = "mutants.out";

    pub(super) fn open(folder: &Path) -> Done<Self> {
        let text = read_or_empty(&folder.join(Self::FILE))?;
        let verdicts = text.lines().filter_map(|line| {
            let (verdict, key) = line.split_once('\t')?;
            let verdict = Verdict::ALL.into_iter().find(|known| known.name() == verdict)?;
            Some((key.to_owned(), verdict))
        });
        Ok(Self { folder: folder.to_owned(), verdicts: verdicts.collect() })
    }

    pub(super) fn verdict(&self, mutant: &Mutant) -> Option<Verdict> {
        self.verdicts.get(&mutant.key).copied()
    }

    pub(super) fn forget_survivors(&mut self) {
        self.verdicts.retain(|_, verdict| *verdict != Verdict::Missed);
    }

    /// Takes over what the tool has judged since [`prepare`](Self::prepare), also if it was interrupted.
    pub(super) fn absorb(&mut self) -> Done {
        let listed = Listed::parse(&read_or_empty(&self.folder.join(Self::LISTED))?);
        for verdict in Verdict::ALL {
            let file = self.folder.join(Self::RESULTS).join(format!("{}.txt", verdict.name()));
            let names = read_or_empty(&file)?;
            let names: BTreeSet<_> = names.lines().collect();
            for mutant in listed.0.iter().filter(|mutant| names.contains(&*mutant.name)) {
                self.verdicts.insert(mutant.key.clone(), verdict);
            }
        }
        let lines = self.verdicts.iter().map(|(key, it)| format!("{}\t{key}\n", it.name()));
        Ok(fs::write(self.folder.join(Self::FILE), lines.collect::<String>())?)
    }

    /// Makes the tool skip what is judged, and what is not of this `part` of the list: it passes over whatever an
    /// earlier run of its own has caught.
    pub(super) fn prepare(&self, listed: &Listed, part: impl Fn(usize) -> bool) -> Done {
        let results = self.folder.join(Self::RESULTS);
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        let places = listed.0.iter().enumerate();
        let skipped =
            places.filter(|(place, mutant)| !part(*place) || self.verdict(mutant).is_some());
        let names = |mutants: &mut dyn Iterator<Item = &Mutant>| {
            mutants.map(|mutant| mutant.name.clone() + "\n").collect::<String>()
        };
        fs::write(
            results.join("previously_caught.txt"),
            names(&mut skipped.map(|(_, mutant)| mutant)),
        )?;
        Ok(fs::write(self.folder.join(Self::LISTED), names(&mut listed.0.iter()))?)
    }
}

fn read_or_empty(file: &Path) -> Done<String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{}: {error}", file.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "a.rs:3:5: replace + with - in f\na.rs:4:9: replace + with - in f\n\
                        b.rs:1:1: replace S<A, B>::g -> bool with true\n";

    /// A folder that is gone at the end.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Done<Folder> {
        let folder =
            std::env::temp_dir().join(format!("unstale-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Folder(folder))
    }

    #[test]
    fn places_do_not_matter_but_order_does() {
        let listed = Listed::parse(LIST);
        let keys: Vec<_> = listed.0.iter().map(|mutant| &*mutant.key).collect();
        assert_eq!(
            keys,
            [
                "a.rs: replace + with - in f",
                "a.rs: replace + with - in f (2)",
                "b.rs: replace S<A, B>::g -> bool with true",
            ]
        );
        assert_eq!((listed.0[1].file(), listed.0[1].line()), ("a.rs", "4"));
        let moved = Listed::parse(&LIST.replace(":3:", ":30:").replace(":4:", ":40:"));
        assert!(moved.0.iter().map(|mutant| &*mutant.key).eq(keys));
    }

    #[test]
    fn what_is_judged_is_skipped_and_kept() -> Done {
        let folder = folder("ledger")?;
        let results = folder.0.join("mutants.out");
        let skipped = || fs::read_to_string(results.join("previously_caught.txt"));
        let listed = Listed::parse(LIST);
        let mut ledger = Ledger::open(&folder.0)?;
        ledger.absorb()?;
        ledger.prepare(&listed, |place| place != 2)?;
        assert_eq!(skipped()?, "b.rs:1:1: replace S<A, B>::g -> bool with true\n");
        fs::write(results.join("missed.txt"), "a.rs:4:9: replace + with - in f\n")?;
        drop(ledger);

        // As after an interruption, and with the sources changed.
        let mut ledger = Ledger::open(&folder.0)?;
        ledger.absorb()?;
        let listed = Listed::parse(&LIST.replace(":4:", ":40:"));
        let verdicts = listed.0.iter().map(|mutant| ledger.verdict(mutant));
        assert!(verdicts.eq([None, Some(Verdict::Missed), None]));
        ledger.prepare(&listed, |_| true)?;
        assert_eq!(skipped()?, "a.rs:40:9: replace + with - in f\n");
        ledger.forget_survivors();
        ledger.prepare(&listed, |_| true)?;
        assert_eq!(skipped()?, "");
        Ok(())
    }
}
