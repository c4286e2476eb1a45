from io import StringIO

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_cors_policy.audit import audit
from django_cors_policy.checks import check_settings, check_stored_policies
from django_cors_policy.models import AllowedOrigin, TenantPolicy

OURS = "django_cors_policy.middleware.CorsMiddleware"


def ours(messages):
    return [(message.id, message.level) for message in messages if message.id.startswith("django_cors_policy.")]


def test_the_tests_own_project_has_no_message():
    assert checks.run_checks() == []


# --- ids and levels


@pytest.mark.parametrize(
    ("changed", "code", "level"),
    [
        # What stops migrate and runserver: any origin with credentials, and what cannot work.
        ({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_CREDENTIALS": True}, "CORS101", checks.ERROR),
        ({"CORS_ALLOW_ALL_ORIGINS": "False"}, "CORS116", checks.ERROR),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": ["("]}, "CORS201", checks.ERROR),
        ({"CORS_TENANT_RESOLVER": "nowhere.at_all"}, "CORS417", checks.ERROR),
        # Everything else only warns, a critical finding too.
        (
            {
                "CORS_ALLOWED_ORIGINS": ["https://*.github.io"],
                "CORS_ALLOW_CREDENTIALS": True,
                "CORS_ALLOW_METHODS": ["GET"],
                "CORS_URLS_REGEX": "^/api/",
                "ALLOWED_HOSTS": [],
            },
            "CORS105",
            checks.WARNING,
        ),
        ({"CORS_ALLOWED_ORIGN": []}, "CORS115", checks.WARNING),
        ({"MIDDLEWARE": []}, "CORS401", checks.WARNING),
        ({"CORS_ALLOWED_ORIGINS": ["https://App.example.com"]}, "CORS111", checks.WARNING),
        ({"CORS_COLOUR": "red"}, "CORS115", checks.INFO),
        ({"CORS_PREFLIGHT_MAX_AGE": 86_400}, "CORS307", checks.INFO),
    ],
)
def test_a_finding_is_a_message_with_its_code_and_level(settings, changed, code, level):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ours(checks.run_checks()) == [(f"django_cors_policy.{code}", level)]


def test_a_message_says_what_the_finding_says(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com:443/"]
    [message] = check_settings()
    assert "'https://App.example.com:443/'" in message.msg
    assert "'https://app.example.com'" in message.hint


def test_a_message_is_one_line(settings, tmp_path, monkeypatch):
    (tmp_path / "failing_resolver.py").write_text(r"raise SystemError('not\n\x1b[31mnow')")
    monkeypatch.syspath_prepend(tmp_path)
    settings.CORS_TENANT_RESOLVER = "failing_resolver.resolve"
    [message] = check_settings()
    assert message.msg.isprintable()
    assert message.hint.isprintable()


@pytest.mark.parametrize("code", ["CORS101", "CORS116", "CORS401"])
def test_a_message_is_silenced_by_its_id(settings, code):
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_PREFLIGHT_STATUS = 500
    settings.MIDDLEWARE = []
    settings.SILENCED_SYSTEM_CHECKS = [f"django_cors_policy.{code}"]
    silenced = [message.id for message in checks.run_checks() if message.is_silenced()]
    assert silenced == [f"django_cors_policy.{code}"]


def test_the_checks_and_the_audit_find_the_same(settings, broken_policy):
    settings.CORS_ALLOW_CREDENTIALS = "yes"
    settings.MIDDLEWARE = []
    messages = [*check_settings(), *check_stored_policies(databases=["default"])]
    assert sorted(message.id for message in messages) == sorted(
        f"django_cors_policy.{finding.rule.code}" for finding in audit().findings
    )


# --- which run when


@pytest.fixture
def broken_policy(db):
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern="no origin")


def check(**options):
    err = StringIO()
    call_command("check", stderr=err, **options)
    return err.getvalue()


@pytest.mark.django_db
def test_check_makes_no_query(broken_policy):
    with CaptureQueriesContext(connection) as queries:
        assert check() == ""
    assert len(queries) == 0


def test_check_of_a_database_looks_at_the_stored_policies(broken_policy):
    output = check(databases=["default"])
    assert "(django_cors_policy.CORS601) tenant acme: 'no origin'" in output
    assert "(django_cors_policy.CORS110)" not in output  # one finding for one fault


@pytest.mark.parametrize("databases", [None, [], ["other"]])
def test_no_database_or_another_is_not_looked_at(django_assert_num_queries, broken_policy, databases):
    with django_assert_num_queries(0):
        assert check_stored_policies(databases=databases) == []


def test_stored_policies_never_stop_a_migrate(broken_policy, settings):
    settings.CORS_TENANT_LIMITS = {"any_origin": True}
    TenantPolicy.objects.update(allow_credentials=True)
    AllowedOrigin.objects.update(pattern="*")
    levels = dict(ours(check_stored_policies(databases=["default"])))
    assert levels["django_cors_policy.CORS101"] == checks.WARNING
    assert max(levels.values()) == checks.WARNING


def test_a_key_that_raw_sql_wrote_breaks_no_line(broken_policy):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_cors_policy_tenantpolicy SET tenant = %s", ["acme\n\x1b[31m?: "])
    messages = check_stored_policies(databases=["default"])
    assert messages
    assert all(message.msg.isprintable() for message in messages)


@pytest.mark.django_db(transaction=True)
def test_before_the_first_migrate_there_is_nothing_to_look_at():
    with connection.schema_editor() as editor:
        editor.delete_model(AllowedOrigin)
        editor.delete_model(TenantPolicy)
    try:
        assert check_stored_policies(databases=["default"]) == []
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(TenantPolicy)
            editor.create_model(AllowedOrigin)


def test_an_error_stops_other_commands(settings):
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    with pytest.raises(CommandError, match=r"django_cors_policy\.CORS101"):
        call_command("check")


def test_the_checks_carry_tags_to_choose_them_by():
    assert check_settings in checks.registry.registry.get_checks()
    assert checks.Tags.security in check_settings.tags
    assert checks.Tags.database in check_stored_policies.tags


def test_where_tenants_are_off_stored_policies_are_not_looked_at(broken_policy, settings, django_assert_num_queries):
    settings.CORS_TENANT_RESOLVER = None
    with django_assert_num_queries(0):
        assert check_stored_policies(databases=["default"]) == []
