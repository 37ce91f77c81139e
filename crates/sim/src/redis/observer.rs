//! Who watches a server.

use bytes::Bytes;

/// Hears of what a server does to frames: what oracles know of the broker comes from here.
///
/// It is told in the order in which things happen, and may ask the server back.
pub trait Observer: Send + Sync {
    /// A message was accepted, as the `sequence`-th of this server, counted from 1 over all channels and
    /// restarts. `publisher` is the peer that sent it; a [foreign](super::Server::publish_foreign) one is none.
    ///
    /// A frame that is accepted late or again is told anew, with another number. One that a replica got from
    /// its primary is not told again.
    fn accepted(&self, sequence: u64, publisher: Option<&str>, frame: &Bytes);

    /// A subscription of `peer` did not get the accepted message, and lives on.
    fn dropped(&self, peer: &str, frame: &Bytes, sequence: u64);

    /// A connection of `peer` was closed because it had not read what it was sent.
    fn cut_off(&self, peer: &str);
}
