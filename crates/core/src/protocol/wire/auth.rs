//! Optional authentication of frames by shared secrets.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a message authentication code: HMAC-SHA-256, cut to its first half (RFC 2104, section 5).
pub(super) const MAC_LEN: usize = 16;

/// Which shared secret signed a frame; 0 on the wire means none.
pub type KeyId = u16;

/// Shared secrets that authenticate the frames of a namespace: signs with one, verifies with many.
///
/// To rotate: first every node learns the new secret with [`also_verify`](Self::also_verify), then one after
/// the other starts to sign with it, then the old one is removed. To switch authentication on in a running
/// farm, give every node the secret together with [`accept_unsigned`](Self::accept_unsigned) first.
///
/// A frame that was signed with an unknown key clears the caches (it may have carried anything) and shows in
/// the node's status. A frame with a wrong code under a known key, or with none, is counted and ignored.
///
/// `Debug` shows key ids, never secrets.
///
/// ```
/// use unstale::Authentication;
///
/// # let (new, old) = ([1; 32], [2; 32]);
/// let authentication = Authentication::sign_with(2, new).also_verify(1, old);
/// assert!(format!("{authentication:?}").contains("signs_with: 2"));
/// ```
#[derive(Clone)]
pub struct Authentication {
    signer: KeyId,
    keys: Vec<(KeyId, Hmac<Sha256>)>,
    accept_unsigned: bool,
    problem: Option<String>,
}

impl Authentication {
    /// The shortest secret, in bytes, that a node accepts.
    pub const MIN_SECRET_BYTES: usize = 16;

    /// Signs with `secret`, known to the other nodes as `id` (1 or more), and verifies with it.
    pub fn sign_with(id: KeyId, secret: impl AsRef<[u8]>) -> Self {
        let new = Self { signer: id, keys: Vec::new(), accept_unsigned: false, problem: None };
        new.also_verify(id, secret)
    }

    /// Verifies with `secret` too, but does not sign with it.
    #[must_use]
    pub fn also_verify(mut self, id: KeyId, secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref();
        if id == 0 {
            self.complain("key id 0 means `unsigned` on the wire; use 1 to 65535".into());
        } else if secret.len() < Self::MIN_SECRET_BYTES {
            self.complain(format!(
                "the secret of key id {id} has {} bytes; use at least {}",
                secret.len(),
                Self::MIN_SECRET_BYTES
            ));
        } else if self.keys.iter().any(|(known, _)| *known == id) {
            self.complain(format!("key id {id} is given twice; give each secret its own id"));
        } else if let Ok(key) = Hmac::new_from_slice(secret) {
            self.keys.push((id, key));
        }
        self
    }

    /// Accepts unsigned frames too, for the time in which authentication is being switched on.
    #[must_use]
    pub fn accept_unsigned(mut self) -> Self {
        self.accept_unsigned = true;
        self
    }

    /// What is wrong with this configuration, if anything; the first complaint.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn complain(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    pub(super) fn signer(&self) -> KeyId {
        self.signer
    }

    pub(super) fn accepts_unsigned(&self) -> bool {
        self.accept_unsigned
    }

    /// Signs the parts in order with the signing key.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; MAC_LEN] {
        let mut code = [0; MAC_LEN];
        if let Some(mac) = self.mac(self.signer, parts) {
            code.copy_from_slice(&mac.finalize().into_bytes()[..MAC_LEN]);
        }
        code
    }

    /// Whether `code` is right for the parts; `None` if the key is not known. Takes the same time for any code.
    pub(super) fn verify(&self, id: KeyId, parts: &[&[u8]], code: &[u8]) -> Option<bool> {
        Some(self.mac(id, parts)?.verify_truncated_left(code).is_ok())
    }

    fn mac(&self, id: KeyId, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let (_, key) = self.keys.iter().find(|(known, _)| *known == id)?;
        let mut mac = key.clone();
        parts.iter().for_each(|part| mac.update(part));
        Some(mac)
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("signs_with", &self.signer)
            .field("verifies", &self.keys.iter().map(|(id, _)| id).collect::<Vec<_>>())
            .field("accept_unsigned", &self.accept_unsigned)
            .finish_non_exhaustive()
    }
}
