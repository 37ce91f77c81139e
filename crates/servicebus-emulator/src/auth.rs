//! Tokens: who may do what, and for how long.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use crate::address::{self, covers};
use crate::options::{BearerToken, Policy, Rights, Scope};
use crate::time::from_seconds;

/// What a valid token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    rights: Rights,
    /// Paths at and under which it holds: all of them must cover.
    scopes: Vec<String>,
    pub(crate) expires_at: SystemTime,
}

impl Grant {
    /// What the policy allows by itself, to whom proves that they have its key.
    fn of_policy(policy: &Policy, expires_at: SystemTime) -> Self {
        Self { rights: policy.rights, scopes: vec![scope_path(&policy.scope)], expires_at }
    }

    pub(crate) fn allows(&self, rights: Rights, path: &str, now: SystemTime) -> bool {
        now < self.expires_at && self.covers(rights, path)
    }

    /// Whether it would, if it has not expired.
    pub(crate) fn covers(&self, rights: Rights, path: &str) -> bool {
        self.rights.include(rights) && self.scopes.iter().all(|scope| covers(scope, path))
    }

    /// Whether it was given for the same places.
    pub(crate) fn same_scope(&self, other: &Self) -> bool {
        self.scopes == other.scopes && self.rights == other.rights
    }
}

fn scope_path(scope: &Scope) -> String {
    match scope {
        Scope::Namespace => String::new(),
        Scope::Topic(topic) => topic.to_lowercase(),
    }
}

/// What tokens are checked against.
#[derive(Debug)]
pub(crate) struct Authority {
    policies: Vec<Policy>,
    bearer_tokens: Vec<BearerToken>,
}

impl Authority {
    pub(crate) fn new(policies: Vec<Policy>, bearer_tokens: Vec<BearerToken>) -> Self {
        Self { policies, bearer_tokens }
    }

    pub(crate) fn set_policies(&mut self, policies: Vec<Policy>) {
        self.policies = policies;
    }

    pub(crate) fn accept_bearer(&mut self, token: BearerToken) {
        self.bearer_tokens.retain(|known| known.token != token.token);
        self.bearer_tokens.push(token);
    }

    /// The policy of this name.
    pub(crate) fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// What a token allows.
    ///
    /// # Errors
    /// Why it allows nothing.
    pub(crate) fn check(&self, token: &str, now: SystemTime) -> Result<Grant, String> {
        if token.starts_with("SharedAccessSignature ") {
            return self.check_signature(token, now);
        }
        let known = self.bearer_tokens.iter().find(|known| known.token == token);
        let known = known.ok_or("InvalidToken: the token is not known here.")?;
        if known.expires_at <= now {
            return Err("ExpiredToken: the token has expired.".to_owned());
        }
        Ok(Grant {
            rights: known.rights,
            scopes: vec![scope_path(&known.scope)],
            expires_at: known.expires_at,
        })
    }

    /// What the header `Authorization` of a request allows.
    ///
    /// # Errors
    /// Why it allows nothing.
    pub(crate) fn check_header(&self, header: &str, now: SystemTime) -> Result<Grant, String> {
        self.check(header.strip_prefix("Bearer ").unwrap_or(header).trim(), now)
    }

    fn check_signature(&self, token: &str, now: SystemTime) -> Result<Grant, String> {
        let malformed = || "MalformedToken: not a shared access signature.".to_owned();
        let signature = Signature::parse(token).ok_or_else(malformed)?;
        let policy = self.policy(&signature.policy).ok_or("InvalidSignature: no such policy.")?;
        let signed = format!("{}\n{}", signature.resource, signature.expiry);
        let sent = STANDARD.decode(&signature.signature).map_err(|_| malformed())?;
        let mac = new_mac(&policy.key).ok_or_else(malformed)?;
        mac.chain_update(signed.as_bytes())
            .verify_slice(&sent)
            .map_err(|_| "InvalidSignature: the token has an invalid signature.")?;
        let expires_at =
            signature.expiry.parse().ok().and_then(from_seconds).ok_or_else(malformed)?;
        if expires_at <= now {
            return Err("ExpiredToken: the token has expired.".to_owned());
        }
        let resource = percent_decode_str(&signature.resource).decode_utf8_lossy();
        let mut grant = Grant::of_policy(policy, expires_at);
        grant.scopes.push(address::path(&with_scheme(&resource)));
        Ok(grant)
    }

    /// What somebody may do who knows a policy's key, for as long as the connection lives.
    pub(crate) fn check_key(&self, policy: &str, key: &str) -> Option<Grant> {
        let policy = self.policy(policy).filter(|policy| policy.key == key)?;
        // The end of the years that four digits can say.
        from_seconds(253_402_300_799).map(|end| Grant::of_policy(policy, end))
    }
}

/// A resource is a URI; some clients leave the scheme out.
fn with_scheme(resource: &str) -> String {
    if resource.contains("://") { resource.to_owned() } else { format!("sb://{resource}") }
}

/// The fields of `SharedAccessSignature sr=..&sig=..&se=..&skn=..`, of which the resource stays encoded: so it
/// was signed.
struct Signature {
    resource: String,
    signature: String,
    expiry: String,
    policy: String,
}

impl Signature {
    fn parse(token: &str) -> Option<Self> {
        let fields = token.strip_prefix("SharedAccessSignature ")?;
        let field = |wanted: &str| {
            let mut pairs = fields.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let decoded = |name| Some(percent_decode_str(field(name)?).decode_utf8_lossy().into());
        Some(Self {
            resource: field("sr")?.to_owned(),
            signature: decoded("sig")?,
            expiry: field("se")?.to_owned(),
            policy: decoded("skn")?,
        })
    }
}

fn new_mac(key: &str) -> Option<Hmac<Sha256>> {
    Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()
}

/// A token that is valid for what is at or under `uri` until the second `expiry` since 1970.
///
/// This is what clients do; it is here for tests and tools.
pub fn sign(uri: &str, expiry: u64, policy: &str, key: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let resource = encode(uri);
    let mac = new_mac(key).map(|mac| mac.chain_update(format!("{resource}\n{expiry}")));
    let signature = mac.map(|mac| STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default();
    format!(
        "SharedAccessSignature sr={resource}&sig={}&se={expiry}&skn={}",
        encode(&signature),
        encode(policy)
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn authority() -> Authority {
        let policy = |name: &str, rights, scope| Policy {
            name: name.to_owned(),
            key: format!("{name}-key"),
            rights,
            scope,
        };
        Authority::new(
            vec![
                policy("all", Rights::MANAGE, Scope::Namespace),
                policy("listen", Rights::LISTEN, Scope::Namespace),
                policy("topic", Rights::SEND, Scope::Topic("T".to_owned())),
            ],
            vec![BearerToken {
                token: "eyJ".to_owned(),
                rights: Rights::SEND,
                scope: Scope::Namespace,
                expires_at: at(50),
            }],
        )
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_signature_allows_what_policy_and_resource_allow() {
        let token = sign("sb://h:1/T", 100, "all", "all-key");
        let grant = authority().check(&token, at(99)).unwrap();
        assert!(grant.allows(Rights::SEND, "t", at(99)));
        assert!(grant.allows(Rights::LISTEN, "t/subscriptions/s", at(99)));
        assert!(!grant.allows(Rights::SEND, "t", at(100)), "it expires");
        assert!(!grant.allows(Rights::SEND, "other", at(99)), "another resource");

        let token = sign("sb://h/", 100, "listen", "listen-key");
        let grant = authority().check(&token, at(0)).unwrap();
        assert!(grant.allows(Rights::LISTEN, "t/subscriptions/s", at(0)));
        assert!(!grant.allows(Rights::SEND, "t", at(0)), "the policy lacks the right");

        let token = sign("h", 100, "topic", "topic-key");
        let grant = authority().check(&token, at(0)).unwrap();
        assert!(grant.allows(Rights::SEND, "t", at(0)));
        assert!(!grant.allows(Rights::SEND, "u", at(0)), "beyond the policy's topic");
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said() {
        let authority = authority();
        let refusal = |token: &str| authority.check(token, at(60)).unwrap_err();
        let signed = sign("sb://h/t", 100, "all", "all-key");
        assert!(refusal(&sign("sb://h/t", 100, "all", "wrong")).starts_with("InvalidSignature"));
        assert!(refusal(&sign("sb://h/t", 100, "none", "x")).starts_with("InvalidSignature"));
        assert!(refusal(&sign("sb://h/t", 60, "all", "all-key")).starts_with("ExpiredToken"));
        assert!(refusal(&signed.replace("se=100", "se=200")).starts_with("InvalidSignature"));
        assert!(refusal(&signed.replace("2Ft", "2Fu")).starts_with("InvalidSignature"));
        assert!(refusal("SharedAccessSignature x").starts_with("MalformedToken"));
        assert!(refusal("SharedAccessSignature sr=a&sig=%&se=&skn=all").starts_with("Malformed"));
        assert!(refusal("eyJ").starts_with("ExpiredToken"));
        assert!(refusal("").starts_with("InvalidToken"));
        assert!(authority.check_header("Bearer eyJ", at(49)).is_ok());
    }

    #[test]
    fn the_key_itself_is_good_for_plain() {
        assert!(authority().check_key("all", "all-key").is_some());
        assert!(authority().check_key("all", "topic-key").is_none());
    }
}
