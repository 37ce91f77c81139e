// node-redis with the client-side cache of its documentation ("Controllable Cache", so that it can be looked at),
// RESP3 and the default reconnection. Rows live in Redis: a read is GET, and the write is what invalidates.
// `ttl` is 600 s in the local cache; rows have none.

import { BasicClientSideCache, createClient } from 'redis';

export const packageName = 'redis';
export const kind = 'tracking';
export const notes = [
  'BasicClientSideCache on one client, CLIENT TRACKING in plain mode',
  'clear is FLUSHDB: the server then invalidates everything at once',
  'batch invalidation is one MSET',
];
export const unsupported = { tags: 'a client-side cache has no tags' };

export async function open(url) {
  const cache = new BasicClientSideCache({ ttl: 600_000, maxEntries: 0, evictPolicy: 'LRU' });
  const client = createClient({ url, RESP: 3, clientSideCache: cache });
  client.on('error', (error) => console.error('node-redis:', error.message));
  await client.connect();

  return {
    read: (key) => client.get(key),
    invalidate: (key, value) => client.set(key, value),
    clear: () => client.flushDb(),
    invalidateMany: (keys) => client.mSet(keys.map((key) => [key, `written for ${key}`])),
    // The cache is kept by command: the lengths of its words, then the words.
    holds: (key) => cache.has(`3_${key.length}_GET_${key}`),
  };
}
