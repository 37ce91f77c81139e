// The three measurements and the check that an instance hears the other: the same for all libraries.

const LIMIT_MS = 10_000;
const CONCURRENCY = 64;

const loopTurn = () => new Promise((resolve) => setImmediate(resolve));
const names = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}:${i}`);

/** Runs `task` for all `keys`, at most 64 at a time: the fastest way of some libraries. */
export async function concurrently(keys, task) {
  const rest = keys.values();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (const key of rest) await task(key);
    }),
  );
}

/** Whether `instance` drops `key` within `limit` milliseconds; looks once in each turn of the event loop. */
async function drops(instance, key, limit = LIMIT_MS) {
  const end = performance.now() + limit;
  while (instance.holds(key)) {
    if (performance.now() > end) return false;
    await loopTurn();
  }
  return true;
}

/** Puts `keys` into the local cache of `instance`. A tracking client reads rows, which `other` writes first. */
async function fill(kind, instance, other, keys) {
  if (kind === 'tracking') await other.invalidateMany(keys);
  await concurrently(keys, (key) => instance.read(key, () => `value of ${key}`));
  const missing = keys.filter((key) => !instance.holds(key)).length;
  if (missing > 0) throw new Error(`${missing} of ${keys.length} keys are not held after they were read`);
}

/** Returns once an invalidation through `writer` has reached `reader`. */
export async function hears(kind, reader, writer) {
  const end = performance.now() + LIMIT_MS;
  for (let attempt = 0; performance.now() < end; attempt++) {
    const key = `ready:${attempt}`;
    await fill(kind, reader, writer, [key]);
    await writer.invalidate(key, 'invalidated');
    if (await drops(reader, key, 100)) return;
  }
  throw new Error('no invalidation arrives');
}

async function measureHits(kind, { a, b }, { keys: count, reads }) {
  const keys = names('hits', count);
  await fill(kind, a, b, keys);
  let loads = 0;
  const load = () => `load ${++loads}`;
  const start = performance.now();
  for (let i = 0, k = 0; i < reads; i++) {
    await a.read(keys[k], load);
    if (++k === count) k = 0;
  }
  const seconds = (performance.now() - start) / 1000;
  if (loads > 0) throw new Error(`${loads} of ${reads} reads were no hits`);
  return { seconds };
}

async function measureLatency(kind, { a, b }, { rounds }) {
  // A cache in use is never empty; to delete the last entry is a special case (lru-cache then wipes all its slots).
  const residents = names('resident', 2);
  await fill(kind, b, a, residents);
  await fill(kind, a, b, residents);
  const micros = [];
  for (const key of names('latency', rounds)) {
    await fill(kind, b, a, [key]);
    const start = performance.now();
    const sent = a.invalidate(key, 'invalidated');
    if (!(await drops(b, key))) throw new Error(`${key} is still held`);
    micros.push((performance.now() - start) * 1000);
    await sent;
  }
  return { micros: micros.slice(Math.floor(rounds / 10)) };
}

async function measureThroughput(kind, { a, b }, { keys: count }) {
  const keys = names('throughput', count);
  await fill(kind, b, a, keys);
  const start = performance.now();
  const sent = a.invalidateMany(keys);
  for (const key of keys) {
    if (!(await drops(b, key))) throw new Error(`${key} is still held`);
  }
  const seconds = (performance.now() - start) / 1000;
  await sent;
  return { seconds };
}

export const measures = (kind, instances) => ({
  measure_hits: (request) => measureHits(kind, instances, request),
  measure_latency: (request) => measureLatency(kind, instances, request),
  measure_throughput: (request) => measureThroughput(kind, instances, request),
});
