//! Entities by HTTP, beyond what Microsoft's clients ask for.

use std::time::Duration;

use fe2o3_amqp::link::receiver::CreditMode;
use unstale_servicebus_emulator::{Message, Policy, Rights, Scope, sign};

use crate::client::*;
use crate::web::*;

const API: &str = "api-version=2021-05";

#[tokio::test(start_paused = true)]
async fn statuses_are_azures() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let path = format!("/T/Subscriptions/New?{API}");
    let body = subscription(&[("LockDuration", "PT30S"), ("AutoDeleteOnIdle", "PT5M")]);
    let created = web.ask_with("PUT", &path, &[], body.clone()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert!(created.body.contains("<LockDuration>PT30S</LockDuration>"), "{}", created.body);
    let conflict = web.ask_with("PUT", &path, &[], body.clone()).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.starts_with("<Error><Code>409</Code><Detail>"), "{}", conflict.body);
    let updated = web.ask_with("PUT", &path, &[("If-Match", "*")], body.clone()).await;
    assert_eq!(updated.status, 200);
    let other = format!("/t/subscriptions/other?{API}");
    assert_eq!(web.ask_with("PUT", &other, &[("If-Match", "*")], body).await.status, 404);
    assert_eq!(web.ask("GET", &path).await.status, 200);
    assert_eq!(web.ask("GET", &other).await.status, 404);
    assert_eq!(web.ask("DELETE", &path).await.status, 200);
    assert_eq!(web.ask("DELETE", &path).await.status, 404);
    assert_eq!(web.ask("PATCH", &path).await.status, 405);
    assert_eq!(web.ask("GET", "/").await.status, 404);
    let old = web.ask("GET", "/t?api-version=2017-04").await;
    assert_eq!(old.status, 200);
    assert_eq!(emulator.operations().management, 10, "all that found its way");
}

#[tokio::test(start_paused = true)]
async fn bad_descriptions_are_refused_and_say_why() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    for (elements, named) in [
        (&[("AutoDeleteOnIdle", "PT4M59S")], "AutoDeleteOnIdle"),
        (&[("LockDuration", "PT6M")], "LockDuration"),
        (&[("LockDuration", "soon")], "LockDuration"),
        (&[("MaxDeliveryCount", "0")], "MaxDeliveryCount"),
        (&[("MaxDeliveryCount", "many")], "MaxDeliveryCount"),
        (&[("RequiresSession", "true")], "RequiresSession"),
        (&[("ForwardTo", "x")], "ForwardTo"),
        (&[("DeadLetteringOnMessageExpiration", "perhaps")], "DeadLettering"),
    ] {
        let answer = web.ask_with("PUT", "/t/subscriptions/x", &[], subscription(elements)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(named), "{named}: {}", answer.body);
    }
    let latin: &[u8] = b"<entry>\xff</entry>";
    let bodies = [b"".as_slice(), b"<entry", b"<entry/>", b"{}", latin];
    for body in bodies {
        let answer = web.ask_with("PUT", "/t/subscriptions/x", &[], body.to_vec()).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    for name in ["a%20b", "%2e", "x%00", &"x".repeat(51)] {
        let path = format!("/t/subscriptions/{name}");
        assert_eq!(web.ask_with("PUT", &path, &[], subscription(&[])).await.status, 400, "{name}");
    }
    let bearer = web.ask_with("PUT", "/%ff", &[], "").await;
    assert_eq!(bearer.status, 404);
    assert_eq!(emulator.subscriptions("t"), ["s"]);
}

#[tokio::test(start_paused = true)]
async fn management_needs_the_right_to_manage() {
    let mut options = options();
    let listen = Policy { name: "listen".to_owned(), rights: Rights::LISTEN, ..Policy::root() };
    let topic =
        Policy { name: "topic".to_owned(), scope: Scope::Topic("t".to_owned()), ..Policy::root() };
    options.policies.extend([listen, topic]);
    let emulator = emulator_with(options);
    emulator.create_topic("u").unwrap();
    let mut web = Web::connect(&emulator).await;
    let signed = |policy| sign("http://emulator/", EPOCH + 100, policy, KEY);
    for (token, path, status) in [
        (String::new(), "/t", 401),
        ("nonsense".to_owned(), "/t", 401),
        ("Bearer nonsense".to_owned(), "/t", 401),
        (signed("listen"), "/t", 401),
        (signed("topic"), "/t", 200),
        (signed("topic"), "/u", 401),
        (sign("http://emulator/t/subscriptions/s", EPOCH + 100, POLICY, KEY), "/t", 401),
    ] {
        web.token = token;
        assert_eq!(web.ask("GET", path).await.status, status, "{} {path}", web.token);
    }
    web.token = signed(POLICY);
    assert_eq!(web.ask("GET", "/u").await.status, 200);
    sleep(Duration::from_secs(100)).await;
    let expired = web.ask("GET", "/u").await;
    assert_eq!(expired.status, 401);
    assert!(expired.body.contains("ExpiredToken"), "{}", expired.body);
}

#[tokio::test(start_paused = true)]
async fn rules_decide_who_gets_a_copy() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let sql = "<DefaultRuleDescription><Filter i:type=\"SqlFilter\"><SqlExpression>kind = 'a' OR n &gt; 5\
               </SqlExpression></Filter><Name>r</Name></DefaultRuleDescription>";
    let body = entry("SubscriptionDescription", sql);
    assert_eq!(web.ask_with("PUT", "/t/subscriptions/sql", &[], body).await.status, 201);
    let send = |kind: &str, n: i32| {
        let message =
            Message::new("x").with_property("kind", kind.to_owned()).with_property("n", n);
        emulator.send_raw("t", message).unwrap();
    };
    let waiting = || emulator.subscription_info("t", "sql").unwrap().waiting;
    send("a", 1);
    send("b", 1);
    send("b", 6);
    assert_eq!(waiting(), 2);
    let alike = "<Filter i:type=\"CorrelationFilter\"><Properties><KeyValueOfstringanyType><Key>kind</Key>\
                 <Value i:type=\"d:string\">b</Value></KeyValueOfstringanyType></Properties></Filter>";
    let path = "/t/subscriptions/sql/rules/alike";
    let body = entry("RuleDescription", alike);
    assert_eq!(web.ask_with("PUT", path, &[], body).await.status, 201);
    send("b", 1);
    send("b", 6);
    assert_eq!(waiting(), 4, "one copy, however many rules match");
    assert_eq!(web.ask("DELETE", path).await.status, 200);
    assert_eq!(web.ask("DELETE", "/t/subscriptions/sql/rules/r").await.status, 200);
    send("a", 6);
    assert_eq!(waiting(), 4, "nothing matches where no rule is");
    assert_eq!(emulator.subscription_info("t", "sql").unwrap().next_sequence_number, 5);
    let action = "<Filter i:type=\"TrueFilter\"/><Action i:type=\"SqlRuleAction\"/>";
    let answer = web.ask_with("PUT", path, &[], entry("RuleDescription", action)).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test(start_paused = true)]
async fn entities_are_bounded() {
    let mut options = options();
    (options.quotas.topics, options.quotas.subscriptions, options.quotas.rules) = (2, 2, 2);
    let emulator = emulator_with(options);
    let mut web = Web::connect(&emulator).await;
    let topic = entry("TopicDescription", "");
    let rule = entry("RuleDescription", "<Filter i:type=\"FalseFilter\"/>");
    for (path, body) in [
        ("/topic", topic),
        ("/t/subscriptions/sub", subscription(&[])),
        ("/t/subscriptions/s/rules/rule", rule),
    ] {
        let one = web.ask_with("PUT", &format!("{path}-1"), &[], body.clone()).await;
        assert_eq!(one.status, 201, "{}", one.body);
        let more = web.ask_with("PUT", &format!("{path}-2"), &[], body).await;
        assert_eq!(more.status, 403, "{}", more.body);
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_has_a_status() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    emulator.throttle(true);
    for (method, path, status) in [
        ("GET", "/t", 429),
        ("POST", "/t/messages", 503),
        ("POST", "/t/subscriptions/s/messages/head?timeout=0", 503),
    ] {
        let answer = web.ask(method, path).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("Retry-After"), "10");
    }
    emulator.throttle(false);
    assert_eq!(web.ask("GET", "/t").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_topic_goes_under_its_links() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    let mut receiver = client.receiver("s", CreditMode::Auto(1)).await;
    assert_eq!(web.ask("DELETE", "/T").await.status, 200);
    let ended = receive(&mut receiver).await.unwrap_err();
    assert_eq!(detachment(ended), "amqp:not-found");
    let ended = within(sender.on_detach()).await;
    assert!(format!("{ended:?}").contains("NotFound"), "{ended:?}");
}
