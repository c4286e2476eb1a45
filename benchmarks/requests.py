"""Requests as a browser sends them, and as servers hand them to Django."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest

TENANTS = 10  # that the cases ask for, of those that are stored
ORIGINS = 5  # of each

# What else Chromium sends with a fetch() from another site.
BROWSER = {
    "Connection": "keep-alive",
    "Sec-CH-UA": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "Sec-CH-UA-Mobile": "?0",
    "Sec-CH-UA-Platform": '"Linux"',
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
    "Accept": "*/*",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Dest": "empty",
    "Referer": "https://app1.example.com/",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
}
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}


# --- origins and hosts, by the number of the call: new strings, that nobody has hashed yet ----------------------------

Origin = Callable[[int], str | None]


def listed(count: int) -> Origin:
    """Give the origins of a list of so many, here and there in it."""
    return lambda number: f"https://app{number * 97 % count}.example.com"


def origins(count: int) -> list[str]:
    return [f"https://app{number}.example.com" for number in range(count)]


def subdomain(number: int) -> str:
    return f"https://shop.customer{number * 37 % 100}.example.com"


def unlisted(number: int) -> str:
    return f"https://other{number % 10}.example.net"


def no_origin(_: int) -> None:
    return None


def host(_: int) -> str:
    return "".join(("api", ".example.com"))


def tenant(number: int) -> str:
    return stored_tenant(number % TENANTS)


def tenant_origin(number: int) -> str:
    return stored_origin(number % TENANTS, number % TENANTS % ORIGINS)


# Tenants as they are stored, by their own number.


def stored_tenant(number: int) -> str:
    return f"customer{number}.tenants.example"


def stored_origin(number: int, which: int) -> str:
    return f"https://app{which}.customer{number}.example"


# --- requests ---------------------------------------------------------------------------------------------------------


def environ(origin: str | None, host: str, method: str) -> dict[str, Any]:
    """Give a WSGI environment such as gunicorn's; of a preflight where the method is OPTIONS."""
    fields = {"Host": host, **BROWSER, **(PREFLIGHT if method == "OPTIONS" else {})}
    if origin is not None:
        fields["Origin"] = origin
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/items/",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "RAW_URI": "/items/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in fields.items()},
    }


def wsgi_request(origin: str | None, host: str, method: str = "GET") -> WSGIRequest:
    return WSGIRequest(environ(origin, host, method))


def asgi_request(origin: str | None, host: str, method: str) -> ASGIRequest:
    fields = {"Host": host, **BROWSER} | ({} if origin is None else {"Origin": origin})
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/items/",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
    }
    return ASGIRequest(scope, BytesIO())
