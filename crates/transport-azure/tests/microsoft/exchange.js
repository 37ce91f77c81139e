// Exchanges messages with the transport by Microsoft's client. Arguments: a connection string, then send or receive.

const assert = require("node:assert");
const { createRequire } = require("node:module");
const { ServiceBusClient } = createRequire(process.env.NODE_PATH + "/")("@azure/service-bus");

const [TOPIC, SUBSCRIPTION, COUNT] = ["invalidations", "referee", 1000];

const frame = (n) => Buffer.from(`frame ${n}`);

async function send(client) {
  const sender = client.createSender(TOPIC);
  for (let n = 0; n < COUNT; n++) await sender.sendMessages({ body: frame(n) });
  await sender.close();
}

async function receive(client) {
  const receiver = client.createReceiver(TOPIC, SUBSCRIPTION, { receiveMode: "receiveAndDelete" });
  const bodies = [];
  while (bodies.length < COUNT) {
    const batch = await receiver.receiveMessages(100, { maxWaitTimeInMs: 20000 });
    assert(batch.length > 0, `only ${bodies.length} came`);
    for (const message of batch) {
      assert.equal(message.contentType, "application/vnd.unstale");
      bodies.push(Buffer.from(message.body).toString());
    }
  }
  assert.deepEqual(bodies, Array.from({ length: COUNT }, (_, n) => frame(n).toString()));
  await receiver.close();
}

async function main() {
  const client = new ServiceBusClient(process.argv[2]);
  await { send, receive }[process.argv[3]](client);
  await client.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
