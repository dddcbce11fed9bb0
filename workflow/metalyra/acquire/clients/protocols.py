"""How a request is sent, and what tells a good reply from a bad one."""

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from metalyra.acquire.clients.interface import QueryError, read_reply
from metalyra.acquire.connection import (
    AbsentError,
    DownloadError,
    RefusedError,
    RetryPolicy,
    TransientError,
    describe_status,
    log_in,
    open_session,
    persist,
)
from metalyra.acquire.downloads import check_file, download
from metalyra.acquire.queries import Request

logger = logging.getLogger(__name__)

_WAITING = frozenset({"PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN"})
_SHORTEST_POLL, _LONGEST_POLL = 0.1, 10.0
_LONGEST_WORDS = 500
_FORMATS = {".csv": "csv", ".vot": "votable"}


def send(request: Request, url: str, path: Path, policy: RetryPolicy) -> None:
    """Send a request and store its reply as it came.

    A damaged file of one star that the archive delivers at every attempt is the archive's
    own: it is kept, and its reader says what is wrong with it.

    Parameters
    ----------
    request
        The question.
    url
        Of the request's path.
    path
        Where the reply goes; on an error nothing of use is there.
    policy
        How the archive is asked.

    Raises
    ------
    QueryError
        If the archive says that the question is wrong.
    DownloadError
        If there is no complete reply.
    """
    protocol = PROTOCOLS[request.protocol]
    refused: list[str] = []

    def attempt() -> None:
        try:
            protocol(request, url, path, policy)
        except AbsentError:
            if not request.optional:
                raise
            path.write_bytes(b"")
        except (DownloadError, QueryError):
            raise
        except Exception as error:  # astroquery and pyvo raise whatever a damaged reply leads to
            raise TransientError(f"the reply is damaged: {error!r}") from error
        else:
            try:
                check_reply(request, path)
            except TransientError:
                refused.append(hashlib.sha256(path.read_bytes()).hexdigest())
                raise

    try:
        persist(attempt, f"the query of {url}", policy)
    except DownloadError:
        always_the_same = len(set(refused)) == 1 and len(refused) == policy.attempts > 1
        if not (request.optional and always_the_same):
            raise
        logger.warning("%s: kept as it is, for the archive delivers nothing else", url)


def check_reply(request: Request, path: Path) -> None:
    """Raise unless a reply is complete and is of the kind that was asked for.

    Raises
    ------
    QueryError
        If it is the archive's complaint about the query.
    TransientError
        If it is damaged, cut short, or a web page.
    """
    check_file(path, f"reply{request.suffix}")
    if request.suffix == ".vot":
        _check_votable(path)
    elif request.suffix == ".csv":
        _check_csv(path)


def _check_votable(path: Path) -> None:
    """Raise unless a VOTable ends well, has a table and is no error message.

    It is read as a stream, for the catalogues of whole surveys fill the memory.
    """
    from astropy.utils.xml.iterparser import get_xml_iterator

    tables, messages, status = 0, [], ""
    try:
        with get_xml_iterator(str(path)) as elements:
            for start, tag, data, _ in elements:
                name = tag.rpartition(":")[2]
                tables += start and name == "TABLE"
                if name == "INFO" and start:
                    status = f"{data.get('name')}={data.get('value')}"
                elif name == "INFO":
                    messages.append((status, data.strip()))
    except Exception as error:  # the parser raises whatever it meets
        raise TransientError(f"the VOTable is damaged or cut short ({error})") from error
    for status, text in messages:
        if status == "QUERY_STATUS=ERROR":
            raise QueryError(f"the archive refuses the query: {text}")
    if not tables:
        said = "; ".join(status for status, _ in messages)
        raise QueryError(f"the archive has no such table{said and ': ' + said}")


def _check_csv(path: Path) -> None:
    """Raise unless every row of a CSV is complete."""
    try:
        text = read_reply(path).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TransientError(f"the table is damaged ({error})") from error
    if text.lstrip().startswith("<"):
        raise QueryError(f"the archive refuses the query: {text[:300]}")
    lines = text.splitlines()
    if not lines or not text.endswith("\n"):
        raise TransientError("the table is cut short")
    # No text column of ours holds a comma.
    width = lines[0].count(",")
    for number, line in enumerate(lines):
        if line.count(",") != width:
            raise TransientError(f"row {number} of the table is damaged")


def _wait(phase: Callable[[], str], url: str, policy: RetryPolicy) -> str:
    """Return the phase in which a job ends."""
    started = told = time.monotonic()
    pause = _SHORTEST_POLL
    while (now := phase()) in _WAITING:
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_POLL)
        if now == "PENDING" and time.monotonic() - started > policy.timeout:
            raise TransientError("the job does not start: the archive has not heard that it should")
        if time.monotonic() - told > policy.progress:
            told = time.monotonic()
            logger.info("%s: the job is %s after %.0f s", url, now.lower(), told - started)
    return now


def _send_tap(request: Request, url: str, path: Path, policy: RetryPolicy) -> None:
    """Run an asynchronous job of a TAP service, Gaia's TAP+ included, through pyvo."""
    from pyvo.dal import DALQueryError, DALServiceError, TAPService

    with open_session(policy) as session:
        log_in(session, url)
        try:
            job = TAPService(url, session=session).submit_job(
                request.parameters["QUERY"],
                maxrec=request.row_limit,
                FORMAT=_FORMATS[request.suffix],
            )
            job.run()
            phase = _wait(lambda: str(job.phase), url, policy)
            if phase == "ERROR":
                job.raise_if_error()
            if phase != "COMPLETED":
                raise TransientError(f"the job ended in the phase {phase}")
            with session.get(job.result_uri, stream=True) as reply:
                reply.raise_for_status()
                _store(reply, path)
        except DALQueryError as error:
            raise QueryError(f"the archive refuses the query: {error}") from error
        except DALServiceError as error:
            if error.code == 400:
                words = _read_words(error.cause.response)
                raise QueryError(f"the archive refuses the query: {words}") from error
            raise TransientError(str(error)) from error
        except OSError as error:
            raise TransientError(str(error)) from error
        try:
            job.delete()
        except (DALServiceError, DownloadError) as error:
            logger.debug("%s: the archive keeps the job (%s)", url, error)


def _send_tap_sync(request: Request, url: str, path: Path, policy: RetryPolicy) -> None:
    """Ask a TAP service for a small table, which it answers at once."""
    question = {
        "REQUEST": "doQuery",
        "LANG": "ADQL",
        "FORMAT": _FORMATS[request.suffix],
        "MAXREC": str(request.row_limit),
        **request.parameters,
    }
    with open_session(policy) as session:
        log_in(session, url)
        with session.post(url, data=question, stream=True) as reply:
            if 400 <= reply.status_code < 500:
                raise QueryError(f"the archive refuses the query: {_read_words(reply)}")
            if not reply.ok:
                raise RefusedError(f"{url}: {describe_status(reply)}: {_read_words(reply)}")
            _store(reply, path)


def _send_data(request: Request, url: str, path: Path, policy: RetryPolicy) -> None:
    """Ask the Gaia archive's DataLink service, in the words of its documentation.

    astroquery's `load_data` would ask in the same words, but not through a session of ours: it
    waits for a silent server forever, drops ``Retry-After``, counts no connections, and unpacks
    the files in the current folder. Its module asks ESA for news as soon as it is imported.
    """
    with open_session(policy) as session:
        log_in(session, url)
        with session.post(url, data=dict(request.parameters), stream=True) as reply:
            if not reply.ok:
                raise RefusedError(f"{url}: {describe_status(reply)}: {_read_words(reply)}")
            _store(reply, path)


def _send_vizier(request: Request, url: str, path: Path, policy: RetryPolicy) -> None:
    """Ask VizieR for all columns and rows of a catalogue, in the words of astroquery."""
    from astroquery.vizier import VizierClass

    question = VizierClass(columns=["**"], row_limit=-1).get_catalogs_async(
        request.parameters["catalogue"], get_query_payload=True
    )
    with open_session(policy) as session, session.post(url, data=question, stream=True) as reply:
        if not reply.ok:
            raise DownloadError(describe_status(reply))
        _store(reply, path)


def _store(reply: requests.Response, path: Path) -> None:
    """Write the body of a reply, without what the server has compressed it with on the way."""
    reply.raw.decode_content = True
    with path.open("wb") as file:
        shutil.copyfileobj(reply.raw, file)


def _read_words(reply: requests.Response) -> str:
    """Return what an archive says in an error message, be it text, VOTable or web page."""
    return " ".join(re.sub(r"<[^>]*>", " ", reply.text).split())[:_LONGEST_WORDS]


def _send_file(_: Request, url: str, path: Path, policy: RetryPolicy) -> None:
    """Fetch a file."""
    download(url, path, policy)


PROTOCOLS: Mapping[str, Callable[[Request, str, Path, RetryPolicy], None]] = {
    "data": _send_data,
    "tap": _send_tap,
    "tap_sync": _send_tap_sync,
    "file": _send_file,
    "vizier": _send_vizier,
}
"""What sends a request, by the name of its protocol."""
