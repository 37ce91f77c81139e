//! Shared access signatures.
//!
//! The format is documented as "Service Bus access control with Shared Access Signatures": an HMAC-SHA256, by
//! the policy's key as text, of the percent-encoded resource, a line end and the time of expiry.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use super::Token;
use crate::secret::Secret;

/// What may stand unescaped in a component of a URL (RFC 3986).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A signature for `resource` that lasts for `lifetime`.
pub(super) fn sign(
    resource: &str,
    policy: &str,
    key: &Secret,
    now: SystemTime,
    lifetime: Duration,
) -> Result<Token, TransportError> {
    let expires = now + lifetime;
    let expiry_s = unix_seconds(expires);
    let resource = utf8_percent_encode(resource, COMPONENT).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())
        .map_err(|_| Kind::Configuration.error("the shared access key cannot be used"))?;
    mac.update(format!("{resource}\n{expiry_s}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, COMPONENT);
    let policy = utf8_percent_encode(policy, COMPONENT);
    let text =
        format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry_s}&skn={policy}");
    // As far as the service is concerned it ends at the full second.
    Ok(Token { value: Secret::new(text), expires: UNIX_EPOCH + Duration::from_secs(expiry_s) })
}

/// A signature that was made elsewhere, if it has not expired.
pub(super) fn given(signature: &Secret, now: SystemTime) -> Result<Token, TransportError> {
    let (_, fields) = signature.reveal().split_once(' ').unwrap_or_default();
    let expiry_s = fields.split('&').find_map(|field| field.strip_prefix("se="));
    let expiry_s: u64 = expiry_s.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Kind::Configuration.error("the shared access signature has no time of expiry (`se=`)")
    })?;
    let expires = UNIX_EPOCH.checked_add(Duration::from_secs(expiry_s)).ok_or_else(|| {
        Kind::Configuration
            .error("the shared access signature's time of expiry (`se=`) is too large")
    })?;
    if expires <= now {
        return Err(Kind::Unauthorized
            .error("the shared access signature has expired; give the transport a new one"));
    }
    Ok(Token { value: signature.clone(), expires })
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn a_signature_is_the_documented_one() {
        // Made by `openssl dgst -sha256 -hmac KEY -binary | base64` from the documented text.
        let key = Secret::new("hunter2");
        let now = UNIX_EPOCH + NOON;
        let token = sign(
            "sb://shop.servicebus.windows.net/orders",
            "app",
            &key,
            now,
            Duration::from_secs(60),
        );
        let token = token.unwrap();
        let value = token.value.reveal();
        assert!(
            value.starts_with(
                "SharedAccessSignature sr=sb%3A%2F%2Fshop.servicebus.windows.net%2Forders&sig="
            ),
            "{value}"
        );
        assert!(value.ends_with("&se=1700000060&skn=app"), "{value}");
        assert!(
            value.contains("&sig=ks9%2BUChzyoXrKVkAbyjveKmGZh2rbsQpLfnkxVF4Ab4%3D&"),
            "{value}"
        );
        assert_eq!(token.expires, now + Duration::from_secs(60));
        #[cfg(feature = "amqp")]
        assert_eq!(token.kind(), "servicebus.windows.net:sastoken");
    }

    #[test]
    fn a_given_signature_is_looked_at() {
        let now = UNIX_EPOCH + NOON;
        let given_text = |text: &str| given(&Secret::new(text), now);
        let good = given_text("SharedAccessSignature sr=a&sig=b&se=1700000001&skn=c").unwrap();
        assert_eq!(good.expires, now + Duration::from_secs(1));
        let expired =
            given_text("SharedAccessSignature sr=a&sig=b&se=1700000000&skn=c").unwrap_err();
        assert_eq!(expired.kind(), Kind::Unauthorized);
        for text in [
            "",
            "SharedAccessSignature ",
            "SharedAccessSignature sr=a&se=x",
            "SharedAccessSignature se=99999999999999999999",
        ] {
            assert_eq!(given_text(text).unwrap_err().kind(), Kind::Configuration, "{text}");
        }
        assert!(given_text("SharedAccessSignature se=18446744073709551615").is_err());
    }
}
