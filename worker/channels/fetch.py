"""Attachments given by URL: fetched from public addresses only, and never more than allowed.

The address is checked on the very socket that is about to be connected, at every redirect anew, so a name
that resolves to something else between check and use gains nothing. Proxies of the environment are not used.
What fails is an AttachmentError that names the host, never the rest of the URL, which may hold a secret.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from messages.errors import AttachmentError
from messages.outgoing import Attachment
from worker.channels.addresses import is_public
from worker.channels.fetch_errors import NotPublicError, unreachable, unwelcome
from worker.channels.filenames import file_name, file_type
from worker.channels.mime import File

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 64 * 1024
_SCHEMES = ("http", "https")


class AttachmentFetcher:
    """Fetches attachments. Use it on one event loop; its connections are made when first needed.

    `allowed_hosts`: names (`host` or `host:port`) that may have private addresses. `max_bytes`: of all the
    attachments of one message together. `timeout`: seconds, likewise for all of them.
    `load`: gives the content of a kept attachment by its id; blocking.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Iterable[str] = (),
        max_bytes: int = 20_000_000,
        max_files: int = 10,
        timeout: float = 20,
        user_agent: str = "Roundsman",
        load: Callable[[str], bytes | None] = lambda _: None,
    ) -> None:
        self._load = load
        self._allowed = frozenset(host.lower().replace("[", "").replace("]", "") for host in allowed_hosts)
        self._max_bytes, self._max_files, self._timeout = max_bytes, max_files, timeout
        self._user_agent = user_agent
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def fetch_all(self, attachments: Sequence[Attachment]) -> list[File]:
        """Have all of them, in their order. Raises AttachmentError."""
        if len(attachments) > self._max_files:
            raise AttachmentError(
                f"There are {len(attachments)} attachments; at most {self._max_files} are allowed "
                "(ATTACHMENT_MAX_FILES)"
            )
        files: list[File] = []
        try:
            async with asyncio.timeout(self._timeout):
                for attachment in attachments:
                    taken = sum(len(file.content) for file in files)
                    files.append(await self.fetch(attachment, self._max_bytes - taken))
        except TimeoutError:
            raise AttachmentError(
                f"The attachments could not be fetched within {self._timeout:g} seconds", temporary=True
            ) from None
        return files

    async def fetch(self, attachment: Attachment, budget: int) -> File:
        """Have one, of at most `budget` bytes. Raises AttachmentError."""
        if attachment.url is None:
            return await self._kept(attachment, budget)
        host = "its host"
        try:
            url = _checked(attachment.url)
            host = url.host or host
            async with asyncio.timeout(self._timeout):
                return await self._follow(attachment, url, budget)
        except TimeoutError:
            reason = f"The attachment at {host} could not be fetched within {self._timeout:g} seconds"
            raise AttachmentError(reason, temporary=True) from None

    async def _kept(self, attachment: Attachment, budget: int) -> File:
        """Content that was given with the Message; loaded only now, for it may be large."""
        content = attachment.content
        if content is None:
            content = await asyncio.to_thread(self._load, attachment.id)
        if content is None:
            raise AttachmentError("An attachment has neither content nor a URL")
        if len(content) > budget:
            raise self._too_large(len(content), budget)
        return _file(attachment, content)

    async def close(self) -> None:
        """Close what is open. A later fetch opens it again."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def _follow(self, attachment: Attachment, url: URL, budget: int) -> File:
        for _ in range(MAX_REDIRECTS + 1):
            found = await self._get(attachment, url, budget)
            if isinstance(found, File):
                return found
            url = found
        raise AttachmentError(f"The attachment at {url.host} was redirected more than {MAX_REDIRECTS} times")

    async def _get(self, attachment: Attachment, url: URL, budget: int) -> File | URL:
        """One request: the file, or where to look for it instead."""
        try:
            async with self._session(url).get(url, allow_redirects=False) as answer:
                if answer.status in _REDIRECTS and "Location" in answer.headers:
                    return _checked(answer.headers["Location"], url)
                if answer.status != HTTPStatus.OK:
                    raise unwelcome(answer.status, url)
                content = await self._read(answer, budget)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(error, url) from None
        return _file(attachment, content, url, answer.headers)

    async def _read(self, answer: aiohttp.ClientResponse, budget: int) -> bytes:
        if answer.content_length is not None and answer.content_length > budget:
            raise self._too_large(answer.content_length, budget)
        content = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):  # decompressed, where it was compressed
            content += chunk
            if len(content) > budget:
                raise self._too_large(len(content), budget, at_least=True)
        return bytes(content)

    def _session(self, url: URL) -> aiohttp.ClientSession:
        """Choose the session for a host: the one that checks addresses, unless the host is allowed any."""
        names = {url.host or "", url.raw_host or ""}
        allowed = any(name in self._allowed or f"{name}:{url.port}" in self._allowed for name in names)
        if allowed not in self._sessions:
            self._sessions[allowed] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=None if allowed else public_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trust_env=False,
            )
        return self._sessions[allowed]

    def _too_large(self, size: int, budget: int, *, at_least: bool = False) -> AttachmentError:
        total = self._max_bytes - budget + size
        return AttachmentError(
            f"The attachments come to {'at least ' if at_least else ''}{total:,} bytes; "
            f"at most {self._max_bytes:,} are allowed (ATTACHMENT_MAX_BYTES)"
        )


def public_socket(address_info: tuple[Any, ...]) -> socket.socket:
    """Make the socket that is connected next. Raises NotPublicError."""
    family, kind, protocol, _, address = address_info
    if not is_public(address[0]):
        raise NotPublicError
    return socket.socket(family=family, type=kind, proto=protocol)


def _checked(text: str, base: URL | None = None) -> URL:
    try:
        url = base.join(URL(text)) if base else URL(text)
        scheme, host, _ = url.scheme, url.host, url.port
    except ValueError:
        scheme, host = "", None
    if scheme not in _SCHEMES or not host:
        raise AttachmentError("An attachment's URL is not one that begins with http:// or https://")
    return url


def _file(
    attachment: Attachment, content: bytes, url: URL | None = None, headers: Mapping[str, str] | None = None
) -> File:
    headers = headers or {}
    name = file_name(attachment.filename, headers.get("Content-Disposition"), url.path if url else None)
    return File(name, file_type(attachment.mime_type, headers.get("Content-Type"), name), content)
