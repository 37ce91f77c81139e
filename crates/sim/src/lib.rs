//! A deterministic simulation of [`unstale`].

pub mod redis;
pub mod report;
