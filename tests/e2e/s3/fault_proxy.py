"""An HTTP proxy between fmserve and an S3 server that goes wrong when a test tells it to, and counts what passes."""

import asyncio
import dataclasses
import threading
import typing

PIECE_BYTES = 64 << 10
MAX_HEAD_BYTES = 64 << 10


@dataclasses.dataclass
class Request:
    method: str
    path: str  # with its query, still encoded
    headers: dict  # names in lower case

    def is_get_of(self, suffix):
        return self.method == "GET" and self.path.split("?")[0].endswith(suffix)


@dataclasses.dataclass
class Fault:
    """What happens to requests for which `when` holds, `times` of them (None: until the fault is taken away)."""

    when: typing.Callable[[Request], bool] = lambda request: True
    times: typing.Optional[int] = None
    before: typing.Optional[typing.Callable[[Request], None]] = None  # is called first, on a thread of its own
    status: typing.Optional[int] = None  # answers this and asks nobody
    code: str = "InternalError"
    headers: dict = dataclasses.field(default_factory=dict)
    body_bytes: typing.Optional[int] = None  # of the answer's body as many pass, then:
    stall: bool = False  # nothing more, until the fault is taken away; else the connection ends
    bytes_per_s: typing.Optional[int] = None

    met = 0  # how many requests it has met


@dataclasses.dataclass
class Seen:
    method: str
    path: str
    status: int
    body_bytes: int = 0  # of the answer, as many as passed
    head_bytes: int = 0  # of request and answer


class FaultProxy:
    """Listens on loopback in a thread of its own. `fault` may be set at any time."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.fault = None
        self.seen = []
        self.loop = asyncio.new_event_loop()
        self.server = None
        self.port = 0
        self.connections = set()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.listen()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def listen(self):
        """Also again, on the same port, after refuse()."""

        async def begin():
            self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=MAX_HEAD_BYTES)
            self.port = self.server.sockets[0].getsockname()[1]

        self.call(begin())

    def refuse(self):
        """Nobody listens any more, and open connections end."""

        async def end():
            self.server.close()
            for writer in list(self.connections):
                writer.transport.abort()

        self.call(end())

    def close(self):
        async def end():
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.fault = None
        self.refuse()
        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def count(self, method, suffix=""):
        return sum(1 for seen in list(self.seen) if seen.method == method and seen.path.split("?")[0].endswith(suffix))

    def body_bytes(self, suffix):
        return sum(seen.body_bytes for seen in list(self.seen) if seen.path.split("?")[0].endswith(suffix))

    def fault_of(self, request):
        fault = self.fault
        if fault is None or not fault.when(request) or (fault.times is not None and fault.met >= fault.times):
            return Fault()
        fault.met += 1
        return fault

    async def serve(self, reader, writer):
        self.connections.add(writer)
        upstream = None
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port, limit=MAX_HEAD_BYTES)
            while await self.serve_one(reader, writer, *upstream):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()
            if upstream is not None:
                upstream[1].close()

    async def serve_one(self, reader, writer, up_reader, up_writer):
        first, headers, head = await read_head(reader)
        method, path, _ = first.split(" ", 2)
        request = Request(method, path, headers)
        fault = self.fault_of(request)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = b"".join(line + b"\r\n" for line in head.split(b"\r\n")[:-2]
                            if not line.lower().startswith(b"expect:")) + b"\r\n"
        if fault.before is not None:
            await asyncio.get_running_loop().run_in_executor(None, fault.before, request)
        if fault.status is not None:
            await read_body(reader, headers)
            self.seen.append(Seen(method, path, fault.status))
            writer.write(error_answer(method, fault))
            await writer.drain()
            return True
        up_writer.write(head)
        async for piece in pieces(reader, body_length(headers)):
            up_writer.write(piece)
            await up_writer.drain()
        return await self.answer(request, fault, writer, up_reader, len(head))

    async def answer(self, request, fault, writer, up_reader, request_bytes):
        first, headers, head = await read_head(up_reader)
        status = int(first.split(" ")[1])
        seen = Seen(request.method, request.path, status, head_bytes=request_bytes + len(head))
        self.seen.append(seen)
        writer.write(head)
        empty = request.method == "HEAD" or status in (204, 304)
        if headers.get("transfer-encoding", "").lower() == "chunked" and not empty:
            await pass_chunks(up_reader, writer)
            return True
        async for piece in pieces(up_reader, 0 if empty else body_length(headers)):
            if fault.body_bytes is not None and seen.body_bytes + len(piece) > fault.body_bytes:
                writer.write(piece[:fault.body_bytes - seen.body_bytes])
                seen.body_bytes = fault.body_bytes
                await writer.drain()
                while fault.stall and self.fault is fault:
                    await asyncio.sleep(0.05)
                return False
            writer.write(piece)
            await writer.drain()
            seen.body_bytes += len(piece)
            while fault.bytes_per_s is not None and self.fault is fault:
                await asyncio.sleep(len(piece) / fault.bytes_per_s)
                break
        await writer.drain()
        return headers.get("connection", "").lower() != "close"


async def read_head(reader):
    """The first line, the headers by lower-case names, and all of it as it came."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:-2]:
        name, value = line.split(":", 1)
        headers[name.strip().lower()] = value.strip()
    return lines[0], headers, head


def body_length(headers):
    return int(headers.get("content-length", "0"))


async def pieces(reader, length):
    while length > 0:
        piece = await reader.read(min(length, PIECE_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", length)
        length -= len(piece)
        yield piece


async def read_body(reader, headers):
    async for _ in pieces(reader, body_length(headers)):
        pass


async def pass_chunks(reader, writer):
    size = -1
    while size != 0:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        writer.write(line + await reader.readexactly(size + 2))
        await writer.drain()


def error_answer(method, fault):
    body = f"<Error><Code>{fault.code}</Code><Message>as the test wants it</Message></Error>".encode()
    lines = [f"HTTP/1.1 {fault.status} Fault", f"Content-Length: {len(body)}", "Content-Type: application/xml",
             *(f"{name}: {value}" for name, value in fault.headers.items()), "", ""]
    return "\r\n".join(lines).encode() + (b"" if method == "HEAD" else body)
