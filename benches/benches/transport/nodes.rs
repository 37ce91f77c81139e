//! Nodes whose entries are watched.

use tokio::runtime::Runtime;
use unstale::EventStream;
use unstale_benches::Member;

/// A member that waits until an entry is gone.
pub(crate) struct Watched {
    pub(crate) member: Member,
    events: EventStream<u64>,
}

impl Watched {
    pub(crate) fn new(member: Member) -> Self {
        let events = member.cache.events();
        Self { member, events }
    }

    pub(crate) async fn gone(&mut self, key: u64) {
        while self.member.cache.contains(&key) {
            self.events.next().await;
        }
    }
}

/// One thread for all parties, whichever the subject: the server has the other processor.
pub(crate) fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
