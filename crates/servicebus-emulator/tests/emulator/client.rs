//! What the tests have in common: an emulator on paused time, and `fe2o3-amqp` as its client.

use std::time::{Duration, UNIX_EPOCH};

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::delivery::Delivery;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::link::{ReceiverAttachError, RecvError, SendError, SenderAttachError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{self, ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Body, Message, Outcome};
use fe2o3_amqp::types::primitives::{SimpleValue, Symbol, Value};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use fe2o3_amqp_cbs::client::CbsClient;
use fe2o3_amqp_cbs::token::CbsToken;
use tokio::io::DuplexStream;
use unstale_servicebus_emulator::{
    Clock, CutStream, Emulator, Options, Scissors, SubscriptionDescription, sign,
};

pub(crate) const POLICY: &str = "RootManageSharedAccessKey";
pub(crate) const KEY: &str = "SAS_KEY_VALUE";
/// When the tests begin, in seconds since 1970.
pub(crate) const EPOCH: u64 = 1_700_000_000;

pub(crate) fn options() -> Options {
    Options::new(Clock::tokio(UNIX_EPOCH + Duration::from_secs(EPOCH)))
}

/// An emulator with the topic `t` and its subscription `s`.
pub(crate) fn emulator() -> Emulator {
    emulator_with(options())
}

pub(crate) fn emulator_with(options: Options) -> Emulator {
    let emulator = Emulator::new(options);
    emulator.create_topic("t").unwrap();
    emulator.create_subscription("t", "s").unwrap();
    emulator
}

/// A subscription that is not like the others.
pub(crate) fn subscribe(
    emulator: &Emulator,
    name: &str,
    change: impl FnOnce(&mut SubscriptionDescription),
) {
    let mut description = SubscriptionDescription::new(name);
    change(&mut description);
    let rule = unstale_servicebus_emulator::Rule::default_rule();
    emulator.create_subscription_with("t", description, rule).unwrap();
}

/// A stream that the emulator serves.
pub(crate) fn stream(emulator: &Emulator) -> DuplexStream {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let emulator = emulator.clone();
    tokio::spawn(async move { emulator.serve(far).await });
    near
}

/// A token for everything, for a hundred years.
pub(crate) fn token() -> String {
    sign("sb://emulator/", EPOCH + 3_000_000_000, POLICY, KEY)
}

pub(crate) struct Client {
    pub(crate) connection: ConnectionHandle<()>,
    pub(crate) session: SessionHandle<()>,
    scissors: Scissors,
    links: u32,
}

impl Client {
    /// Connected, with a token for everything.
    pub(crate) async fn connect(emulator: &Emulator) -> Self {
        let mut client = Self::connect_without_token(emulator).await;
        client.put_token(&token()).await.unwrap();
        client
    }

    pub(crate) async fn connect_without_token(emulator: &Emulator) -> Self {
        Self::over(stream(emulator)).await
    }

    pub(crate) async fn over<S>(stream: S) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + std::fmt::Debug + 'static,
    {
        let (stream, scissors) = CutStream::new(stream);
        let builder = Connection::builder().container_id("test").idle_time_out(60_000u32);
        let builder = builder.sasl_profile(SaslProfile::Anonymous).hostname("emulator");
        let mut connection = builder.scheme("amqp").open_with_stream(stream).await.unwrap();
        let session = Session::begin(&mut connection).await.unwrap();
        Self { connection, session, scissors, links: 0 }
    }

    /// With a name and a key instead of a token.
    pub(crate) async fn try_plain(emulator: &Emulator, name: &str, key: &str) -> Option<Self> {
        let (stream, scissors) = CutStream::new(stream(emulator));
        let profile = SaslProfile::Plain { username: name.to_owned(), password: key.to_owned() };
        let builder = Connection::builder().container_id("test").sasl_profile(profile);
        let builder = builder.hostname("emulator").scheme("amqp");
        let mut connection = builder.open_with_stream(stream).await.ok()?;
        let session = Session::begin(&mut connection).await.unwrap();
        Some(Self { connection, session, scissors, links: 0 })
    }

    pub(crate) async fn put_token(&mut self, token: &str) -> Result<(), String> {
        let mut client = CbsClient::attach(&mut self.session).await.unwrap();
        let kind = if token.starts_with("SharedAccessSignature") {
            "servicebus.windows.net:sastoken"
        } else {
            "jwt"
        };
        let result = client.put_token("sb://emulator/", CbsToken::new(token, kind, None)).await;
        client.close().await.unwrap();
        result.map_err(|error| format!("{error:?}"))
    }

    /// Goes on in another session: this client's does not survive a refused attach.
    pub(crate) async fn renew_session(&mut self) -> SessionHandle<()> {
        let session = Session::begin(&mut self.connection).await.unwrap();
        std::mem::replace(&mut self.session, session)
    }

    fn name(&mut self, kind: &str) -> String {
        self.links += 1;
        format!("{kind}-{}", self.links)
    }

    pub(crate) async fn sender(&mut self, address: &str) -> Sender {
        self.try_sender(address).await.unwrap()
    }

    pub(crate) async fn try_sender(&mut self, address: &str) -> Result<Sender, SenderAttachError> {
        let name = self.name("sender");
        Sender::attach(&mut self.session, name, address).await
    }

    /// Receives and deletes.
    pub(crate) async fn receiver(&mut self, subscription: &str, credit: CreditMode) -> Receiver {
        let address = format!("t/Subscriptions/{subscription}");
        self.try_receiver(&address, SenderSettleMode::Settled, credit).await.unwrap()
    }

    /// Peeks and locks.
    pub(crate) async fn peeker(&mut self, subscription: &str, credit: CreditMode) -> Receiver {
        let address = format!("t/Subscriptions/{subscription}");
        self.try_receiver(&address, SenderSettleMode::Unsettled, credit).await.unwrap()
    }

    pub(crate) async fn try_receiver(
        &mut self,
        address: &str,
        mode: SenderSettleMode,
        credit: CreditMode,
    ) -> Result<Receiver, ReceiverAttachError> {
        let builder = Receiver::builder().name(self.name("receiver")).source(address);
        let builder = builder.sender_settle_mode(mode);
        let builder = builder.receiver_settle_mode(ReceiverSettleMode::First);
        builder.credit_mode(credit).attach(&mut self.session).await
    }

    /// Ends the connection without a word, before its handles are dropped.
    pub(crate) fn cut(&self) {
        self.scissors.cut();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.cut();
    }
}

pub(crate) type Received = Delivery<Body<Value>>;

/// Sends text and hears what became of it.
pub(crate) async fn send(sender: &mut Sender, text: &str) -> Result<Outcome, SendError> {
    let message = Message::builder().data(text.as_bytes().to_vec()).build();
    within(sender.send(message)).await
}

/// Whether the sender hears nothing good. A send of this client that is under way when its connection ends never
/// ends itself.
pub(crate) async fn send_fails(sender: &mut Sender, text: &str) -> bool {
    let message = Message::builder().data(text.as_bytes().to_vec()).build();
    let sending = tokio::time::timeout(Duration::from_secs(60), sender.send(message));
    !matches!(sending.await, Ok(Ok(_)))
}

pub(crate) async fn send_all(sender: &mut Sender, count: usize) {
    for n in 0..count {
        assert!(send(sender, &n.to_string()).await.unwrap().is_accepted());
    }
}

pub(crate) async fn receive(receiver: &mut Receiver) -> Result<Received, RecvError> {
    within(receiver.recv::<Body<Value>>()).await
}

/// Receives and accepts. Without that this client gives no new credit, even where there is nothing to accept.
pub(crate) async fn take(receiver: &mut Receiver) -> Received {
    let delivery = receive(receiver).await.unwrap();
    receiver.accept(&delivery).await.unwrap();
    delivery
}

/// The texts of the next messages, which are accepted.
pub(crate) async fn texts(receiver: &mut Receiver, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(text(&take(receiver).await));
    }
    texts
}

/// Whether no message comes.
pub(crate) async fn silent(receiver: &mut Receiver) -> bool {
    let receiving = receiver.recv::<Body<Value>>();
    tokio::time::timeout(Duration::from_secs(1), receiving).await.is_err()
}

pub(crate) fn text(delivery: &Received) -> String {
    match delivery.body() {
        Body::Data(sections) => {
            let bytes: Vec<u8> = sections.iter().flat_map(|data| data.0.to_vec()).collect();
            String::from_utf8(bytes).unwrap()
        }
        Body::Value(value) => match &value.0 {
            Value::String(text) => text.clone(),
            other => format!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

pub(crate) fn annotation(delivery: &Received, name: &str) -> Option<Value> {
    let annotations = delivery.message().message_annotations.as_ref()?;
    let key = fe2o3_amqp::types::messaging::annotations::OwnedKey::Symbol(Symbol::from(name));
    annotations
        .0
        .get(&key as &dyn fe2o3_amqp::types::messaging::annotations::AnnotationKey)
        .cloned()
}

pub(crate) fn sequence(delivery: &Received) -> i64 {
    match annotation(delivery, "x-opt-sequence-number") {
        Some(Value::Long(number)) => number,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn property(delivery: &Received, name: &str) -> Option<SimpleValue> {
    delivery.message().application_properties.as_ref()?.0.get(name).cloned()
}

/// The condition of an error, as a symbol.
pub(crate) fn condition(error: &definitions::Error) -> String {
    match serde_amqp::to_value(&error.condition).unwrap() {
        Value::Symbol(symbol) => symbol.0,
        other => panic!("{other:?}"),
    }
}

/// The condition with which a send was rejected.
pub(crate) fn rejection(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(rejected) => condition(&rejected.error.unwrap()),
        other => panic!("{other:?}"),
    }
}

/// The condition with which a receiver was detached.
pub(crate) fn detachment(error: RecvError) -> String {
    use fe2o3_amqp::link::LinkStateError;
    match error {
        RecvError::LinkStateError(
            LinkStateError::RemoteDetachedWithError(error)
            | LinkStateError::RemoteClosedWithError(error),
        ) => condition(&error),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn attach_refusal(error: ReceiverAttachError) -> String {
    match error {
        ReceiverAttachError::RemoteClosedWithError(error) => condition(&error),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn send_attach_refusal(error: SenderAttachError) -> String {
    match error {
        SenderAttachError::RemoteClosedWithError(error) => condition(&error),
        other => panic!("{other:?}"),
    }
}

/// Nothing takes ten minutes; whatever does hangs.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("it hangs")
}

pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
