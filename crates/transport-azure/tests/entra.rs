//! Tokens of Entra ID: asked for, kept while they are good, and never shown.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests use real sockets in real time"
)]

mod support;
#[path = "support/token_server.rs"]
mod token_server;
#[path = "support/turned_clock.rs"]
mod turned_clock;

use std::time::Duration;

use support::{Namespace, TOPIC};
use token_server::TokenServer;
use turned_clock::TurnedClock;
use unstale::transport::{TransportError, TransportErrorKind as Kind};
use unstale_azure::{Administration, ClientSecret, Creation, Credential, SCOPE};
use unstale_servicebus_emulator::{BearerToken, Rights, Scope};

const SECRET: &str = "hunter2 & more?";
const TOKEN: &str = "eyJ.first.token";

/// A namespace that knows `tokens`, each with how long it is good.
async fn namespace(clock: &TurnedClock, tokens: &[(&str, u64)]) -> Namespace {
    let namespace = Namespace::start_with(|options| options.clock = clock.emulators()).await;
    for (token, seconds) in tokens {
        namespace.emulator.accept_bearer(BearerToken {
            token: (*token).to_owned(),
            rights: Rights::MANAGE,
            scope: Scope::Namespace,
            expires_at: clock.now() + Duration::from_secs(*seconds),
        });
    }
    namespace
}

/// Who manages the topic in that namespace, and shows a token with every request.
fn administration(
    namespace: &Namespace,
    clock: &TurnedClock,
    credential: Credential,
) -> Administration {
    let builder = namespace.builder().credential(credential).wall_clock(clock.clone().reader());
    builder.administration().unwrap()
}

fn client(server: &TokenServer) -> ClientSecret {
    ClientSecret::new("contoso", "client-7", SECRET).authority(server.authority())
}

#[tokio::test]
async fn the_request_is_the_documented_form() {
    let clock = TurnedClock::default();
    let namespace = namespace(&clock, &[(TOKEN, 3_600)]).await;
    let server = TokenServer::start().await;
    server.issues(TOKEN, 3_600);
    let credential = Credential::client_secret(client(&server));
    let administration = administration(&namespace, &clock, credential);
    assert_eq!(administration.create_topic().await.unwrap(), Creation::Existed);
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.line, "POST /contoso/oauth2/v2.0/token HTTP/1.1");
    assert_eq!(request.content_type, "application/x-www-form-urlencoded");
    let scope = SCOPE.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(
        request.body,
        format!(
            "grant_type=client_credentials&client_id=client-7\
             &client_secret=hunter2+%26+more%3F&scope={scope}"
        )
    );
}

#[tokio::test]
async fn a_token_is_kept_until_shortly_before_it_expires() {
    let clock = TurnedClock::default();
    let namespace = namespace(&clock, &[(TOKEN, 3_600), ("eyJ.second.token", 7_200)]).await;
    let server = TokenServer::start().await;
    server.issues(TOKEN, 3_600);
    server.issues("eyJ.second.token", 3_600);
    let credential = Credential::client_secret(client(&server));
    let administration = administration(&namespace, &clock, credential);
    for _ in 0..3 {
        administration.create_topic().await.unwrap();
    }
    clock.turn(Duration::from_secs(3_600 - 90));
    administration.create_topic().await.unwrap();
    assert_eq!(server.requests().len(), 1);
    clock.turn(Duration::from_secs(60));
    administration.create_topic().await.unwrap();
    assert_eq!(server.requests().len(), 2);
    // The first one is refused now.
    clock.turn(Duration::from_secs(60));
    administration.create_topic().await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

/// What comes of an answer of the token server.
async fn refused(status: u16, body: &str) -> TransportError {
    let clock = TurnedClock::default();
    let namespace = namespace(&clock, &[]).await;
    let server = TokenServer::start().await;
    server.answers(status, body);
    let credential = Credential::client_secret(client(&server));
    let administration = administration(&namespace, &clock, credential.clone());
    let error = administration.create_topic().await.unwrap_err();
    let shown = format!("{error} {error:?} {credential:?} {administration:?}");
    for secret in ["hunter2", "eyJ", "client_secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    error
}

#[tokio::test]
async fn refusals_have_kinds() {
    let invalid = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret 'hunter2 & more?'"}"#;
    let error = refused(401, invalid).await;
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(error.to_string().contains("invalid_client"), "{error}");

    assert_eq!(refused(400, r#"{"error":"hunter2 Quoted"}"#).await.kind(), Kind::Unauthorized);
    assert_eq!(refused(429, "{}").await.kind(), Kind::Throttled);
    assert_eq!(refused(500, "<html>hunter2</html>").await.kind(), Kind::Unreachable);
    assert_eq!(refused(200, "hunter2").await.kind(), Kind::Protocol);
    assert_eq!(refused(200, r#"{"access_token":"eyJ.x"}"#).await.kind(), Kind::Protocol);
    let expired = r#"{"access_token":"eyJ.x","expires_in":0}"#;
    assert_eq!(refused(200, expired).await.kind(), Kind::Unauthorized);
}

#[tokio::test]
async fn after_a_refusal_the_next_try_asks_again() {
    let clock = TurnedClock::default();
    let namespace = namespace(&clock, &[(TOKEN, 3_600)]).await;
    let server = TokenServer::start().await;
    server.answers(500, "");
    server.issues(TOKEN, 3_600);
    let credential = Credential::client_secret(client(&server));
    let administration = administration(&namespace, &clock, credential);
    administration.create_topic().await.unwrap_err();
    administration.create_topic().await.unwrap();
    assert_eq!(namespace.emulator.topics(), [TOPIC]);
}

#[tokio::test]
async fn a_token_server_that_is_away_is_unreachable() {
    let clock = TurnedClock::default();
    let namespace = namespace(&clock, &[]).await;
    let client = ClientSecret::new("contoso", "client-7", SECRET).authority("http://127.0.0.1:1");
    let credential = Credential::client_secret(client.clone());
    let error = administration(&namespace, &clock, credential).create_topic().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(!format!("{error:?} {client:?}").contains("hunter2"));
}

#[cfg(feature = "entra")]
mod azure {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
    use azure_core::error::{Error, ErrorKind};

    use super::*;

    /// A credential of somebody else: the first token, then the second one, then none.
    #[derive(Debug)]
    struct Foreign {
        clock: TurnedClock,
        asked: AtomicU64,
    }

    #[async_trait::async_trait]
    impl TokenCredential for Foreign {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            assert_eq!(scopes, [SCOPE]);
            let token = match self.asked.fetch_add(1, Ordering::Relaxed) {
                0 => TOKEN,
                1 => "eyJ.second.token",
                _ => {
                    let text = "refused: Bearer eyJ.hunter2";
                    return Err(Error::with_message(ErrorKind::Credential, text));
                }
            };
            Ok(AccessToken::new(token, (self.clock.now() + Duration::from_secs(3_600)).into()))
        }
    }

    #[tokio::test]
    async fn a_token_credential_is_asked_when_a_token_is_needed() {
        let clock = TurnedClock::default();
        let namespace = namespace(&clock, &[(TOKEN, 3_600), ("eyJ.second.token", 7_200)]).await;
        let foreign = Arc::new(Foreign { clock: clock.clone(), asked: AtomicU64::new(0) });
        let credential = Credential::azure(foreign.clone());
        let administration = administration(&namespace, &clock, credential);
        for _ in 0..3 {
            administration.create_topic().await.unwrap();
        }
        assert_eq!(foreign.asked.load(Ordering::Relaxed), 1);
        clock.turn(Duration::from_secs(3_580));
        administration.create_topic().await.unwrap();
        assert_eq!(foreign.asked.load(Ordering::Relaxed), 2);
        clock.turn(Duration::from_secs(3_580));
        let error = administration.create_topic().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthorized);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("refused") && !shown.contains("hunter2"), "{shown}");
    }
}
