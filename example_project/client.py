"""A browser's part of CORS, in plain Python, for the calls that ``--once`` makes.

It believes nothing but the response headers, and follows the Fetch standard's steps
(https://fetch.spec.whatwg.org/#http-cors-protocol) as far as the calls need them. Nothing is imported from the
package: what judges it must not share its mistakes.
"""

import json
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

TIMEOUT = 30  # seconds
MAX_REDIRECTS = 20

SIMPLE_METHODS = {"GET", "HEAD", "POST"}
SIMPLE_HEADERS = {"accept", "accept-language", "content-language"}
SIMPLE_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
READABLE_HEADERS = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}


class BlockedError(Exception):
    """What a script sees as a TypeError; the text is what the browser's console would say."""


@dataclass
class Response:
    """What a script may read of a response. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    redirected: bool


@dataclass
class Browser:
    """Makes calls for pages, and keeps the cookies of each host. Every name is taken for this machine."""

    cookies: dict[str, SimpleCookie] = field(default_factory=dict)

    def fetch(
        self, url: str, *, origin: str, method: str, credentials: str, headers: dict[str, str], body: str | None
    ) -> Response:
        """Do what ``fetch()`` does on a page of that origin. Raises BlockedError where the browser would refuse."""
        include = credentials == "include"
        for redirects in range(MAX_REDIRECTS):
            unsafe = sorted(name.lower() for name, value in headers.items() if not _is_simple(name, value))
            if method not in SIMPLE_METHODS or unsafe:
                self._preflight(url, origin, method, unsafe, include)
            status, received, content = self._send(method, url, origin, headers, body, include)
            _check(received, origin, include)
            location = received.get("Location")
            if status not in (301, 302, 303, 307, 308) or location is None:
                return Response(status, _readable(received, include), content, redirected=redirects > 0)
            target = urljoin(url, location)
            # Led on to a third origin, nobody vouches for who asked first.
            if _origin(target) != _origin(url) and origin != _origin(url):
                origin = "null"
            if status == 303 or (status in (301, 302) and method == "POST"):
                method, body = "GET", None
            url = target
        raise BlockedError("too many redirects")

    def _preflight(self, url: str, origin: str, method: str, names: list[str], include: bool) -> None:
        asked = {"Access-Control-Request-Method": method}
        if names:
            asked["Access-Control-Request-Headers"] = ",".join(names)
        status, received, _ = self._send("OPTIONS", url, origin, asked, None, include=False)
        _check(received, origin, include)
        if not 200 <= status < 300:
            raise BlockedError(f"the preflight's status is {status}")
        # A star means everything only where no credentials are sent.
        methods = _names(received, "Access-Control-Allow-Methods")
        if method not in methods | SIMPLE_METHODS and (include or "*" not in methods):
            raise BlockedError(f"the preflight does not allow the method {method}")
        allowed = {name.lower() for name in _names(received, "Access-Control-Allow-Headers")}
        for name in names:
            if name not in allowed and (include or "*" not in allowed or name == "authorization"):
                raise BlockedError(f"the preflight does not allow the header {name}")

    def _send(
        self, method: str, url: str, origin: str, headers: dict[str, str], body: str | None, include: bool
    ) -> tuple[int, HTTPMessage, bytes]:
        target = urlsplit(url)
        sent = {"Host": target.netloc, "Origin": origin, "Accept": "*/*", "Connection": "close"} | headers
        jar = self.cookies.setdefault(target.hostname or "", SimpleCookie())
        if include and jar:
            sent["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())
        # Connected by address: a browser knows what *.localhost is, the system's resolver may not.
        connection = HTTPConnection("127.0.0.1", target.port, timeout=TIMEOUT)
        try:
            connection.request(method, target.path, None if body is None else body.encode(), sent)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if include:
            for cookie in response.headers.get_all("Set-Cookie", ()):
                jar.load(cookie)
        return response.status, response.headers, content


def _is_simple(name: str, value: str) -> bool:
    """Tell whether a form or a link could have sent this header, so that no preflight is due."""
    if name.lower() == "content-type":
        return value.partition(";")[0].strip().lower() in SIMPLE_TYPES
    return name.lower() in SIMPLE_HEADERS


def _check(received: HTTPMessage, origin: str, include: bool) -> None:
    """Fetch, "CORS check"."""
    # Two values are no value: a browser compares the whole, joined by a comma.
    allowed = ", ".join(received.get_all("Access-Control-Allow-Origin", ()))
    if not allowed:
        raise BlockedError("no Access-Control-Allow-Origin")
    if allowed == "*" and not include:
        return
    if allowed != origin:
        raise BlockedError(f"Access-Control-Allow-Origin is {allowed}, not {origin}")
    if include and received.get("Access-Control-Allow-Credentials") != "true":
        raise BlockedError("no Access-Control-Allow-Credentials: true")


def _readable(received: HTTPMessage, include: bool) -> dict[str, str]:
    exposed = {name.lower() for name in _names(received, "Access-Control-Expose-Headers")}
    everything = "*" in exposed and not include
    result = {}
    for name in {name.lower() for name in received}:
        if name in READABLE_HEADERS | exposed or (everything and name != "set-cookie"):
            result[name] = ", ".join(received.get_all(name, ()))
    return result


def _names(received: HTTPMessage, header: str) -> set[str]:
    return {name.strip() for name in ",".join(received.get_all(header, ())).split(",") if name.strip()}


def _origin(url: str) -> str:
    target = urlsplit(url)
    return f"{target.scheme}://{target.netloc}"


# --- the calls -----------------------------------------------------------------------------------------------------


def make(calls: list[dict[str, Any]], browser: Browser) -> list[tuple[dict[str, Any], bool, str]]:
    """Make the calls in their order. Gives each with whether it went as expected, and what happened."""
    results = []
    csrf = ""
    for call in calls:
        try:
            response = browser.fetch(
                call["url"],
                origin=call["origin"],
                method=call["method"],
                credentials=call["credentials"],
                headers={name: value.replace("{csrf}", csrf) for name, value in call["headers"].items()},
                body=call["body"],
            )
        except BlockedError as error:
            results.append((call, bool(call["expect"].get("blocked")), f"blocked: {error}"))
        except (OSError, HTTPException) as error:
            results.append((call, False, f"no answer: {error!r}"))
        else:
            csrf = str(_json(response).get("csrf", csrf))
            results.append((call, *_judge(call["expect"], response)))
    return results


def _judge(expect: dict[str, Any], response: Response) -> tuple[bool, str]:
    """Compare what was expected with what a script can read. page.js does the same."""
    body = _json(response)
    expected, got = [expect.get("status")], [response.status]
    words = [str(response.status)]
    for name in [*expect.get("readable", ()), *expect.get("hidden", ())]:
        value = response.headers.get(name.lower())
        expected.append(name in expect.get("readable", ()))
        got.append(value is not None)
        words.append(f"{name} hidden" if value is None else f"{name}: {value}")
    for name, value in expect.get("json", {}).items():
        expected.append(value)
        got.append(body.get(name))
        words.append(f"{name}: {body.get(name)}")
    if expect.get("body"):
        expected.append(True)
        got.append(bool(response.body))
        words.append("body readable" if response.body else "no body")
    expected.append(bool(expect.get("redirected")))
    got.append(response.redirected)
    if response.redirected:
        words.append("redirected")
    return expected == got, ", ".join(words)


def _json(response: Response) -> dict[str, Any]:
    try:
        body = json.loads(response.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
