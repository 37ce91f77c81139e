//! Drives libraries that keep local caches coherent through the same races and faults, and measures them.
//!
//! Each library is behind an adapter: a program with two instances of it, `a` that writes and `b` that reads, over one
//! Redis. `benches/peers/README.md` says what is compared, and how.

pub mod adapter;
pub mod bench;
pub mod case;
pub mod fault;
pub mod proxy;
pub mod race;
pub mod redis;
pub mod report;
pub mod resp;
pub mod rows;
pub mod speed;
pub mod subject;
pub mod trial;
