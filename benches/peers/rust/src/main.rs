//! The adapters of Rust libraries: `unstale-peers-rust NAME --a URL --b URL`, in lines of JSON on standard input and
//! output. `benches/peers/README.md` says what they are for.

mod harness;
mod library;
mod lock;
mod measure;
mod moka;
mod multi_tier_cache;
mod redis_cache_aio;
mod rustis;
mod unstale;

use std::process::ExitCode;

use lexopt::prelude::*;

use crate::library::{Library, Outcome, failed};

/// The name of an adapter, and the URLs of Redis for its two instances.
struct Arguments {
    name: String,
    a: String,
    b: String,
}

fn parse() -> Result<Arguments, lexopt::Error> {
    let (mut name, mut a, mut b) = (None, None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("a") => a = Some(parser.value()?.string()?),
            Long("b") => b = Some(parser.value()?.string()?),
            Value(value) if name.is_none() => name = Some(value.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let usage = "unstale-peers-rust NAME --a URL --b URL";
    Ok(Arguments { name: name.ok_or(usage)?, a: a.ok_or(usage)?, b: b.ok_or(usage)? })
}

#[tokio::main]
async fn main() -> ExitCode {
    let served = match parse() {
        Ok(arguments) => serve(&arguments).await,
        Err(error) => Err(failed(error)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("unstale-peers-rust: {refusal:?}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(Arguments { name, a, b }: &Arguments) -> Outcome {
    match name.as_str() {
        "unstale" => run(unstale::Unstale::open(a, b).await?).await,
        "multi-tier-cache" => run(multi_tier_cache::MultiTierCache::open(a, b).await?).await,
        "rustis" => run(rustis::Rustis::open(a, b).await?).await,
        "redis-cache-aio" => run(redis_cache_aio::RedisCacheAio::open(a, b).await?).await,
        "moka" => run(moka::Moka::open()).await,
        _ => Err(failed(format!("there is no adapter {name}"))),
    }
}

async fn run(library: impl Library) -> Outcome {
    harness::serve(library).await.map_err(failed)
}
