//! Subscribing and unsubscribing.

use bytes::Bytes;

use super::state::{Channel, Connection, State};

impl State {
    /// `SUBSCRIBE` or `SSUBSCRIBE`: one confirmation for each channel.
    pub(crate) fn subscribe(&mut self, id: u64, sharded: bool, names: &[Bytes]) {
        let kind = if sharded { "ssubscribe" } else { "subscribe" };
        for name in names {
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            connection.subscribed.insert(Channel { sharded, name: name.clone() });
            self.tell(id, kind, sharded, Some(name));
        }
    }

    /// `UNSUBSCRIBE` or `SUNSUBSCRIBE`: of all channels if none is named, and one answer at least.
    pub(crate) fn unsubscribe(&mut self, id: u64, sharded: bool, names: &[Bytes]) {
        let kind = if sharded { "sunsubscribe" } else { "unsubscribe" };
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let names: Vec<Bytes> = if names.is_empty() {
            let all = connection.subscribed.iter().filter(|channel| channel.sharded == sharded);
            all.map(|channel| channel.name.clone()).collect()
        } else {
            names.to_vec()
        };
        if names.is_empty() {
            self.tell(id, kind, sharded, None);
        }
        for name in names {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.subscribed.remove(&Channel { sharded, name: name.clone() });
            }
            self.tell(id, kind, sharded, Some(&name));
        }
    }

    fn tell(&mut self, id: u64, kind: &str, sharded: bool, name: Option<&Bytes>) {
        let left = self.connections.get(&id).map_or(0, |connection| connection.count(sharded));
        self.write(id, |push| {
            push.push(3);
            push.bulk(kind.as_bytes());
            match name {
                Some(name) => push.bulk(name),
                None => push.null(),
            }
            push.integer(left);
        });
    }
}

impl Connection {
    fn count(&self, sharded: bool) -> usize {
        self.subscribed.iter().filter(|channel| channel.sharded == sharded).count()
    }
}
