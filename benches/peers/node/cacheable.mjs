// cacheable as its README has it: L1 in memory, @keyv/redis (and its reconnection) as secondary, and CacheableSync over
// @qified/redis. Its "non-blocking" setting is left out: it switches reconnection off.
// Tags cost a look into Redis at every read, so they are a second cache, on its own namespace; off is the default.

import KeyvRedis from '@keyv/redis';
import { RedisMessageProvider } from '@qified/redis';
import { Cacheable } from 'cacheable';
import { concurrently } from './measure.mjs';

export const packageName = 'cacheable';
export const kind = 'loading';
export const notes = [
  'primary in memory, secondary @keyv/redis, CacheableSync over @qified/redis; read is getOrSet, invalidation delete',
  'getOrSet takes no tags: a tagged read is get, load, set with tags; its freshness is asked of Redis at every read',
  'a value that was loaded is sent to all other instances (cache:set)',
  'batch invalidation is delete, 64 at a time: deleteMany awaits one message after the other',
];
export const unsupported = { clear: 'clear() is not synchronized: other instances keep their primary store' };

// The driver does not repeat the tag when it reads or invalidates a key; the cache that has it is looked up here.
const taggedKeys = new Set();

const log = (error) => console.error('cacheable:', error?.message ?? error);

function openCache(url, provider, options) {
  const cache = new Cacheable({
    secondary: new KeyvRedis(url),
    sync: { qified: provider },
    ttl: '10m',
    ...options,
  });
  cache.on('error', log);
  cache.sync.qified.on('error', log);
  return cache;
}

export async function open(url) {
  const provider = new RedisMessageProvider({ uri: url });
  // The provider listens to no errors, and a client without a listener would end the process.
  provider.pub.on('error', log);
  provider.sub.on('error', log);
  const plain = openCache(url, provider, {});
  const tagged = openCache(url, provider, { namespace: 'tagged', tags: true });
  await Promise.all([provider.connect(), plain.get('connected'), tagged.get('connected')]);

  const memory = plain.primary.store.store;

  async function readTagged(key, load, tag) {
    taggedKeys.add(key);
    const cached = await tagged.get(key);
    if (cached !== undefined) return cached;
    const value = await load(key);
    await tagged.set(key, value, { tags: [tag] });
    return value;
  }

  return {
    read: (key, load, tag) =>
      tag === undefined ? plain.getOrSet(key, () => load(key)) : readTagged(key, load, tag),
    invalidate: (key) => (taggedKeys.has(key) ? tagged : plain).delete(key),
    invalidateTag: (tag) => tagged.tags.invalidateTag(tag),
    // deleteMany() awaits one message after the other, and takes twice as long.
    invalidateMany: (keys) => concurrently(keys, (key) => plain.delete(key)),
    holds: (key) => memory.has(key),
  };
}
