"""manage.py cors_export: the stored policies as a file."""

import io
import json
import os

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection

from django_cors_policy.models import TenantPolicy

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme():
    policy = TenantPolicy.objects.create(tenant="acme.example", note="münchen")
    policy.origins.create(pattern="https://a.example")
    return policy


def written(*args):
    out = io.StringIO(newline="")
    call_command("cors_export", *args, stdout=out)
    return out.getvalue()


def failed(*args):
    with pytest.raises(CommandError) as error:
        call_command("cors_export", *args, stdout=io.StringIO())
    assert error.value.returncode == 2
    return str(error.value)


def test_csv_goes_to_standard_output():
    header, row, rest = written().split("\r\n")
    assert header.startswith("tenant,enabled,")
    assert row.startswith("acme.example,true,")
    assert rest == ""


def test_json_is_asked_for_by_its_name():
    [policy] = json.loads(written("--format", "json"))
    assert policy["note"] == "münchen"


def test_some_tenants_are_asked_for_by_their_keys():
    for tenant in ("b.example", "c.example"):
        TenantPolicy.objects.create(tenant=tenant, enabled=False)
    found = json.loads(written("--format", "json", "--tenant", "b.example", "--tenant", "acme.example"))
    assert [policy["tenant"] for policy in found] == ["acme.example", "b.example"]


def test_an_unknown_tenant_is_an_error_and_no_empty_file(tmp_path):
    path = tmp_path / "policies.csv"
    said = failed("--tenant", "acme.exampel", "--output", str(path))
    assert said == "no policy is stored for tenant 'acme.exampel'; did you mean 'acme.example'?"
    assert not path.exists()


def test_a_file_holds_what_would_have_been_printed(tmp_path):
    path = tmp_path / "policies.csv"
    assert written("--output", str(path)) == ""
    assert path.read_bytes().decode() == written()


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    assert "cannot be written: No such file or directory" in failed("--output", str(tmp_path / "nowhere" / "x"))


def test_a_database_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "policies.csv"
    path.write_text("before")

    def fail(execute, sql, params, many, context):
        if "allowedorigin" in sql:
            raise Error("gone\naway")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        assert failed("--output", str(path)) == "the database cannot be used: 'gone\\naway'"
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["policies.csv"]


def test_a_terminal_that_cannot_hold_a_name_gets_no_other_name():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with pytest.raises(CommandError, match=r"the output cannot hold 'ü'; --output FILE can"):
        call_command("cors_export", stdout=out)


def test_another_database_can_be_named():
    assert written("--database", "default", "--tenant", "acme.example") == written()
    with pytest.raises(CommandError, match="invalid choice"):
        written("--database", "nowhere")


# --- other servers' configuration


def test_an_effective_policy_is_written_for_another_server(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://settings.example"]
    config = written("--format", "nginx", "--tenant", "acme.example")
    assert r"a\.example" in config
    assert r"settings\.example" in config
    assert config.endswith("\n")
    assert "acme.example" not in written("--format", "caddy")


def test_what_to_know_of_a_config_without_comments_is_told_beside_it():
    errors = io.StringIO()
    out = io.StringIO()
    call_command("cors_export", "--format", "s3", "--tenant", "acme.example", stdout=out, stderr=errors)
    assert "export it again" in errors.getvalue()
    assert "https://a.example" in json.dumps(json.loads(out.getvalue()))


def test_a_config_is_one_policys():
    TenantPolicy.objects.create(tenant="b.example")
    said = failed("--format", "apache", "--tenant", "acme.example", "--tenant", "b.example")
    assert said == "--format apache takes one --tenant, and no --database: it writes what is served"
    assert failed("--format", "apache", "--database", "default") == said
    assert failed("--format", "apache", "--tenant", "acme.exampel").endswith("did you mean 'acme.example'?")
