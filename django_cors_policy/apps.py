from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CorsPolicyConfig(AppConfig):
    name = "django_cors_policy"
    verbose_name = _("CORS policies")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_cors_policy import checks, history  # noqa: PLC0415 -- models can be imported only now
        from django_cors_policy.audit.rating import rate  # noqa: PLC0415

        checks.register()
        history.policies_written.connect(rate, dispatch_uid="django_cors_policy.rating")
