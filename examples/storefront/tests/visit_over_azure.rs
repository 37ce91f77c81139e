//! The visit to three processes that a Service Bus connects, and what the program says to a wrong one.

mod support;

use support::{ServiceBus, Storefront};

const VARIABLE: &str = "STOREFRONT_AZURE";

#[test]
fn three_processes_are_coherent_and_leave_nothing_behind() {
    let service_bus = ServiceBus::start();
    let connection_string = service_bus.connection_string();
    let (status, output, errors) =
        Storefront::start_with(&["--once", "--processes"], &[(VARIABLE, &connection_string)]).end();
    assert!(status.success(), "{output}\n{errors}");
    assert!(
        output.contains("3 instances, each a process of its own, connected by Azure Service Bus")
    );
    assert!(output.contains("\n  0 stale reads"), "{output}");
    let row = output.lines().find(|line| line.contains("since the write was answered"));
    let median = row.and_then(|row| row.split_whitespace().nth(5)).unwrap();
    let median: f64 = median.parse().unwrap_or_else(|_| panic!("{output}"));
    assert!(median < 20.0, "a median of {median} ms:\n{output}");
    assert_eq!(service_bus.emulator.topics(), ["storefront"]);
    assert_eq!(service_bus.emulator.subscriptions("storefront"), Vec::<String>::new());
}

#[test]
fn the_connection_string_names_the_topic() {
    let service_bus = ServiceBus::start();
    let connection_string = service_bus.connection_string() + "EntityPath=shop";
    let arguments = ["--once", "--instances", "2", "--azure", &connection_string];
    let (status, output, errors) = Storefront::start_with(&arguments, &[]).end();
    assert!(status.success(), "{output}\n{errors}");
    assert_eq!(service_bus.emulator.topics(), ["shop"]);
}

#[test]
fn what_is_wrong_is_said_and_a_key_is_not() {
    let service_bus = ServiceBus::start();
    let right = service_bus.connection_string();
    let wrong_key = right.replace("SAS_KEY_VALUE", "secret");
    let no_name = wrong_key.replace("SharedAccessKeyName", "SharedAccessName");
    for (connection_string, named) in
        [(wrong_key, "check the credential"), (no_name, "connection string")]
    {
        for arguments in [&["--once"][..], &["--once", "--processes"]] {
            let (status, output, errors) =
                Storefront::start_with(arguments, &[(VARIABLE, &connection_string)]).end();
            assert_eq!(status.code(), Some(2), "{output}\n{errors}");
            assert!(errors.contains(named), "{errors}");
            assert!(!errors.contains("secret") && !output.contains("secret"), "{output}\n{errors}");
        }
    }
    assert_eq!(service_bus.emulator.topics(), Vec::<String>::new());
}
