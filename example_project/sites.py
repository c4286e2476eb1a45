"""The two tenants: their addresses, their policies, and the calls that their front ends make."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps

CALLS = Path(__file__).with_name("calls.json")


@dataclass(frozen=True, slots=True)
class Site:
    """A tenant: its API and its front end, which are two origins.

    Browsers take every name that ends in ``.localhost`` for this machine, so no hosts file is needed. To a browser
    ``acme.localhost`` and ``app.acme.localhost`` are one site, as ``example.com`` and ``app.example.com`` are: cookies
    that are SameSite=Lax travel between them.
    """

    name: str
    api_port: int
    front_port: int

    @property
    def tenant(self) -> str:
        """The tenant's key: the API's host without the port."""
        return f"{self.name}.localhost"

    @property
    def api(self) -> str:
        return f"http://{self.tenant}:{self.api_port}"

    @property
    def front(self) -> str:
        return f"http://app.{self.tenant}:{self.front_port}"

    @property
    def admin(self) -> str:
        """The admin, under a name of its own: it shares no cookie with a tenant's front end."""
        return f"http://admin.localhost:{self.api_port}/admin/"

    @property
    def unlisted(self) -> str:
        """The same front end under a name that no policy lists."""
        return f"http://unlisted.localhost:{self.front_port}"


def both(api_port: int, acme_port: int, globex_port: int) -> tuple[Site, Site]:
    return Site("acme", api_port, acme_port), Site("globex", api_port, globex_port)


def load_policies(sites: tuple[Site, ...]) -> None:
    """Store each tenant's policy, as somebody would enter it in the admin.

    What is there already is put back to what the calls expect.
    """
    policies = apps.get_model("django_cors_policy", "TenantPolicy").objects
    for site in sites:
        policy, _ = policies.update_or_create(
            tenant=site.tenant,
            defaults={
                "enabled": True,
                "allow_credentials": True,
                "allow_methods": "GET, POST, PUT, DELETE",
                "allow_headers": "authorization, content-type, x-csrftoken",
                "expose_headers": "X-Total-Count",
                "max_age": 600,
            },
        )
        policy.origins.update_or_create(pattern=site.front, defaults={"enabled": True, "note": "the front end"})


def calls(site: Site, other: Site) -> list[dict[str, Any]]:
    """Give the calls of a tenant's front end, ready to be made: the page and ``--once`` make the same ones.

    Each has a name, title, why, origin (who calls; "null" stands for a sandboxed frame), url, method, credentials,
    headers (``{csrf}`` in a value stands for the token that the API handed out last), body (text or None), expect, and
    expected (the same, a few words for each part).
    """
    apis = {"own": site.api, "other": other.api}
    origins = {"page": site.front, "unlisted": site.unlisted, "null": "null"}
    result = []
    for call in json.loads(CALLS.read_text(encoding="utf-8")):
        body = call.get("body")
        result.append(
            {
                "name": call["name"],
                "title": call["title"],
                "why": call["why"],
                "origin": origins[call.get("from", "page")],
                "url": apis[call.get("api", "own")] + call["path"],
                "method": call["method"],
                "credentials": call["credentials"],
                "headers": call.get("headers", {}),
                "body": None if body is None else json.dumps(body),
                "expect": call["expect"],
                "expected": _in_words(call["expect"]),
            }
        )
    return result


def _in_words(expect: dict[str, Any]) -> list[str]:
    if expect.get("blocked"):
        return ["blocked"]
    words = [str(expect["status"])]
    words += [f"{name} readable" for name in expect.get("readable", ())]
    words += [f"{name} hidden" for name in expect.get("hidden", ())]
    words += [f"{name}: {value}" for name, value in expect.get("json", {}).items()]
    if expect.get("body"):
        words.append("body readable")
    if expect.get("redirected"):
        words.append("redirected")
    return words
