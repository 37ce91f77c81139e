//! The one place that swaps the standard synchronisation primitives for shuttle's.
//!
//! With feature `model` the locks, atomics and thread-locals that decide what is stored and served become
//! scheduling points of shuttle, so that the model tests explore interleavings; without it they are the standard
//! library's. Counters and bookkeeping stay the standard library's in either case.

#[cfg(not(feature = "model"))]
pub(crate) use std::{sync, thread_local};

#[cfg(feature = "model")]
pub(crate) use shuttle::{sync, thread_local};

/// Locks a mutex, also after a panic of another holder: every critical section of this crate leaves its
/// data valid at each step, so a poisoned lock says nothing.
pub(crate) fn lock<T>(mutex: &sync::Mutex<T>) -> sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
