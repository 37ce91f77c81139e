// bentocache as its page "Multi Tier" has it: L1 in memory, L2 in Redis, and the Redis bus; ioredis reconnects and
// resubscribes by default, and the bus' retry queue is on by default.
// Not `serialize: false`, the documented fast setting of the L1: with an L2, bentocache 1.6.1 then keeps a value that
// it found in Redis in a form it cannot read again (TypeError at the next read of that key). `maxItems`: the default of
// 1,000 would evict what is measured. No grace period: it is there to serve stale values.

import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';

export const packageName = 'bentocache';
export const kind = 'loading';
export const notes = [
  'L1 memory, L2 Redis, Redis bus; read is getOrSet, invalidation delete, deleteByTag, clear',
  'tags are called experimental by the documentation',
  'batch invalidation is deleteMany: one message for all keys',
];

export async function open(url) {
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port) };

  // A cache driver is an object with a factory; this one keeps the L1 store it makes, to look at it.
  const memory = memoryDriver({ maxItems: 100_000 });
  let l1;
  const watched = { ...memory, factory: (config) => (l1 = memory.factory(config)) };

  const bento = new BentoCache({
    default: 'multitier',
    ttl: '10m',
    stores: {
      multitier: bentostore()
        .useL1Layer(watched)
        .useL2Layer(redisDriver({ connection }))
        .useBus(redisBusDriver({ connection })),
    },
  });
  await bento.get({ key: 'connected' });

  return {
    read: (key, load, tag) =>
      bento.getOrSet({ key, factory: () => load(key), ...(tag === undefined ? {} : { tags: [tag] }) }),
    invalidate: (key) => bento.delete({ key }),
    invalidateTag: (tag) => bento.deleteByTag({ tags: [tag] }),
    clear: () => bento.clear(),
    invalidateMany: (keys) => bento.deleteMany({ keys }),
    holds: (key) => l1.get(key) !== undefined,
  };
}
