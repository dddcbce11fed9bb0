"""What archives do wrong, on command: which requests, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metalyra.core.randomness import generator
from testbench.loopback.messages import Reply, Request, html_page

STATUSES = {"server_error": 500, "unavailable": 503, "too_many_requests": 429}
"""Kinds that are an HTTP status; the last two come with `Retry-After`."""

PAUSES = ("latency", "hang")
CUTS = ("truncated", "cut", "reset", "reset_in_body")
OF_A_BODY = ("wrong_bytes", "truncated", "cut")
"""Kinds that change nothing where there is no body; they do not count then."""

JOB_KINDS = ("expired_job", "aborted_job", "failed_job")

KINDS = (*PAUSES, *STATUSES, "html", "wrong_bytes", *CUTS, *JOB_KINDS)
"""Every kind of fault.

latency, hang
    The right reply, late; `hang` is a long pause that a client should sit out.
server_error, unavailable, too_many_requests
    HTTP 500, 503 and 429.
html
    A page for people instead of a table, with status 200.
wrong_bytes
    The right length, but another content.
truncated, cut
    Half of the body: with the `Content-Length` of all of it, or with none.
reset, reset_in_body
    The connection is dropped before the headers, or after half of the body.
expired_job, aborted_job, failed_job
    The asynchronous job is gone (404), or ends in the phase ABORTED or ERROR.
"""


@dataclass(frozen=True)
class Faults:
    """A plan of faults; the same requests get the same faults, whatever their order.

    Attributes
    ----------
    rate
        Share of the requests that get a fault.
    kinds
        The kinds drawn from.
    seed
        Seed of the draws.
    at
        Kind by number of the request, counted from 1 in the order of arrival; goes before
        the draws.
    in_a_row
        After this many faults on end at the same request, the next reply is right.
    below
        Only requests whose path starts like this are drawn for.
    latency, hang
        Pauses (s).
    retry_after
        Pause (s) that 429 and 503 ask for.

    Raises
    ------
    ValueError
        If a kind is unknown or the rate is no share.
    """

    rate: float = 0.0
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    at: Mapping[int, str] = field(default_factory=dict)
    in_a_row: int = 2
    below: str = "/"
    latency: float = 0.2
    hang: float = 2.0
    retry_after: int = 1

    def __post_init__(self) -> None:
        strange = {*self.kinds, *self.at.values()} - {*KINDS}
        if strange:
            raise ValueError(f"unknown fault {min(strange)!r}; the kinds are {', '.join(KINDS)}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"the rate of faults is {self.rate}; it must be within 0 and 1")

    def choose(self, request: Request, number: int, attempt: int, failed: int) -> str | None:
        """Return the fault of a request, if it gets one.

        Parameters
        ----------
        request
            What is asked for.
        number
            Number of the request, from 1.
        attempt
            How many times the same was asked for, this time included.
        failed
            How many of the last replies to the same request were faults.
        """
        kinds = [kind for kind in self.kinds if _applies(kind, request)]
        if number in self.at:
            return self.at[number] if _applies(self.at[number], request) else None
        if not kinds or failed >= self.in_a_row or not request.path.startswith(self.below):
            return None
        rng = generator(self.seed, "loopback", f"{request.key}/{attempt}")
        return str(rng.choice(kinds)) if rng.random() < self.rate else None


def refuse(fault: str, retry_after: int) -> Reply:
    """Return the reply of a fault that is an HTTP status."""
    status = STATUSES[fault]
    headers = {} if status == 500 else {"Retry-After": str(retry_after)}
    return html_page("The archive is busy", "Please try again later.", status, headers)


def spoil(body: bytes) -> bytes:
    """Return a body of the same length with other bytes in its middle."""
    start, stop = len(body) * 7 // 16, -(-len(body) * 9 // 16)
    noise = generator(0, "loopback", str(len(body))).bytes(stop - start)
    return body[:start] + noise + body[stop:]


def _applies(kind: str, request: Request) -> bool:
    """Say whether a request can have a fault: only a job that exists can fail."""
    return kind not in JOB_KINDS or "/async/" in request.path
