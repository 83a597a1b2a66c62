"""Content-Encoding of a fetched answer: removed, but never from a file that is itself a gzip file."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator

from messages.errors import AttachmentError

_GZIP_TYPES = frozenset(
    {"application/gzip", "application/x-gzip", "application/x-tgz", "application/x-compressed-tar"}
)
_GZIP_NAMES = (".gz", ".tgz", ".svgz")

#: Encodings that are common and that we did not ask for. Others (`utf-8`, `aws-chunked`) encode nothing.
_UNREADABLE = frozenset({"br", "zstd", "compress", "x-compress"})

#: At least so many bytes tell which kind of `deflate` it is.
_KINDS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_ZLIB_MAGIC = 0x08
_LOW_BITS = 0x0F


def is_packed(name: str, content_type: str) -> bool:
    """Whether the file is a gzip file, which servers often also describe by `Content-Encoding: gzip`."""
    return content_type.partition(";")[0].strip().lower() in _GZIP_TYPES or name.lower().endswith(_GZIP_NAMES)


async def decoded(chunks: AsyncIterable[bytes], encoding: str, limit: int, host: str) -> AsyncIterator[bytes]:
    """Yield the content without its encoding, at most `limit` bytes at a time. Raises AttachmentError."""
    names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
    kinds = [name for name in names if name in _KINDS or name in _UNREADABLE]
    if len(kinds) > 1 or not _UNREADABLE.isdisjoint(kinds):
        reason = f"{host} compressed it ({', '.join(kinds[:3])}), which was not asked for"
        raise AttachmentError(f"The attachment cannot be read: {reason}")
    kind = kinds[0] if kinds else None
    if kind is None:
        async for chunk in chunks:
            yield chunk
        return
    unpacking: _Unpacking | None = None
    try:
        async for chunk in chunks:
            unpacking = unpacking or _Unpacking(kind, chunk)
            for piece in unpacking.feed(chunk, limit):
                yield piece
    except zlib.error:
        reason = f"{host} says that it is compressed ({kind}), and it is not"
        raise AttachmentError(f"The attachment cannot be read: {reason}") from None
    if unpacking and not unpacking.is_complete:
        raise AttachmentError(
            f"The attachment cannot be fetched: the answer of {host} ended too early", temporary=True
        )


class _Unpacking:
    def __init__(self, kind: str, first: bytes) -> None:
        self._window = _KINDS[kind]
        if kind == "deflate" and first[0] & _LOW_BITS != _ZLIB_MAGIC:
            self._window = -15  # some servers send it without the zlib header
        self._current = zlib.decompressobj(self._window)

    @property
    def is_complete(self) -> bool:
        return self._current.eof

    def feed(self, chunk: bytes, limit: int) -> Iterator[bytes]:
        while chunk:
            if self._current.eof:  # a gzip file may have several members
                if self._window < 0 or not chunk.startswith(b"\x1f\x8b"):
                    return
                self._current = zlib.decompressobj(self._window)
            yield self._current.decompress(chunk, limit)
            chunk = self._current.unconsumed_tail or self._current.unused_data
