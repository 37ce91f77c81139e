//! Tests of the cache's behaviour, one file per subject.

mod basics;
