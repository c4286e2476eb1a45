"""The API. No view here knows of CORS: that is the middleware's."""

import json
from functools import wraps
from secrets import compare_digest

from django.contrib import auth
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

# Enough for a demo: in memory, gone with the process, and a dict for each host, so that no tenant sees another's.
ITEMS = {
    "acme.localhost": {1: "anvil", 2: "rocket skates"},
    "globex.localhost": {1: "doomsday device", 2: "hammock"},
}

# A real one would be random, stored as a hash, and somebody's.
TOKEN = "demo-token"  # noqa: S105


def _items(request):
    host = request.get_host().partition(":")[0].lower()
    try:
        return ITEMS[host]
    except KeyError:
        raise Http404 from None


def _body(request):
    """Give the JSON object that the request carries, or an empty one."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


# --- logging in: LoginRequiredMiddleware guards every view that is not marked login_not_required ---------------------


@login_not_required
@require_GET
def session(request):
    """Hand out the CSRF token: a page on another origin cannot read the API's cookies."""
    user = request.user.get_username() if request.user.is_authenticated else None
    return JsonResponse({"user": user, "csrf": get_token(request)})


@login_not_required
@require_http_methods(["GET", "POST"])
def login(request):
    """Open a session. GET is where the middleware sends those who have none."""
    if request.method == "GET":
        return JsonResponse({"error": "not logged in"}, status=401)
    body = _body(request)
    user = auth.authenticate(request, username=body.get("username"), password=body.get("password"))
    if user is None:
        return JsonResponse({"error": "wrong user name or password"}, status=403)
    auth.login(request, user)
    # Logging in makes a new CSRF token; the one that the page holds is no longer good.
    return JsonResponse({"user": user.get_username(), "csrf": get_token(request)})


@require_GET
def whoami(request):
    return JsonResponse({"user": request.user.get_username()})


# --- the items -----------------------------------------------------------------------------------------------------


@login_not_required
@require_GET
def items(request):
    found = _items(request)
    headers = {
        "X-Total-Count": str(len(found)),  # the tenants' policies expose it: scripts may read it
        "X-Internal": "for proxies and logs",  # they do not expose this one, although it travels too
    }
    return JsonResponse({"items": [{"id": number, "name": found[number]} for number in found]}, headers=headers)


@require_http_methods(["GET", "PUT", "DELETE"])
def item(request, number):
    found = _items(request)
    if request.method == "PUT":
        found[number] = str(_body(request).get("name", ""))
    elif number not in found:
        raise Http404
    elif request.method == "DELETE":
        del found[number]
        return HttpResponse(status=204)
    return JsonResponse({"id": number, "name": found[number]})


# --- a token instead of a cookie -----------------------------------------------------------------------------------


def token_required(view):
    """Let in who sends ``Authorization: Bearer``, whatever cookies come along."""

    # Without a cookie there is nothing that another site could make a browser send, so no CSRF token is needed.
    @csrf_exempt
    @login_not_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not compare_digest(given.encode(), TOKEN.encode()):
            return JsonResponse({"error": "no valid token"}, status=401, headers={"WWW-Authenticate": "Bearer"})
        return view(request, *args, **kwargs)

    return guarded


@token_required
@require_GET
def token(_request):
    return JsonResponse({"token": "accepted"})


# --- what goes wrong -----------------------------------------------------------------------------------------------


@login_not_required
def fail(_request):
    raise RuntimeError("raised on purpose")


@login_not_required
def redirect_to_items(_request):
    return HttpResponseRedirect("/api/items/")


def not_found(request, exception):
    """Answer 404: an API's client wants JSON, a person a page."""
    if request.path.startswith("/api/"):
        return JsonResponse({"error": "not found"}, status=404)
    return defaults.page_not_found(request, exception)


def server_error(request):
    if request.path.startswith("/api/"):
        return JsonResponse({"error": "server error"}, status=500)
    return defaults.server_error(request)
