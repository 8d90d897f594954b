"""arXiv's API through the `arxiv` package: searches and ids to papers, politely, with retries, and cached.

The package builds the addresses and reads the feeds; the requests are made here, so that they have time-outs, waits
that follow Retry-After, a size cap, and a cache in the workspace. API: https://info.arxiv.org/help/api/user-manual.html.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import arxiv  # type: ignore[import-untyped]

from knowledge.fetching.downloading import DownloadLimits, Progress, download_pdf
from knowledge.fetching.http import HttpError, get, no_answer
from knowledge.fetching.references import ARXIV_ID
from knowledge.papers import Paper, PaperError

API_URL = "https://export.arxiv.org/api/query"
PDF_URL = "https://export.arxiv.org/pdf"
API_VARIABLE, PDF_VARIABLE = "NEURAMOSAIC_ARXIV_API", "NEURAMOSAIC_ARXIV_PDF"
MAX_FEED_BYTES = 32 * 2**20
PAGE = 100
"""Papers asked for in one request."""

_LOG = logging.getLogger(__name__)
_WITHDRAWN = re.compile(r"\bwithdrawn\b|\bretracted\b", re.IGNORECASE)


class ArxivClient:
    """Asks arXiv for papers.

    Attributes:
        api_url: Of the API; the environment variable NEURAMOSAIC_ARXIV_API if no argument names one.
        pdf_url: Under which PDF files lie; NEURAMOSAIC_ARXIV_PDF if no argument names one.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        api_url: str | None = None,
        pdf_url: str | None = None,
        delay_s: float = 3.0,
        tries: int = 4,
        timeout_s: float = 30.0,
        backoff_s: float = 3.0,
        max_age: timedelta = timedelta(days=7),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a client; nothing is asked yet.

        Args:
            cache: Folder for answers (JSON, with their date), or None for no cache.
            api_url: Address of the API.
            pdf_url: Address under which PDF files lie.
            delay_s: Least time between two requests, seconds; arXiv asks for 3.
            tries: How often a request is made, the first time included.
            timeout_s: Longest silence of the server, seconds.
            backoff_s: Wait before the second try, seconds; doubled each time, unless the server names a wait.
            max_age: Up to which age a cached answer serves.
            sleep: Waits.
        """
        self.api_url = (api_url or os.environ.get(API_VARIABLE) or API_URL).rstrip("/?")
        self.pdf_url = (pdf_url or os.environ.get(PDF_VARIABLE) or PDF_URL).rstrip("/")
        self._limits = DownloadLimits(timeout_s=timeout_s, tries=tries, backoff_s=backoff_s)
        self._requests = _Requests(cache, delay_s, self._limits, max_age, sleep)
        self._client = arxiv.Client(page_size=PAGE, delay_seconds=0, num_retries=0)
        self._client.query_url_format = self.api_url.replace("{", "{{").replace("}", "}}") + "?{}"
        self._client._session = self._requests  # time-outs, waits and the cache are ours

    def search(self, query: str, max_results: int = 10) -> tuple[Paper, ...]:
        """Return the papers that arXiv finds for `query`, the most relevant first, withdrawn ones included and marked.

        Args:
            query: In arXiv's language, such as `cat:cs.LG AND abs:"linear attention"`.
            max_results: At most so many.

        Raises:
            PaperError: If there is none, or arXiv cannot be asked.
        """
        if max_results < 1:
            raise PaperError(query, "at least one result must be asked for")
        self._client.page_size = min(PAGE, max_results)
        papers = tuple(self._papers(arxiv.Search(query=query, max_results=max_results), query))
        if not papers:
            raise PaperError(query, "arXiv finds no paper for this search; try fewer words or another field")
        return papers

    def get(self, ids: Sequence[str]) -> tuple[Paper | PaperError, ...]:
        """Return the papers of `ids` in their order; an error in the place of each that arXiv does not have.

        Args:
            ids: arXiv ids, with a version such as "2307.08621v2" or without one for the newest.

        Raises:
            PaperError: If arXiv cannot be asked, or an id is none.
        """
        for text in ids:
            if not ARXIV_ID.fullmatch(text):
                raise PaperError(text, "not an arXiv id; they look like 2307.08621, 2307.08621v2 or cs/0701123")
        found: list[Paper] = []
        for start in range(0, len(ids), PAGE):
            part = list(dict.fromkeys(ids[start : start + PAGE]))
            self._client.page_size = PAGE
            found += self._papers(arxiv.Search(id_list=part, max_results=len(part)), ", ".join(part[:3]))
        by_id = {f"{paper.arxiv_id}v{paper.version}": paper for paper in found}
        newest: dict[str, Paper] = {}
        for paper in sorted(found, key=lambda paper: paper.version or 0):
            newest[str(paper.arxiv_id)] = paper
        return tuple(
            by_id.get(text) or newest.get(text) or PaperError(text, "arXiv has no such paper or version")
            for text in ids
        )

    def address(self, paper: Paper) -> str:
        """Return where the PDF of an arXiv paper lies."""
        return f"{self.pdf_url}/{paper.arxiv_id}" + (f"v{paper.version}" if paper.version else "")

    def download(
        self, paper: Paper, folder: Path, *, max_bytes: int = 64 * 2**20, progress: Progress | None = None
    ) -> Path:
        """Download the PDF of an arXiv paper into `folder`, unless it lies there already.

        Raises:
            PaperError: If it cannot be had, or the paper is withdrawn.
        """
        if paper.arxiv_id is None:
            raise PaperError(paper.id, "not a paper of arXiv")
        if paper.withdrawn:
            raise PaperError(paper.id, "withdrawn by its authors; name an earlier version, such as " + f"{paper.id}v1")
        version = f"v{paper.version}" if paper.version else ""
        target = folder / f"{paper.arxiv_id.replace('/', '_')}{version}.pdf"
        if not target.exists():
            self._requests.wait()
            download_pdf(
                self.address(paper),
                target,
                max_bytes=max_bytes,
                limits=self._limits,
                progress=progress,
                sleep=self._requests.sleep,
            )
        return target

    def _papers(self, search: arxiv.Search, reference: str) -> list[Paper]:
        try:
            return [_paper(result, reference) for result in self._client.results(search)]
        except HttpError as error:
            tries = f" (asked {self._limits.tries} times)" if error.retry else ""
            raise PaperError(reference, f"arXiv cannot be asked: {error}{tries}") from error
        except arxiv.ArxivError as error:
            raise PaperError(reference, "arXiv broke off its answer; try again later") from error
        except ValueError as error:  # a date that is none
            raise PaperError(reference, "arXiv sent an answer that cannot be read; try again later") from error


def _paper(result: arxiv.Result, reference: str) -> Paper:
    match = ARXIV_ID.fullmatch(re.sub(r"^https?://[^/]+/abs/", "", result.entry_id))
    if match is None:
        if "/api/errors" in result.entry_id:
            raise PaperError(reference, f"arXiv refuses this: {_line(result.summary)[:200]}")
        raise PaperError(reference, "arXiv sent an answer that cannot be read; try again later")
    abstract, comment = _line(result.summary), _line(result.comment or "")
    withdrawn = bool(_WITHDRAWN.search(comment)) or bool(
        re.match(
            r"(this|the) (paper|submission|article|manuscript|work)\b.{0,40}\bwithdrawn\b", abstract, re.IGNORECASE
        )
    )
    return Paper(
        id=match["id"],
        title=_line(result.title),
        authors=tuple(_line(author.name) for author in result.authors),
        abstract=abstract,
        arxiv_id=match["id"],
        version=int(match["version"]) if match["version"] else None,
        published=result.published.date().isoformat(),
        origin=f"https://arxiv.org/abs/{match['id']}" + (f"v{match['version']}" if match["version"] else ""),
        withdrawn=withdrawn,
    )


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@dataclass(frozen=True)
class _Answer:
    """What the `arxiv` package looks at."""

    status_code: int
    content: bytes


class _Requests:
    """Stands in for the session of the `arxiv` package."""

    def __init__(
        self,
        cache: Path | None,
        delay_s: float,
        limits: DownloadLimits,
        max_age: timedelta,
        sleep: Callable[[float], None],
    ) -> None:
        self._cache, self._delay_s, self._limits, self._max_age = cache, delay_s, limits, max_age
        self.sleep = sleep
        self._last: float | None = None

    def wait(self) -> None:
        """Wait until the next request is polite."""
        now = time.monotonic()
        if self._last is not None and now - self._last < self._delay_s:
            self.sleep(self._delay_s - (now - self._last))
        self._last = time.monotonic()

    def get(self, url: str, headers: dict[str, str] | None = None) -> _Answer:
        """Return the feed at `url`: from the cache if young, else from arXiv, else from the cache whatever its age."""
        kept, age = self._read(url)
        if kept is not None and age <= self._max_age:
            return _Answer(200, kept)
        try:
            content = self._ask(url)
        except HttpError as error:
            if kept is None or not error.retry:
                raise
            _LOG.warning("arXiv cannot be asked (%s); an answer of %d days ago is used", error, age.days)
            return _Answer(200, kept)
        self._write(url, content)
        return _Answer(200, content)

    def _ask(self, url: str) -> bytes:
        for attempt in range(self._limits.tries):
            self.wait()
            try:
                content = self._fetch(url)
                _check_feed(content, further=not re.search(r"[?&]start=0(&|$)", url))
                return content
            except HttpError as error:
                if not error.retry or attempt + 1 == self._limits.tries:
                    raise
                self.sleep(self._limits.backoff_s * 2**attempt if error.wait_s is None else error.wait_s)
        raise AssertionError("at least one try")

    def _fetch(self, url: str) -> bytes:
        with get(url, timeout_s=self._limits.timeout_s) as answer:
            try:
                content = answer.read(MAX_FEED_BYTES + 1)
            except (OSError, http.client.HTTPException) as error:
                raise no_answer(error, self._limits.timeout_s) from error
            length = answer.headers.get("Content-Length", "")
        if len(content) > MAX_FEED_BYTES:
            raise HttpError("an answer of more than 32 MiB", retry=False)
        if length.isdigit() and len(content) < int(length):
            raise HttpError("the connection broke off", retry=True)
        return content

    def _file(self, url: str) -> Path | None:
        return self._cache / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json" if self._cache else None

    def _read(self, url: str) -> tuple[bytes | None, timedelta]:
        file = self._file(url)
        if file is None:
            return None, timedelta(0)
        try:
            record: Any = json.loads(file.read_text(encoding="utf-8"))
            date = datetime.fromisoformat(record["date"])
            if record["url"] != url or not isinstance(record["feed"], str):
                return None, timedelta(0)
            return record["feed"].encode(), abs(datetime.now(UTC) - date)
        except (OSError, ValueError, KeyError, TypeError):  # none, or one that cannot be read: ask again
            return None, timedelta(0)

    def _write(self, url: str, content: bytes) -> None:
        file = self._file(url)
        if file is None or b"<entry" not in content:  # a paper that is not there today may be there tomorrow
            return
        record = {"url": url, "date": datetime.now(UTC).isoformat(timespec="seconds"), "feed": content.decode("utf-8")}
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        os.replace(part, file)


def _check_feed(content: bytes, *, further: bool) -> None:
    """Refuse what is not a whole Atom feed; the package would take it for an empty one."""
    if re.search(rb"<!(DOCTYPE|ENTITY)", content, re.IGNORECASE):
        what = "a web page" if re.search(rb"<html", content[:2000], re.IGNORECASE) else "a document with declarations"
        raise HttpError(f"it sent {what} in place of a feed", retry=False)
    try:
        content.decode("utf-8")
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError) as error:
        raise HttpError("it sent a feed that is not well-formed", retry=False) from error
    if root.tag != "{http://www.w3.org/2005/Atom}feed":
        raise HttpError("it sent something that is not a feed", retry=False)
    if further and root.find("{http://www.w3.org/2005/Atom}entry") is None:
        raise HttpError("it sent an empty page in the middle of its answer", retry=True)
