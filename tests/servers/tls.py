"""Certificates, a server that has one which nobody vouches for, and TLS before a server that has none."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trustme


def authority() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    ca = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    ca.issue_cert("localhost").configure_cert(server)
    ca.configure_trust(client)
    return server, client


@asynccontextmanager
async def untrusted() -> AsyncIterator[str]:
    """The base URL of a server whose certificate nobody vouches for."""
    context, _ = authority()
    async with await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


@contextmanager
def tls_before(port: int, name: str, ca_file: Path) -> Iterator[int]:
    """A port on which TLS, with a certificate for `name`, leads to `port`. The authority is in `ca_file`."""
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name).configure_cert(context)
    ca.cert_pem.write_to_path(ca_file)
    with asyncio.Runner() as runner:
        forwarder = _Forwarder(port)
        server = runner.run(forwarder.listen(context))
        thread = threading.Thread(target=runner.get_loop().run_forever, daemon=True)
        thread.start()
        yield server.sockets[0].getsockname()[1]
        runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
        thread.join(5)
        server.close()
        runner.run(forwarder.end())


class _Forwarder:
    """Passes bytes on, both ways, until it ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(self, context: ssl.SSLContext) -> asyncio.Server:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # clients refuse the certificate
        return await asyncio.start_server(self._forward, "127.0.0.1", 0, ssl=context)

    async def end(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # for the transports to close their sockets

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += writer, to_server
        await asyncio.gather(_pump(reader, to_server), _pump(from_server, writer), return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
