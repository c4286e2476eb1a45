from django.contrib import admin
from django.urls import path

from tests import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("ok/", views.ok),
    path("async/", views.async_ok),
    path("hand-set/", views.hand_set),
    path("raises/", views.raises),
    path("redirects/", views.redirects),
    path("streams/", views.streams),
    path("counts/", views.counts),
    path("varies/", views.varies),
    path("<slug:tenant>/api/", views.ok),
]
