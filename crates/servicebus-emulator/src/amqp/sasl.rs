//! The layer of SASL, in which nothing is decided, unless the peer shows a policy's key.

use bytes::BytesMut;
use fe2o3_amqp_types::sasl::{SaslCode, SaslInit, SaslMechanisms, SaslOutcome};
use serde_amqp::from_slice;
use serde_amqp::primitives::{Array, Symbol};

use crate::auth::{Authority, Grant};

use super::wire::{Malformed, RawFrame, SASL, put_frame};

/// Tells what there is to choose from.
pub(super) fn offer(out: &mut BytesMut) {
    let names = ["ANONYMOUS", "MSSBCBS", "PLAIN", "EXTERNAL"];
    let mechanisms = names.into_iter().map(Symbol::from).collect::<Vec<_>>();
    let offer = SaslMechanisms { sasl_server_mechanisms: Array::from(mechanisms) };
    put_frame(out, SASL, 0, &offer, &[]);
}

/// What the peer's choice brings: perhaps a grant for the whole connection; `Err` if it is refused.
pub(super) fn choose(
    frame: &RawFrame,
    authority: &Authority,
    out: &mut BytesMut,
) -> Result<Result<Option<Grant>, ()>, Malformed> {
    let init: SaslInit =
        from_slice(&frame.performative).map_err(|_| Malformed("an unexpected SASL frame"))?;
    let result = match init.mechanism.as_str() {
        "ANONYMOUS" | "MSSBCBS" | "EXTERNAL" => Ok(None),
        "PLAIN" => {
            let response = init.initial_response.unwrap_or_default();
            plain(&response, authority).map(Some).ok_or(())
        }
        _ => Err(()),
    };
    let code = if result.is_ok() { SaslCode::Ok } else { SaslCode::Auth };
    put_frame(out, SASL, 0, &SaslOutcome { code, additional_data: None }, &[]);
    Ok(result)
}

/// `authorization NUL name NUL key`.
fn plain(response: &[u8], authority: &Authority) -> Option<Grant> {
    let mut parts = response.split(|byte| *byte == 0).skip(1);
    let name = std::str::from_utf8(parts.next()?).ok()?;
    let key = std::str::from_utf8(parts.next()?).ok()?;
    authority.check_key(name, key)
}
