"""The one way to the network: polite, patient, and with whole replies.

`requests` carries everything that is asked of archives, urllib3's `Retry` counts the attempts
and knows how long to wait. It is not mounted into the adapter, where it would retry before the
body has come: here a reply that is cut short, is a web page or is refused by the one who asked
counts like a failed connection, all in one account, and nobody holds a place at the host while
waiting.
"""

import fcntl
import logging
import math
import os
import re
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse, Retry
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError

from metalyra import __version__

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

USER_AGENT = f"MetaLyra/{__version__}"
"""What the archives' logs know us by."""

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that say: later."""

LONGEST_PAUSE = 120
"""Longest pause (s) that an archive may ask for."""

ACCOUNT_VARIABLES = ("METALYRA_GAIA_USER", "METALYRA_GAIA_PASSWORD")
"""An account of the Gaia archive, which lifts its limits; none is needed."""

_SERVER = re.compile(r"https?://[^?#]*/(tap|data)-server/")

_BLOCK = 2**18
_IN_MEMORY = 2**24
_SLOT_INTERVAL = 0.05


@dataclass(frozen=True)
class RetryPolicy:
    """How often, how patiently and over how many connections archives are asked.

    Attributes
    ----------
    attempts
        How often something is asked for that fails with a transient error.
    pause
        Seconds before the second attempt, doubled from one attempt to the next; what an
        archive asks for with ``Retry-After`` goes before it.
    timeout
        Seconds without a byte after which a connection is given up.
    connections_per_host
        Connections to one host at a time, of all jobs that share `slots`.
    slots
        Folder of the locks that count connections; None for no count.
    progress
        Seconds between two lines of the log about one download.
    transient
        HTTP statuses that say: later.
    sleep
        Waits.
    """

    attempts: int = 5
    pause: float = 2.0
    timeout: float = 60.0
    connections_per_host: int = 2
    slots: Path | None = None
    progress: float = 30.0
    transient: frozenset[int] = TRANSIENT_STATUSES
    sleep: Callable[[float], None] = time.sleep


USUAL = RetryPolicy()
"""How archives are asked unless a study says otherwise."""


class DownloadError(Exception):
    """A file or reply that cannot be had."""


class AbsentError(DownloadError):
    """A file that the archive does not have."""


class RefusedError(DownloadError):
    """What the archive will not do, however often it is asked."""


class TransientError(DownloadError):
    """A failure that may pass.

    Parameters
    ----------
    message
        What has failed.
    wait
        Seconds that the archive asks to wait, if it does.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class _Retries(Retry):
    """Pauses before the second attempt, too, where urllib3 would try again at once."""

    def get_backoff_time(self) -> float:
        return float(self.backoff_factor * 2 ** (len(self.history) - 1))


def persist(action: Callable[[], Result], what: str, policy: RetryPolicy) -> Result:
    """Return what an action returns, tried again after a pause when its error is transient.

    Parameters
    ----------
    action
        What is tried.
    what
        Its name in messages.
    policy
        How often and with what pauses.

    Raises
    ------
    DownloadError
        If it fails for good, or too often; the message has the number of attempts.
    """
    retries = _Retries(policy.attempts - 1, backoff_factor=policy.pause, backoff_max=math.inf)
    while True:
        try:
            return action()
        except (AbsentError, RefusedError):
            raise
        except TransientError as error:
            try:
                retries = retries.increment(error=error)
            except MaxRetryError:
                raise _failure(what, len(retries.history) + 1, error) from error
            wait = retries.get_backoff_time() if error.wait is None else error.wait
            logger.warning("%s (%s); again in %g s", what, error, wait)
        except DownloadError as error:
            raise _failure(what, len(retries.history) + 1, error) from error
        policy.sleep(wait)


def _failure(what: str, attempts: int, error: Exception) -> DownloadError:
    tries = f"after {attempts} attempts" if attempts > 1 else "at the first attempt"
    return DownloadError(f"{what} failed {tries} ({error})")


def parse_retry_after(text: str | None) -> float | None:
    """Return the seconds to wait that a ``Retry-After`` header asks for, as it may be long.

    Parameters
    ----------
    text
        Whole seconds, or a date of HTTP; anything else asks for nothing.
    """
    try:
        return Retry(retry_after_max=LONGEST_PAUSE).parse_retry_after(text) if text else None
    except InvalidHeader:
        return None


@contextmanager
def host_slot(url: str, policy: RetryPolicy) -> Iterator[None]:
    """Hold one of the few connections that all jobs may have to a host at a time.

    The kernel lets go of a slot however its job ends. On a file system without locks there
    is no limit.
    """
    if policy.slots is None:
        yield
        return
    policy.slots.mkdir(parents=True, exist_ok=True)
    host = urlsplit(url).netloc
    while True:
        for number in range(policy.connections_per_host):
            with (policy.slots / f"{host}.{number}").open("w") as slot:
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                except OSError as error:
                    logger.debug("%s: no locks on this file system (%s)", policy.slots, error)
                yield
                return
        time.sleep(_SLOT_INTERVAL)


@contextmanager
def transient_errors() -> Iterator[None]:
    """Call every failure of the connection a transient error."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        raise TransientError(str(error) or type(error).__name__) from error


def raise_for_transient_status(
    reply: requests.Response, statuses: frozenset[int] = TRANSIENT_STATUSES
) -> None:
    """Raise if a reply says: later, which these statuses do.

    Raises
    ------
    TransientError
        With the pause that the archive asks for.
    """
    if reply.status_code in statuses:
        wait = parse_retry_after(reply.headers.get("Retry-After"))
        raise TransientError(describe_status(reply), wait)


def describe_status(reply: requests.Response) -> str:
    """Return the status of a reply for people."""
    return f"HTTP {reply.status_code} {reply.reason}"


class WholeReplyAdapter(HTTPAdapter):
    """Sends requests as a `RetryPolicy` says, until the reply is complete.

    Raises
    ------
    DownloadError
        If the archive fails for good, from any request sent through the adapter.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *_: object, **options: Any
    ) -> requests.Response:
        """Send a request until its reply is complete."""
        options |= {"stream": True, "timeout": self._policy.timeout}
        url = request.url or ""

        def attempt() -> requests.Response:
            with transient_errors(), host_slot(url, self._policy):
                return self._receive(
                    request, super(WholeReplyAdapter, self).send(request, **options)
                )

        return persist(attempt, f"{request.method} {url.partition('?')[0]}", self._policy)

    def _receive(
        self, request: requests.PreparedRequest, reply: requests.Response
    ) -> requests.Response:
        """Return the same reply with all of its body, as it was sent."""
        with ExitStack() as stack:
            body = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
            while block := reply.raw.read(_BLOCK, decode_content=False):
                body.write(block)
            reply.raw.release_conn()
            raise_for_transient_status(reply, self._policy.transient)
            if reply.status_code == 200 and "text/html" in reply.headers.get("Content-Type", ""):
                raise TransientError("a web page came instead of an answer")
            stack.pop_all()  # from here on the reply closes it
        body.seek(0)
        whole = HTTPResponse(
            body=body,
            headers=reply.raw.headers,
            status=reply.status_code,
            reason=reply.reason,
            preload_content=False,
            # requests takes the cookies from it.
            original_response=getattr(reply.raw, "_original_response", None),
        )
        # PyVO neither closes what it reads nor lets go of it but in a cycle.
        weakref.finalize(whole, body.close)
        return self.build_response(request, whole)


def log_in(session: requests.Session, url: str) -> None:
    """Log in to an archive that asks for it, if the environment has an account.

    ``METALYRA_GAIA_USER`` and ``METALYRA_GAIA_PASSWORD`` are an account of the Gaia archive, whose
    two servers log in apart. What is sent is in no message, log or reply.

    Parameters
    ----------
    session
        Gets the cookie.
    url
        Of one of the archive's servers.

    Raises
    ------
    RefusedError
        If the account is not taken, or would go over the network unencrypted.
    """
    user, password = (os.environ.get(variable, "") for variable in ACCOUNT_VARIABLES)
    server = _SERVER.match(url)
    if not (user and password and server):
        return
    login = f"{server[0]}login"
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise RefusedError(f"{login} is not https; no password is sent there")
    with session.post(login, data={"username": user, "password": password}) as reply:
        if not reply.ok:
            names = " and ".join(ACCOUNT_VARIABLES)
            raise RefusedError(f"{login}: {describe_status(reply)}; correct or unset {names}")


def open_session(policy: RetryPolicy | None = None) -> requests.Session:
    """Return a session that names itself.

    Parameters
    ----------
    policy
        Sends every request as it says and returns whole replies; without it requests are sent
        once, and replies come as streams do.
    """
    session = requests.Session()
    session.headers["User-Agent"] = USER_AGENT
    if policy is not None:
        for scheme in ("http://", "https://"):
            session.mount(scheme, WholeReplyAdapter(policy))
    return session
