from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import path

from tests.audit_corpus.urls import orders

urlpatterns = [
    path("api/orders/", orders),
    *i18n_patterns(path("admin/", admin.site.urls)),
]
