"""The Table Access Protocol: queries at once, and as jobs of the Universal Worker Service."""

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

import pandas as pd

from testbench.loopback import vosi
from testbench.loopback.adql import AdqlError
from testbench.loopback.formats import COMPRESSED, error_votable, find_format, send_table
from testbench.loopback.messages import Reply, Request, not_found, redirect, text
from testbench.loopback.tables import Database

ENDPOINTS = ("sync", "async", "tables", "capabilities", "availability", "notification")

_UWS = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_FINISHED = ("COMPLETED", "ERROR", "ABORTED")


@dataclass
class _Job:
    """An asynchronous query."""

    number: str
    parameters: dict[str, str]
    uploads: Mapping[str, bytes]
    phase: str = "PENDING"
    looks: int = 0
    result: Reply | None = None
    error: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class TapService:
    """One TAP service.

    Parameters
    ----------
    database
        Its tables.
    row_limit
        Most rows of an answer.
    sync_limit
        Most rows of an answer that is given at once.
    looks
        How many times a client must ask for the state of a job until the job is done.
    esa
        Behaves as ESA's archives do where the standard leaves it open.
    """

    def __init__(
        self,
        database: Database,
        *,
        row_limit: int,
        sync_limit: int | None = None,
        looks: int = 0,
        esa: bool = False,
    ) -> None:
        self._database = database
        self._sync_limit = row_limit if sync_limit is None else min(sync_limit, row_limit)
        self._row_limit = row_limit
        self._looks = looks
        self._esa = esa
        self._jobs: dict[str, _Job] = {}
        self._asked: Counter[str] = Counter()
        self._lock = threading.RLock()

    def reply(self, request: Request) -> Reply:
        """Answer a request; the service begins where the first of `ENDPOINTS` stands."""
        places = [number for number, part in enumerate(request.parts) if part in ENDPOINTS]
        if not places:
            return not_found(request.path)
        root = "/".join(request.parts[: places[0]])
        address = f"{request.origin}/{root}"
        endpoint, *rest = request.parts[places[0] :]
        match endpoint:
            case "sync":
                return self._run(request.parameters, request.uploads, "result", self._sync_limit)
            case "async":
                with self._lock:
                    return self._async(request, f"{address}/async", rest)
            case "tables":
                return self._tables(request, rest)
            case "capabilities":
                return vosi.describe_capabilities(address, self._row_limit)
            case "availability":
                return vosi.describe_availability()
            case _:
                return text("")

    def break_job(self, path: str, fault: str) -> None:
        """Let the job of a path expire, abort or fail."""
        number = path.partition("/async/")[2].partition("/")[0]
        with self._lock:
            if fault == "expired_job":
                self._jobs.pop(number, None)
            elif number in self._jobs:
                job = self._jobs[number]
                job.phase = "ABORTED" if fault == "aborted_job" else "ERROR"
                job.result, job.error = None, "The job was stopped by the archive."

    def _tables(self, request: Request, rest: list[str]) -> Reply:
        asked = [name for name in request.parameters.get("TABLES", "").split(",") if name] or rest
        strange = [name for name in asked if name not in self._database.names]
        if strange:
            return not_found(strange[0])
        if rest:
            return vosi.describe_table(rest[0], self._database.columns(rest[0]))
        brief = (
            request.parameters.get("DETAIL") == "min"
            or request.parameters.get("ONLY_TABLES") == "true"
        )
        tables = {
            name: [] if brief else self._database.columns(name)
            for name in asked or self._database.names
        }
        return vosi.describe_tables(tables, esa=self._esa)

    def _run(
        self, parameters: Mapping[str, str], uploads: Mapping[str, bytes], stem: str, limit: int
    ) -> Reply:
        """Answer a query with so many rows at most, or say why not."""
        asked = parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT", "")
        name = find_format(asked)
        if name is None:
            return error_votable(f"Unknown format {asked!r}")
        if parameters.get("LANG", "ADQL").partition("-")[0].upper() != "ADQL":
            return error_votable(f"Unknown language {parameters['LANG']!r}")
        if "QUERY" not in parameters:
            return error_votable("Missing parameter QUERY")
        if parameters.get("MAXREC", "").isdigit():
            limit = min(limit, int(parameters["MAXREC"]))
        try:
            tables = _read_uploads(parameters.get("UPLOAD", ""), uploads)
            table = self._database.query(parameters["QUERY"], limit, tables)
        except AdqlError as error:
            return error_votable(str(error))
        compressed = COMPRESSED if self._esa else ("votable_gzip",)
        return send_table(table, name, stem, compressed)

    def _async(self, request: Request, address: str, rest: list[str]) -> Reply:
        if not rest:
            if request.method != "POST":
                return self._list_jobs(address)
            number = self._new_number(request.key)
            job = _Job(number, dict(request.parameters), request.uploads)
            self._jobs[number] = job
            self._change_phase(job, request.parameters.get("PHASE", ""))
            return redirect(f"{address}/{number}")
        number, *place = rest
        job = self._jobs.get(number)
        if job is None:
            return not_found(request.path)
        if request.method == "DELETE" or request.parameters.get("ACTION") == "DELETE":
            del self._jobs[number]
            return redirect(address)
        if request.method == "POST":
            job.parameters |= request.parameters
            job.uploads = {**job.uploads, **request.uploads}
            self._change_phase(job, request.parameters.get("PHASE", ""))
            return redirect(f"{address}/{number}")
        return self._show_job(job, f"{address}/{number}", place)

    def _new_number(self, question: str) -> str:
        """Return the number of a new job, whatever other jobs there are.

        It looks like those of the Gaia archive: the time, and a letter for anonymous users.
        """
        self._asked[question] += 1
        digest = hashlib.sha256(f"{question}/{self._asked[question]}".encode()).digest()
        return f"{int.from_bytes(digest[:8]) % 10**13:013d}O"

    def _show_job(self, job: _Job, address: str, place: list[str]) -> Reply:
        """Answer a look at a job or a part of it."""
        if not place or place == ["phase"]:
            self._advance(job)
        match place:
            case []:
                return text(_describe_job(job, address), kind="text/xml")
            case ["phase"]:
                return text(job.phase)
            case ["results", "result"]:
                return job.result or not_found(address)
            case ["error"]:
                return error_votable(job.error, 200) if job.error else not_found(address)
            case ["results"]:
                return text(_results(job, address), kind="text/xml")
            case ["parameters"]:
                return text(_parameters(job), kind="text/xml")
            case ["executionduration"]:
                return text("0")
            case ["destruction"]:
                return text(_time(job.created + timedelta(days=3)))
            case _:
                return not_found(address)

    def _list_jobs(self, address: str) -> Reply:
        jobs = "".join(
            f'<uws:jobref id="{number}" xlink:href="{address}/{number}">'
            f"<uws:phase>{job.phase}</uws:phase></uws:jobref>\n"
            for number, job in self._jobs.items()
        )
        return text(f'<uws:jobs {_UWS} version="1.1">\n{jobs}</uws:jobs>\n', kind="text/xml")

    def _change_phase(self, job: _Job, asked: str) -> None:
        if asked == "RUN" and job.phase == "PENDING":
            job.phase = "QUEUED"
        elif asked == "ABORT" and job.phase not in _FINISHED:
            job.phase = "ABORTED"

    def _advance(self, job: _Job) -> None:
        """Let a job that runs come as far as it has at this look."""
        if job.phase not in ("QUEUED", "EXECUTING"):
            return
        job.looks += 1
        if job.looks <= self._looks:
            job.phase = "EXECUTING"
            return
        stem = f"{job.number}-result"
        reply = self._run(job.parameters, job.uploads, stem, self._row_limit)
        job.phase = "COMPLETED" if reply.status == 200 else "ERROR"
        job.result = reply
        if reply.status != 200:
            job.error = reply.body.decode().partition('"ERROR">')[2].partition("</INFO>")[0]


def _read_uploads(parameter: str, uploads: Mapping[str, bytes]) -> dict[str, pd.DataFrame]:
    """Return the tables that a client sent, by the names that it gave them."""
    tables = {}
    for entry in filter(None, parameter.split(";")):
        name, _, place = entry.partition(",")
        content = uploads.get(place.removeprefix("param:"))
        if not name.isidentifier() or content is None:
            raise AdqlError(f"Cannot read upload {entry!r}; send a table with the query")
        from astropy.table import Table

        try:
            tables[name] = Table.read(io.BytesIO(content), format="votable").to_pandas()
        except (ValueError, OSError, IndexError) as error:
            raise AdqlError(f"Upload {name!r} is no VOTable: {error}") from None
    return tables


def _describe_job(job: _Job, address: str) -> str:
    error = (
        f'<uws:errorSummary type="fatal" hasDetail="true"><uws:message>{job.error}</uws:message>'
        "</uws:errorSummary>"
        if job.error
        else ""
    )
    return (
        f'<uws:job {_UWS} version="1.1">\n<uws:jobId>{job.number}</uws:jobId>'
        f'<uws:ownerId xsi:nil="true"/><uws:phase>{job.phase}</uws:phase>'
        f'<uws:quote xsi:nil="true"/>'
        f"<uws:creationTime>{_time(job.created)}</uws:creationTime>"
        '<uws:startTime xsi:nil="true"/><uws:endTime xsi:nil="true"/>'
        "<uws:executionDuration>0</uws:executionDuration>"
        f"<uws:destruction>{_time(job.created + timedelta(days=3))}</uws:destruction>\n"
        f"{_parameters(job, '')}{_results(job, address, '')}{error}</uws:job>\n"
    )


def _parameters(job: _Job, names: str = _UWS) -> str:
    entries = "".join(
        f"<uws:parameter id={quoteattr(name.lower())}>{escape(value)}</uws:parameter>"
        for name, value in job.parameters.items()
    )
    return f"<uws:parameters {names}>{entries}</uws:parameters>\n"


def _results(job: _Job, address: str, names: str = _UWS) -> str:
    if job.phase != "COMPLETED":
        return f"<uws:results {names}/>\n"
    return (
        f'<uws:results {names}><uws:result id="result" xlink:type="simple" '
        f'xlink:href="{address}/results/result"/></uws:results>\n'
    )


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
