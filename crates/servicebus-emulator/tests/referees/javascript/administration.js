// Creates, reads, lists, changes and deletes entities by Microsoft's client. Arguments: a connection string.

const assert = require("node:assert");
const { ServiceBusAdministrationClient } = require("@azure/service-bus");

function connect(connectionString) {
  const client = new ServiceBusAdministrationClient(connectionString, { retryOptions: { maxRetries: 0 } });
  // It insists on TLS otherwise.
  client.pipeline.addPolicy({
    name: "plain",
    sendRequest(request, next) {
      request.url = request.url.replace("https://", "http://");
      request.allowInsecureConnection = true;
      return next(request);
    },
  });
  return client;
}

async function all(pages) {
  const found = [];
  for await (const each of pages) found.push(each);
  return found;
}

const fails = (promise, status) => assert.rejects(promise, (error) => error.statusCode === status);

async function topics(client) {
  const created = await client.createTopic("new", { defaultMessageTimeToLive: "P1D", maxSizeInMegabytes: 2048 });
  assert.strictEqual(created.name, "new");
  await fails(client.createTopic("New"), 409);
  const found = await client.getTopic("new");
  assert.strictEqual(found.defaultMessageTimeToLive, "P1D");
  assert.strictEqual(found.maxSizeInMegabytes, 2048);
  found.defaultMessageTimeToLive = "P2D";
  await client.updateTopic(found);
  assert.strictEqual((await client.getTopic("new")).defaultMessageTimeToLive, "P2D");
  assert.deepStrictEqual((await all(client.listTopics())).map((topic) => topic.name), ["new", "t"]);
  assert.strictEqual((await client.getTopicRuntimeProperties("t")).subscriptionCount, 1);
  await client.deleteTopic("new");
  assert.strictEqual(await client.topicExists("new"), false);
  assert.strictEqual((await client.getNamespaceProperties()).messagingSku, "Standard");
}

async function subscriptions(client) {
  const options = {
    lockDuration: "PT30S",
    defaultMessageTimeToLive: "PT2M",
    autoDeleteOnIdle: "PT5M",
    maxDeliveryCount: 3,
    deadLetteringOnMessageExpiration: true,
    userMetadata: "<a & b>",
  };
  await client.createSubscription("t", "made", options);
  await fails(client.createSubscription("t", "made"), 409);
  const found = await client.getSubscription("t", "made");
  for (const [name, value] of Object.entries(options)) assert.strictEqual(found[name], value, name);
  found.lockDuration = "PT1M";
  await client.updateSubscription(found);
  assert.strictEqual((await client.getSubscription("t", "made")).lockDuration, "PT1M");
  const names = (await all(client.listSubscriptions("t"))).map((each) => each.subscriptionName);
  assert.deepStrictEqual(names, ["made", "s"]);
  const runtime = await client.getSubscriptionRuntimeProperties("t", "s");
  assert.strictEqual(runtime.activeMessageCount, 0);
  await fails(client.createSubscription("t", "x", { autoDeleteOnIdle: "PT4M" }), 400);
  await client.deleteSubscription("t", "made");
  assert.strictEqual(await client.subscriptionExists("t", "made"), false);
  await fails(client.createSubscription("none", "s"), 404);
}

async function rules(client) {
  await client.createSubscription("t", "ruled", {
    defaultRuleOptions: { name: "first", filter: { sqlExpression: "kind = 'a' AND sys.Label IS NOT NULL" } },
  });
  const first = await client.getRule("t", "ruled", "first");
  assert.strictEqual(first.filter.sqlExpression, "kind = 'a' AND sys.Label IS NOT NULL");
  const alike = { subject: "a < b", applicationProperties: { text: "x", number: 3, on: true } };
  await client.createRule("t", "ruled", "alike", alike);
  const found = await client.getRule("t", "ruled", "alike");
  assert.strictEqual(found.filter.subject, "a < b");
  assert.deepStrictEqual(found.filter.applicationProperties, alike.applicationProperties);
  const names = (await all(client.listRules("t", "ruled"))).map((rule) => rule.name);
  assert.deepStrictEqual(names, ["alike", "first"]);
  first.filter = { sqlExpression: "1=1" };
  await client.updateRule("t", "ruled", first);
  assert.strictEqual((await client.getRule("t", "ruled", "first")).filter.sqlExpression, "1=1");
  await client.deleteRule("t", "ruled", "first");
  assert.strictEqual(await client.ruleExists("t", "ruled", "first"), false);
  await fails(client.createRule("t", "ruled", "bad", { sqlExpression: "newid() = 1" }), 400);
}

async function main() {
  const connectionString = process.argv[2];
  const client = connect(connectionString);
  await topics(client);
  await subscriptions(client);
  await rules(client);
  const wrong = connect(connectionString.replace("SharedAccessKey=", "SharedAccessKey=x"));
  await fails(wrong.getTopic("t"), 401);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
