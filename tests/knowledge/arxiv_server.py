"""A server on loopback that speaks arXiv's API and serves PDF files, with the faults that real servers have."""

from __future__ import annotations

import http.server
import re
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape


@dataclass
class Entry:
    """A paper that the server has."""

    id: str
    title: str
    versions: int = 1
    authors: tuple[str, ...] = ("Ada Lovelace", "Alan Turing")
    abstract: str = "We propose a layer."
    comment: str = ""
    published: str = "2023-07-17T16:40:01Z"


@dataclass
class Pdf:
    """A file that the server has, and how it misbehaves.

    Attributes:
        data: Its bytes.
        ranges: Whether parts can be asked for.
        breaks_after: For each of the next answers, after how many bytes of the body the connection is closed.
        says_length: Whether answers carry Content-Length.
        etag: Of the content.
        content_type: What the server calls it.
    """

    data: bytes
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    says_length: bool = True
    etag: str = '"one"'
    content_type: str = "application/pdf"


class ArxivServer:
    """Runs in a thread while it is entered.

    Attributes:
        entries: The papers it knows.
        pdfs: Files by path, such as "/pdf/2307.08621v4".
        faults: Answers (status, headers, body) that the next requests get, whatever they ask.
        feed: Body of every API answer, if set.
        redirects: Target by path.
        pause_s: How long it waits before it answers, seconds.
        requests: Path with query and headers of each request.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.pdfs: dict[str, Pdf] = {}
        self.faults: list[tuple[int, dict[str, str], bytes]] = []
        self.feed: bytes | None = None
        self.redirects: dict[str, str] = {}
        self.pause_s = 0.0
        self.requests: list[tuple[str, dict[str, str]]] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # one request a connection

            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> ArxivServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def api_url(self) -> str:
        """Of its API."""
        return f"{self.url}/api/query"

    @property
    def pdf_url(self) -> str:
        """Under which its PDF files lie."""
        return f"{self.url}/pdf"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.requests.append((request.path, dict(request.headers)))
        time.sleep(self.pause_s)
        path = urlsplit(request.path).path
        try:
            if self.faults:
                self._send(request, *self.faults.pop(0))
            elif path in self.redirects:
                self._send(request, 302, {"Location": self.redirects[path]}, b"")
            elif path == "/api/query":
                body = self.feed if self.feed is not None else self._feed(parse_qs(urlsplit(request.path).query))
                self._send(request, 200, {"Content-Type": "application/atom+xml; charset=utf-8"}, body)
            elif path in self.pdfs:
                self._send_pdf(request, self.pdfs[path])
            else:
                self._send(request, 404, {}, b"no such file")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client had enough

    @staticmethod
    def _send(request: http.server.BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    @staticmethod
    def _send_pdf(request: http.server.BaseHTTPRequestHandler, pdf: Pdf) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(match[1]) if match and pdf.ranges else 0
        if request.headers.get("If-Range", pdf.etag) != pdf.etag:
            start = 0
        body = pdf.data[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", pdf.content_type)
        request.send_header("ETag", pdf.etag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(pdf.data) - 1}/{len(pdf.data)}")
        if pdf.says_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: pdf.breaks_after.pop(0)] if pdf.breaks_after else body)

    def _feed(self, query: dict[str, list[str]]) -> bytes:
        ids = [part for part in query.get("id_list", [""])[0].split(",") if part]
        start, most = int(query.get("start", ["0"])[0]), int(query.get("max_results", ["10"])[0])
        found = list(self._by_id(ids) if ids else self._by_words(query.get("search_query", [""])[0]))
        entries = "".join(found[start : start + most])
        return (
            "<?xml version='1.0' encoding='UTF-8'?>\n"
            '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom" '
            'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"><title>arXiv Query</title>'
            f"<opensearch:totalResults>{len(found)}</opensearch:totalResults>"
            f"<opensearch:startIndex>{start}</opensearch:startIndex>"
            f"<opensearch:itemsPerPage>{most}</opensearch:itemsPerPage>{entries}</feed>"
        ).encode()

    def _by_id(self, ids: list[str]) -> list[str]:
        found = []
        for text in ids:
            name, _, version = text.partition("v")
            for entry in self.entries:
                number = int(version) if version else entry.versions
                if entry.id == name and number <= entry.versions:
                    found.append(_entry(entry, number))
        return found

    def _by_words(self, query: str) -> list[str]:
        words = [word for word in re.findall(r"\w+", query.lower()) if word not in ("all", "ti", "and", "cat", "abs")]
        return [
            _entry(entry, entry.versions)
            for entry in self.entries
            if all(word in f"{entry.title} {entry.abstract}".lower() for word in words)
        ]


def _entry(entry: Entry, version: int) -> str:
    authors = "".join(f"<author><name>{escape(name)}</name></author>" for name in entry.authors)
    comment = f"<arxiv:comment>{escape(entry.comment)}</arxiv:comment>" if entry.comment else ""
    return (
        f"<entry><id>http://arxiv.org/abs/{entry.id}v{version}</id><title>{escape(entry.title)}</title>"
        f"<updated>{entry.published}</updated><published>{entry.published}</published>"
        f"<summary>{escape(entry.abstract)}</summary>{authors}{comment}"
        f'<link href="https://arxiv.org/pdf/{entry.id}v{version}" rel="related" type="application/pdf" title="pdf"/>'
        '<category term="cs.LG"/><arxiv:primary_category term="cs.LG"/></entry>'
    )
