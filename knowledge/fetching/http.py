"""HTTP as far as papers need it: GET, redirects to http and https only, no credentials, no other scheme."""

from __future__ import annotations

import email.utils
import http.client
import time
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from neuramosaic import __version__

USER_AGENT = f"neuramosaic/{__version__} (python-urllib)"
RETRIED = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which it is worth asking again."""

LONGEST_WAIT_S = 120.0
"""What a server's Retry-After is followed up to, seconds."""


class HttpError(Exception):
    """A request that failed.

    Attributes:
        status: HTTP status, or None if there was no answer.
        retry: Whether asking again may help.
        wait_s: How long the server asks to wait, seconds, or None.
    """

    def __init__(self, message: str, status: int | None = None, *, retry: bool, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry, self.wait_s = status, retry, wait_s


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(url: str) -> None:
    """Refuse what is not a plain http or https address.

    Raises:
        HttpError: If it has another scheme, no host, or a user's name in it.
    """
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    except ValueError:
        plain = False
    if not plain:
        raise HttpError("only plain http and https addresses are fetched", retry=False)


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # no handlers for files, FTP, data, passwords or cookies
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def get(url: str, *, timeout_s: float, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    """Ask for `url` and return the open answer, whose status is 200 or 206; the caller closes it.

    Args:
        url: An http or https address.
        timeout_s: Longest silence of the server, seconds.
        headers: Further request headers.

    Raises:
        HttpError: For every other status, and where there is no answer.
    """
    check_address(url)
    request = urllib.request.Request(
        url, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
    )
    try:
        answer: http.client.HTTPResponse = _opener().open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            wait_s = _wait(error.headers.get("Retry-After"))
            raise HttpError(
                f"HTTP {error.code} {str(error.reason).splitlines()[0] if error.reason else ''}".strip(),
                error.code,
                retry=error.code in RETRIED,
                wait_s=wait_s,
            ) from error
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise no_answer(error, timeout_s) from error
    except ValueError as error:  # an address that urllib cannot use
        raise HttpError("only plain http and https addresses are fetched", retry=False) from error
    if answer.status not in (200, 206):
        answer.close()
        raise HttpError(f"HTTP {answer.status}", answer.status, retry=False)
    return answer


def no_answer(error: Exception, timeout_s: float) -> HttpError:
    """Say why there is no answer."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return HttpError(f"no answer within {timeout_s:.0f} s", retry=True)
    if isinstance(reason, OSError):
        return HttpError(f"no connection ({reason.strerror or type(reason).__name__})", retry=True)
    return HttpError(f"the connection broke off ({type(error).__name__})", retry=True)


def _wait(value: str | None) -> float | None:
    """Seconds that a Retry-After header names, as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return min(float(value), LONGEST_WAIT_S)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return min(max(0.0, until.timestamp() - time.time()), LONGEST_WAIT_S)
