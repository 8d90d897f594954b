"""The client of arXiv's API against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knowledge.fetching import ArxivClient
from knowledge.papers import Paper, PaperError


@pytest.fixture
def make_client(arxiv_server: Any) -> Callable[..., tuple[ArxivClient, list[float]]]:
    def make(cache: Path | None = None, **options: Any) -> tuple[ArxivClient, list[float]]:
        waits: list[float] = []
        options = {"delay_s": 0.0, "timeout_s": 5.0, "sleep": waits.append, **options}
        return ArxivClient(cache, api_url=arxiv_server.api_url, pdf_url=arxiv_server.pdf_url, **options), waits

    return make


@pytest.fixture
def entry(arxiv_server: Any) -> Callable[..., Any]:
    from importlib import import_module

    kind = import_module(type(arxiv_server).__module__).Entry

    def add(id: str, title: str, **options: Any) -> Any:
        arxiv_server.entries.append(kind(id, title, **options))
        return arxiv_server.entries[-1]

    return add


def test_search_returns_papers(arxiv_server: Any, make_client: Any, entry: Any) -> None:
    entry("2307.08621", "Retentive Network:\n  A Successor", versions=4, authors=("Yutao Sun", "Li Dong"))
    entry("2312.00752", "Mamba: Linear-Time Sequence Modeling")
    client, _ = make_client()
    assert client.search('ti:"retentive network"') == (
        Paper(
            "2307.08621",
            "Retentive Network: A Successor",
            ("Yutao Sun", "Li Dong"),
            "We propose a layer.",
            "2307.08621",
            4,
            "2023-07-17",
            "https://arxiv.org/abs/2307.08621v4",
        ),
    )
    assert "search_query=ti%3A%22retentive+network%22" in arxiv_server.requests[0][0]


def test_search_gives_as_many_as_asked_over_pages(arxiv_server: Any, make_client: Any, entry: Any) -> None:
    for number in range(130):
        entry(f"2301.{number:05d}", f"Layer number {number}")
    client, _ = make_client()
    assert len(client.search("all:layer", max_results=3)) == 3
    found = client.search("all:layer", max_results=120)
    assert [paper.id for paper in found] == [f"2301.{number:05d}" for number in range(120)]
    assert len(arxiv_server.requests) == 3


def test_get_keeps_order_versions_and_says_what_is_missing(make_client: Any, entry: Any) -> None:
    entry("2307.08621", "Retention", versions=4)
    entry("cs/0701123", "An old one")
    client, _ = make_client()
    old, missing, newest, second, none = client.get(
        ["cs/0701123", "2401.99999", "2307.08621", "2307.08621v2", "2307.08621v9"]
    )
    assert (old.id, old.version) == ("cs/0701123", 1)
    assert (newest.version, second.version) == (4, 2)
    assert isinstance(missing, PaperError)
    assert isinstance(none, PaperError)
    assert "2307.08621v9: arXiv has no such paper or version" in str(none)
    with pytest.raises(PaperError, match="not an arXiv id"):
        client.get(["nonsense"])


def test_withdrawn_papers_are_told_and_not_downloaded(make_client: Any, entry: Any, tmp_path: Path) -> None:
    entry("2301.00001", "Wrong", comment="This paper has been withdrawn by the authors due to an error in Theorem 2")
    entry("2301.00002", "Wrong too", abstract="This paper has been withdrawn.")
    entry("2301.00003", "Right", abstract="Money is withdrawn from a bank in our example.")
    client, _ = make_client()
    first, second, third = client.get(["2301.00001", "2301.00002", "2301.00003"])
    assert [first.withdrawn, second.withdrawn, third.withdrawn] == [True, True, False]
    with pytest.raises(PaperError, match="withdrawn by its authors"):
        client.download(first, tmp_path)


def test_a_busy_server_is_asked_again_after_the_time_it_names(arxiv_server: Any, make_client: Any, entry: Any) -> None:
    entry("2307.08621", "Retention")
    arxiv_server.faults = [(503, {"Retry-After": "7"}, b"busy"), (500, {}, b"oops")]
    client, waits = make_client(backoff_s=2.0)
    assert client.get(["2307.08621"])[0].title == "Retention"
    assert waits == [7.0, 4.0]


def test_a_server_that_stays_busy_is_an_error_in_one_line(arxiv_server: Any, make_client: Any) -> None:
    arxiv_server.faults = [(503, {}, b"busy")] * 3
    client, _ = make_client(tries=3)
    with pytest.raises(PaperError, match=r"arXiv cannot be asked: HTTP 503 .*\(asked 3 times\)") as caught:
        client.search("all:layer")
    assert "\n" not in str(caught.value)
    assert len(arxiv_server.requests) == 3


def test_a_silent_server_is_given_up(arxiv_server: Any, make_client: Any) -> None:
    arxiv_server.pause_s = 1.0
    client, _ = make_client(tries=2, timeout_s=0.1)
    with pytest.raises(PaperError, match="no answer within"):
        client.search("all:layer")


def test_a_request_that_arxiv_refuses_is_not_repeated(arxiv_server: Any, make_client: Any) -> None:
    arxiv_server.faults = [(400, {}, b"bad")]
    client, waits = make_client()
    with pytest.raises(PaperError, match="HTTP 400"):
        client.search("all:layer")
    assert waits == []


def test_no_server_is_an_error(make_client: Any) -> None:
    client = ArxivClient(api_url="http://127.0.0.1:9/api", tries=1, timeout_s=2.0)
    with pytest.raises(PaperError, match="no connection"):
        client.search("all:layer")


def test_an_empty_result_is_told(make_client: Any) -> None:
    client, _ = make_client()
    with pytest.raises(PaperError, match="finds no paper for this search"):
        client.search("all:nothing")


@pytest.mark.parametrize(
    "feed",
    [
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>http://arxiv.org/abs/2307.0",
        b"<html><body>Rate exceeded.</body></html>",
        b"<!DOCTYPE html><html><body>Sorry</body></html>",
        b"<!DOCTYPE feed [<!ENTITY a 'aaaa'>]><feed xmlns='http://www.w3.org/2005/Atom'>&a;</feed>",
        b"",
        b"\xff\xfe\x00",
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>http://arxiv.org/abs/nonsense</id><title>x</title>"
        b"<updated>2023-07-17T16:40:01Z</updated><published>2023-07-17T16:40:01Z</published></entry></feed>",
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>http://arxiv.org/abs/2307.08621v1</id><title>x</title>"
        b"<updated>yesterday</updated><published>2023-07-17T16:40:01Z</published></entry></feed>",
    ],
)
def test_a_malformed_feed_is_an_error_in_one_line(
    arxiv_server: Any, make_client: Any, feed: bytes, tmp_path: Path
) -> None:
    arxiv_server.feed = feed
    client, _ = make_client(tmp_path)
    with pytest.raises(PaperError, match="sent") as caught:
        client.search("all:layer")
    assert "\n" not in str(caught.value)


def test_what_arxiv_says_of_a_bad_query_is_passed_on(arxiv_server: Any, make_client: Any) -> None:
    arxiv_server.feed = (
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>http://arxiv.org/api/errors#bad</id><title>Error</title>"
        b"<summary>incorrect id format for x</summary><updated>2023-07-17T16:40:01Z</updated>"
        b"<published>2023-07-17T16:40:01Z</published></entry></feed>"
    )
    client, _ = make_client()
    with pytest.raises(PaperError, match="arXiv refuses this: incorrect id format"):
        client.search("all:layer")


def test_answers_are_cached_with_their_date(arxiv_server: Any, make_client: Any, entry: Any, tmp_path: Path) -> None:
    entry("2307.08621", "Retention")
    make_client(tmp_path)[0].get(["2307.08621"])
    again = make_client(tmp_path)[0].get(["2307.08621"])[0]
    assert again.title == "Retention"
    assert len(arxiv_server.requests) == 1
    record = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert set(record) == {"url", "date", "feed"}
    make_client(tmp_path, max_age=timedelta(0))[0].get(["2307.08621"])
    assert len(arxiv_server.requests) == 2


def test_an_old_answer_serves_when_arxiv_is_down(
    arxiv_server: Any, make_client: Any, entry: Any, tmp_path: Path
) -> None:
    entry("2307.08621", "Retention")
    make_client(tmp_path)[0].get(["2307.08621"])
    arxiv_server.faults = [(503, {}, b"")] * 4
    assert make_client(tmp_path, max_age=timedelta(0))[0].get(["2307.08621"])[0].title == "Retention"


def test_a_broken_cache_is_asked_anew(arxiv_server: Any, make_client: Any, entry: Any, tmp_path: Path) -> None:
    entry("2307.08621", "Retention")
    make_client(tmp_path)[0].get(["2307.08621"])
    next(tmp_path.glob("*.json")).write_text('{"url": ')
    assert make_client(tmp_path)[0].get(["2307.08621"])[0].title == "Retention"
    assert len(arxiv_server.requests) == 2


def test_requests_keep_a_polite_distance(make_client: Any, entry: Any) -> None:
    entry("2307.08621", "Retention")
    client, waits = make_client(delay_s=3.0)
    client.get(["2307.08621"])
    assert waits == []
    client.search("all:retention")
    assert len(waits) == 1
    assert 2.0 < waits[0] <= 3.0


def test_addresses_come_from_argument_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURAMOSAIC_ARXIV_API", "http://mirror/api/query")
    monkeypatch.setenv("NEURAMOSAIC_ARXIV_PDF", "http://mirror/pdf/")
    client = ArxivClient(api_url="http://mine/api")
    assert (client.api_url, client.pdf_url) == ("http://mine/api", "http://mirror/pdf")
    assert ArxivClient().api_url == "http://mirror/api/query"
    paper = Paper("cs/0701123", "x", arxiv_id="cs/0701123", version=2)
    assert client.address(paper) == "http://mirror/pdf/cs/0701123v2"


def test_the_pdf_of_a_paper_is_downloaded_once(
    arxiv_server: Any, make_client: Any, entry: Any, tmp_path: Path, pdfs: Any
) -> None:
    from importlib import import_module

    entry("2307.08621", "Retention", versions=2)
    data = pdfs.one_column(tmp_path / "made.pdf").read_bytes()
    arxiv_server.pdfs["/pdf/2307.08621v2"] = import_module(type(arxiv_server).__module__).Pdf(data)
    client, _ = make_client()
    paper = client.get(["2307.08621"])[0]
    path = client.download(paper, tmp_path / "papers")
    assert path == client.download(paper, tmp_path / "papers") == tmp_path / "papers" / "2307.08621v2.pdf"
    assert path.read_bytes() == data
    assert len(arxiv_server.requests) == 2
