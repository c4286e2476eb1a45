"""What ``browse()`` predicts is what a real Chromium does: allowed or not, requests, readable headers, console.

::

    tox run -e browser                                                             300 random cases, always the same
    tox run -e browser -- tests/browser/test_agreement.py --cases 2000             and of a fresh seed, which is printed
    tox run -e browser -- tests/browser/test_agreement.py --cases 2000 --seed 7    and once more
"""

import random
import secrets
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from django_cors_policy.cors.blocking import _BAD_PORTS
from django_cors_policy.cors.browser import Answer, FetchRequest, PreflightCache, browse
from django_cors_policy.cors.urls import parse_url

from . import cases
from .answering import Place, Servers
from .fetching import Case, Pages, differences, predict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, BrowserContext

CASES, SEED = 300, 1  # of every run; by hand there are more, and a seed that nobody knows
ANY = cases.ANY


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.fail("There is no openssl on the path, which makes the certificate for https.", pytrace=False)
    key, made = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "certificate.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*command, "-subj", "/CN=localhost", "-keyout", key, "-out", made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context


@pytest.fixture
def servers(certificate: ssl.SSLContext) -> "Iterator[Servers]":
    running = Servers(3, certificate)
    yield running
    running.close()


@pytest.fixture
def context(chromium: "Browser") -> "Iterator[BrowserContext]":
    opened = chromium.new_context(ignore_https_errors=True)
    yield opened
    opened.close()


@pytest.fixture
def origins(servers: Servers) -> list[str]:
    hosts = ("http://localhost", "http://127.0.0.1", "http://c.localhost", "https://localhost")
    return [f"{host}:{port}" for host, port in zip(hosts, servers.ports, strict=True)]


def assert_agreement(written: "Sequence[Case]", pages: Pages, servers: Servers) -> int:
    """Compare them one and all; gives the number of fetches that were allowed."""
    found, allowed = [], 0
    for case, real in zip(written, pages.run(written, servers), strict=True):
        predicted = predict(case, servers)
        allowed += sum(outcome.allowed for outcome in predicted.outcomes)
        parts = differences(predicted, real)
        if parts:
            found.append("\n    ".join([case.name, *map(str, case.fetches), *parts]))
    shown = "\n".join(found[:10])
    assert not found, f"{len(found)} of {len(written)} cases differ:\n{shown}"
    return allowed


def test_cases_written_by_hand(context, servers, origins):
    written = cases.written(origins)

    allowed = assert_agreement(written, Pages(context, origins), servers)

    assert len(written) > 1500
    assert 0.3 < allowed / len(written) < 0.7


def test_random_cases(request, capsys, context, servers, origins):
    count, seed = request.config.getoption("--cases"), request.config.getoption("--seed")
    if seed is None:
        seed = SEED if count is None else secrets.randbelow(2**32)
    generated = cases.generated(origins, seed=seed, count=count or CASES)
    with capsys.disabled():
        print(f"\n{len(generated)} cases of seed {seed}")

    allowed = assert_agreement(generated, Pages(context, origins), servers)

    assert 0.2 < allowed / len(generated) < 0.8


def test_preflights_are_remembered_as_long_as_chromium_remembers_them(context, servers, origins):
    # The one test that waits: Chromium takes no clock. Its cap of two hours stays untested.
    page, other = origins[:2]
    ages = [
        None,
        "4",
        "60",
        "+60",
        "x",
        "60s",
        "60.5",
        "60, 60",
        "",
        str(2**63 - 1),
        str(2**63),
        "9" * 30,
        "0x60",
        "6_0",
    ]
    waiting = []
    for number, age in enumerate(ages):
        answer = Answer(200, ANY if age is None else [*ANY, ("Access-Control-Max-Age", age)])
        path = f"/case-{number}/0"
        waiting.append(Case(f"age {age!r}", [FetchRequest(page, other + path, "PUT")], {path: Place(answer, answer)}))
    pages = Pages(context, origins)
    pages.run(waiting, servers)
    context.pages[0].wait_for_timeout(6000)
    pages.run(waiting, servers)

    for case in waiting:
        cache = PreflightCache()
        (fetch,) = case.fetches
        expected = []
        for cache.now in (0, 6):
            verdict = browse(fetch, lambda sent: servers.answer(sent.method, sent.url, is_preflight=False), cache)
            expected += [sent.method for sent, _ in verdict.requests]
        assert [asked.method for asked in servers.asked[case.number]] == expected, case.name


# What a URL is made of, and what breaks it. Not among them: text from right to left, and what combines with a `*`.
PIECES = """http: https: HTTP: ws: data: foo: // / \\ ? # @ : a b.c 127.1 0x7f [::1] [ ] . .. %2e %2E%2e \xe9 \xfc % %zz
    80 443 65536 8080 ^ { } ` ' " < > ~ xn--a \u1e9e \u2603 :: u:p \x01 \x7f %63 %00 \uff43 \u3002 = & - _ 256 09 1.2 x
    * | $ ! ( ) + , ; xn--tda %c3%bc %ff \U0001f600"""
BASES = [None, "http://h.example:81/p/q?r#s", "https://h/", "ws://w/a/b"]


def test_urls_are_read_as_chromium_reads_them(context):
    rng = random.Random(1)
    texts = []
    for _ in range(20_000):
        text = "".join(rng.choices([*PIECES.split(), " ", "\t"], k=rng.randint(1, 8)))
        texts.append([rng.choice(["", "", "http://", "https://", "//"]) + text, rng.choice(BASES)])

    page = context.new_page()
    real = page.evaluate(
        "texts => texts.map(([text, base]) => URL.parse(text, base ?? undefined)?.href ?? null)", texts
    )

    differ = []
    for (text, base), href in zip(texts, real, strict=True):
        url = parse_url(text, base and parse_url(base))
        read = None if url is None else str(url)
        # What is none of these is never asked: it is enough to know that it is a URL.
        asked = (href or read or "").startswith(("http:", "https:", "ws:"))
        if read != href and (asked or None in (read, href)):
            differ.append((text, base, href, read))
    assert differ == []


def test_ports_are_those_that_chromium_does_not_ask(context):
    page = context.new_page()
    page.goto("data:text/html,")
    failed: dict[str, str] = {}
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    urls: dict[str, str] = {}
    session.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    session.on("Network.loadingFailed", lambda event: failed.update({urls[event["requestId"]]: event["errorText"]}))
    # Around each of them too: nobody listens there, or answers with what is no HTTP.
    ports = sorted({near for port in _BAD_PORTS for near in (port - 1, port, port + 1)} - {-1})
    fetched = [f"http://127.0.0.1:{port}/" for port in ports]
    page.evaluate("urls => Promise.allSettled(urls.map(url => fetch(url, { mode: 'no-cors' })))", fetched)
    page.wait_for_timeout(200)

    unsafe = {port for port, url in zip(ports, fetched, strict=True) if failed.get(url) == "net::ERR_UNSAFE_PORT"}
    assert unsafe == _BAD_PORTS


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "8.8.8.8", "printer", "x.test", "192.0.2.1", "172.32.0.1", "[64:ff9b::1]", "[::ffff:8.8.8.8]"),
        *("10.0.0.1", "172.16.0.1", "100.64.0.1", "169.254.0.1", "0.0.0.1", "192.168.1.1", "[::ffff:10.0.0.1]", "[::]"),
        *("[fd00::1]", "[fe80::1]", "[fec0::1]", "[2001:db8::1]", "x.local", "local", "x.local.", "localhost."),
        *("a.localhost", "127.9.9.9", "[::1]"),
    ],
)
def test_mixed_content_is_what_chromium_says_it_is(context, host):
    page = context.new_page()
    page.route("https://app.example/", lambda route: route.fulfill(content_type="text/html", body="x"))
    page.goto("https://app.example/")
    context.set_offline(True)  # what is not blocked goes nowhere
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.evaluate("url => fetch(url).catch(() => 0)", f"http://{host}/x#y")
    page.evaluate("console.log('all said')")
    while "all said" not in said:
        page.wait_for_timeout(10)

    verdict = browse(FetchRequest("https://app.example", f"http://{host}/x#y"), lambda sent: Answer(200, ANY))
    blocked = [line for line in said if "This request has been blocked" in line]
    assert blocked == ([] if verdict.allowed else [verdict.console])
