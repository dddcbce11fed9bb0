"""The connection that every client uses: polite, patient, and with whole replies.

astroquery and pyvo talk HTTP through `requests` or `http.client`. Here both get a
connection that names itself, holds one of the few places at the host, gives up a silent
server, waits when the archive asks for it, tries again, and hands a reply on only when it
is complete.
"""

import tempfile
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from metalyra.acquire.clients.interface import QueryError
from metalyra.acquire.downloads import (
    PASSING_STATUSES,
    USER_AGENT,
    Courtesy,
    PassingError,
    host_slot,
    parse_retry_after,
    persist,
)

_IN_MEMORY = 2**24
_BLOCK = 2**18


class PoliteAdapter(HTTPAdapter):
    """Sends requests as `metalyra.acquire.downloads.Courtesy` says.

    Raises
    ------
    metalyra.acquire.downloads.DownloadError
        If the archive fails for good, from any request sent through the adapter.
    """

    def __init__(self, courtesy: Courtesy) -> None:
        self._courtesy = courtesy
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Send a request until its reply is complete."""
        options |= {"stream": True, "timeout": self._courtesy.timeout}

        def attempt() -> requests.Response:
            try:
                with host_slot(request.url, self._courtesy):
                    reply = super(PoliteAdapter, self).send(request, **options)
                    return self._receive(request, reply)
            except (requests.RequestException, HTTPError, OSError) as error:
                raise PassingError(str(error) or type(error).__name__) from error

        return persist(attempt, f"{request.method} {request.url.partition('?')[0]}", self._courtesy)

    def _receive(
        self, request: requests.PreparedRequest, reply: requests.Response
    ) -> requests.Response:
        """Return the same reply with all of its body, as it was sent."""
        body = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (the reply closes it)
        while block := reply.raw.read(_BLOCK, decode_content=False):
            body.write(block)
        reply.raw.release_conn()
        if reply.status_code in PASSING_STATUSES:
            wait = parse_retry_after(reply.headers.get("Retry-After"), time.time())
            raise PassingError(f"HTTP {reply.status_code} {reply.reason}", wait)
        if reply.status_code == 200 and "text/html" in reply.headers.get("Content-Type", ""):
            raise PassingError("a web page came instead of an answer")
        body.seek(0)
        whole = HTTPResponse(
            body=body,
            headers=reply.raw.headers,
            status=reply.status_code,
            reason=reply.reason,
            preload_content=False,
        )
        return self.build_response(request, whole)


def open_session(courtesy: Courtesy) -> requests.Session:
    """Return a session for pyvo and astroquery."""
    session = requests.Session()
    session.headers["User-Agent"] = USER_AGENT
    for scheme in ("http://", "https://"):
        session.mount(scheme, PoliteAdapter(courtesy))
    return session


class _Connection:
    """What the TAP+ client of astroquery uses of `http.client.HTTPConnection`."""

    def __init__(self, session: requests.Session, host: str, port: int, scheme: str) -> None:
        self.host, self.port = host, port
        self._session, self._scheme = session, scheme
        self._reply: requests.Response | None = None

    def request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
        headers = {**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        url = f"{self._scheme}://{self.host}:{self.port}{path}"
        self._reply = self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False, stream=True
        )

    def getresponse(self) -> "_Reply":
        # The client would forget what the archive says; a job that is gone is another matter.
        if self._reply.status_code >= 400 and self._reply.status_code != 404:
            from astroquery.utils.tap.taputils import parse_http_response_error

            raise QueryError(parse_http_response_error(self._reply.text, self._reply.status_code))
        return _Reply(self._reply)


class _Reply:
    """What the TAP+ client uses of `http.client.HTTPResponse`."""

    def __init__(self, reply: requests.Response) -> None:
        self.status, self.reason = reply.status_code, reply.reason
        self._reply = reply

    def getheaders(self) -> list[tuple[str, str]]:
        return list(self._reply.headers.items())

    def read(self, size: int | None = None) -> bytes:
        return self._reply.raw.read(size, decode_content=False)


class ConnectionHandler:
    """Gives the TAP+ client of astroquery connections through a session.

    Parameters
    ----------
    session
        See `open_session`.
    host, port, scheme
        Of the service.
    """

    def __init__(self, session: requests.Session, host: str, port: int, scheme: str) -> None:
        self._connection = _Connection(session, host, port, scheme)

    def get_connection(self, **_: Any) -> _Connection:
        """Return a connection."""
        return self._connection

    def get_connection_secure(self, *_: Any, **__: Any) -> _Connection:
        """Return a connection."""
        return self._connection
