"""Requests through the project's own middleware and URLconf, in this process, of which nothing stays.

The caches are other ones, mail goes to a list, what is written to a database is rolled back after each request, and a
stub answers in the views' stead. What middleware does elsewhere (a metric, a call) is done.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import django
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.core.signals import request_finished
from django.db import close_old_connections, connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.http.request import HttpHeaders
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, override_settings
from django.utils.module_loading import import_string

from django_cors_policy.audit.judge import Answer, Ask
from django_cors_policy.cors import quoted

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

OUTCOMES = ("200", "304", "404", "500", "raise", "redirect")  # what the stub may be told
REAL = "view"  # the view itself, where the method is GET or HEAD
ETAG = '"probe"'
_PORTS = {"http": "80", "https": "443"}

# Children too: they hand their records to the handlers of all above them, and some have handlers of their own.
_LOGGERS = (
    *("django.request", "django.security", "django.security.DisallowedHost", "django.security.csrf"),
    *("django_cors_policy", "django_cors_policy.store"),
)


@dataclass(slots=True)
class _Told:
    outcome: str
    reached: tuple[Any, ...] | None = None


_told: ContextVar[_Told] = ContextVar("probe")


class _Broken(SimpleTemplateResponse):
    """Raises where it is rendered: the one place after the middleware's process_view that is not a view."""

    @property
    def rendered_content(self) -> str:
        raise RuntimeError("raised by cors_audit --probe")


class Stub:
    """The innermost middleware: its process_view comes last and answers, so that no view is called."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        told = _told.get()
        told.reached = (view, args, kwargs)
        match told.outcome:
            case "view":
                return None if request.method in ("GET", "HEAD") else HttpResponse(status=405)
            case "304":
                return HttpResponseNotModified(headers={"ETag": ETAG})
            case "404" | "500":
                return HttpResponse("probe", status=int(told.outcome))
            case "raise":
                return _Broken("probe")
            case "redirect":
                return HttpResponseRedirect("/")
        return HttpResponse("probe", headers={"Cache-Control": "max-age=60", "ETag": ETAG})


STUB = f"{__name__}.{Stub.__qualname__}"


class _Database:
    """A connection inside a transaction, where what follows begin() is undone by each roll_back() and by end()."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._used = False

    def begin(self) -> None:
        self._block = transaction.atomic(using=self.alias)
        self._block.__enter__()
        self._used = False

    def end(self) -> None:
        transaction.set_rollback(True, using=self.alias)
        self._block.__exit__(None, None, None)

    def note(self, execute: Any, *args: Any) -> Any:
        self._used = True
        return execute(*args)

    def roll_back(self) -> None:
        if self._used:
            self.end()
            self.begin()


@dataclass
class Sandbox:
    """Sends requests. ``sent`` counts them; ``limits`` says what could not be had."""

    databases: list["_Database"]
    session: "SessionBase | None" = None
    limits: list[str] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        self._client = self._new_client()

    def _new_client(self) -> Client | AsyncClient:
        client = AsyncClient if is_only_asgi() else Client
        return client(enforce_csrf_checks=True, raise_request_exception=False)

    @contextmanager
    def middleware(self, paths: Sequence[str]) -> Iterator[None]:
        """Send through these middleware, while the block lasts, in place of the project's."""
        before = self._client
        with override_settings(MIDDLEWARE=[*paths, STUB]):
            self._client = self._new_client()
            try:
                yield
            finally:
                self._client = before

    def send(self, ask: Ask, *, warm: bool = False) -> Answer:
        """Send a request, with empty caches unless ``warm``, and take back whatever it wrote."""
        if not warm:
            self.clear_caches()
        self.sent += 1
        told = _Told(ask.outcome)
        token = _told.set(told)
        try:
            response = self._request(ask)
            headers = tuple((name.lower(), value) for name, value in response.items())
            if response.streaming:
                _close(response)
            return Answer(response.status_code, headers, told.reached)
        finally:
            _told.reset(token)
            for database in self.databases:
                database.roll_back()

    def _request(self, ask: Ask) -> Any:
        client = self._client
        client.cookies.clear()
        if ask.logged_in and self.session is not None:
            client.cookies[settings.SESSION_COOKIE_NAME] = str(self.session.session_key)
        # request() and not get(): those read a path of // as a host, and under ASGI add a Host of their own.
        if isinstance(client, AsyncClient):
            return async_to_sync(client.request)(
                method=ask.method,
                path=ask.path,
                scheme=ask.scheme,
                server=(ask.host, _PORTS[ask.scheme]),
                query_string=ask.query.encode(),
                headers=[
                    (name.lower().encode(), value.encode("latin-1"))
                    for name, value in (("Host", ask.host), *ask.headers)
                ],
            )
        environ = {HttpHeaders.to_wsgi_name(name): value for name, value in ask.headers}
        return client.request(
            REQUEST_METHOD=ask.method,
            PATH_INFO=ask.path.encode().decode("latin-1"),
            HTTP_HOST=ask.host,
            SERVER_PORT=_PORTS[ask.scheme],
            QUERY_STRING=ask.query,
            **{"wsgi.url_scheme": ask.scheme},
            **environ,
        )

    def log_in(self) -> None:
        """Make a user and a session, as a login would but for its signals, whose receivers may do anything."""
        if not (apps.is_installed("django.contrib.auth") and apps.is_installed("django.contrib.sessions")):
            return
        try:
            with ExitStack() as stack:
                for database in self.databases:
                    stack.enter_context(transaction.atomic(using=database.alias))
                self.session = _session()
                self.session.save()
        except Exception as error:  # noqa: BLE001 -- a project's own model, with rules of its own
            why = quoted(f"{type(error).__name__}: {error}")
            self.limits.append(f"requests of a visitor who is logged in (no user could be made: {why})")

    def log_out(self) -> None:
        if self.session is not None:
            self.session.delete()

    def clear_caches(self) -> None:
        for alias in settings.CACHES:
            caches[alias].clear()
        if self.session is not None and settings.SESSION_ENGINE == "django.contrib.sessions.backends.cache":
            self.session.save(must_create=True)


def is_only_asgi() -> bool:
    """Tell whether the project is served by ASGI and by nothing else."""
    return settings.WSGI_APPLICATION is None and getattr(settings, "ASGI_APPLICATION", None) is not None


def _session() -> "SessionBase":
    # Imported late: a project may do without.
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: PLC0415

    model = get_user_model()
    user = model(**{model.USERNAME_FIELD: f"cors-audit-{uuid4().hex[:12]}"})
    user.set_unusable_password()
    # In bulk: neither save() nor a receiver of post_save is called.
    [user] = model._default_manager.bulk_create([user])
    session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")()
    session[SESSION_KEY] = user._meta.pk.value_to_string(user)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    return session  # type: ignore[no-any-return]


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Isolate this process from what its requests do. Raises what the project's middleware raises when it is loaded."""
    with ExitStack() as stack:
        stack.enter_context(_silent())
        place = f"cors-audit-{uuid4().hex}"
        caches_ = {
            alias: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"{place}-{alias}"}
            for alias in settings.CACHES
        }
        # Since Django 6.1 whoever reads it is warned, and override_settings does.
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="The EMAIL_BACKEND setting")
        stack.enter_context(override_settings(CACHES=caches_, MIDDLEWARE=[*settings.MIDDLEWARE, STUB], **_mail()))
        # The origins that are tried here are nobody's.
        stack.enter_context(override_settings(CORS_RECORD_BLOCKED=False))
        usable: list[_Database] = []
        away: list[str] = []
        for alias in connections:
            try:
                stack.enter_context(transaction.atomic(using=alias))
            except Exception as error:  # noqa: BLE001 -- whatever a driver raises
                away.append(f"what a request does with database {alias} ({quoted(str(error))})")
            else:
                usable.append(_Database(alias))
                stack.callback(transaction.set_rollback, True, using=alias)
        box = Sandbox(usable, limits=away)
        stack.callback(box.clear_caches)
        box.log_in()
        stack.callback(box.log_out)
        for database in usable:
            stack.enter_context(connections[database.alias].execute_wrapper(database.note))
            database.begin()
            stack.callback(database.end)
        yield box


def _mail() -> dict[str, Any]:
    """Give the settings with which mail goes to a list; since Django 6.1 there may be MAILERS, and then no other."""
    backend = "django.core.mail.backends.locmem.EmailBackend"
    mailers = getattr(settings, "MAILERS", None) if django.VERSION >= (6, 1) else None
    if mailers is None:
        return {"EMAIL_BACKEND": backend}
    return {"MAILERS": {alias: {"BACKEND": backend} for alias in mailers}}


def _close(response: Any) -> None:
    """Close what the client leaves to whoever reads the content, and keep the connections in their transactions."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


@contextmanager
def _silent() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
