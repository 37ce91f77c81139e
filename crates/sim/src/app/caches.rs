//! The caches of a simulated node.

use unstale::simulation::{ManualNode, Resident, resident, residents};
use unstale::{Cache, CacheBuilder, ConfigError, Freshness, Node};

use crate::history::Found;
use crate::oracle::Terms;
use crate::plan::Topology;
use crate::value::{CacheName, Value};

/// Who owns caches: a real node, or one that is moved by hand.
pub(crate) trait Owner {
    fn cache(&self, name: &str) -> CacheBuilder<u64, Value>;
}

impl Owner for Node {
    fn cache(&self, name: &str) -> CacheBuilder<u64, Value> {
        Node::cache(self, name)
    }
}

impl Owner for ManualNode {
    fn cache(&self, name: &str) -> CacheBuilder<u64, Value> {
        ManualNode::cache(self, name)
    }
}

/// The handles.
#[derive(Clone, Debug)]
pub(crate) struct Caches {
    pub(crate) rows: Cache<u64, Value>,
    pub(crate) lasting: Cache<u64, Value>,
    /// Shelves and pages.
    pub(crate) nested: Option<(Cache<u64, Value>, Cache<u64, Value>)>,
}

impl Caches {
    pub(crate) fn build(
        owner: &impl Owner,
        terms: &Terms,
        topology: &Topology,
        node: usize,
    ) -> Result<Self, ConfigError> {
        let schema = if topology.mixed_schemas && node == 0 { "another" } else { "" };
        let cache = |name: CacheName| {
            let freshness = match terms.within(name) {
                Some(within) if name != CacheName::Lasting => Freshness::Within(within),
                _ => Freshness::Eventual { cap: terms.lasting_cap },
            };
            let builder = owner.cache(name.as_str()).capacity(4_096).freshness(freshness);
            builder.schema_version(schema).build()
        };
        Ok(Self {
            rows: cache(CacheName::Rows)?,
            lasting: cache(CacheName::Lasting)?,
            nested: if topology.nested {
                Some((cache(CacheName::Shelves)?, cache(CacheName::Pages)?))
            } else {
                None
            },
        })
    }

    pub(crate) fn get(&self, name: CacheName) -> Option<&Cache<u64, Value>> {
        match name {
            CacheName::Rows => Some(&self.rows),
            CacheName::Lasting => Some(&self.lasting),
            CacheName::Shelves => self.nested.as_ref().map(|(shelves, _)| shelves),
            CacheName::Pages => self.nested.as_ref().map(|(_, pages)| pages),
        }
    }

    /// Everything that lies in them.
    pub(crate) fn found(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for name in CacheName::ALL {
            for entry in self.get(name).into_iter().flat_map(residents) {
                let Resident { key, value, alive, served, .. } = entry;
                found.push(Found { cache: name, key, value, alive, served });
            }
        }
        found
    }

    /// Whether a copy of this row is held that is older than `version`.
    pub(crate) fn holds_older(&self, key: u64, version: u64) -> bool {
        let entry = resident(&self.rows, &key).filter(|entry| entry.alive);
        entry.is_some_and(|it| it.value.is_none_or(|value| value.parts[0].version < version))
    }
}
