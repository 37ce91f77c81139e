//! A storefront: several instances of one web shop, each with its own cache of one database, kept coherent by
//! [`unstale`]. See `--help`, and `shop.rs` for how it is done.

mod arguments;
mod brokers;
mod catalogue;
mod crew;
mod database;
mod instance;
mod shop;
mod status;
mod stop;
mod text;
mod visit;
mod web;

use std::net::SocketAddr;
use std::process::ExitCode;

use arguments::{Arguments, Broker};
use crew::{Crew, SERVES};
use database::Database;
use text::line;

/// What the program gives up on.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::of_process() {
        Ok(arguments) if arguments.help => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(arguments) => run(&arguments).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        eprintln!("storefront: {error}");
        ExitCode::from(2)
    })
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    // Removed with everything in it when the program leaves.
    let scratch = tempfile::Builder::new().prefix("storefront-").tempdir()?;
    let path = arguments.database.clone().unwrap_or_else(|| scratch.path().join("shop.db"));
    let database = Database::new(&path);
    database.write(catalogue::fill).await?;
    let unused = database.read(catalogue::unused_id).await?;

    let crew = Crew::start(arguments, &path).await?;
    let addresses = crew.addresses();
    if arguments.visit {
        introduce(arguments, &addresses, &path);
    } else {
        addresses.iter().for_each(|address| line(format_args!("{SERVES}{address}")));
    }
    let outcome = tokio::select! {
        biased;
        // A visit that was broken off has shown nothing.
        () = stop::asked(arguments.until_eof) => Ok(!arguments.once),
        outcome = serve(arguments, &addresses, unused) => outcome,
    };
    crew.leave().await;
    Ok(if outcome? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn introduce(arguments: &Arguments, addresses: &[SocketAddr], database: &std::path::Path) {
    let count = addresses.len();
    let instances = if count == 1 { "instance," } else { "instances, each" };
    let home = if arguments.processes { "process of its own" } else { "task of this process" };
    let broker = arguments.broker.as_ref().map_or("memory", Broker::name);
    line(format_args!("{count} {instances} a {home}, connected by {broker}"));
    line(format_args!("one database of {} products: {}", catalogue::PRODUCTS, database.display()));
    for (number, address) in (1..).zip(addresses) {
        line(format_args!("  {number}  http://{address}"));
    }
}

/// The visit, and then nothing more to do than to serve. Returns whether all answers were right.
async fn serve(
    arguments: &Arguments,
    addresses: &[SocketAddr],
    unused: catalogue::ProductId,
) -> Result<bool, Error> {
    let mut coherent = true;
    if arguments.visit {
        coherent = visit::pay(addresses, unused).await?;
    }
    if arguments.once {
        return Ok(coherent);
    }
    if let (true, [first, ..], [.., last]) = (arguments.visit, addresses, addresses) {
        line(format_args!("\nServing until Ctrl-C. Try:"));
        line(format_args!("  curl -i http://{last}/products/7"));
        line(format_args!(
            "  curl -X PUT http://{first}/products/7 -H 'content-type: application/json' \
             -d '{{\"price_cents\": 1999}}'"
        ));
        line(format_args!("  curl -i http://{last}/products/7"));
        line(format_args!("  curl http://{first}/status"));
    }
    std::future::pending().await
}
