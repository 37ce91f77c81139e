"""Exchanges messages with the transport by Microsoft's client. Arguments: a connection string, then send or receive."""

import sys

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiveMode

TOPIC, SUBSCRIPTION, COUNT = "invalidations", "referee", 1000


def frame(n):
    return b"frame %d" % n


def send(client):
    with client.get_topic_sender(TOPIC) as sender:
        for n in range(COUNT):
            sender.send_messages(ServiceBusMessage(frame(n)))


def receive(client):
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    with client.get_subscription_receiver(TOPIC, SUBSCRIPTION, receive_mode=mode) as receiver:
        bodies = []
        while len(bodies) < COUNT:
            batch = receiver.receive_messages(max_message_count=100, max_wait_time=20)
            assert batch, f"only {len(bodies)} came"
            for message in batch:
                assert message.content_type == "application/vnd.unstale", message.content_type
                bodies.append(b"".join(message.body))
        assert bodies == [frame(n) for n in range(COUNT)], "lost or reordered"


with ServiceBusClient.from_connection_string(sys.argv[1]) as connected:
    {"send": send, "receive": receive}[sys.argv[2]](connected)
