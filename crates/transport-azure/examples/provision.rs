//! Creates a topic, and subscriptions for nodes that may not create their own.
//!
//! `cargo run -p unstale-azure --example provision -- CONNECTION_STRING TOPIC [SUBSCRIPTION…]`

use std::process::ExitCode;
use std::time::Duration;

use unstale_azure::{Administration, AzureTransport, Creation};

/// Where a connection string comes from if not from the command line.
const VARIABLE: &str = "UNSTALE_AZURE_CONNECTION_STRING";

/// How long a subscription stays that nobody reads.
const KEPT_FOR: Duration = Duration::from_secs(365 * 24 * 3600);

const USAGE: &str = "\
Creates a topic of Azure Service Bus, and one subscription for each node that is to have the rights Send and Listen
only. What is there already is left as it is.

Usage: provision [CONNECTION_STRING] TOPIC [SUBSCRIPTION...]

The connection string is that of a policy with the right Manage. Better leave it out and put it into the variable
UNSTALE_AZURE_CONNECTION_STRING: everybody on the machine can read command lines.
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let variable = std::env::var(VARIABLE).ok();
    match provision(arguments, variable, |line| println!("{line}")).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("provision: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Creates what the arguments name, and says of each thing whether it had to be made. Errors never show the key.
pub(crate) async fn provision(
    arguments: Vec<String>,
    variable: Option<String>,
    mut say: impl FnMut(String),
) -> Result<(), String> {
    let Wanted { connection_string, topic, subscriptions } = wanted(arguments, variable)?;
    let administration = administration(&connection_string, &topic, &subscriptions)?;

    let created = administration.create_topic().await;
    let created = created.map_err(|error| format!("the topic `{topic}`: {error}"))?;
    say(format!("topic `{topic}`: {}", outcome(created)));
    for name in subscriptions {
        let created = administration.create_subscription(&name).await;
        let created = created.map_err(|error| format!("the subscription `{name}`: {error}"))?;
        say(format!("subscription `{name}`: {}", outcome(created)));
    }
    Ok(())
}

struct Wanted {
    connection_string: String,
    topic: String,
    subscriptions: Vec<String>,
}

fn wanted(mut arguments: Vec<String>, variable: Option<String>) -> Result<Wanted, String> {
    // No topic has an equals sign in its name.
    let is_given = arguments.first().is_some_and(|first| first.contains('='));
    let given = is_given.then(|| arguments.remove(0));
    let connection_string = given
        .or(variable.filter(|text| !text.is_empty()))
        .ok_or_else(|| format!("no connection string: give one, or set {VARIABLE}\n\n{USAGE}"))?;
    if arguments.is_empty() {
        return Err(format!("no topic\n\n{USAGE}"));
    }
    let topic = arguments.remove(0);
    Ok(Wanted { connection_string, topic, subscriptions: arguments })
}

fn administration(
    connection_string: &str,
    topic: &str,
    subscriptions: &[String],
) -> Result<Administration, String> {
    // A node that may not create subscriptions must find its own again, however long it was away: not the five
    // minutes of those that nodes create for themselves.
    let builder = AzureTransport::builder()
        .connection_string(connection_string)
        .topic(topic)
        .auto_delete_on_idle(KEPT_FOR);
    if !subscriptions.is_empty() {
        // Names are checked before anything is created.
        let checked = builder.clone().subscriptions(subscriptions).build();
        checked.map_err(|error| error.to_string())?;
    }
    builder.administration().map_err(|error| error.to_string())
}

fn outcome(creation: Creation) -> &'static str {
    match creation {
        Creation::Created => "created",
        Creation::Existed => "was there already, and is left as it is",
    }
}
