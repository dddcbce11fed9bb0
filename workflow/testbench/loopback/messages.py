"""Requests and replies, as the services of the loopback archive see them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from html import escape
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asks for.

    Attributes
    ----------
    method
        ``GET``, ``HEAD``, ``POST`` or ``DELETE``.
    path
        Decoded path, without the query.
    headers
        By name in lower case.
    parameters
        Of the query and the form, by name in upper case, as the standards of the Virtual
        Observatory read them.
    body
        As it came.
    uploads
        Files of a form, by name.
    origin
        ``http://<host>:<port>`` as the client calls the server.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    uploads: Mapping[str, bytes] = field(default_factory=dict)
    origin: str = ""

    @property
    def key(self) -> str:
        """The request as a text that is the same whenever the same is asked for."""
        asked = sorted(self.parameters.items()) or hashlib.sha256(self.body).hexdigest()
        return f"{self.method} {self.path} {asked}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the path."""
        return tuple(part for part in self.path.split("/") if part)


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def read_request(
    method: str, target: str, headers: Mapping[str, str], body: bytes, origin: str
) -> Request:
    """Return a request with the parameters of its query and its form.

    Parameters
    ----------
    method
        HTTP method.
    target
        Path and query, encoded.
    headers
        HTTP headers.
    body
        Of the request.
    origin
        Scheme, host and port.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    url = urlsplit(target)
    pairs = parse_qsl(url.query, keep_blank_values=True)
    kind = headers.get("content-type", "")
    uploads: dict[str, bytes] = {}
    if kind.startswith("multipart/form-data"):
        fields, uploads = _read_form(kind, body)
        pairs += fields
    elif kind.startswith("application/x-www-form-urlencoded"):
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    parameters = {name.upper(): value for name, value in pairs}
    return Request(method, unquote(url.path), headers, parameters, body, uploads, origin)


def _read_form(kind: str, body: bytes) -> tuple[list[tuple[str, str]], dict[str, bytes]]:
    """Return the fields and the files of a multipart form."""
    boundary = kind.partition("boundary=")[2].strip('"')
    # Clients leave out the quotes that a boundary with "=" in it needs.
    head = f'Content-Type: multipart/form-data; boundary="{boundary}"\r\n\r\n'
    form = message_from_bytes(head.encode() + body, policy=policy.HTTP)
    fields: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename() is None:
            fields.append((name, content.decode().rstrip("\r\n")))
        else:
            files[name] = content
    return fields, files


def text(content: str, status: int = 200, kind: str = "text/plain") -> Reply:
    """Return a reply of plain text, or of another kind of text."""
    return Reply(status, content.encode(), {"Content-Type": f"{kind}; charset=utf-8"})


def html_page(
    title: str, message: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return a page for people."""
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{escape(title)}</title></head>"
        f"<body><h1>{escape(title)}</h1><p>{escape(message)}</p></body></html>\n"
    )
    return Reply(
        status, page.encode(), {"Content-Type": "text/html; charset=utf-8", **(headers or {})}
    )


def not_found(path: str) -> Reply:
    """Return the reply for what is not there."""
    return html_page("Not found", f"There is nothing at {path}.", 404)


def redirect(address: str) -> Reply:
    """Return the reply that sends the client to another address."""
    return Reply(303, b"", {"Location": address})
