"""Creates, reads, lists, changes and deletes entities by Microsoft's client. Arguments: a connection string."""

import re
import sys
from datetime import timedelta

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.servicebus.management import (
    CorrelationRuleFilter,
    FalseRuleFilter,
    ServiceBusAdministrationClient,
    SqlRuleFilter,
    TrueRuleFilter,
)


def connect(connection_string):
    client = ServiceBusAdministrationClient.from_connection_string(connection_string)
    # It insists on port 443 or 5300 otherwise.
    host = re.search("sb://([^;/]+)", connection_string).group(1)
    client._impl._client._base_url = "http://" + host
    return client


def fails(expected, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except expected as error:
        return error
    raise AssertionError(f"{call.__name__} did not fail")


def topics(client):
    day = timedelta(days=1)
    created = client.create_topic(
        "new", default_message_time_to_live=day, max_size_in_megabytes=2048, enable_partitioning=True
    )
    assert created.name == "new" and created.default_message_time_to_live == day
    fails(ResourceExistsError, client.create_topic, "New")
    found = client.get_topic("new")
    assert found.max_size_in_megabytes == 2048 and found.enable_partitioning
    assert found.support_ordering
    found.default_message_time_to_live = 2 * day
    client.update_topic(found)
    assert client.get_topic("new").default_message_time_to_live == 2 * day
    for n in range(120):
        client.create_topic(f"many-{n:03}")
    names = [topic.name for topic in client.list_topics()]
    assert names == sorted(names) and len(names) == 122, names
    assert client.get_topic_runtime_properties("t").subscription_count == 1
    client.delete_topic("many-000")
    fails(ResourceNotFoundError, client.get_topic, "many-000")
    assert client.get_namespace_properties().messaging_sku == "Standard"


def subscriptions(client):
    minute = timedelta(minutes=1)
    options = {
        "lock_duration": minute / 2,
        "default_message_time_to_live": 2 * minute,
        "auto_delete_on_idle": 5 * minute,
        "max_delivery_count": 3,
        "dead_lettering_on_message_expiration": True,
    }
    client.create_subscription("t", "Made", user_metadata="<a & b>", **options)
    fails(ResourceExistsError, client.create_subscription, "t", "made")
    found = client.get_subscription("t", "made")
    assert found.name == "made" and found.user_metadata == "<a & b>", found
    for name, value in options.items():
        assert getattr(found, name) == value, name
    found.lock_duration = minute
    client.update_subscription("t", found)
    assert client.get_subscription("t", "Made").lock_duration == minute
    assert [s.name for s in client.list_subscriptions("t")] == ["Made", "s"]
    runtime = client.get_subscription_runtime_properties("t", "s")
    assert runtime.active_message_count == 0 and runtime.created_at_utc
    error = fails(HttpResponseError, client.create_subscription, "t", "x", auto_delete_on_idle=4 * minute)
    assert error.status_code == 400 and "AutoDeleteOnIdle" in str(error)
    client.delete_subscription("t", "Made")
    fails(ResourceNotFoundError, client.get_subscription, "t", "Made")
    fails(ResourceNotFoundError, client.create_subscription, "none", "s")


def rules(client):
    client.create_subscription("t", "ruled")
    assert isinstance(client.get_rule("t", "ruled", "$Default").filter, TrueRuleFilter)
    client.delete_rule("t", "ruled", "$Default")
    sql = SqlRuleFilter("sys.To IS NULL OR (kind <> 'x' AND n IN (1, 2))")
    client.create_rule("t", "ruled", "sql", filter=sql)
    alike = CorrelationRuleFilter(label="a < b", properties={"text": "x", "number": 3, "on": True})
    client.create_rule("t", "ruled", "alike", filter=alike)
    client.create_rule("t", "ruled", "never", filter=FalseRuleFilter())
    assert client.get_rule("t", "ruled", "sql").filter.sql_expression == sql.sql_expression
    found = client.get_rule("t", "ruled", "alike")
    assert found.filter.label == "a < b"
    assert found.filter.properties == {"text": "x", "number": 3, "on": True}, found.filter.properties
    assert [rule.name for rule in client.list_rules("t", "ruled")] == ["alike", "never", "sql"]
    found.filter = TrueRuleFilter()
    client.update_rule("t", "ruled", found)
    assert isinstance(client.get_rule("t", "ruled", "alike").filter, TrueRuleFilter)
    error = fails(
        HttpResponseError, client.create_rule, "t", "ruled", "bad", filter=SqlRuleFilter("newid() = 1")
    )
    assert error.status_code == 400 and "newid" in str(error)


def main():
    connection_string = sys.argv[1]
    with connect(connection_string) as client:
        topics(client)
        subscriptions(client)
        rules(client)
    with connect(connection_string.replace("SharedAccessKey=", "SharedAccessKey=x")) as client:
        fails(ClientAuthenticationError, client.get_topic, "t")


main()
