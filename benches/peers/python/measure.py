"""The three measurements and the check that an instance hears the other: the same for all libraries."""

import asyncio
import time

LIMIT_SECONDS = 10
CONCURRENCY = 64


async def load():
    return "loaded"


async def drops(instance, key, limit=LIMIT_SECONDS):
    """Whether `instance` drops `key` within `limit` seconds; looks once in each turn of the event loop."""
    end = time.perf_counter() + limit
    while instance.holds(key):
        if time.perf_counter() > end:
            return False
        await asyncio.sleep(0)
    return True


async def fill(instance, keys):
    """Puts `keys` into the local cache of `instance`, and lets the echoes of its own writes arrive.

    Too many echoes at once make cashews drop what it has just written; it is then read again, from Redis.
    """
    missing = keys
    for _ in range(20):
        rest = iter(missing)

        async def work():
            for key in rest:
                await instance.get_or_set(key, load)

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        if len(keys) > 1:
            await asyncio.sleep(0.2)
        missing = [key for key in keys if not instance.holds(key)]
        if not missing:
            return
    raise RuntimeError(f"{len(missing)} of {len(keys)} keys are not held after they were read")


async def hears(reader, writer):
    """Returns once an invalidation through `writer` has reached `reader`."""
    end = time.perf_counter() + LIMIT_SECONDS
    attempt = 0
    while time.perf_counter() < end:
        key = f"ready:{attempt}"
        await fill(reader, [key])
        await writer.invalidate(key)
        if await drops(reader, key, 0.1):
            return
        attempt += 1
    raise RuntimeError("no invalidation arrives")


async def hits(a, count, reads):
    keys = [f"hits:{i}" for i in range(count)]
    await fill(a, keys)
    loads = 0

    async def counted():
        nonlocal loads
        loads += 1
        return "loaded"

    full, rest = divmod(reads, count)
    start = time.perf_counter()
    for _ in range(full):
        for key in keys:
            await a.get_or_set(key, counted)
    for key in keys[:rest]:
        await a.get_or_set(key, counted)
    seconds = time.perf_counter() - start
    if loads:
        raise RuntimeError(f"{loads} of {reads} reads were no hits")
    return {"seconds": seconds}


async def latency(a, b, rounds):
    micros = []
    for i in range(rounds):
        key = f"latency:{i}"
        await fill(b, [key])
        start = time.perf_counter()
        sent = asyncio.create_task(a.invalidate(key))
        if not await drops(b, key):
            raise RuntimeError(f"{key} is still held")
        micros.append((time.perf_counter() - start) * 1e6)
        await sent
    return {"micros": micros[rounds // 10 :]}


async def throughput(a, b, count):
    keys = [f"throughput:{i}" for i in range(count)]
    await fill(b, keys)
    start = time.perf_counter()
    sent = asyncio.create_task(a.invalidate_many(keys))
    for key in keys:
        if not await drops(b, key):
            raise RuntimeError(f"{key} is still held")
    seconds = time.perf_counter() - start
    await sent
    return {"seconds": seconds}
