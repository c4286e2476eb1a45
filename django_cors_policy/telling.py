"""An explanation in words: for people, for programs, for a template, and as curl commands."""

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django_cors_policy.audit.report import one_line
from django_cors_policy.cors import quoted
from django_cors_policy.explain import Exchange, Explanation


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its answer, in lines without an end; ``elsewhere`` says who else answers, None: nobody."""

    title: str
    request_line: str
    request_headers: tuple[tuple[str, str], ...]
    answer_line: str
    answer_headers: tuple[tuple[str, str], ...]
    decided: str
    elsewhere: str | None


def as_json(explanation: Explanation) -> str:
    """Give the explanation as a JSON document."""
    verdict, suggestion = explanation.verdict, explanation.suggestion
    exchanges = explanation.exchanges
    document = {
        "version": 1,
        "verdict": "allowed" if verdict.allowed else "blocked",
        "step": verdict.step,
        "message": verdict.message,
        "console": verdict.console,
        "dropped_headers": explanation.dropped,
        "outlives_revocation": explanation.outlives_revocation,
        "readable_headers": [name for name, _ in verdict.readable_headers],
        "decided_by": exchanges[-1].decided_by() if exchanges else None,
        "requests": [
            {
                "method": exchange.request.method,
                "url": exchange.request.url,
                "headers": exchange.request.headers,
                "sent": exchange.sent,
                "answer": {
                    "status": exchange.answer.status if exchange.sent else None,
                    "headers": exchange.answer.headers,
                },
                "decided_by": exchange.decided_by(),
                "decided_elsewhere": exchange.decided_elsewhere,
            }
            for exchange in exchanges
        ],
        "suggestion": suggestion
        and {
            "text": suggestion.text,
            "risks": [
                {
                    "code": found.rule.code,
                    "slug": found.rule.slug,
                    "severity": str(found.severity),
                    "message": found.message,
                }
                for found in suggestion.risks
            ],
        },
    }
    return json.dumps(document, indent=2)


def steps(explanation: Explanation) -> Iterator[Step]:
    """Give what was asked and answered, one request at a time."""
    for exchange in explanation.exchanges:
        method, elsewhere = exchange.request.method, exchange.decided_elsewhere
        answer = f"The project answers {exchange.answer.status}"
        if not exchange.sent:
            answer = f"Not sent, since {method} may change something. CorsMiddleware would add to its answer"
        yield Step(
            title=f"The browser {'asks first' if exchange.is_preflight else 'sends'}",
            request_line=f"{method} {exchange.request.url}",
            request_headers=_fields(exchange.request.headers),
            answer_line=answer,
            answer_headers=_fields(exchange.answer.headers),
            decided=_decided(exchange),
            elsewhere=None if elsewhere is None else f"But the answer is made by {one_line(elsewhere)}.",
        )


def as_text(explanation: Explanation) -> Iterator[str]:
    """Give the explanation in lines, for people."""
    verdict, suggestion = explanation.verdict, explanation.suggestion
    if explanation.dropped:
        yield f"The browser leaves out {', '.join(map(quoted, explanation.dropped))}: no script may set that."
    for number, step in enumerate(steps(explanation), 1):
        yield f"{number}. {step.title}:"
        yield f"   {step.request_line}"
        yield from (f"     {name}: {value}" for name, value in step.request_headers)
        yield f"   {step.answer_line}:"
        yield from (f"     {name}: {value}" for name, value in step.answer_headers)
        yield f"   {step.decided}"
        if step.elsewhere is not None:
            yield f"   {step.elsewhere}"
    yield f"{'Allowed' if verdict.allowed else 'Blocked'} ({verdict.step}): {verdict.message}"
    if verdict.console:
        yield f"The console says: {one_line(verdict.console)}"
    if verdict.readable_headers:
        yield f"The page may read {', '.join(name for name, _ in verdict.readable_headers)}."
    if suggestion is not None:
        yield f"To let it through: {suggestion.text}"
        yield from (
            f"   {found.rule.code} {found.rule.slug} ({found.severity}): {found.message}" for found in suggestion.risks
        )


def after_revocation(explanation: Explanation) -> str:
    """Say what a browser may go on to do after what let it through has been taken out."""
    seconds = explanation.outlives_revocation
    if seconds is None:
        return "After a revocation: the page reads no answer from then on. No preflight is remembered."
    last = explanation.exchanges[-1].request
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return (
        "After a revocation: the page reads no answer from then on, but a browser that has just asked goes on to "
        f"send {last.method} {last.url} without asking again for up to {seconds} seconds, until "
        f"{until:%Y-%m-%d %H:%M:%S} UTC."
    )


def _fields(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, one_line(value)) for name, value in headers)


def _decided(exchange: Exchange) -> str:
    decision = exchange.decision
    tenant = "no tenant" if exchange.tenant is None else f"tenant {quoted(exchange.tenant)}"
    if decision.policy is None:
        return f"No policy allows it: {decision.reason}, {tenant}."
    return (
        f"Allowed by the policy {quoted(decision.policy.name)}, {decision.reason} {quoted(decision.pattern)}, {tenant}."
    )


def as_curl(explanation: Explanation) -> Iterator[str]:
    """Give a curl command for each request."""
    for exchange in explanation.exchanges:
        request = exchange.request
        how = ["--head"] if request.method == "HEAD" else ["--include", "--request", request.method]
        fields = [part for name, value in request.headers for part in ("--header", f"{name}: {value}")]
        yield shlex.join(["curl", *how, *fields, request.url])
