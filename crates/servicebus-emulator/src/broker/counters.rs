//! What Azure would bill.

use std::ops::AddAssign;

/// Operations, as Azure counts them for its bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Messages accepted, each message of a batch for itself.
    pub sends: u64,
    /// Messages delivered, by AMQP or by HTTP, also those that nobody took note of.
    pub deliveries: u64,
    /// Requests for a message that none came for.
    pub empty_polls: u64,
    /// Requests that look at entities or change them.
    pub management: u64,
}

impl Operations {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.sends + self.deliveries + self.empty_polls + self.management
    }
}

impl AddAssign for Operations {
    fn add_assign(&mut self, other: Self) {
        self.sends += other.sends;
        self.deliveries += other.deliveries;
        self.empty_polls += other.empty_polls;
        self.management += other.management;
    }
}
