// One adapter process for each Node library: `node adapter.mjs NAME --a URL --b URL`, where NAME is the
// file beside this one (`bentocache`, `cacheable`, `node-redis`). It speaks JSON lines on stdin and stdout.
//
// The libraries are installed outside the source tree, and ES modules ignore NODE_PATH; so packages.mjs makes
// them resolve from the folder in UNSTALE_PEERS_NODE (default: target/peers/node of this workspace), which holds
// copies of package.json and package-lock.json and the result of `npm ci --ignore-scripts`.
//
// A peer's file exports
//   packageName, kind ('loading' or 'tracking'), notes,
//   unsupported: { tags: 'why', clear: 'why' }, each only where the library has no such thing,
//   open(url): one instance of the library, connected, with
//     read(key, load, tag), invalidate(key, value), invalidateTag(tag), clear(),
//     invalidateMany(keys): the fastest way the library offers,
//     holds(key): whether the local cache has a live entry; synchronous, and asks nobody else.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { hears, measures } from './measure.mjs';
import { installedVersion } from './packages.mjs';

const { values: urls, positionals: [name] } = parseArgs({
  allowPositionals: true,
  options: { a: { type: 'string' }, b: { type: 'string' } },
});

// A library that rejects or throws in the background must not end the trial: the driver judges by reads.
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error) => console.error(`${event}:`, error));
}

const peer = await import(`./${name}.mjs`);
const unsupported = peer.unsupported ?? {};
const instances = { a: await peer.open(urls.a), b: await peer.open(urls.b) };
// Some libraries subscribe in the background; each must be seen to hear the other.
await hears(peer.kind, instances.b, instances.a);
await hears(peer.kind, instances.a, instances.b);

const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const tickets = new Map();
let lastTicket = 0;

/** The loader of every read: the value is the driver's to give. */
function load(key) {
  const ticket = ++lastTicket;
  const value = new Promise((resolve) => tickets.set(ticket, resolve));
  send({ load: key, ticket });
  return value;
}

/** What the library lacks of what the request needs, if anything. */
function lacking({ op, tag }) {
  if (op === 'clear') return unsupported.clear;
  if (op === 'invalidate_tag' || tag !== undefined) return unsupported.tags;
}

const operations = {
  hello: () => ({
    name,
    version: installedVersion(peer.packageName),
    language: 'JavaScript',
    kind: peer.kind,
    tags: !unsupported.tags,
    clear: !unsupported.clear,
    notes: peer.notes,
  }),
  read: ({ instance, key, tag }) => instances[instance].read(key, load, tag),
  invalidate: ({ instance, key, value }) => instances[instance].invalidate(key, value),
  invalidate_tag: ({ instance, tag }) => instances[instance].invalidateTag(tag),
  clear: ({ instance }) => instances[instance].clear(),
  ...measures(peer.kind, instances),
};

async function handle(request) {
  const { id, op } = request;
  const why = lacking(request);
  if (why) return send({ id, unsupported: why });
  try {
    if (!operations[op]) throw new Error(`unknown operation ${op}`);
    const result = await operations[op](request);
    // Only reads and measurements have a result; what a library returns from an invalidation is its own affair.
    const answers = op === 'hello' || op === 'read' || op.startsWith('measure_');
    send({ id, ok: (answers ? result : null) ?? null });
  } catch (error) {
    send({ id, error: String(error?.stack ?? error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.ticket === undefined) {
    handle(message);
  } else {
    tickets.get(message.ticket)(message.value);
    tickets.delete(message.ticket);
  }
}
process.exit();
