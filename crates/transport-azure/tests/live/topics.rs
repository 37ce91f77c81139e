//! Deletes topics.

use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstale_azure::{Connector, NetConnector, rustls};
use unstale_servicebus_emulator::sign;

/// Longer than a few requests take.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// The value of a part of a connection string.
pub(crate) fn part<'a>(connection_string: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = connection_string.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Deletes a topic with all its subscriptions.
pub(crate) async fn delete_topic(connection_string: &str, topic: &str) -> Result<(), String> {
    let part = |name| part(connection_string, name).ok_or_else(|| format!("no {name}"));
    let endpoint = part("Endpoint")?.trim_start_matches("sb://").trim_end_matches('/');
    let is_plain = part("UseDevelopmentEmulator").is_ok_and(|value| value == "true");
    let default_port = if is_plain { 5672 } else { 443 };
    let (host, port) = match endpoint.split_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| "no port")?),
        None => (endpoint, default_port),
    };
    let token = sign(
        &format!("sb://{host}/{topic}"),
        token_expiry()?,
        part("SharedAccessKeyName")?,
        part("SharedAccessKey")?,
    );
    let request = format!(
        "DELETE /{topic}?api-version=2021-05 HTTP/1.1\r\nhost: {endpoint}\r\nauthorization: {token}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let said = |error: std::io::Error| error.to_string();
    let stream = NetConnector.connect(host, port).await.map_err(said)?;
    let answer = if is_plain {
        exchange(stream, &request).await.map_err(said)?
    } else {
        let name = rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| error.to_string())?;
        let stream = tls()?.connect(name, stream).await.map_err(said)?;
        exchange(stream, &request).await.map_err(said)?
    };
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') || status == "404" {
        return Ok(());
    }
    Err(format!("answered with {}", answer.lines().next().unwrap_or("nothing")))
}

fn token_expiry() -> Result<u64, String> {
    #[expect(clippy::disallowed_methods, reason = "tokens expire by the date")]
    let expiry = SystemTime::now() + TOKEN_LIFETIME;
    let since = expiry.duration_since(SystemTime::UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(since.as_secs())
}

fn tls() -> Result<tokio_rustls::TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(std::sync::Arc::new(config).into())
}

/// Sends a request and reads until the other side hangs up.
async fn exchange(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &str,
) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        // Some servers hang up without saying so in TLS.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        read => drop(read?),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
