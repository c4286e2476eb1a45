"""Middleware of other people, as MIDDLEWARE may name it."""

from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware, RemoteUserMiddleware
from django.middleware.cache import CacheMiddleware, FetchFromCacheMiddleware, UpdateCacheMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.http import ConditionalGetMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin

from django_cors_policy.middleware import CorsMiddleware


class Calls:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


# --- ours


class OwnCors(CorsMiddleware):
    pass


# --- may refuse before a view is chosen


class TenantAuthentication(AuthenticationMiddleware):
    def process_request(self, request):
        pass


class StrictLoginRequired(LoginRequiredMiddleware):
    def __call__(self, request):
        return super().__call__(request)


class GrandchildOfTenantAuthentication(TenantAuthentication):
    pass


class JWTMiddleware(Calls):
    pass


class SSOMiddleware(Calls):
    pass


class KeycloakMiddleware(Calls):
    pass


class BearerToken(Calls):
    pass


def require_api_key(get_response):
    return get_response


def login_wall(get_response):
    return get_response


# --- waits for the view


class ProxyHeader(RemoteUserMiddleware):
    header = "HTTP_X_USER"


class LoginElsewhere(LoginRequiredMiddleware):
    login_url = "/elsewhere/"


# --- has nothing to do with it


class AuthorizesViews(MiddlewareMixin):
    def process_view(self, request, view, args, kwargs):
        pass


class AuthorMiddleware(Calls):
    pass


class LessonProcessor(Calls):
    pass


class Tokenizer(Calls):
    pass


def timing(get_response):
    return get_response


# --- redirects


class OurSecurity(SecurityMiddleware):
    pass


class OurCommon(CommonMiddleware):
    pass


class OurLocale(LocaleMiddleware):
    pass


# --- caches


class PageCache(CacheMiddleware):
    pass


class CacheReader(FetchFromCacheMiddleware):
    pass


class CacheWriter(UpdateCacheMiddleware):
    pass


# --- answers with 304


class OurConditionalGet(ConditionalGetMiddleware):
    pass


# --- CORS, and what only sounds like it


class TenantCORSMiddleware(Calls):
    pass


class AllowCorsHeaders(Calls):
    pass


def cors_headers(get_response):
    return get_response


def corsmiddleware(get_response):
    return get_response


class CorsairMiddleware(Calls):
    pass


# --- CSRF


class OurCsrf(CsrfViewMiddleware):
    pass
