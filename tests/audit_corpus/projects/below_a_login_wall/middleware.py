from django.contrib.auth.middleware import AuthenticationMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden


class StaffOnly(AuthenticationMiddleware):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.process_request(request)
        return self.get_response(request) if request.user.is_staff else HttpResponseForbidden("staff only")
