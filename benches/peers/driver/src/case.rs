//! The table of cases.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use crate::adapter::{Hello, Kind};

/// A race or a fault that every library meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// A key is invalidated while the other instance loads it.
    KeyDuringLoad,
    /// The same, by a tag of it.
    TagDuringLoad,
    /// The same, by clearing all.
    ClearDuringLoad,
    /// The other instance is disconnected while a key is invalidated.
    SubscriberCut,
    /// The message is lost on a connection that lives on.
    LastMessageLost,
    /// The broker dies, and comes back empty, after a key was invalidated.
    BrokerRestarted,
}

/// How an entry is made invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// By its key.
    Key,
    /// By a tag of it.
    Tag,
    /// With all others.
    Clear,
}

impl Case {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::KeyDuringLoad,
        Self::TagDuringLoad,
        Self::ClearDuringLoad,
        Self::SubscriberCut,
        Self::LastMessageLost,
        Self::BrokerRestarted,
    ];

    /// The case of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self, serde::de::value::Error> {
        Self::deserialize(name.into_deserializer())
    }

    /// How the entries are made invalid.
    pub fn means(self) -> Means {
        match self {
            Self::TagDuringLoad => Means::Tag,
            Self::ClearDuringLoad => Means::Clear,
            _ => Means::Key,
        }
    }

    /// Whether it is about a load that is under way.
    pub fn is_race(self) -> bool {
        matches!(self, Self::KeyDuringLoad | Self::TagDuringLoad | Self::ClearDuringLoad)
    }

    /// Why this library cannot be tried, if it cannot.
    pub fn lacks(self, hello: &Hello) -> Option<&'static str> {
        if hello.local && !self.is_race() {
            return Some("caches of one process: nothing tells another instance");
        }
        match self.means() {
            Means::Tag if !hello.tags => Some("no tags"),
            // Redis itself is cleared where a client has nothing for it.
            Means::Clear if !hello.clear && hello.kind == Kind::Loading => Some("no clear"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(kind: Kind, tags: bool, clear: bool, local: bool) -> Hello {
        let name = String::new;
        let (name, version, language) = (name(), name(), name());
        Hello { name, version, language, kind, tags, clear, local, notes: Vec::new() }
    }

    fn lacking(hello: &Hello) -> Vec<Case> {
        Case::ALL.into_iter().filter(|case| case.lacks(hello).is_some()).collect()
    }

    #[test]
    fn the_table_names_each_case_once() {
        let names: Vec<_> =
            Case::ALL.iter().map(|case| serde_json::to_value(case).unwrap()).collect();
        let expected = [
            "key-during-load",
            "tag-during-load",
            "clear-during-load",
            "subscriber-cut",
            "last-message-lost",
            "broker-restarted",
        ];
        assert_eq!(names, expected);
        assert_eq!(expected.map(Case::named), Case::ALL.map(Ok));
        assert!(Case::named("no-such-case").is_err());
    }

    #[test]
    fn a_library_is_tried_in_all_that_it_has() {
        assert_eq!(lacking(&hello(Kind::Loading, true, true, false)), []);
        assert_eq!(lacking(&hello(Kind::Tracking, false, false, false)), [Case::TagDuringLoad]);
        assert_eq!(
            lacking(&hello(Kind::Loading, false, false, false)),
            [Case::TagDuringLoad, Case::ClearDuringLoad]
        );
        assert_eq!(
            lacking(&hello(Kind::Loading, true, true, true)),
            [Case::SubscriberCut, Case::LastMessageLost, Case::BrokerRestarted]
        );
    }
}
