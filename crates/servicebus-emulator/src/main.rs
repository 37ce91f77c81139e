//! `servicebus-emulator`: the emulator on a port of this machine.

use std::process::ExitCode;
use std::time::SystemTime;

use lexopt::prelude::*;
use unstale_servicebus_emulator::{Clock, Emulator, Options};

const HELP: &str = "\
Emulates an Azure Service Bus namespace with topics and subscriptions.

Usage: servicebus-emulator [--listen ADDRESS] [TOPIC | TOPIC/SUBSCRIPTION]...

  --listen ADDRESS  Where to listen, for AMQP and HTTP alike. Default: 127.0.0.1:5672
  --help            Prints this.

Topics and subscriptions that are named exist from the beginning; others can be created by management
requests. Nothing is kept when it ends.
";

struct Arguments {
    listen: String,
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
    let mut arguments = Arguments { listen: "127.0.0.1:5672".to_owned(), entities: Vec::new() };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("listen") => arguments.listen = parser.value()?.string()?,
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

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Emulator::new(Options::new(clock()));
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
        let connection = emulator.connection_string("RootManageSharedAccessKey", &addr);
        println!("{}", connection.unwrap_or_default());
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}
