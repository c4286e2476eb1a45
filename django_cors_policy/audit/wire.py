"""One request over HTTP to a running deployment, and what is needed to ask one."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib import import_module
from secrets import token_hex
from threading import Thread
from types import ModuleType
from urllib.parse import quote, unquote, urlsplit

from django_cors_policy.audit.judge import Answer, Ask
from django_cors_policy.cors import parse_origin, quoted

MAX_REQUESTS = 500
RATE = 10.0  # requests per second
TIMEOUT = 10.0  # seconds until the last byte of the head of an answer

_BOUNDS = {"rate": (0.1, 100.0), "timeout": (0.1, 300.0), "max_requests": (1, 100_000)}
_UNANSWERED_IN_A_ROW = 3
_UNANSWERED = 20
_MOST_PAUSES = 3
_LONGEST_PAUSE = 30.0  # seconds
_PAUSE = 5.0  # seconds, where a server that wants one does not say how long
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "write it as https://api.example.com or https://api.example.com/path/"

_TOKENS = re.compile(r"(?<=[?#]).+", re.DOTALL)
_VISIBLE = re.compile(r"[!-~]+")
# RFC 9110 section 5.5: what is around it, a server strips; what else there is, a client must not send.
_FIELD_VALUE = re.compile(r"([!-~\x80-\xff]+([ \t]+[!-~\x80-\xff]+)*)?")
_LONGEST = 2000  # characters of a URL or a path
_SECONDS = re.compile(r"[0-9]{1,9}")


class UnusableEdge(ValueError):  # noqa: N818 -- it is the edge that is unusable
    """A URL, a number or a machine with which nothing can be asked."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What shall be asked: the ``url`` and these ``paths`` of its host, by at most so many requests, chosen by a seed.

    ``rate`` is in requests per second, ``timeout`` in seconds for the head of one answer. ``tenants`` are those whose
    origins are tried, None: all. ``progress`` is called with the requests that were sent and the most that will be.
    ``origin`` is the URL's; ``asked`` are all paths. Raises UnusableEdge.
    """

    url: str
    tenants: Collection[str] | None = None
    paths: Sequence[str] = ()
    max_requests: int = MAX_REQUESTS
    seed: int = 0
    rate: float = RATE
    timeout: float = TIMEOUT
    progress: Callable[[int, int], None] | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    origin: str = field(init=False)
    asked: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                option = f"--{name.replace('_', '-')}"
                raise UnusableEdge(f"{option} takes {least:g} to {most:g} with --url, and not {getattr(self, name)}")
        for path in self.paths:
            if len(path) > _LONGEST or not path.isprintable():
                raise UnusableEdge(
                    f"--path {quoted(path)} is too long, or holds what cannot be printed; write it plainly"
                )
            meant = f"/{re.split('[?#]', path)[0].removeprefix('/')}"
            if path != meant:
                why = f"--path {quoted(path)} is no path that begins with a slash, without query and fragment"
                raise UnusableEdge(f"{why}; write {quoted(meant)}")
        origin, own = _read(self.url)
        paths = (own or ("" if self.paths else "/"), *self.paths)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "asked", tuple(dict.fromkeys(path for path in paths if path)))
        _httpx()

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]


def _read(url: str) -> tuple[str, str]:
    """Give a URL's origin and its path, as Django knows it. Raises UnusableEdge."""
    # A password is not for a log, nor a token; and with a slash in it, or what else ends a host, one is read as a port.
    _, at, rest = url.rpartition("@")
    shown = f"--url {quoted(_TOKENS.sub('***', f'***@{rest}' if at else url))}"
    if not _VISIBLE.fullmatch(url) or len(url) > _LONGEST:
        raise UnusableEdge(f"{shown} is empty, too long, or holds a space or what is not ASCII; {_EXAMPLE}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnusableEdge(f"{shown} is no URL ({'it holds an @' if at else error}); {_EXAMPLE}") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UnusableEdge(f"{shown} is not an http or https address; {_EXAMPLE}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port_text = f":{port}" if port is not None and port != _DEFAULT_PORTS[parts.scheme] else ""
    origin = f"{parts.scheme}://{host}{port_text}"
    if parse_origin(origin) is None:
        raise UnusableEdge(f"{shown} has a host or a port that browsers do not know, or write otherwise; {_EXAMPLE}")
    for char, what in (("@", "a user name"), ("?", "a query"), ("#", "a fragment")):
        if char in (parts.netloc if char == "@" else url):
            meant = _EXAMPLE if at and char != "@" else f"write {quoted(f'{origin}{parts.path}')}"
            raise UnusableEdge(f"{shown} holds {what}, which is not sent; {meant}")
    return origin, unquote(parts.path)


def _httpx() -> ModuleType:
    try:
        return import_module("httpx")
    except ImportError:
        hint = "pip install 'django-cors-policy[url]'"
        raise UnusableEdge(f"--url needs httpx, which is not installed; {hint} brings it") from None


class Unanswered(Exception):  # noqa: N818 -- it tells what happened
    """One request has no answer, and why."""


class Stopped(Exception):  # noqa: N818 -- it tells what happened
    """No more is to be sent, and why; no reason where all was sent that may be."""

    def __init__(self, why: str | None = None) -> None:
        self.why = why


class _Pace:
    """Keeps requests apart."""

    def __init__(self, edge: Edge) -> None:
        self.gap = 1 / edge.rate  # seconds
        self._clock, self._sleep = edge.clock, edge.sleep
        self._next = float("-inf")

    def wait(self) -> None:
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(self._next, now) + self.gap

    def slow_down(self, seconds: float) -> None:
        """Do nothing for so long, and send half as often from then on."""
        self.gap *= 2
        self._next = self._clock() + seconds


class Line:
    """Asks, as often as it may. ``sent`` counts what left, ``limits`` says what was in the way."""

    def __init__(self, edge: Edge) -> None:
        self._httpx = httpx = _httpx()
        self._edge = edge
        self._pace = _Pace(edge)
        # Used without a client: it would keep cookies, and read proxies and passwords from the environment. The
        # environment's SSL_CERT_FILE counts, for an authority of one's own. Connections are not used again: one that a
        # server closes meanwhile would look as if it did not answer.
        # Without TLS, no authority has to be read, which takes longer than many requests; that context trusts nobody.
        verify = True if edge.origin.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport = httpx.HTTPTransport(verify=verify, limits=httpx.Limits(max_keepalive_connections=0))
        self._timeouts = httpx.Timeout(edge.timeout).as_dict()
        # A cache in front keeps what these requests are answered apart from what visitors get.
        self._query = f"?cors-audit={token_hex(8)}"
        self._pauses = self._in_a_row = 0
        self._unanswered: list[str] = []
        self.most = edge.max_requests
        self.sent = 0

    @property
    def limits(self) -> Iterator[str]:
        if self._unanswered:
            yield f"{len(self._unanswered)} requests that had no answer (the first: {self._unanswered[0]})"
        if self._pauses:
            rate = f"{1 / self._pace.gap:.3g} a second"
            yield f"anything at full speed: the server asked {self._pauses} times to be asked less, at last {rate}"

    def send(self, ask: Ask) -> Answer:
        """Give the answer. Raises Unanswered, Stopped."""
        while True:
            answer = self._send(ask)
            if answer.status != 429 and not (answer.status == 503 and answer.get("retry-after")):
                return answer
            self._give_way(answer)

    def _give_way(self, answer: Answer) -> None:
        seconds = _retry_after(answer)
        self._pauses += 1
        if self._pauses > _MOST_PAUSES or seconds > _LONGEST_PAUSE:
            after = f", and to come back in {seconds:.0f} seconds" if seconds > _LONGEST_PAUSE else ""
            raise Stopped(f"asks for fewer requests ({answer.status}){after}; give it a lower --rate")
        self._pace.slow_down(seconds)

    def _send(self, ask: Ask) -> Answer:
        if self.sent >= self.most:
            raise Stopped
        self._pace.wait()
        self.sent += 1
        try:
            answer = self._within_time(ask)
        except (self._httpx.TransportError, OSError) as error:
            why = _reason(error, self._edge.timeout)
            self._unanswered.append(f"{ask.method} {quoted(ask.path)}: {why}")
            self._in_a_row += 1
            if self._in_a_row >= _UNANSWERED_IN_A_ROW or len(self._unanswered) >= _UNANSWERED:
                raise Stopped(f"does not answer any more: {why}") from error
            raise Unanswered(why) from error
        self._in_a_row = 0
        return answer

    def _within_time(self, ask: Ask) -> Answer:
        """Give up a thread that waits too long: httpx bounds each read, and a server may send a byte at a time."""
        came: list[Answer | Exception] = []

        def wait() -> None:
            try:
                came.append(self._answer(ask))
            except Exception as error:  # noqa: BLE001 -- for the thread that waits
                came.append(error)

        thread = Thread(target=wait, daemon=True)
        thread.start()
        thread.join(self._edge.timeout)
        answer = came[0] if came else TimeoutError()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, ask: Ask) -> Answer:
        """Send it, and read the head of the answer alone."""
        url = f"{self._edge.origin}{quote(ask.path)}{self._query}"
        headers = [(name.encode(), value.encode("latin-1")) for name, value in ask.headers]
        headers += [(b"User-Agent", b"django-cors-policy (cors_audit --url)"), (b"Accept", b"*/*")]
        headers.append((b"Connection", b"close"))
        request = self._httpx.Request(ask.method, url, headers=headers, extensions={"timeout": self._timeouts})
        response = self._transport.handle_request(request)
        response.close()
        fields = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw]
        return Answer(response.status_code, tuple(fields))

    def close(self) -> None:
        self._transport.close()


def carries(value: str) -> bool:
    """Tell whether HTTP can carry a header's value as it is."""
    return _FIELD_VALUE.fullmatch(value) is not None


def _retry_after(answer: Answer) -> float:
    """Give what Retry-After says, in seconds: RFC 9110 section 10.2.3."""
    text = answer.get("retry-after") or ""
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):  # what is no date, or none that there was
        return _PAUSE


def _reason(error: BaseException, timeout: float) -> str:
    """Say why there is no answer: what httpx raises names the reason only in what it was raised from."""
    for cause in _causes(error):
        match cause:
            case TimeoutError():
                return f"no answer came within {timeout:g} seconds (--timeout)"
            case ssl.SSLCertVerificationError():
                why = quoted(cause.verify_message)
                return f"its certificate is not trusted: {why}; SSL_CERT_FILE names an authority of your own"
            case ssl.SSLError():
                return f"TLS fails: {quoted(cause.reason or str(cause))}; is it https?"
            case socket.gaierror():
                return "there is no such name"
            case ConnectionRefusedError():
                return "the connection is refused"
            case ConnectionError():
                return "the connection is reset"
    return quoted(f"{type(error).__name__}: {error}".removesuffix(": "))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
