"""One adapter process for each Python library: `python3 adapter.py NAME --a URL --b URL`, for NAME_peer.py here.

It speaks JSON lines on stdin and stdout. The libraries are installed outside the source tree (`pip install
--target target/peers/python -r requirements.txt`), and found by PYTHONPATH=target/peers/python.

A peer's module has PACKAGE, NOTES, UNSUPPORTED (`tags` or `clear`: why, where the library has no such thing) and
`open_instance(url)`, which returns one connected instance of the library. cashews_peer.py shows its methods.
"""

import argparse
import asyncio
import importlib
import importlib.metadata
import itertools
import json
import sys
import traceback

import measure


class Adapter:
    def __init__(self, name, peer, instances):
        self.name, self.peer, self.instances = name, peer, instances
        self.tickets = {}
        self.next_ticket = itertools.count(1)

    @staticmethod
    def send(message):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    async def load(self, key):
        """The loader of every read: the value is the driver's to give."""
        ticket = next(self.next_ticket)
        self.tickets[ticket] = value = asyncio.get_running_loop().create_future()
        self.send({"load": key, "ticket": ticket})
        return await value

    def hello(self):
        return {
            "name": self.name,
            "version": importlib.metadata.version(self.peer.PACKAGE),
            "language": "Python",
            "kind": "loading",
            "tags": "tags" not in self.peer.UNSUPPORTED,
            "clear": "clear" not in self.peer.UNSUPPORTED,
            "notes": self.peer.NOTES,
        }

    def lacking(self, request):
        """What the library lacks of what the request needs, if anything."""
        if request["op"] == "clear":
            return self.peer.UNSUPPORTED.get("clear")
        if request["op"] == "invalidate_tag" or request.get("tag") is not None:
            return self.peer.UNSUPPORTED.get("tags")
        return None

    async def answer(self, request):
        op, a, b = request["op"], self.instances["a"], self.instances["b"]
        instance = self.instances.get(request.get("instance"))
        match op:
            case "hello":
                return self.hello()
            case "read":
                return await instance.read(request["key"], self.load, request.get("tag"))
            case "invalidate":
                await instance.invalidate(request["key"])
            case "invalidate_tag":
                await instance.invalidate_tag(request["tag"])
            case "clear":
                await instance.clear()
            case "measure_hits":
                return await measure.hits(a, request["keys"], request["reads"])
            case "measure_latency":
                return await measure.latency(a, b, request["rounds"])
            case "measure_throughput":
                return await measure.throughput(a, b, request["keys"])
            case _:
                raise ValueError(f"unknown operation {op}")
        return None

    async def handle(self, request):
        why = self.lacking(request)
        if why:
            return self.send({"id": request["id"], "unsupported": why})
        try:
            self.send({"id": request["id"], "ok": await self.answer(request)})
        except Exception:
            self.send({"id": request["id"], "error": traceback.format_exc()})

    async def serve(self):
        reader = asyncio.StreamReader(limit=2**24)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        tasks = set()  # the event loop keeps only weak references
        while line := await reader.readline():
            message = json.loads(line)
            if "ticket" in message:
                self.tickets.pop(message["ticket"]).set_result(message["value"])
            else:
                task = asyncio.create_task(self.handle(message))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("name")
    arguments.add_argument("--a", required=True)
    arguments.add_argument("--b", required=True)
    options = arguments.parse_args()
    peer = importlib.import_module(f"{options.name}_peer")
    a, b = await peer.open_instance(options.a), await peer.open_instance(options.b)
    await measure.hears(b, a)
    await measure.hears(a, b)
    await Adapter(options.name, peer, {"a": a, "b": b}).serve()


asyncio.run(main())
