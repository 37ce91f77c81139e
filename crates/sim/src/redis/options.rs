//! What can be different from one server to the next.

/// What a server is like, apart from its name. The default is a Redis 7.2 without a password.
#[derive(Clone, Debug)]
pub struct Options {
    /// The password of the default user; without one everybody is let in. Default `None`.
    pub password: Option<String>,
    /// More users, as name and password. Default none.
    pub users: Vec<(String, String)>,
    /// Whether `HELLO` is known, and with it version 3 of the protocol. Default `true`; `false` is Redis 5.
    pub resp3: bool,
    /// A subscriber with more unwritten output than this is cut off (`client-output-buffer-limit pubsub`).
    /// Default 32 MiB, which is Redis's own.
    pub output_limit_bytes: usize,
    /// The same for a connection without a subscription, which Redis does not limit. Default 256 MiB.
    pub reply_limit_bytes: usize,
    /// Which port others are told. Default 6379.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            password: None,
            users: Vec::new(),
            resp3: true,
            output_limit_bytes: 32 << 20,
            reply_limit_bytes: 256 << 20,
            port: 6379,
        }
    }
}
