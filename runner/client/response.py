"""An answer of a host as http.client reads it, but for its head: a few lines, which need no e-mail parser.

That parser takes longer than all else that a small answer costs.
"""

from __future__ import annotations

import http.client
from typing import Any

_LONGEST_LINE = 1 << 16  # bytes; these two are http.client's own limits
_MOST_LINES = 100


class AnswerHead(dict[str, str]):
    """The fields of a head by their names in small letters; of several with one name the first."""

    def get_content_type(self) -> str:
        """Return the media type in small letters, without its parameters."""
        kind = self.get("content-type", "").partition(";")[0].strip().lower()
        return kind if kind.count("/") == 1 else "text/plain"


class Response(http.client.HTTPResponse):
    """An answer: `head` in the place of the e-mail that http.client makes of it."""

    def begin(self) -> None:
        """Read the status line and the head; see http.client for what is raised."""
        while True:
            version, status, reason = self._read_status()  # pyright: ignore[reportAttributeAccessIssue]
            head = self._read_head()
            if status != http.client.CONTINUE:
                break
        old = version in ("HTTP/1.0", "HTTP/0.9")
        if not old and not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if old else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.head = head
        self.headers = self.msg = head  # pyright: ignore[reportAttributeAccessIssue]: http.client asks it for `get`
        self.chunked = head.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = head.get("content-length", "")
        self.length = int(length) if not self.chunked and length.isascii() and length.isdigit() else None
        if status in (http.client.NO_CONTENT, http.client.NOT_MODIFIED):
            self.length = 0
        connection = head.get("connection", "").lower()
        stays = "close" not in connection and (not old or "keep-alive" in connection)
        self.will_close = not stays or (not self.chunked and self.length is None)

    def _read_head(self) -> AnswerHead:
        head, last = AnswerHead(), ""
        for _ in range(_MOST_LINES + 1):
            line: Any = self.fp.readline(_LONGEST_LINE + 1)
            if len(line) > _LONGEST_LINE:
                raise http.client.LineTooLong("header line")
            if line in (b"\r\n", b"\n", b""):
                return head
            name, colon, value = line.decode("iso-8859-1").partition(":")
            if name[:1] in (" ", "\t"):  # a field that goes on
                if last:
                    head[last] += " " + line.decode("iso-8859-1").strip()
            elif colon:
                last = name.strip().lower()
                head.setdefault(last, value.strip())
        raise http.client.HTTPException(f"got more than {_MOST_LINES} headers")
