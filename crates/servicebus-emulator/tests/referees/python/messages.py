"""Sends and receives by Microsoft's client. Arguments: a connection string with topic t and subscription s."""

import sys

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiveMode
from azure.servicebus.exceptions import ServiceBusError

COUNT = 1000
TEXTS = [str(n) for n in range(COUNT)]


def send(client):
    """As lists, as batches and one by one."""
    with client.get_topic_sender("t") as sender:
        texts = iter(TEXTS)
        sender.send_messages([message(next(texts)) for _ in range(COUNT // 2)])
        batch = sender.create_message_batch()
        for _ in range(COUNT // 4):
            batch.add_message(message(next(texts)))
        sender.send_messages(batch)
        for text in texts:
            sender.send_messages(message(text))


def message(text):
    return ServiceBusMessage(
        text, application_properties={"n": int(text)}, subject="label", message_id="id-" + text
    )


def check(received, text):
    assert str(received) == text, (str(received), text)
    assert received.application_properties == {b"n": int(text)}, received.application_properties
    assert received.subject == "label" and received.message_id == "id-" + text


def receive_and_delete(client):
    send(client)
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    with client.get_subscription_receiver("t", "s", receive_mode=mode) as receiver:
        texts = []
        while len(texts) < COUNT:
            batch = receiver.receive_messages(max_message_count=100, max_wait_time=10)
            assert batch, f"only {len(texts)} came"
            for received in batch:
                check(received, TEXTS[len(texts)])
                texts.append(str(received))
                assert received.sequence_number == len(texts)
        assert not receiver.receive_messages(max_wait_time=1)


def peek_lock(client):
    """Every tenth message is abandoned, once."""
    send(client)
    completed, abandoned = [], set()
    with client.get_subscription_receiver("t", "s", prefetch_count=20) as receiver:
        while len(completed) < COUNT:
            batch = receiver.receive_messages(max_message_count=50, max_wait_time=10)
            assert batch, f"only {len(completed)} came"
            for received in batch:
                text = str(received)
                if int(text) % 10 == 0 and text not in abandoned:
                    abandoned.add(text)
                    receiver.abandon_message(received)
                    continue
                assert received.delivery_count == (1 if text in abandoned else 0)
                check(received, text)
                receiver.complete_message(received)
                completed.append(text)
        assert not receiver.receive_messages(max_wait_time=1)
    assert sorted(completed, key=int) == TEXTS
    straight = [text for text in completed if text not in abandoned]
    assert straight == sorted(straight, key=int), "what was not abandoned is in order"
    assert len(abandoned) == COUNT // 10


def wrong_key(connection_string):
    wrong = connection_string.replace("SharedAccessKey=", "SharedAccessKey=x")
    with ServiceBusClient.from_connection_string(wrong, retry_total=0) as client:
        try:
            with client.get_topic_sender("t") as sender:
                sender.send_messages(ServiceBusMessage("x"))
        except ServiceBusError as error:
            print("refused:", error)
        else:
            raise AssertionError("a wrong key was accepted")


def main():
    connection_string = sys.argv[1]
    with ServiceBusClient.from_connection_string(connection_string) as client:
        receive_and_delete(client)
        peek_lock(client)
    wrong_key(connection_string)


main()
