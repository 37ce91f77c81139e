//! Ports for servers that a test kills and starts again.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody listens on.
///
/// Below the range from which the system draws the ports of outgoing connections: there, a client that
/// retries a dead server's port can take the port itself, or even connect to itself.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test programs that run side by side begin at different places.
        let offset = (std::process::id() % 1_000) * 97 + DRAWN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + offset % COUNT).expect("a port");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
