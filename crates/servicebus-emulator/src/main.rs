//! `servicebus-emulator`: the emulator on a port of this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use lexopt::prelude::*;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use unstale_servicebus_emulator::{Clock, Emulator, Options, Policy};

type Failure = Box<dyn std::error::Error>;

const HELP: &str = "\
Emulates an Azure Service Bus namespace with topics and subscriptions.

Usage: servicebus-emulator [--listen ADDRESS] [TOPIC | TOPIC/SUBSCRIPTION]...

  --listen ADDRESS        Where to listen, for AMQP and HTTP alike. Default: 127.0.0.1:5672
  --key KEY               Of the policy RootManageSharedAccessKey. Default: SAS_KEY_VALUE
  --tls-certificate FILE  Serves TLS as well, with this chain of certificates (PEM) ...
  --tls-key FILE          ... and this key to it.
  --help                  Prints this.

The first line that it prints is the connection string.

Topics and subscriptions that are named exist from the beginning; others can be created by management
requests. Nothing is kept when it ends.
";

#[derive(Default)]
struct Arguments {
    listen: String,
    key: Option<String>,
    certificate: Option<PathBuf>,
    certificate_key: Option<PathBuf>,
    entities: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("servicebus-emulator: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("servicebus-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` if only help is wanted.
fn parse(mut parser: lexopt::Parser) -> Result<Option<Arguments>, lexopt::Error> {
    let mut arguments = Arguments { listen: "127.0.0.1:5672".to_owned(), ..Arguments::default() };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("listen") => arguments.listen = parser.value()?.string()?,
            Long("key") => arguments.key = Some(parser.value()?.string()?),
            Long("tls-certificate") => arguments.certificate = Some(parser.value()?.into()),
            Long("tls-key") => arguments.certificate_key = Some(parser.value()?.into()),
            Value(entity) => arguments.entities.push(entity.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(arguments))
}

#[expect(clippy::disallowed_methods, reason = "outside of simulations the time is the time")]
fn clock() -> Clock {
    Clock::new(SystemTime::now)
}

/// What is served with the arguments' certificate, if there is one.
fn tls(arguments: &Arguments) -> Result<Option<Arc<ServerConfig>>, Failure> {
    let (certificate, key) = match (&arguments.certificate, &arguments.certificate_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err("--tls-certificate and --tls-key go together".into()),
    };
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(Some(Arc::new(config)))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut root = Policy::root();
    root.key = arguments.key.clone().unwrap_or(root.key);
    let name = root.name.clone();
    let options = Options { policies: vec![root], tls: tls(arguments)?, ..Options::new(clock()) };
    let emulator = Emulator::new(options);
    for entity in &arguments.entities {
        let (topic, subscription) = match entity.split_once('/') {
            Some((topic, subscription)) => (topic, Some(subscription)),
            None => (entity.as_str(), None),
        };
        if !emulator.topics().iter().any(|known| known.eq_ignore_ascii_case(topic)) {
            emulator.create_topic(topic)?;
        }
        if let Some(subscription) = subscription {
            emulator.create_subscription(topic, subscription)?;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listening = emulator.listen(&arguments.listen).await?;
        let addr = listening.addr().to_string();
        let connection = emulator.connection_string(&name, &addr);
        println!("{}", connection.unwrap_or_default());
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}
