"""The browser's side of CORS: what a fetch comes to, given what the servers answer.

Sections are those of https://fetch.spec.whatwg.org/, and ``fetch()`` is a window's. Where Chromium departs from the
standard this does as Chromium 156 does, and a comment says so.

Not covered: what a page does to itself (Content Security Policy, service workers, extensions), and the permission that
Chromium asks for since version 142 before a public page may reach the local network or the visitor's own machine.
Without it, a fetch that is allowed here is blocked there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from .answers import Answer, decoded, locations, readable, received
from .blocking import is_bad_port, is_mixed_content
from .corscheck import Refusal, cors_check, preflight_check, read_preflight, redirected, status_check
from .errors import quoted
from .names import FORBIDDEN_METHODS, NORMALIZED_METHODS, SAFELISTED_METHODS, is_token
from .origins import parse_origin
from .preflights import PreflightCache, max_age
from .safelists import OWN_HINTS, is_dropped, normalize_value, unsafe_names
from .urls import URL, parse_url

__all__ = [
    "Answer",
    "FetchRequest",
    "PreflightCache",
    "Verdict",
    "WireRequest",
    "browse",
    "is_dropped",
    "remembered_for",
]

MAX_REDIRECTS = 20

_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
# Fetch, "request-body-header name".
_BODY_HEADERS = ("content-encoding", "content-language", "content-length", "content-location", "content-type")
# With one of these Chromium asks again, whatever it remembers of a preflight.
_CONDITIONS = frozenset({"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"})
# Where no server may send a page; not a matter of CORS to Chromium.
_UNSAFE = frozenset({"about", "blob", "chrome", "chrome-extension", "chrome-untrusted", "data", "devtools", "file"})
_SOCKETS = ("ws", "wss")
_CORS_SCHEMES = (
    "chrome, chrome-experimental-site-token-provider, chrome-extension, chrome-untrusted, data, http, https, "
    "isolated-app"
)
# The sections that a fetch ends in.
_REQUEST = "Request class"
_MAIN = "main fetch"
_SCHEME = "scheme fetch"
_HTTP = "HTTP fetch"
_REDIRECT = "HTTP-redirect fetch"
_NETWORK = "HTTP-network fetch"
_PREFLIGHT = "CORS-preflight fetch"
_CHECK = "CORS check"


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """A call of ``fetch()`` by a page.

    ``origin`` is the page's as a browser sends it, ``null`` for an opaque one. A relative ``url`` is resolved as if the
    page was the root of its origin. ``headers`` are pairs of a name and a value, in any case, repeated as wanted.
    ``credentials`` is omit, same-origin or include; ``redirect`` is follow, error or manual. A body is of no
    consequence but for the Content-Type that it implies: that is to be named in ``headers``.
    """

    origin: str
    url: str
    method: str = "GET"
    headers: Sequence[tuple[str, str]] = ()
    credentials: str = "same-origin"
    redirect: str = "follow"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request that leaves the browser: absolute URL without a fragment, the script's headers and those of CORS.

    Cookies travel with whatever is not a preflight, as far as ``credentials`` lets them. The value of Range is the
    script's: Chromium writes it anew, without blanks and leading zeros.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fetch came to.

    ``step`` names the section of the standard that ended it; ``message`` says why, and what to send instead.
    ``readable_headers`` are those of ``response.headers``: lower case, sorted, combined. ``requests`` are all that were
    made, each with its answer. ``console`` is the line that Chromium's console shows, word for word, and so as long as
    what it quotes; empty where it shows none.
    """

    allowed: bool
    step: str
    message: str
    readable_headers: tuple[tuple[str, str], ...]
    requests: tuple[tuple[WireRequest, Answer], ...]
    console: str


def browse(fetch: FetchRequest, send: Callable[[WireRequest], Answer], cache: PreflightCache | None = None) -> Verdict:
    """Work out what a browser does with a fetch; ``send`` answers each request that it makes.

    With a ``cache``, preflights are remembered for the next call. What ``send`` raises passes through. Raises
    ValueError for an ``origin`` that no page has; everything else that a script can get wrong is a verdict.

    Source: Fetch, "fetch()" and "main fetch".
    """
    if fetch.origin != "null" and parse_origin(fetch.origin) is None:
        raise ValueError(
            f"{quoted(fetch.origin)} is not the origin of a page: write it as a browser sends it, in lower case and "
            "without a default port or a path, such as 'https://app.example.com'; or 'null'"
        )
    return _Fetch(fetch, send, PreflightCache() if cache is None else cache).run()


def remembered_for(preflight: Answer) -> int:
    """Give the seconds for which Chromium sends without asking again, after this answer to a preflight."""
    return max_age(received(preflight).get("access-control-max-age"))


class _Blocked(Exception):  # noqa: N818 -- the script's error, not ours
    def __init__(self, step: str, message: str, console: str) -> None:
        super().__init__(message)
        self.step, self.console = step, console


class _Fetch:
    """One fetch on its way: where it has come to, and what it sends next."""

    def __init__(self, fetch: FetchRequest, send: Callable[[WireRequest], Answer], cache: PreflightCache) -> None:
        self._fetch = fetch
        self._send = send
        # Chromium: what an opaque origin is allowed is forgotten when the fetch ends.
        self._cache = cache if fetch.origin != "null" else PreflightCache()
        self._include = fetch.credentials == "include"
        self._requests: list[tuple[WireRequest, Answer]] = []
        self._method = fetch.method
        self._headers: dict[str, tuple[str, str]] = {}  # by lower-case name
        self._cors = False  # Fetch, "response tainting": from the first foreign origin on
        self._tainted = False  # Fetch, "redirect-taint": the origin is sent as null
        self._redirects = 0

    def run(self) -> Verdict:
        try:
            self._construct()
            headers = self._follow()
        except _Blocked as blocked:
            return Verdict(False, blocked.step, str(blocked), (), tuple(self._requests), blocked.console)
        message = f"The page may read the answer of {'another' if self._cors else 'its own'} origin."
        if not self._requests:
            message = "The browser answers a data: URL itself."
        return Verdict(True, _MAIN, message, headers, tuple(self._requests), "")

    # --- what fetch() makes of its arguments -------------------------------------------------------------------------

    def _construct(self) -> None:
        fetch = self._fetch
        # The arguments are looked at one by one, in the order of the alphabet, before anything else.
        self._check_enumeration("credentials", fetch.credentials, ("omit", "same-origin", "include"))
        self._check_bytes("headers", "".join(name + value for name, value in fetch.headers))
        self._check_bytes("method", fetch.method)
        self._check_enumeration("redirect", fetch.redirect, ("follow", "error", "manual"))
        # In a script's strings each lone surrogate has become a replacement character by now.
        text = fetch.url.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        url = parse_url(text, parse_url(f"{fetch.origin}/"))
        if url is None:
            self._throw(f"Failed to parse URL from {text}", f"{quoted(fetch.url)} is not a URL.")
        if url.userinfo is not None:
            self._throw(
                f"Request cannot be constructed from a URL that includes credentials: {text}",
                f"{quoted(text)} holds a user name or a password: send an Authorization header instead.",
            )
        self._url = self._first_url = url
        self._check_method()
        for name, value in fetch.headers:
            self._append(name, normalize_value(value))

    def _check_enumeration(self, name: str, value: str, values: tuple[str, ...]) -> None:
        if value not in values:
            self._throw(
                f"Failed to read the '{name}' property from 'RequestInit': The provided value '{value}' is not a valid "
                f"enum value of type Request{name.capitalize()}.",
                f"{name} is {quoted(value)}: it has to be one of {', '.join(values)}.",
            )

    def _check_bytes(self, name: str, text: str) -> None:
        if any(char > "\xff" for char in text):
            self._throw(
                f"Failed to read the '{name}' property from 'RequestInit': String contains non ISO-8859-1 code point.",
                f"{name} has a character that is not in Latin-1: encode it, as encodeURIComponent() does.",
            )

    def _check_method(self) -> None:
        method, upper = self._method, self._method.upper()
        if not is_token(method):
            self._throw(f"'{method}' is not a valid HTTP method.", f"{quoted(method)} is not a method.")
        if upper in FORBIDDEN_METHODS:
            self._throw(f"'{method}' HTTP method is unsupported.", f"no script may send {method}.")
        # Fetch, "normalize a method". PATCH is not among them: it goes out as it is written.
        self._method = upper if upper in NORMALIZED_METHODS else method

    def _append(self, name: str, value: str) -> None:
        # Fetch, "append a header to a Headers object".
        if not is_token(name):
            self._throw("Invalid name", f"{quoted(name)} is not the name of a header.")
        if any(char in value for char in "\x00\n\r"):
            self._throw("Invalid value", f"{quoted(name)} has a value that no header can have: {quoted(value)}.")
        if not is_dropped(name, value):
            first, *before = self._headers.get(name.lower(), (name,))
            self._headers[name.lower()] = (first, ", ".join([*before, value]))

    # --- following it ------------------------------------------------------------------------------------------------

    def _follow(self) -> tuple[tuple[str, str], ...]:
        self._check_scheme()
        if self._url.scheme == "data":
            return ()  # but for a Content-Type
        while True:
            self._check_url()
            self._cors = self._cors or self._url.origin != self._fetch.origin
            if self._cors:
                self._preflight()
            sends_origin = self._cors or self._method not in ("GET", "HEAD")
            own = [("Origin", self._origin)] if sends_origin else []
            answer = self._exchange(self._method, [*self._headers.values(), *own])
            target = self._location(answer)
            if self._cors:
                self._check(_CHECK, self._cors_check(answer))
            if answer.status in _REDIRECT_STATUSES and self._fetch.redirect == "manual":
                raise _Blocked(_HTTP, "The answer is a redirect, of which redirect: 'manual' shows nothing.", "")
            # Chromium: with no Location, or an empty one, it is like any other answer, to redirect: 'error' too.
            if target is None:
                return readable(answer, cors=self._cors, credentials=self._include)
            self._redirect(answer.status, target)

    def _check_scheme(self) -> None:
        url, scheme = self._url, self._url.scheme
        if scheme == "data" and "," not in str(url.without_fragment()):
            self._fail(_SCHEME, "INVALID_URL", f"{quoted(str(url))} has no comma, after which its data begins.")
        if not url.is_http and scheme != "data":
            console = f'Fetch API cannot load {url}. URL scheme "{scheme}" is not supported.'
            if scheme == "file":
                console = f"Not allowed to load local resource: {url}"
            raise _Blocked(_SCHEME, f"{quoted(str(url))} is neither http nor https: no page can fetch it.", console)

    def _check_url(self) -> None:
        url, origin = self._url, self._fetch.origin
        if is_mixed_content(origin, url):
            asked = url if self._redirects else url.without_fragment()
            raise _Blocked(
                _MAIN,
                f"{quoted(str(url))} is mixed content: a page that came over https has to ask for https.",
                # The line names the page's whole address; here its origin is all that is known.
                f"Mixed Content: The page at '{origin}/' was loaded over HTTPS, but requested an insecure resource "
                f"'{asked}'. This request has been blocked; the content must be served over HTTPS.",
            )
        if is_bad_port(url):
            self._fail(_MAIN, "UNSAFE_PORT", f"No browser asks port {url.port}: serve it on another one.")

    @property
    def _origin(self) -> str:
        # Fetch, "serializing a request origin".
        return "null" if self._tainted else self._fetch.origin

    def _exchange(self, method: str, headers: list[tuple[str, str]]) -> Answer:
        request = WireRequest(method, str(self._url.without_fragment()), tuple(headers))
        answer = self._send(request)
        self._requests.append((request, answer))
        return answer

    def _location(self, answer: Answer) -> URL | None:
        # Fetch, "location URL". Chromium reads it before it looks at anything else, CORS included.
        values = locations(answer)
        if len(values) > 1:
            self._fail(
                _NETWORK,
                "RESPONSE_HEADERS_MULTIPLE_LOCATION",
                f"{quoted(str(self._url))} sends several Locations that differ: the server has to send one.",
            )
        written = "".join(values)
        if answer.status not in _REDIRECT_STATUSES or not written:
            return None
        target = parse_url(decoded(written), self._url)
        if target is None:
            self._fail(_REDIRECT, "INVALID_REDIRECT", f"The Location {quoted(written)} is not a URL.")
        return target if target.fragment is not None else replace(target, fragment=self._url.fragment)

    def _redirect(self, status: int, target: URL) -> None:
        # Fetch, "HTTP-redirect fetch".
        self._check_target(target)
        own, before = self._fetch.origin, self._url.origin
        self._redirects += 1
        self._tainted = self._tainted or (target.origin != before != own)
        becomes_get = self._method == "POST" if status in (301, 302) else status == 303
        becomes_get = becomes_get and self._method not in ("GET", "HEAD")
        if becomes_get:
            self._method = "GET"
            self._forget(_BODY_HEADERS)
        if target.origin != before:
            self._forget(["authorization"])
        if target.origin != own:
            self._forget(OWN_HINTS)
        if not target.is_http:
            self._leave(target, anew=becomes_get or not self._cors or self._needs_preflight())
        self._url = target

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._headers.pop(name, None)

    def _check_target(self, target: URL) -> None:
        shown = quoted(str(target))
        known = target.is_http or target.scheme in _SOCKETS
        if self._redirects == MAX_REDIRECTS:
            message = f"There are more than {MAX_REDIRECTS} redirects, the last of them to {shown}."
            self._fail(_REDIRECT, "TOO_MANY_REDIRECTS", message)
        if target.scheme in _UNSAFE:
            self._fail(_REDIRECT, "UNSAFE_REDIRECT", f"No server may redirect to {shown}.")
        if target.userinfo is not None:
            message = f"The redirect to {shown} holds a user name or a password: the server has to leave them out."
            # Chromium: not even at home, and there without a word.
            if not self._cors and target.origin == self._fetch.origin:
                raise _Blocked(_REDIRECT, message, "")
            # Chromium means to name the address, and names none.
            reason = (
                "Redirect location '' contains a username and password, which is disallowed for cross-origin requests."
            )
            self._refuse(_REDIRECT, Refusal(reason, message))
        if self._fetch.redirect == "error":
            message = f"The answer is a redirect to {shown}, and redirect: 'error' takes none."
            raise _Blocked(_HTTP, message, "Failed to load resource: net::ERR_FAILED" if known else "")

    def _leave(self, target: URL, *, anew: bool) -> NoReturn:
        message = f"The redirect to {quoted(str(target))} is neither to http nor to https."
        # Chromium: what it need not begin anew fails further down, as far as it knows the scheme.
        if target.scheme in _SOCKETS and not anew:
            self._fail(_REDIRECT, "UNKNOWN_URL_SCHEME", message)
        reason = f"Cross origin requests are only supported for protocol schemes: {_CORS_SCHEMES}."
        self._refuse(_REDIRECT, Refusal(reason, message), at=target)

    # --- the preflight -----------------------------------------------------------------------------------------------

    def _unsafe_names(self) -> list[str]:
        return unsafe_names({name: value for name, (_, value) in self._headers.items()})

    def _needs_preflight(self) -> bool:
        return self._method not in SAFELISTED_METHODS or self._unsafe_names() != []

    def _preflight(self) -> None:
        # Fetch, "CORS-preflight fetch".
        if not self._needs_preflight():
            return
        names = self._unsafe_names()
        key = (self._fetch.origin, str(self._url))  # Chromium: with the fragment
        # Chromium: what a tainted fetch is allowed is not remembered.
        fresh = self._tainted or not _CONDITIONS.isdisjoint(names)
        if not fresh and self._cache.covers(*key, self._method, names, credentials=self._include):
            return
        asked = [("Origin", self._origin), ("Access-Control-Request-Method", self._method)]
        if names:
            asked.append(("Access-Control-Request-Headers", ",".join(names)))
        answer = self._exchange("OPTIONS", asked)
        self._check_preflight_access(answer)
        headers = received(answer)
        allowed = read_preflight(headers, credentials=self._include, now=self._cache.now)
        if isinstance(allowed, Refusal):
            self._refuse(_PREFLIGHT, allowed)
        self._check(_PREFLIGHT, preflight_check(allowed, headers, self._method, names))
        if not self._tainted:
            self._cache.keep(*key, allowed)

    def _check_preflight_access(self, answer: Answer) -> None:
        target = self._location(answer)
        # In this order in the standard too: first who may read it, then the status.
        refusal = redirected(target) if target else self._cors_check(answer) or status_check(answer.status)
        if refusal is not None:
            reason = f"Response to preflight request doesn't pass access control check: {refusal.reason}"
            self._refuse(_PREFLIGHT, Refusal(reason, refusal.message))

    def _cors_check(self, answer: Answer) -> Refusal | None:
        return cors_check(received(answer), self._origin, credentials=self._include, tainted=self._tainted)

    # --- how it ends -------------------------------------------------------------------------------------------------

    def _check(self, step: str, refusal: Refusal | None) -> None:
        if refusal is not None:
            self._refuse(step, refusal)

    def _refuse(self, step: str, refusal: Refusal, *, at: URL | None = None) -> NoReturn:
        url, first = at or self._url, self._first_url
        redirected = "" if url == first else f" (redirected from '{first}')"
        console = (
            f"Access to fetch at '{url}'{redirected} from origin '{self._fetch.origin}' has been blocked by CORS policy"
        )
        raise _Blocked(step, f"{quoted(str(self._url))}: {refusal.message}", f"{console}: {refusal.reason}")

    def _fail(self, step: str, code: str, message: str) -> NoReturn:
        raise _Blocked(step, message, f"Failed to load resource: net::ERR_{code}")

    def _throw(self, text: str, message: str) -> NoReturn:
        # There is no request yet. The console has the line unless the script catches the error.
        console = f"Uncaught (in promise) TypeError: Failed to execute 'fetch' on 'Window': {text}"
        raise _Blocked(_REQUEST, f"fetch() throws a TypeError: {message}", console)
