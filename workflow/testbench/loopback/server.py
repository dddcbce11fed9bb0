"""The server: connections, faults, and the log of what was asked for."""

import json
import logging
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from metalyra import __version__
from metalyra.acquire.sources import REGISTRY, read_registry
from testbench.loopback.datalink import EpochPhotometry
from testbench.loopback.faults import (
    CUTS,
    JOB_KINDS,
    OF_A_BODY,
    PAUSES,
    STATUSES,
    Faults,
    refuse,
    spoil,
)
from testbench.loopback.files import SITES, FileTree
from testbench.loopback.hats import LightCurveCopy
from testbench.loopback.holdings import open_holdings
from testbench.loopback.messages import (
    Reply,
    Request,
    html_page,
    not_found,
    read_request,
    text,
)
from testbench.loopback.tap import TapService
from testbench.loopback.vizier import CatalogueService

logger = logging.getLogger(__name__)

VARIABLE = "METALYRA_ARCHIVES"
"""The variable that reroutes all archives to the address of a loopback archive."""

_LOG = "/loopback/log"


class Service(Protocol):
    """What answers the requests below a path."""

    def reply(self, request: Request) -> Reply:
        """Answer a request."""


@dataclass
class Entry:
    """A request in the log.

    Attributes
    ----------
    number
        From 1, in the order of arrival.
    method, path, agent
        What was asked for, and by whom.
    fault
        The fault it got.
    status
        Status of the reply; 0 if there was none.
    sent
        Bytes of the body.
    time, seconds
        When it came (s since the epoch), and how long it took.
    """

    number: int
    method: str
    path: str
    agent: str
    time: float
    fault: str | None = None
    status: int = 0
    sent: int = 0
    seconds: float = 0.0


class LoopbackArchive:
    """All archives of the registry on this machine; a context manager.

    Parameters
    ----------
    folder
        The files they hold, laid out as the mirror.
    port
        Where it listens; 0 for any free port.
    faults
        What it does wrong.
    registry
        The sources, which say under what addresses the files are.
    row_limit
        Most rows that an answer to a query has.
    id_limit
        Most sources of a request for light curves.
    looks
        How many times a client must ask for the state of a query until it is done.
    layout
        That of the epoch photometry; one of `testbench.loopback.datalink.LAYOUTS`.
    vocabulary
        Words of Gaia's DataLink service; one of `testbench.loopback.datalink.VOCABULARIES`.
    dr4
        Names of Gaia DR4; one of `testbench.loopback.datalink.DR4_MODES`.
    sync_limit
        Rows at which Gaia's TAP service cuts, without a word, what it answers at once.
    account
        Name and password without which Gaia's servers answer nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        faults: Faults | None = None,
        registry: Path = REGISTRY,
        row_limit: int = 3_000_000,
        id_limit: int = 5000,
        looks: int = 0,
        layout: str = "bands",
        vocabulary: str = "old",
        dr4: str = "as_dr3",
        sync_limit: int = 2000,
        account: tuple[str, str] | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.log: list[Entry] = []
        self.most_at_once: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        sources = read_registry(registry)
        photometry = EpochPhotometry(
            folder, id_limit=id_limit, layout=layout, vocabulary=vocabulary, dr4=dr4
        )
        self._databases = databases = open_holdings(folder, dr4)
        taps = {
            name: TapService(
                database,
                row_limit=row_limit,
                sync_limit=sync_limit if name == "gaia" else row_limit,
                looks=looks,
                esa=name == "gaia",
            )
            for name, database in databases.items()
        }
        self._services: dict[str, Service] = {
            **{name: FileTree(folder, sources, name) for name in (*SITES, "files")},
            **taps,
            "lsdb": LightCurveCopy(folder),
            "gaia": _Gaia(taps["gaia"], photometry, account),
            "vizier": CatalogueService(databases["vizier"], taps["vizier"]),
        }
        self._taps = taps
        self._server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"archive": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def address(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for database in self._databases.values():
            database.close()

    @property
    def faults_done(self) -> Counter[str]:
        """How many faults of each kind there were."""
        return Counter(entry.fault for entry in self.log if entry.fault)

    def reset(self, faults: Faults | None = None) -> None:
        """Forget what was asked for, and go on with other faults."""
        with self._lock:
            self.faults = faults or Faults()
            self.log.clear()
            self.most_at_once.clear()
            self._attempts.clear()
            self._failed.clear()

    def describe_log(self) -> dict[str, object]:
        """Return the log as `/loopback/log` gives it."""
        with self._lock:
            return {
                "requests": [asdict(entry) for entry in self.log],
                "faults": dict(self.faults_done),
                "most_at_once": dict(self.most_at_once),
            }

    def begin(self, request: Request) -> Entry:
        """Enter a request into the log, and decide what is done wrong with it."""
        service = request.parts[0] if request.parts else ""
        with self._lock:
            agent = request.headers.get("user-agent", "")
            entry = Entry(len(self.log) + 1, request.method, request.path, agent, time.time())
            self.log.append(entry)
            self._attempts[request.key] += 1
            attempt, failed = self._attempts[request.key], self._failed[request.key]
            entry.fault = self.faults.choose(request, entry.number, attempt, failed)
            self._failed[request.key] = failed + 1 if entry.fault else 0
            self._running[service] += 1
            self.most_at_once[service] = max(self.most_at_once[service], self._running[service])
        return entry

    def end(self, request: Request, entry: Entry) -> None:
        """Note that a request is done with."""
        with self._lock:
            entry.seconds = time.time() - entry.time
            self._running[request.parts[0] if request.parts else ""] -= 1

    def answer(self, request: Request, fault: str | None) -> Reply:
        """Return the reply to a request, with the fault that concerns its content."""
        service = self._services.get(request.parts[0] if request.parts else "")
        if service is None:
            return not_found(request.path)
        if fault in STATUSES:
            return refuse(fault, self.faults.retry_after)
        if fault == "html":
            return html_page("Maintenance", "The archive is closed for maintenance.")
        if fault in JOB_KINDS and request.parts[0] in self._taps:
            self._taps[request.parts[0]].break_job(request.path, fault)
        elif fault in PAUSES:
            self._closing.wait(self.faults.hang if fault == "hang" else self.faults.latency)
        try:
            reply = service.reply(request)
        except Exception:  # of the loopback archive itself, which goes on
            logger.exception("%s %s", request.method, request.path)
            return html_page("Internal error", "See the log of the loopback archive.", 500)
        if fault == "wrong_bytes":
            return Reply(reply.status, spoil(reply.body), reply.headers)
        return reply


class _Gaia:
    """The Gaia archive: its queries and its data server, which log in apart."""

    def __init__(
        self, tap: TapService, photometry: EpochPhotometry, account: tuple[str, str] | None
    ) -> None:
        self._tap = tap
        self._photometry = photometry
        self._account = account

    def reply(self, request: Request) -> Reply:
        server = request.parts[1] if len(request.parts) > 1 else ""
        cookie = f"SESSION_{server}=open"
        if request.parts[-1:] == ("login",):
            given = (request.parameters.get("USERNAME"), request.parameters.get("PASSWORD"))
            if given != self._account:
                return html_page("Unauthorized", "Wrong name or password.", 401)
            return Reply(200, b"", {"Set-Cookie": f"{cookie}; Path=/gaia/{server}"})
        if self._account is not None and cookie not in request.headers.get("cookie", ""):
            return html_page("Unauthorized", "Log in first.", 401)
        if "data-server" in request.parts:
            return self._photometry.reply(request)
        return self._tap.reply(request)


class _Server(ThreadingHTTPServer):
    """Closes the connections that clients keep open when it is closed itself."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: object) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: socket.socket, client_address: object) -> None:
        """Say nothing: clients that go away are what is tested here."""

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._connections):
            super().shutdown_request(connection)


class _Handler(BaseHTTPRequestHandler):
    """Reads requests and writes replies, cut short where a fault says so."""

    archive: LoopbackArchive
    protocol_version = "HTTP/1.1"
    server_version = f"MetaLyra-loopback/{__version__}"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        origin = f"http://{self.headers.get('Host', self.archive.address[len('http://') :])}"
        request = read_request(self.command, self.path, self.headers, body, origin)
        if request.path == _LOG:
            content = json.dumps(self.archive.describe_log())
            self._send(text(content, kind="application/json"), None)
            return
        entry = self.archive.begin(request)
        try:
            if entry.fault == "reset":
                self._reset()
                return
            reply = self.archive.answer(request, entry.fault)
            entry.status = reply.status
            if not reply.body and entry.fault in OF_A_BODY:
                entry.fault = None
            entry.sent = self._send(reply, entry.fault if entry.fault in CUTS else None)
        finally:
            self.archive.end(request, entry)

    do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 (the names are those of http.server)

    def log_message(self, *arguments: object) -> None:
        """Leave the log to the archive."""

    def _send(self, reply: Reply, cut: str | None) -> int:
        """Send a reply, or what a cut leaves of it; return the bytes of the body sent."""
        headers: Mapping[str, str] = reply.headers
        body = reply.body
        if self.command == "HEAD" or reply.status == 304:
            sent = b""
        else:
            sent = body if cut is None else body[: len(body) // 2]
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if cut == "cut":
            self.send_header("Connection", "close")
        elif reply.status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(sent)
        if cut == "reset_in_body":
            # What was sent must not be lost with the connection.
            time.sleep(0.01)
            self._reset()
        elif cut is not None:
            self.close_connection = True
        return len(sent)

    def _reset(self) -> None:
        """Drop the connection as a machine does that falls over."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
