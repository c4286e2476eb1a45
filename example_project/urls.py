"""The API's addresses and the admin's."""

from django.contrib import admin
from django.urls import path

from . import views

admin.site.site_url = None  # there is no page on the API's hosts to view

urlpatterns = [
    path("api/session/", views.session),
    path("api/login/", views.login, name="login"),
    path("api/whoami/", views.whoami),
    path("api/items/", views.items),
    path("api/items/<int:number>/", views.item),
    path("api/token/", views.token),
    path("api/raise/", views.fail),
    path("api/redirect/", views.redirect_to_items),
    path("admin/", admin.site.urls),
]

handler404 = "example_project.views.not_found"
handler500 = "example_project.views.server_error"
