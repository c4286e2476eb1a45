from django.contrib import admin
from django.urls import include, path

from tests.audit_corpus.urls import orders

backoffice = admin.AdminSite(name="backoffice")

urlpatterns = [
    path("api/", include([path("backoffice/", backoffice.urls), path("orders/", orders)])),
]
