"""cashews in client-side mode, `cache.setup("redis://...", client_side=True)`: Redis (and with it the tags) is shared,
and a copy in memory is dropped by Redis' broadcast of invalidations. cashews reconnects by itself: it looks past the
copy for 10 s, then listens again. The copy holds 10,000 keys by default, which is less than may be measured."""

import logging

from cashews import Cache
from cashews.backends.memory import Memory

PACKAGE = "cashews"
NOTES = [
    "client_side=True; loading: values come from the decorated function and are stored in Redis as well",
    "read is the decorator, @cache(ttl, key, tags); hits are measured with get_or_set, which is ten times faster",
    "invalidation is delete, delete_tags, clear (FLUSHDB); batch invalidation delete_many: one UNLINK",
]
UNSUPPORTED = {}
TTL_SECONDS = 600

logging.getLogger("cashews").setLevel(logging.CRITICAL)  # broken connections are part of the trials


async def open_instance(url):
    memory = Memory(size=1_000_000)
    cache = Cache()
    cache.setup(url, client_side=True, local_cache=memory)
    await cache.init()
    return Instance(cache, memory)


class Instance:
    # The key of an entry in the cache has its tag, as cashews derives the tags of a key from its template;
    # the driver does not repeat the tag, so it is kept here, for both instances.
    tags = {}

    def __init__(self, cache, memory):
        self.cache, self.memory = cache, memory

        @cache(ttl=TTL_SECONDS, key="{key}")
        async def plain(key, load):
            return await load(key)

        @cache(ttl=TTL_SECONDS, key="{tag}/{key}", tags=["{tag}"])
        async def tagged(key, tag, load):
            return await load(key)

        self.plain, self.tagged = plain, tagged

    async def read(self, key, load, tag=None):
        tag = self.tags.setdefault(key, tag)
        return await (self.plain(key, load) if tag is None else self.tagged(key, tag, load))

    def get_or_set(self, key, load):
        return self.cache.get_or_set(key, load, expire=TTL_SECONDS)

    async def invalidate(self, key):
        tag = self.tags.get(key)
        await self.cache.delete(key if tag is None else f"{tag}/{key}")

    async def invalidate_tag(self, tag):
        await self.cache.delete_tags(tag)

    async def invalidate_many(self, keys):
        await self.cache.delete_many(*keys)

    async def clear(self):
        await self.cache.clear()

    def holds(self, key):
        """Whether the copy in memory has a value; it also remembers what Redis does not have, in another type."""
        return isinstance(self.memory.store.get(key, (None, None))[1], str)
