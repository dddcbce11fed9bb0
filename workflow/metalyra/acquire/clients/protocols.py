"""How a request is sent, and what tells a good reply from a bad one."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from metalyra.acquire.clients.connection import ConnectionHandler, open_session
from metalyra.acquire.clients.interface import QueryError, read_reply
from metalyra.acquire.downloads import (
    AbsentError,
    Courtesy,
    DownloadError,
    PassingError,
    check_file,
    download,
    persist,
)
from metalyra.acquire.queries import Request

logger = logging.getLogger(__name__)

_WAITING = frozenset({"PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN"})
_SHORTEST_POLL, _LONGEST_POLL = 0.1, 10.0
_FORMATS = {".csv": "csv", ".vot": "votable"}


def send(request: Request, url: str, path: Path, courtesy: Courtesy) -> None:
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
    courtesy
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
            protocol(request, url, path, courtesy)
        except AbsentError:
            if not request.optional:
                raise
            path.write_bytes(b"")
        except (DownloadError, QueryError):
            raise
        except Exception as error:  # astroquery and pyvo raise whatever a damaged reply leads to
            raise PassingError(f"the reply is damaged: {error!r}") from error
        else:
            try:
                check_reply(request, path)
            except PassingError:
                refused.append(hashlib.sha256(path.read_bytes()).hexdigest())
                raise

    try:
        persist(attempt, f"the query of {url}", courtesy)
    except DownloadError:
        always_the_same = len(set(refused)) == 1 and len(refused) == 1 + len(courtesy.pauses) > 1
        if not (request.optional and always_the_same):
            raise
        logger.warning("%s: kept as it is, for the archive delivers nothing else", url)


def check_reply(request: Request, path: Path) -> None:
    """Raise unless a reply is complete and is of the kind that was asked for.

    Raises
    ------
    QueryError
        If it is the archive's complaint about the query.
    PassingError
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
        raise PassingError(f"the VOTable is damaged or cut short ({error})") from error
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
        raise PassingError(f"the table is damaged ({error})") from error
    if text.lstrip().startswith("<"):
        raise QueryError(f"the archive refuses the query: {text[:300]}")
    lines = text.splitlines()
    if not lines or not text.endswith("\n"):
        raise PassingError("the table is cut short")
    # No text column of ours holds a comma.
    width = lines[0].count(",")
    for number, line in enumerate(lines):
        if line.count(",") != width:
            raise PassingError(f"row {number} of the table is damaged")


def _send_tap_plus(request: Request, url: str, path: Path, courtesy: Courtesy) -> None:
    """Run an asynchronous job of the Gaia archive's TAP+ through astroquery."""
    tap = _open_tap_plus(url, courtesy)
    format_ = _FORMATS[request.suffix]
    try:
        job = tap.launch_job_async(
            request.parameters["QUERY"],
            output_format=format_,
            background=True,
            maxrec=request.row_limit,
        )
        phase = _wait(lambda: job.get_phase(update=True).strip().upper(), url, courtesy)
        if phase == "ERROR":
            raise QueryError(f"the archive refuses the query: {job.get_error().strip()}")
        if phase != "COMPLETED":
            raise PassingError(f"the job ended in the phase {phase}")
        job.outputFileUser = str(path)
        job.save_results()
    except OSError as error:  # requests.HTTPError, of a job that is gone
        raise PassingError(str(error)) from error


def _open_tap_plus(url: str, courtesy: Courtesy) -> "TapPlus":  # noqa: F821
    """Return the client under astroquery.gaia for the services of a server.

    The module astroquery.gaia itself asks the archive for news when it is imported,
    whatever server is meant.
    """
    from astroquery.utils.tap import TapPlus
    from astroquery.utils.tap.conn.tapconn import TapConn

    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    context, _, last = parts.path.strip("/").rpartition("/")
    handler = ConnectionHandler(open_session(courtesy), parts.hostname, port, parts.scheme)
    connection = TapConn(
        parts.scheme == "https",
        parts.hostname,
        server_context=context,
        tap_context=last,
        data_context=last,
        connhandler=handler,
    )
    return TapPlus(url=url, connhandler=connection)


def _send_data(request: Request, url: str, path: Path, courtesy: Courtesy) -> None:
    """Ask the Gaia archive's DataLink service through astroquery."""
    try:
        _open_tap_plus(url, courtesy).load_data(
            params_dict=dict(request.parameters), output_file=str(path)
        )
    except OSError as error:  # requests.HTTPError, with the archive's words
        raise DownloadError(str(error)) from error


def _wait(phase: Callable[[], str], url: str, courtesy: Courtesy) -> str:
    """Return the phase in which a job ends."""
    started = told = time.monotonic()
    pause = _SHORTEST_POLL
    while (now := phase()) in _WAITING:
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_POLL)
        if now == "PENDING" and time.monotonic() - started > courtesy.timeout:
            raise PassingError("the job does not start: the archive has not heard that it should")
        if time.monotonic() - told > courtesy.progress:
            told = time.monotonic()
            logger.info("%s: the job is %s after %.0f s", url, now.lower(), told - started)
    return now


def _send_tap(request: Request, url: str, path: Path, courtesy: Courtesy) -> None:
    """Run an asynchronous job of a standard TAP service through pyvo."""
    from pyvo.dal import DALQueryError, DALServiceError, TAPService

    session = open_session(courtesy)
    service = TAPService(url, session=session)
    try:
        job = service.submit_job(
            request.parameters["QUERY"],
            maxrec=request.row_limit,
            FORMAT=_FORMATS[request.suffix],
        )
        job.run()
        phase = _wait(lambda: job.phase, url, courtesy)
        if phase == "ERROR":
            job.raise_if_error()
        if phase != "COMPLETED":
            raise PassingError(f"the job ended in the phase {phase}")
        with session.get(job.result_uri, stream=True) as reply, path.open("wb") as file:
            reply.raise_for_status()
            reply.raw.decode_content = True
            shutil.copyfileobj(reply.raw, file)
        job.delete()
    except DALQueryError as error:
        raise QueryError(f"the archive refuses the query: {error}") from error
    except (DALServiceError, OSError) as error:
        raise PassingError(str(error)) from error


def _send_vizier(request: Request, url: str, path: Path, courtesy: Courtesy) -> None:
    """Ask VizieR for all columns and rows of a catalogue through astroquery."""
    from astroquery import cache_conf
    from astroquery.vizier import VizierClass

    class Vizier(VizierClass):
        """Asks the server that the study names."""

        def _server_to_url(self, return_type: str = "votable") -> str:
            return url

    vizier = Vizier(columns=["**"], row_limit=-1)
    vizier._session = open_session(courtesy)
    with cache_conf.set_temp("cache_active", False):
        reply = vizier.get_catalogs_async(request.parameters["catalogue"])
    if not reply.ok:
        raise DownloadError(f"HTTP {reply.status_code} {reply.reason}")
    path.write_bytes(reply.content)


def _send_file(_: Request, url: str, path: Path, courtesy: Courtesy) -> None:
    """Fetch a file."""
    download(url, path, courtesy)


PROTOCOLS: Mapping[str, Callable[[Request, str, Path, Courtesy], None]] = {
    "tap_plus": _send_tap_plus,
    "data": _send_data,
    "tap": _send_tap,
    "file": _send_file,
    "vizier": _send_vizier,
}
"""What sends a request, by the name of its protocol."""
