"""Attachments given by URL: fetched from public addresses only, and never more than allowed.

The address is checked on the very socket that is about to be connected, at every redirect anew, so a name
that resolves to something else between check and use gains nothing. Proxies of the environment are not used.
What fails is an AttachmentError that names the host, never the rest of the URL, which may hold a secret.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from messages.clock import Clock, system_clock
from messages.errors import AttachmentError
from messages.filenames import file_name, file_type
from messages.mime_types import name_in
from messages.outgoing import Attachment, Permit
from worker.channels.addresses import AddressRules
from worker.channels.content_encoding import decoded, is_packed
from worker.channels.fetch_errors import MAX_HEAD_BYTES, NotPublicError, unreachable, unwelcome
from worker.channels.fetch_slots import FetchSlots, TimeLeft
from worker.channels.mime import File
from worker.channels.resolver import OwnThreadsResolver

MAX_REDIRECTS = 5

#: E-mails whose attachments are fetched, or wait for that or for the mail server, at a time; and bytes of
#: fetched attachments that are held meanwhile. What comes beyond is postponed.
MOST_EMAILS = 2000
MOST_BYTES = 200_000_000

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FILES = frozenset({HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION})
_CHUNK = 64 * 1024
_SCHEMES = ("http", "https")


class AttachmentFetcher:
    """Fetches attachments. Use it on one event loop; its connections are made when first needed.

    `allowed_hosts`: names (`host` or `host:port`) that may have any address. `denied`: networks (CIDR) that
    no other host may be in. `max_bytes`: of all the attachments of one Message together. `timeout`: seconds,
    likewise. `load`: reads the content of a stored attachment by its id; blocking.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Iterable[str] = (),
        denied: Iterable[str] = (),
        max_bytes: int = 18_000_000,
        max_files: int = 10,
        timeout: float = 20,
        user_agent: str = "Roundsman",
        load: Callable[[str], bytes | None] = lambda _: None,
        clock: Clock = system_clock,
    ) -> None:
        self._load = load
        self._allowed = frozenset(host.lower().replace("[", "").replace("]", "") for host in allowed_hosts)
        self._rules = AddressRules(denied)
        self._max_bytes, self._max_files, self._timeout = max_bytes, max_files, timeout
        self._user_agent = user_agent
        self._clock, self._slots = clock, FetchSlots(clock)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._resolver: OwnThreadsResolver | None = None
        self._emails = self._bytes = 0

    @asynccontextmanager
    async def fetched(
        self, attachments: Sequence[Attachment], permit: Permit
    ) -> AsyncIterator[tuple[Attachment, ...]]:
        """Fetch those given by URL; for the block, they have their content, name and type.

        Raises AttachmentError, and FetchPostponed if a host is paused or too much waits already.
        """
        if self._emails >= MOST_EMAILS or self._bytes >= MOST_BYTES:
            raise self._slots.busy("a URL")
        self._emails += 1
        held = 0
        try:
            files = []
            time_left = TimeLeft(self._timeout, permit, self._clock)
            for attachment in self._counted(attachments):
                if attachment.url is not None:
                    file = await self._fetch(attachment, self._max_bytes - held, time_left, bulk=permit.bulk)
                    held += len(file.content)
                    self._bytes += len(file.content)
                    attachment = replace(  # noqa: PLW2901
                        attachment, url=None, filename=file.filename, mime_type=file.mime_type,
                        content=file.content,
                    )  # fmt: skip
                files.append(attachment)
            yield tuple(files)
        finally:
            self._emails -= 1
            self._bytes -= held

    async def fetch_all(self, attachments: Sequence[Attachment]) -> list[File]:
        """Return all of them, in their order. Raises AttachmentError, FetchPostponed."""
        time_left = TimeLeft(self._timeout, None, self._clock)
        files: list[File] = []
        for attachment in self._counted(attachments):
            budget = self._max_bytes - sum(len(file.content) for file in files)
            if attachment.url is None:
                files.append(await self._kept(attachment, budget))
            else:
                files.append(await self._fetch(attachment, budget, time_left))
        return files

    async def fetch(self, attachment: Attachment, budget: int) -> File:
        """Return one, of at most `budget` bytes. Raises AttachmentError, FetchPostponed."""
        if attachment.url is None:
            return await self._kept(attachment, budget)
        return await self._fetch(attachment, budget, TimeLeft(self._timeout, None, self._clock))

    async def close(self) -> None:
        """Close what is open. A later fetch opens it again."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _counted(self, attachments: Sequence[Attachment]) -> Sequence[Attachment]:
        if len(attachments) > self._max_files:
            raise AttachmentError(
                f"There are {len(attachments)} attachments; at most {self._max_files} are allowed "
                "(ATTACHMENT_MAX_FILES)"
            )
        return attachments

    async def _kept(self, attachment: Attachment, budget: int) -> File:
        """Content that was given with the Message; loaded only now, for it may be large."""
        content = attachment.content
        if content is None:
            content = await asyncio.to_thread(self._load, attachment.id)
        if content is None:
            raise AttachmentError("An attachment has neither content nor a URL")
        if len(content) > budget:
            raise self._too_large(len(content), budget)
        name = file_name(attachment.filename, mime_type=attachment.mime_type)
        return File(name, file_type(attachment.mime_type, name=name), content)

    async def _fetch(
        self, attachment: Attachment, budget: int, time_left: TimeLeft, *, bulk: bool = False
    ) -> File:
        url = _checked(attachment.url or "")
        for _ in range(MAX_REDIRECTS + 1):
            host = f"{url.host}:{url.port}"
            async with self._slots.slot(host, bulk=bulk, within=time_left.to_wait):
                found = await self._get(attachment, url, budget, time_left)
            if isinstance(found, File):
                return found
            url = found
        raise AttachmentError(f"The attachment at {url.host} was redirected more than {MAX_REDIRECTS} times")

    async def _get(self, attachment: Attachment, url: URL, budget: int, time_left: TimeLeft) -> File | URL:
        """One request: the file, or where to look for it instead."""
        try:
            async with time_left.running(), self._session(url).get(url, allow_redirects=False) as answer:
                if answer.status in _REDIRECTS and "Location" in answer.headers:
                    return _checked(answer.headers["Location"], url)
                if answer.status not in _FILES:
                    raise unwelcome(answer.status, url)
                content = await self._read(answer, url, budget)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise unreachable(error, url) from None
            reason = (
                f"The attachment at {url.host} could not be fetched within {time_left.allowed:.3g} seconds"
            )
            raise AttachmentError(reason, temporary=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(error, url) from None
        return _file(attachment, content, url, answer.headers)

    async def _read(self, answer: aiohttp.ClientResponse, url: URL, budget: int) -> bytes:
        if answer.content_length is not None and answer.content_length > budget:
            raise self._too_large(answer.content_length, budget)
        encoding = answer.headers.get("Content-Encoding", "")
        if is_packed(_named(url, answer.headers), answer.headers.get("Content-Type", "")):
            encoding = ""  # the file itself is a gzip file: its name and type say so
        content = bytearray()
        chunks = answer.content.iter_chunked(_CHUNK)
        async for chunk in decoded(chunks, encoding, budget + 1, f"{url.host}"):
            content += chunk
            if len(content) > budget:
                raise self._too_large(len(content), budget, at_least=True)
        return bytes(content)

    def _session(self, url: URL) -> aiohttp.ClientSession:
        """Choose the session for a host: the one that checks addresses, unless the host is allowed any."""
        names = {url.host or "", url.raw_host or ""}
        allowed = any(name in self._allowed or f"{name}:{url.port}" in self._allowed for name in names)
        if allowed not in self._sessions:
            self._resolver = self._resolver or OwnThreadsResolver()
            factory = None if allowed else partial(public_socket, rules=self._rules)
            self._sessions[allowed] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=self._resolver,
                    socket_factory=factory,
                    limit=0,  # `FetchSlots` has limits
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trust_env=False,
                auto_decompress=False,
                max_line_size=MAX_HEAD_BYTES,
                max_field_size=MAX_HEAD_BYTES,
            )
        return self._sessions[allowed]

    def _too_large(self, size: int, budget: int, *, at_least: bool = False) -> AttachmentError:
        total = self._max_bytes - budget + size
        return AttachmentError(
            f"The attachments come to {'at least ' if at_least else ''}{total:,} bytes; "
            f"at most {self._max_bytes:,} are allowed (ATTACHMENT_MAX_BYTES)"
        )


_ANY_PUBLIC = AddressRules(())


def public_socket(address_info: tuple[Any, ...], rules: AddressRules = _ANY_PUBLIC) -> socket.socket:
    """Make the socket that is connected next. Raises NotPublicError."""
    family, kind, protocol, _, address = address_info
    if not rules.allow(address[0]):
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


def _named(url: URL, headers: Mapping[str, str]) -> str:
    return file_name(None, headers.get("Content-Disposition"), url.path)


def _file(attachment: Attachment, content: bytes, url: URL, headers: Mapping[str, str]) -> File:
    given, answered = attachment.mime_type, headers.get("Content-Type")
    known_type = file_type(given, answered, known_only=True)
    last_resort = name_in(answered) or url.path
    name = file_name(
        attachment.filename, headers.get("Content-Disposition"), last_resort, mime_type=known_type
    )
    return File(name, file_type(given, answered, name), content)
