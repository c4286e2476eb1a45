from django.urls import path

from tests.audit_corpus.urls import orders

urlpatterns = [path("orders/", orders)]
