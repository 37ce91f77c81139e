//! TLS on every path, as the real service has it: frames, fences, tokens, and certificates that are not to be trusted.
#![expect(clippy::unwrap_used, reason = "what a test cannot do panics")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::{KEY, Namespace, TOPIC, soon};
use unstale::Transport;
use unstale::transport::{Item, SubscriptionExt, TransportErrorKind as Kind};
use unstale_azure::rustls::ServerConfig;
use unstale_azure::rustls::crypto::ring;
use unstale_azure::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use unstale_azure::{AzureTransport, AzureTransportBuilder, Credential, DataPath, Tls};

const PATHS: &[DataPath] = &[
    #[cfg(feature = "amqp")]
    DataPath::Amqp,
    #[cfg(feature = "websocket")]
    DataPath::WebSocket,
    #[cfg(feature = "rest")]
    DataPath::Rest,
];

/// A namespace that speaks TLS, with a certificate for this name, and the certificate.
async fn encrypted(name: &str) -> (Namespace, String) {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let namespace = Namespace::start_with(|options| options.tls = Some(Arc::new(config))).await;
    (namespace, issued.cert.pem())
}

fn builder(namespace: &Namespace, path: DataPath, pem: &str) -> AzureTransportBuilder {
    AzureTransport::builder()
        .namespace(format!("127.0.0.1:{}", namespace.port()))
        .credential(Credential::shared_access_key("all", KEY))
        .topic(TOPIC)
        .tls(Tls::trusting(pem).unwrap())
        .path(path)
}

async fn works(transport: &AzureTransport) {
    let mut subscription = transport.subscribe().await.unwrap();
    let frame = Bytes::from_static(&[0, 255, 1]);
    transport.publish(frame.clone()).await.unwrap();
    assert_eq!(subscription.next().await.unwrap(), Item::Frame(frame));
    subscription.fence(7);
    assert_eq!(subscription.next().await.unwrap(), Item::Fenced(7));
    // The largest one, which is longer than a record of TLS.
    let largest = Bytes::from(vec![0xA5; transport.capabilities().max_frame_bytes]);
    transport.publish(largest.clone()).await.unwrap();
    assert!(subscription.next().await.unwrap() == Item::Frame(largest), "not what was sent");
    subscription.close().await;
}

#[tokio::test]
async fn every_path_works_in_tls() {
    let (namespace, pem) = encrypted("127.0.0.1").await;
    for path in PATHS {
        let transport = builder(&namespace, *path, &pem).build().unwrap();
        soon(&format!("{path:?} in TLS"), works(&transport)).await;
    }
    assert!(namespace.emulator.subscriptions(TOPIC).is_empty());
}

#[tokio::test]
async fn certificates_are_checked() {
    let (namespace, pem) = encrypted("127.0.0.1").await;
    let (_, others) = encrypted("127.0.0.1").await;
    let (misnamed, its_pem) = encrypted("elsewhere.example").await;
    for path in PATHS {
        for transport in [
            builder(&namespace, *path, &others),
            builder(&misnamed, *path, &its_pem),
            builder(&namespace, *path, &pem).tls(Tls::trusting(&others).unwrap()),
        ] {
            let transport = transport.build().unwrap();
            let refused = soon("the refusal", transport.publish("frame".into())).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::Configuration, "{path:?}: {refused}");
            assert!(refused.to_string().contains("certificate"), "{path:?}: {refused}");
            let refused = soon("the refusal", transport.subscribe()).await.err().unwrap();
            assert_eq!(refused.kind(), Kind::Configuration, "{path:?}: {refused}");
        }
    }
    // Nobody came as far as that.
    assert!(namespace.emulator.subscriptions(TOPIC).is_empty());
}

/// A server that speaks no TLS gets neither key nor token.
#[tokio::test]
async fn who_speaks_no_tls_is_refused() {
    let namespace = Namespace::start().await;
    let (_, pem) = encrypted("127.0.0.1").await;
    for path in PATHS {
        let transport = builder(&namespace, *path, &pem).build().unwrap();
        let refused = soon("the refusal", transport.publish("frame".into())).await.unwrap_err();
        assert!(
            matches!(refused.kind(), Kind::Configuration | Kind::Unreachable),
            "{path:?}: {refused}"
        );
    }
}

#[cfg(feature = "entra")]
mod entra {
    use std::time::{Duration, SystemTime};

    use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
    use unstale_azure::SCOPE;
    use unstale_servicebus_emulator::{BearerToken, Rights, Scope};

    use super::*;

    const TOKEN: &str = "eyJ.of.somebody";

    #[expect(clippy::disallowed_methods, reason = "the emulator runs in real time")]
    fn expires_at() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3_600)
    }

    #[derive(Debug)]
    struct Fixed;

    #[async_trait::async_trait]
    impl TokenCredential for Fixed {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            assert_eq!(scopes, [SCOPE]);
            Ok(AccessToken::new(TOKEN, expires_at().into()))
        }
    }

    #[tokio::test]
    async fn every_path_shows_tokens_of_entra() {
        let (namespace, pem) = encrypted("127.0.0.1").await;
        for path in PATHS {
            let transport = builder(&namespace, *path, &pem)
                .credential(Credential::azure(Arc::new(Fixed)))
                .build()
                .unwrap();
            let refused = soon("the refusal", transport.publish("frame".into())).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::Unauthorized, "{path:?}: {refused}");
            assert!(!format!("{refused} {refused:?}").contains("eyJ"), "{path:?}: {refused}");
        }
        namespace.emulator.accept_bearer(BearerToken {
            token: TOKEN.to_owned(),
            rights: Rights::MANAGE,
            scope: Scope::Namespace,
            expires_at: expires_at(),
        });
        for path in PATHS {
            let transport = builder(&namespace, *path, &pem)
                .credential(Credential::azure(Arc::new(Fixed)))
                .build()
                .unwrap();
            soon(&format!("{path:?} with a token"), works(&transport)).await;
        }
    }
}
