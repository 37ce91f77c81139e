//! Redis dies while the storefront serves, and comes back.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

mod support;

use support::{Redis, Storefront, get, request, until};

fn price(address: &str, product: u32) -> u64 {
    get(address, &format!("/products/{product}"))["price_cents"].as_u64().unwrap()
}

/// Changes a price; whether the broker has confirmed the invalidation.
fn put(address: &str, product: u32, price_cents: u64) -> bool {
    let change = format!("{{\"price_cents\": {price_cents}}}");
    let path = format!("/products/{product}");
    let (status, body) = request("PUT", address, &path, &change).unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["product"]["price_cents"].as_u64(), Some(price_cents));
    answer["published"].as_bool().unwrap()
}

fn state(address: &str) -> String {
    get(address, "/status")["state"].as_str().unwrap().to_owned()
}

fn metrics(address: &str) -> String {
    request("GET", address, "/metrics", "").unwrap().1
}

#[test]
fn a_dead_redis_leaves_every_instance_answering_and_nobody_stale() {
    let mut redis = Redis::start();
    let mut storefront = Storefront::start(&["--no-visit", "--until-eof"], Some(&redis.url()));
    let serving = |_| {
        let line = storefront.line_with("serving on http://");
        line.split_once("http://").unwrap().1.to_owned()
    };
    let sites: Vec<String> = (0..3).map(serving).collect();
    for site in &sites {
        until("live", || (state(site) == "live").then_some(()));
        price(site, 7);
    }
    until("a confirmed write", || put(&sites[0], 7, 111).then_some(()));
    for site in &sites {
        until("the new price", || (price(site, 7) == 111).then_some(()));
    }

    redis.kill();
    for site in &sites {
        until("the loss to be noticed", || (state(site) == "disconnected").then_some(()));
        assert!(get(site, "/status")["reason"].is_string());
        assert_eq!(price(site, 7), 111);
        until("the metrics of the loss", || {
            let gauge = "unstale_state{namespace=\"storefront\",state=\"disconnected\"} 1";
            metrics(site).contains(gauge).then_some(())
        });
    }
    // Nobody can be told; who wrote knows at once, and the others stop trusting what they have.
    assert!(!put(&sites[1], 7, 222));
    assert_eq!(price(&sites[1], 7), 222);
    for site in &sites {
        until("the price from the database", || (price(site, 7) == 222).then_some(()));
        assert_eq!(request("GET", site, "/products/4001", "").unwrap().0, 404);
    }

    redis.restart();
    for site in &sites {
        until("live again", || (state(site) == "live").then_some(()));
        assert_eq!(price(site, 7), 222);
    }
    // Caches serve again, and changes travel again.
    until("a confirmed write", || put(&sites[2], 7, 333).then_some(()));
    for site in &sites {
        until("the newest price", || (price(site, 7) == 333).then_some(()));
        let hits = || get(site, "/status")["caches"]["products"]["hits"].as_u64().unwrap();
        until("an answer from the cache", || {
            let before = hits();
            price(site, 7);
            (hits() > before).then_some(())
        });
    }

    storefront.close_input();
    let (status, _, errors) = storefront.end();
    assert!(status.success(), "{errors}");
    assert!(errors.contains("Disconnected"), "{errors}");
}
