//! Errors of loading and of configuring.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a load gave no value. Cheap to clone: all readers that waited for one load get the same error.
#[derive(Clone)]
pub struct LoadError {
    kind: LoadErrorKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What went wrong with a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The loader returned an error; it is the [source](StdError::source).
    Failed,
    /// The load, or the wait for another one's, took longer than the cache's load time-out.
    TimedOut,
    /// It was a load inside of a load, more than 32 deep: rows that refer to each other in a circle, say. The
    /// loads around it fail too, as far as their loaders pass it on.
    TooDeep,
    /// The source has nothing under this key, and the call has no way to say so in its value.
    Absent,
}

impl LoadError {
    pub(crate) fn failed(source: Box<dyn StdError + Send + Sync>) -> Self {
        Self { kind: LoadErrorKind::Failed, source: Some(Arc::from(source)) }
    }

    pub(crate) fn timed_out() -> Self {
        Self { kind: LoadErrorKind::TimedOut, source: None }
    }

    pub(crate) fn too_deep() -> Self {
        Self { kind: LoadErrorKind::TooDeep, source: None }
    }

    pub(crate) fn absent() -> Self {
        Self { kind: LoadErrorKind::Absent, source: None }
    }

    /// What went wrong.
    pub fn kind(&self) -> LoadErrorKind {
        self.kind
    }

    /// The loader's own error, if it is of this type.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.source) {
            (LoadErrorKind::Failed, Some(source)) => write!(f, "the loader failed: {source}"),
            (LoadErrorKind::Failed, None) => f.write_str("the loader failed"),
            (LoadErrorKind::TimedOut, _) => f.write_str("the load timed out"),
            (LoadErrorKind::TooDeep, _) => f.write_str("loads are nested too deeply"),
            (LoadErrorKind::Absent, _) => f.write_str("the source has nothing under this key"),
        }
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadError").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl StdError for LoadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// A configuration that cannot work, with the offending value and what to do about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name of a cache is empty or too long for the wire.
    #[error("the cache name {name:?} has {} bytes: use 1 to {max_bytes}", name.len())]
    CacheName {
        /// The name.
        name: String,
        /// The longest that is allowed, in bytes.
        max_bytes: usize,
    },
    /// The node already has a cache of this name.
    #[error("this node already has a cache {name:?}: clone that one, or choose another name")]
    DuplicateCache {
        /// The name.
        name: String,
    },
    /// A cache that holds nothing.
    #[error("the cache {name:?} has a capacity of 0: give it room for at least 1")]
    ZeroCapacity {
        /// The cache.
        name: String,
    },
    /// A duration that must be longer than zero.
    #[error("the cache {name:?} has {setting} = {value:?}: it must be longer than zero")]
    ZeroDuration {
        /// The cache.
        name: String,
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
    },
    /// A jitter outside of 0 to 1.
    #[error("the cache {name:?} has jitter = {value}: it is a fraction from 0 to 1")]
    Jitter {
        /// The cache.
        name: String,
        /// The value.
        value: f64,
    },
    /// The namespace is empty or too long for the wire.
    #[error("the namespace {namespace:?} has {} bytes: use 1 to {max_bytes}", namespace.len())]
    Namespace {
        /// The namespace.
        namespace: String,
        /// The longest that is allowed, in bytes.
        max_bytes: usize,
    },
    /// No transport, or too many.
    #[error("the node has {lanes} transports: give it one, or one for each of up to {most} lanes")]
    Lanes {
        /// How many were given.
        lanes: usize,
        /// The most that are allowed.
        most: usize,
    },
    /// A transport whose frames are too small to carry the protocol.
    #[error("the transport takes frames of {bytes} bytes: it must take at least {least}")]
    FrameSize {
        /// What the transport takes.
        bytes: usize,
        /// What a node needs.
        least: usize,
    },
    /// Shared secrets that cannot work.
    #[error("authentication: {problem}")]
    Authentication {
        /// What is wrong, and what to do; never a secret.
        problem: String,
    },
    /// A freshness bound of zero.
    #[error("the node has a freshness bound of {value:?}: it must be longer than zero")]
    ZeroFreshness {
        /// Its value.
        value: Duration,
    },
    /// There is no tokio runtime to run on.
    #[error("no tokio runtime: call `build` within one, or give the node a runtime of its own")]
    NoTokio,
    /// A limit of no concurrent loads.
    #[error("the cache {name:?} allows 0 concurrent loads: allow at least 1, or set no limit")]
    ZeroConcurrentLoads {
        /// The cache.
        name: String,
    },
}
