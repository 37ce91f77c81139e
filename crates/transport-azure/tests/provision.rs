//! The example `provision` does what it says.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/provision.rs"]
mod example;

use support::{KEY, Namespace, USE_KEY};
use unstale::Transport;
use unstale::transport::{Item, Subscription};

/// Runs the example: what it said, and what it failed with.
async fn provision(arguments: &[&str], variable: Option<&str>) -> (Vec<String>, Option<String>) {
    let mut said = Vec::new();
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let done =
        example::provision(arguments, variable.map(str::to_owned), |line| said.push(line)).await;
    (said, done.err())
}

async fn next(subscription: &mut Box<dyn Subscription>) -> Item {
    std::future::poll_fn(|context| subscription.poll_next(context)).await.unwrap()
}

#[tokio::test]
async fn what_it_creates_is_enough_for_send_and_listen() {
    let namespace = Namespace::start().await;
    let all = namespace.connection_string("all", KEY);
    let (said, error) = provision(&[&all, "shop", "web-1", "web-2"], None).await;
    assert_eq!(error, None);
    assert_eq!(
        said,
        ["topic `shop`: created", "subscription `web-1`: created", "subscription `web-2`: created"]
    );
    assert_eq!(namespace.emulator.subscriptions("shop"), ["web-1", "web-2"]);

    let node = |name: &str| {
        let builder = namespace.builder().topic("shop").subscription(name);
        builder.connection_string(namespace.connection_string("use", USE_KEY)).build().unwrap()
    };
    let (first, second) = (node("web-1"), node("web-2"));
    let mut hearing = second.subscribe().await.unwrap();
    // The first one's opening is kept from the second by its filter.
    let _first = first.subscribe().await.unwrap();
    first.publish("a frame".into()).await.unwrap();
    assert_eq!(next(&mut hearing).await, Item::Frame("a frame".into()));
    let info = namespace.emulator.subscription_info("shop", "web-2").unwrap();
    assert_eq!(info.next_sequence_number, 3, "its own opening and the frame");
}

#[tokio::test]
async fn a_second_time_it_finds_everything() {
    let namespace = Namespace::start().await;
    let all = namespace.connection_string("all", KEY);
    for (found, outcome) in [(1, "created"), (2, "was there already, and is left as it is")] {
        let (said, error) = provision(&["shop", "web-1"], Some(&all)).await;
        assert_eq!(error, None, "{found}");
        assert_eq!(
            said,
            [format!("topic `shop`: {outcome}"), format!("subscription `web-1`: {outcome}")]
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_and_a_key_is_not() {
    let namespace = Namespace::start().await;
    let all = namespace.connection_string("all", KEY);
    let not_manage = namespace.connection_string("use", USE_KEY);
    let wrong_key = namespace.connection_string("all", "hunter2-wrong");
    let cut = all.replace("SharedAccessKeyName=all;", "");
    let too_long = "s".repeat(51);
    for (arguments, variable, named) in [
        (vec!["shop"], None, "set UNSTALE_AZURE_CONNECTION_STRING"),
        (vec!["shop"], Some(""), "set UNSTALE_AZURE_CONNECTION_STRING"),
        (vec![all.as_str()], None, "no topic"),
        (vec!["shop"], Some(not_manage.as_str()), "Manage"),
        (vec!["shop"], Some(wrong_key.as_str()), "check the credential"),
        (vec!["shop"], Some(cut.as_str()), "`SharedAccessKeyName` is missing"),
        (vec!["shop", "a b"], Some(all.as_str()), "`a b` is no subscription"),
        (vec!["shop", &too_long], Some(all.as_str()), "is no subscription"),
        (vec!["/shop"], Some(all.as_str()), "`/shop` is no topic"),
    ] {
        let (said, error) = provision(&arguments, variable).await;
        let error = error.unwrap();
        assert!(error.contains(named), "{arguments:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(said, Vec::<String>::new());
    }
    assert!(!namespace.emulator.topics().contains(&"shop".to_owned()));
}
