//! A deterministic simulation of [`unstale`].

pub mod report;
