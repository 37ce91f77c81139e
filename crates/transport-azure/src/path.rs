//! Which way frames go.

/// How frames travel to the service and back.
///
/// Nodes on different paths understand each other: they can share a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataPath {
    /// AMQP 1.0 in TLS, on port 5671. The default.
    #[cfg(feature = "amqp")]
    #[default]
    Amqp,
    /// AMQP 1.0 in websockets, on port 443: for networks that let only that through.
    #[cfg(feature = "websocket")]
    WebSocket,
    /// HTTPS, on port 443: for networks that let not even websockets through. The default where AMQP is not
    /// compiled in. Slow and costly; see the [crate's documentation](crate#features).
    #[cfg(feature = "rest")]
    #[cfg_attr(not(feature = "amqp"), default)]
    Rest,
}
