from django.urls import re_path

from tests.audit_corpus.urls import orders

urlpatterns = [re_path(r"(?i)^api/orders/$", orders)]
