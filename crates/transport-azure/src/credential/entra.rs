//! Tokens from the credentials of Microsoft's own crates.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use super::{AccessToken, BoxError, Credential, SCOPE};
use crate::error::presentable;

impl Credential {
    /// Any credential of `azure_identity`, or another one that is a `TokenCredential` of `azure_core` 1: a managed
    /// identity, a workload identity, the developer's own login.
    ///
    /// It is asked for tokens of the scope [`SCOPE`]: when a connection is opened, and before its token expires. The
    /// identity needs the role *Azure Service Bus Data Sender* and *… Data Receiver* on the topic; to create its own
    /// subscriptions, *Azure Service Bus Data Owner*.
    #[must_use]
    pub fn azure(credential: Arc<dyn TokenCredential>) -> Self {
        Self::from_fn(move || {
            let credential = Arc::clone(&credential);
            async move {
                // Its error can quote what was sent.
                let token = credential
                    .get_token(&[SCOPE], None)
                    .await
                    .map_err(|error| BoxError::from(presentable(&error.to_string())))?;
                Ok(AccessToken::new(token.token.secret(), token.expires_on.into()))
            }
        })
    }
}
