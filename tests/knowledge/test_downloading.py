"""Downloading of PDF files from a server on loopback, with the faults that real servers have."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from knowledge.fetching import download_pdf
from knowledge.fetching.downloading import DownloadLimits
from knowledge.papers import PaperError

BODY = b"%PDF-1.5\n" + bytes(range(256)) * 2000 + b"\n%%EOF\n"
QUICK = DownloadLimits(timeout_s=5.0, backoff_s=0.0)


@pytest.fixture
def serve(arxiv_server: Any) -> Any:
    kind = import_module(type(arxiv_server).__module__).Pdf

    def add(data: bytes = BODY, **options: Any) -> str:
        arxiv_server.pdfs["/pdf/1"] = kind(data, **options)
        return f"{arxiv_server.url}/pdf/1"

    return add


def test_a_file_arrives_whole_and_nothing_else_is_left(serve: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "deep" / "paper.pdf"
    url = serve(content_type="text/plain")
    assert download_pdf(url, target, progress=lambda *state: seen.append(state)) == target
    assert target.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [path.name for path in target.parent.iterdir()] == ["paper.pdf"]


def test_an_interrupted_body_is_resumed(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    url = serve(breaks_after=[100_000, 50_000])
    download_pdf(url, tmp_path / "paper.pdf", limits=QUICK)
    assert (tmp_path / "paper.pdf").read_bytes() == BODY
    ranges = [headers.get("Range") for _, headers in arxiv_server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_the_last_one_broke_off(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    url = serve(breaks_after=[100_000])
    with pytest.raises(PaperError, match="what arrived is kept"):
        download_pdf(url, tmp_path / "paper.pdf", limits=DownloadLimits(tries=1))
    assert not (tmp_path / "paper.pdf").exists()
    assert (tmp_path / "paper.pdf.part").stat().st_size == 100_000
    download_pdf(url, tmp_path / "paper.pdf")
    assert (tmp_path / "paper.pdf").read_bytes() == BODY
    assert arxiv_server.requests[-1][1]["Range"] == "bytes=100000-"


def test_a_server_without_ranges_starts_again(serve: Any, tmp_path: Path) -> None:
    url = serve(breaks_after=[100_000], ranges=False)
    download_pdf(url, tmp_path / "paper.pdf", limits=QUICK)
    assert (tmp_path / "paper.pdf").read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_not_mixed(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    url = serve(breaks_after=[100_000])
    with pytest.raises(PaperError):
        download_pdf(url, tmp_path / "paper.pdf", limits=DownloadLimits(tries=1))
    newer = BODY[:9] + b"newer" * 60_000 + b"%%EOF"
    serve(newer, etag='"two"')
    download_pdf(url, tmp_path / "paper.pdf")
    assert (tmp_path / "paper.pdf").read_bytes() == newer


def test_the_part_of_another_address_is_thrown_away(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    (tmp_path / "paper.pdf.part").write_bytes(b"%PDF-other")
    (tmp_path / "paper.pdf.part.json").write_text('{"url": "http://elsewhere/", "validator": ""}')
    download_pdf(serve(), tmp_path / "paper.pdf")
    assert (tmp_path / "paper.pdf").read_bytes() == BODY
    assert "Range" not in arxiv_server.requests[0][1]


def test_a_part_that_is_already_all_or_too_much_starts_again(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    url = serve()
    (tmp_path / "paper.pdf.part").write_bytes(BODY)
    (tmp_path / "paper.pdf.part.json").write_text(f'{{"url": "{url}", "validator": ""}}')
    arxiv_server.faults = [(416, {}, b"")]
    download_pdf(url, tmp_path / "paper.pdf", limits=QUICK)
    assert (tmp_path / "paper.pdf").read_bytes() == BODY


def test_a_web_page_in_place_of_the_pdf_is_refused(serve: Any, tmp_path: Path) -> None:
    url = serve(b"<!DOCTYPE html><html><body>Please log in</body></html>")
    with pytest.raises(PaperError, match="sent a web page in place of a PDF"):
        download_pdf(url, tmp_path / "paper.pdf", limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_something_else_in_place_of_the_pdf_is_refused(serve: Any, tmp_path: Path) -> None:
    with pytest.raises(PaperError, match="sent something else in place of a PDF"):
        download_pdf(serve(b"PK\x03\x04" + bytes(5000)), tmp_path / "paper.pdf", limits=QUICK)


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_over_the_limit_is_refused(serve: Any, tmp_path: Path, says_length: bool) -> None:
    with pytest.raises(PaperError, match=r"over the limit of 0\.1 MiB"):
        download_pdf(serve(says_length=says_length), tmp_path / "paper.pdf", max_bytes=100_000, limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_body_without_length_must_end_as_a_pdf_ends(serve: Any, tmp_path: Path) -> None:
    url = serve(says_length=False, breaks_after=[70_000])
    download_pdf(url, tmp_path / "paper.pdf", limits=QUICK)
    assert (tmp_path / "paper.pdf").read_bytes() == BODY


def test_a_busy_server_is_asked_again(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    waits: list[float] = []
    url = serve()
    arxiv_server.faults = [(503, {"Retry-After": "5"}, b""), (429, {}, b"")]
    download_pdf(url, tmp_path / "paper.pdf", limits=DownloadLimits(backoff_s=1.0), sleep=waits.append)
    assert waits == [5.0, 2.0]


def test_a_missing_file_is_told_at_once(arxiv_server: Any, tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r"there is no such file \(HTTP 404"):
        download_pdf(f"{arxiv_server.url}/pdf/none", tmp_path / "paper.pdf")
    assert len(arxiv_server.requests) == 1


def test_redirects_are_followed_to_http_only(arxiv_server: Any, serve: Any, tmp_path: Path) -> None:
    arxiv_server.redirects = {"/good": serve(), "/loop": "/loop"}
    arxiv_server.redirects |= {
        "/file": "file:///etc/passwd",
        "/ftp": "ftp://127.0.0.1/x.pdf",
        "/user": "http://a:b@127.0.0.1/",
    }
    download_pdf(f"{arxiv_server.url}/good", tmp_path / "paper.pdf")
    assert (tmp_path / "paper.pdf").read_bytes() == BODY
    for path in ("file", "ftp", "user", "loop"):
        with pytest.raises(PaperError, match=r"HTTP 302|only plain http and https") as caught:
            download_pdf(f"{arxiv_server.url}/{path}", tmp_path / "other.pdf", limits=QUICK)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "other.pdf").exists()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x.pdf", "data:,x", "http://user:key@example.org/x"]
)
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(PaperError, match="only plain http and https"):
        download_pdf(url, tmp_path / "paper.pdf")


def test_a_place_that_cannot_be_written_is_told(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PaperError, match="cannot be written"):
        download_pdf(serve(), tmp_path / "file" / "paper.pdf")
