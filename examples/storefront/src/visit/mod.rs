//! A visit to all instances that shows, and measures, that they stay coherent.
//!
//! A read is *stale* if it gives an old version though
//! - it began after the same instance had given the new one, or
//! - it began after the instance that wrote had answered the write, or
//! - it began more than the freshness bound after the write was answered with its invalidation complete.

mod observed;
mod site;
mod tally;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::observed::Observed;
use self::site::Site;
use self::tally::Tally;
use crate::Error;
use crate::catalogue::{Change, PRODUCTS, ProductId};
use crate::text::{self, line, price, time};

/// How long the instances may take to find each other.
const LIVE_PATIENCE: Duration = Duration::from_secs(15);
/// Changes that are measured.
const CHANGES: u32 = 200;
/// Readers who never see a change, each of whom waits for seconds, before the visit ends early.
const HOPELESS: u64 = 5;
/// The product that the visit looks at closely.
const SHOWN: ProductId = 1234;

/// Pays the visit. Returns whether no answer was stale. `unused` is the id of a product that is not there.
///
/// # Errors
/// When an instance does not answer or does not become live.
pub(crate) async fn pay(addresses: &[SocketAddr], unused: ProductId) -> Result<bool, Error> {
    let sites = (1..).zip(addresses).map(|(number, address)| Site::new(number, *address));
    let sites: Vec<_> = sites.collect();
    let began = Instant::now();
    for site in &sites {
        live(site).await?;
    }
    line(format_args!("all of them live after {}", time(began.elapsed())));
    let mut tally = Tally::default();
    show_change(&sites, &mut tally).await?;
    show_addition(&sites, unused, &mut tally).await?;
    measure(&sites, &mut tally).await?;
    Ok(tally.is_coherent())
}

/// Waits until a site's node is in step with the others.
async fn live(site: &Site) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        let status = site.status().await?;
        if status.state == "live" {
            return Ok(());
        }
        if began.elapsed() > LIVE_PATIENCE {
            let reason = status.reason.unwrap_or_default();
            return Err(format!("instance {} is {}: {reason}", site.number, status.state).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One change of a price, step by step.
async fn show_change(sites: &[Site], tally: &mut Tally) -> Result<(), Error> {
    line(format_args!("\nEverybody asks for product {SHOWN}, twice:"));
    let mut known = None;
    for site in sites {
        let first = site.product(SHOWN).await?;
        let second = site.product(SHOWN).await?;
        let (first_time, second_time) = (time(first.took()), time(second.took()));
        let product = first.value.ok_or("the product is not there")?;
        line(format_args!(
            "  {}  version {:<4} {:>8}  {:<8} {first_time:>8}  {:<8} {second_time:>8}",
            site.number,
            product.version,
            price(product.price_cents),
            text::source(first.from_memory),
            text::source(second.from_memory),
        ));
        known = Some(product);
    }
    let Some(known) = known else { return Ok(()) };

    let writer = sites.len() / 2;
    // Cheaper, and not for nothing.
    let price_cents = known.price_cents * 9 / 10 + 1;
    let sale = Change { price_cents: Some(price_cents), ..Change::default() };
    line(format_args!("\nInstance {} puts \"{}\" on sale:", sites[writer].number, known.name));
    let observed = observed::change(sites, writer, SHOWN, &sale, tally).await?;
    show(sites, &observed);
    Ok(())
}

/// That a product is not there is remembered too, until it is.
async fn show_addition(sites: &[Site], unused: ProductId, tally: &mut Tally) -> Result<(), Error> {
    line(format_args!("\nEverybody knows that there is no product {unused}:"));
    for site in sites {
        site.product(unused).await?;
        let again = site.product(unused).await?;
        let answer = if again.value.is_some() { "there" } else { "not there" };
        line(format_args!(
            "  {}  {answer:<22}  {:<8} {:>8}",
            site.number,
            text::source(again.from_memory),
            time(again.took()),
        ));
    }
    let added = Change {
        name: Some("Brand new oak lamp".into()),
        price_cents: Some(4_999),
        category: Some(7),
    };
    let writer = sites.len() - 1;
    line(format_args!("\nInstance {} adds it to category 7:", sites[writer].number));
    let observed = observed::change(sites, writer, unused, &added, tally).await?;
    show(sites, &observed);
    Ok(())
}

fn show(sites: &[Site], observed: &Observed) {
    let product = &observed.product;
    line(format_args!(
        "     answered after {}{}",
        time(observed.put),
        if observed.published { "" } else { ", without the broker's word" },
    ));
    for (site, coherent) in sites.iter().zip(&observed.coherent) {
        let coherent = match coherent {
            Some(Duration::ZERO) => "no later than that".to_owned(),
            Some(after) => format!("{:>8} after that", time(*after)),
            None => "never".to_owned(),
        };
        line(format_args!(
            "  {}  version {:<4} {:>8}  {coherent}",
            site.number,
            product.version,
            price(product.price_cents),
        ));
    }
}

/// Many changes in quick succession, by all instances in turn.
async fn measure(sites: &[Site], tally: &mut Tally) -> Result<(), Error> {
    let mut changes = 0;
    while changes < CHANGES && tally.never < HOPELESS {
        let round = changes;
        let writer = round as usize % sites.len();
        // Products from all over the shop, the same ones at every visit.
        let id = 1 + round * 1_231 % PRODUCTS;
        let price_cents = Some(1_000 + round);
        let change = Change { price_cents, ..Change::default() };
        observed::change(sites, writer, id, &change, tally).await?;
        changes += 1;
    }
    let tally = &*tally;
    let Tally { reads, from_memory, stale, never, unpublished, .. } = tally;
    line(format_args!("\n{changes} more changes, with a reader at every instance all the time:"));
    line(format_args!("  time to coherence, as seen over HTTP   median       p99       max"));
    for (what, spread) in [
        ("since the write was answered", tally.since_answered()),
        ("since the write was sent", tally.since_sent()),
    ] {
        if let Some(spread) = spread {
            let [median, p99, max] = [spread.median, spread.p99, spread.max].map(time);
            line(format_args!("  {what:<34} {median:>9} {p99:>9} {max:>9}"));
        }
    }
    line(format_args!("  {reads} reads, {from_memory} of them from memory"));
    if *unpublished > 0 {
        line(format_args!("  {unpublished} readings of changes that the broker did not confirm"));
    }
    if *never > 0 {
        line(format_args!("  {never} readers never saw the new version"));
    }
    line(format_args!("  {stale} stale reads"));
    tally.described.iter().for_each(|how| line(format_args!("    {how}")));
    Ok(())
}
