//! Random operations, compared with a model that knows every version of every row.
//!
//! Values are versions, and every change of a row is invalidated at once. So whatever a cache returns must be
//! the row as it is now, also where it was computed from other caches, and whatever was loading meanwhile.

use proptest::prelude::*;

use crate::Freshness;
use crate::cache::domain::Origin;
use crate::cache::testing::TestNode;
use crate::cache::{Cache, Fill};
use crate::target::Target;

use super::{ok, poll};

const ROWS: u64 = 3;
const LEVELS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Reads a row at a level; levels above 0 read the level below.
    Read {
        level: usize,
        row: u64,
    },
    /// Looks a row up at a level.
    Get {
        level: usize,
        row: u64,
    },
    /// Changes a row and invalidates its key at level 0.
    ChangeKey {
        row: u64,
    },
    /// Changes a row and invalidates its tag.
    ChangeTag {
        row: u64,
    },
    /// Changes a row and clears level 0.
    ChangeAndClear {
        row: u64,
    },
    /// Changes a row and drops everything.
    ChangeAndDropAll {
        row: u64,
    },
    /// Begins a fill at level 0 and reads the row for it.
    BeginFill {
        row: u64,
    },
    /// Ends the oldest fill.
    EndFill,
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let row = || 0..ROWS;
    let level = || 0..LEVELS;
    prop_oneof![
        4 => (level(), row()).prop_map(|(level, row)| Step::Read { level, row }),
        2 => (level(), row()).prop_map(|(level, row)| Step::Get { level, row }),
        2 => row().prop_map(|row| Step::ChangeKey { row }),
        2 => row().prop_map(|row| Step::ChangeTag { row }),
        1 => row().prop_map(|row| Step::ChangeAndClear { row }),
        1 => row().prop_map(|row| Step::ChangeAndDropAll { row }),
        2 => row().prop_map(|row| Step::BeginFill { row }),
        2 => Just(Step::EndFill),
        1 => Just(Step::Sweep),
    ]
}

struct World {
    node: TestNode,
    levels: Vec<Cache<u64, u64>>,
    rows: [u64; ROWS as usize],
    fills: Vec<(u64, u64, Fill<u64, u64>)>,
}

impl World {
    fn new() -> Self {
        let node = TestNode::with(Freshness::Eventual { cap: None });
        let levels = (0..LEVELS).map(|level| {
            let cache = node.cache(&format!("level {level}"));
            cache.capacity(if level == 0 { 2 } else { 8 }).build().unwrap()
        });
        Self { levels: levels.collect(), node, rows: [0; ROWS as usize], fills: Vec::new() }
    }

    /// The row as it is, with what each level adds.
    fn truth(&self, level: usize, row: u64) -> u64 {
        self.rows[row as usize] * 10 + level as u64
    }

    fn read(&self, level: usize, row: u64) -> futures_util::future::BoxFuture<'_, u64> {
        Box::pin(async move {
            let loader = |cx: crate::cache::LoadContext| async move {
                if level == 0 {
                    let value = self.truth(0, row);
                    cx.tag(format!("row {row}"));
                    return ok(value);
                }
                // By a hit where there is one, so that both ways are taken.
                let below = match self.levels[level - 1].get(&row) {
                    Some(below) => below,
                    None => self.read(level - 1, row).await,
                };
                ok(below + 1)
            };
            self.levels[level].get_or_load(&row, loader).await.unwrap()
        })
    }

    fn change(&mut self, row: u64) {
        self.rows[row as usize] += 1;
        self.node.advance(std::time::Duration::from_micros(1));
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Read { level, row } => {
                let value = {
                    let mut read = self.read(level, row);
                    match poll(&mut read) {
                        std::task::Poll::Ready(value) => value,
                        std::task::Poll::Pending => {
                            return Err(TestCaseError::fail("a read waits for nobody"));
                        }
                    }
                };
                prop_assert_eq!(value, self.truth(level, row));
            }
            Step::Get { level, row } => {
                if let Some(value) = self.levels[level].get(&row) {
                    prop_assert_eq!(value, self.truth(level, row));
                }
            }
            Step::ChangeKey { row } => {
                self.change(row);
                let _ = self.levels[0].invalidate(&row);
            }
            Step::ChangeTag { row } => {
                self.change(row);
                let _ = self.levels[0].invalidate_tag(&format!("row {row}"));
            }
            Step::ChangeAndClear { row } => {
                self.change(row);
                let _ = self.levels[0].clear();
            }
            Step::ChangeAndDropAll { row } => {
                self.change(row);
                self.node.domain.apply_one(&Target::Everything, Origin::Unknown);
            }
            Step::BeginFill { row } => {
                let fill = self.levels[0].begin_fill(&row);
                fill.tag(format!("row {row}"));
                self.fills.push((row, self.truth(0, row), fill));
            }
            Step::EndFill => {
                if !self.fills.is_empty() {
                    let (row, value, fill) = self.fills.remove(0);
                    if fill.insert(value) {
                        prop_assert_eq!(value, self.truth(0, row));
                    }
                }
            }
            Step::Sweep => {
                self.node.advance(std::time::Duration::from_secs(60));
                self.node.domain.sweep();
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_superseded_is_ever_returned(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.step(&step)?;
        }
        // Nothing is left behind in the tables.
        world.fills.clear();
        for level in &world.levels {
            prop_assert_eq!(level.in_flight(), 0);
        }
    }
}
