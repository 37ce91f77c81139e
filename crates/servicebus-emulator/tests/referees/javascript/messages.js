// Sends and receives by Microsoft's client. Arguments: a connection string with topic t and subscription s, and
// perhaps `websocket`.

const assert = require("node:assert");
const { ServiceBusClient } = require("@azure/service-bus");

const COUNT = 1000;
const TEXTS = Array.from({ length: COUNT }, (_, n) => String(n));

const message = (text) => ({
  body: text,
  applicationProperties: { n: Number(text) },
  subject: "label",
  messageId: "id-" + text,
});

function check(received, text) {
  assert.strictEqual(received.body, text);
  assert.deepStrictEqual(received.applicationProperties, { n: Number(text) });
  assert.strictEqual(received.subject, "label");
  assert.strictEqual(received.messageId, "id-" + text);
}

// As arrays, as batches and one by one.
async function send(client) {
  const sender = client.createSender("t");
  await sender.sendMessages(TEXTS.slice(0, COUNT / 2).map(message));
  const batch = await sender.createMessageBatch();
  for (const text of TEXTS.slice(COUNT / 2, (COUNT / 4) * 3)) {
    assert(batch.tryAddMessage(message(text)));
  }
  await sender.sendMessages(batch);
  for (const text of TEXTS.slice((COUNT / 4) * 3)) {
    await sender.sendMessages(message(text));
  }
  await sender.close();
}

async function receiveAndDelete(client) {
  await send(client);
  const receiver = client.createReceiver("t", "s", { receiveMode: "receiveAndDelete" });
  let count = 0;
  while (count < COUNT) {
    const batch = await receiver.receiveMessages(100, { maxWaitTimeInMs: 10000 });
    assert(batch.length > 0, `only ${count} came`);
    for (const received of batch) {
      check(received, TEXTS[count]);
      count += 1;
      assert.strictEqual(received.sequenceNumber.toNumber(), count);
    }
  }
  assert.strictEqual((await receiver.receiveMessages(1, { maxWaitTimeInMs: 500 })).length, 0);
  await receiver.close();
}

// Every tenth message is abandoned, once.
async function peekLock(client) {
  await send(client);
  const receiver = client.createReceiver("t", "s");
  const completed = [];
  const abandoned = new Set();
  while (completed.length < COUNT) {
    const batch = await receiver.receiveMessages(50, { maxWaitTimeInMs: 10000 });
    assert(batch.length > 0, `only ${completed.length} came`);
    for (const received of batch) {
      const text = received.body;
      if (Number(text) % 10 === 0 && !abandoned.has(text)) {
        abandoned.add(text);
        await receiver.abandonMessage(received);
        continue;
      }
      assert.strictEqual(received.deliveryCount, abandoned.has(text) ? 1 : 0);
      check(received, text);
      await receiver.completeMessage(received);
      completed.push(text);
    }
  }
  await receiver.close();
  const sorted = [...completed].sort((a, b) => Number(a) - Number(b));
  assert.deepStrictEqual(sorted, TEXTS);
  const straight = completed.filter((text) => !abandoned.has(text));
  assert.deepStrictEqual(straight, sorted.filter((text) => !abandoned.has(text)));
  assert.strictEqual(abandoned.size, COUNT / 10);
}

async function wrongKey(connectionString, options) {
  const wrong = connectionString.replace("SharedAccessKey=", "SharedAccessKey=x");
  const client = new ServiceBusClient(wrong, { ...options, retryOptions: { maxRetries: 0 } });
  await assert.rejects(client.createSender("t").sendMessages({ body: "x" }), /InvalidSignature|Unauthorized/i);
  await client.close();
}

async function main() {
  const [connectionString, kind] = process.argv.slice(2);
  const options = kind === "websocket" ? { webSocketOptions: { webSocket: require("ws") } } : {};
  const client = new ServiceBusClient(connectionString, options);
  await receiveAndDelete(client);
  await peekLock(client);
  await client.close();
  await wrongKey(connectionString, options);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
