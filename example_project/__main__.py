"""The demo: ``python -m example_project``, or ``python -m example_project --once``."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Lock
from urllib.parse import urlsplit

import django
import environ
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections

from . import client, servers
from .sites import Site, both, calls, load_policies

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m example_project",
        description="An API with two tenants, a front end for each and the admin, until Ctrl-C.",
    )
    parser.add_argument("--once", action="store_true", help="make the front ends' calls, print them, exit 0 or 1")
    parser.add_argument("--api-port", type=_port, default=8000, metavar="PORT", help="default: %(default)s")
    parser.add_argument("--port-acme", type=_port, default=8001, metavar="PORT", help="default: %(default)s")
    parser.add_argument("--port-globex", type=_port, default=8002, metavar="PORT", help="default: %(default)s")
    options = parser.parse_args()
    # A terminal's Ctrl-C is SIGINT, other programs stop this one with SIGTERM: both end it the same way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            return _demo(both(options.api_port, options.port_acme, options.port_globex), options.once, stack)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130 if options.once else 0  # calls that were not all made have not passed


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 0x10000:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return int(text)


def _demo(sites: tuple[Site, Site], once: bool, stack: ExitStack) -> int:
    # Before anything else, so that a port that is taken is told at once.
    try:
        api, fronts = _bind(sites, stack)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    _set_environment(sites, stack)
    accounts = _prepare(sites)
    if not _audit():
        return 1

    application = get_wsgi_application()
    lock = Lock()  # requests are served in threads, and each is to have a line of its own

    def write(line: str) -> None:
        with lock:
            print(line, flush=True)

    api.set_app(servers.with_static_files(application if once else servers.recorded(application, write)))
    stack.enter_context(servers.running(api, *fronts))
    _wait_for(sites)
    if once:
        return _call_all(sites)
    _print_addresses(sites, accounts)
    try:
        Event().wait()
    except KeyboardInterrupt:
        # Some terminals and tools send it twice; the second would interrupt the clearing up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("\nStopped.")
    return 0


def _bind(sites: tuple[Site, Site], stack: ExitStack) -> tuple[servers.ApiServer, list[servers.FrontServer]]:
    """Take the three ports. Raises OSError with a text for people."""
    port = sites[0].api_port
    try:
        api = stack.enter_context(servers.api_server(port))
        fronts = []
        for site, other in (sites, sites[::-1]):
            port = site.front_port
            page = {
                "name": site.name,
                "front": site.front,
                "api": site.api,
                "other": other.front,
                "admin": site.admin,
                "calls": calls(site, other),
            }
            fronts.append(stack.enter_context(servers.front_server(port, page)))
    except OSError as error:
        raise OSError(f"Port {port} cannot be used ({error.strerror}); --help tells how to take another.") from error
    return api, fronts


def _set_environment(sites: Iterable[Site], stack: ExitStack) -> None:
    """Fill in what settings.py reads, where neither the environment nor .env says it."""
    environ.Env.read_env(HERE / ".env")
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_project.settings"
    os.environ.setdefault("CSRF_TRUSTED_ORIGINS", ",".join(site.front for site in sites))
    if not os.environ.get("DATABASE_URL"):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="django-cors-policy-"))
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(folder, 'demo.sqlite3').as_posix()}"

    django.setup()
    stack.callback(connections.close_all)


def _prepare(sites: tuple[Site, Site]) -> dict[str, str]:
    """Migrate, and store the tenants' policies and the accounts. Gives the accounts with their passwords."""
    call_command("migrate", verbosity=0)
    load_policies(sites)
    accounts = {}
    for name, is_admin in (("admin", True), ("demo", False), (sites[0].name, False)):
        # Here and not in a migration, which would bring these passwords to every database. An account that is there
        # already, in a database of your own, keeps the password that it has.
        user, created = get_user_model().objects.get_or_create(
            username=name, defaults={"is_staff": is_admin, "is_superuser": is_admin}
        )
        if created:
            user.set_password(name)
            user.save()
        accounts[name] = name if user.check_password(name) else "(the password that it had)"
    _hire(sites[0])
    return accounts


def _hire(site: Site) -> None:
    """Let a tenant's own account manage its policy in the admin."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=site.tenant)
    names = ["view_tenantpolicy", "change_tenantpolicy", "view_blockedorigin", "change_blockedorigin"]
    names += [f"{action}_allowedorigin" for action in ("view", "add", "change", "delete")]
    group.permissions.set(apps.get_model("auth", "Permission").objects.filter(codename__in=names))
    user = get_user_model().objects.get(username=site.name)
    user.is_staff = True
    user.save()
    user.groups.add(group)


def _audit() -> bool:
    """Print what cors_audit finds. Gives False where the demo should not go on."""
    print("The audit, as manage.py cors_audit prints it:", flush=True)
    try:
        call_command("cors_audit")
    except CommandError as error:
        print(f"It could not run: {error}", file=sys.stderr)
        return False
    except SystemExit as stop:  # a command's way to give an exit code
        if stop.code:
            print("Something has to be put right before the demo can start.", file=sys.stderr)
        return not stop.code
    return True


def _wait_for(sites: tuple[Site, Site]) -> None:
    """Return once all three servers have answered, whatever they say. Raises OSError if one does not."""
    for port in (sites[0].api_port, *(site.front_port for site in sites)):
        with closing(HTTPConnection("127.0.0.1", port, timeout=client.TIMEOUT)) as connection:
            connection.request("HEAD", "/", headers={"Host": f"localhost:{port}"})
            connection.getresponse().read()


def _call_all(sites: tuple[Site, Site]) -> int:
    print()
    failed = total = 0
    for site, other in (sites, sites[::-1]):
        print(f"{site.front} calls {site.api}")
        for call, passed, got in client.make(calls(site, other), client.Browser()):
            total += 1
            failed += not passed
            asked = f"{call['method']:<7}{urlsplit(call['url']).path}"
            print(
                f"  {'ok' if passed else 'FAIL':<6}{call['title']:<28}{asked:<24}"
                f"expected: {', '.join(call['expected']):<48}got: {got}"
            )
    print(f"{total - failed} of {total} calls went as expected.")
    return 1 if failed else 0


def _print_addresses(sites: tuple[Site, Site], accounts: dict[str, str]) -> None:
    lines = ["", "The demo is running; Ctrl-C stops it. Open in a browser:", ""]
    lines += [f"    {site.front:<36}{site.name}'s front end, which calls {site.api}" for site in sites]
    lines += [f"    {sites[0].admin:<36}the admin: log in as admin, password {accounts['admin']};"]
    own = sites[0].name
    lines += [f"    {'':<36}{sites[0].tenant}'s own staff: as {own}, password {accounts[own]}"]
    lines += ["", "Each request to the API, with the origin that it comes from:", ""]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
