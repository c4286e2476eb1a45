"""The admin's pages in German: nothing of ours is left in English but what is marked so."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from django_cors_policy.admin.risk import findings
from django_cors_policy.models import TenantPolicy
from tests.admin.test_files import ACME, EXPORT, IMPORT, policy_url, rows, send
from tests.admin.test_inbox import LIST as BLOCKED
from tests.admin.test_inbox import address, blocked
from tests.admin.test_policies import ADD, HOST, LIST, ORIGIN, change_url, errors, page
from tests.admin.test_trying import fetch, try_url
from tests.admin.test_versions import DELETED, deleted, last, listing, restore, version
from tests.test_translations import MESSAGES, PLACEHOLDER, forms

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
READ_OUT = {"alt", "aria-label", "label", "placeholder", "title"}  # attributes that people see or hear


def pattern(text):
    """Give what finds a sentence, whatever stands in its places, as whole words."""
    words = ".{1,300}?".join(re.escape(part) for part in PLACEHOLDER.split(text))
    return re.compile(rf"(?<![\w/.-]){words}(?![\w/-])", re.IGNORECASE)


ENGLISH = [
    pattern(text)
    for message in MESSAGES
    for text, german in zip(forms(message.id), forms(message.string), strict=True)
    if text.lower() not in german.lower()  # "Code", "Origins"
]


class Shown(HTMLParser):
    """Gathers what people read of a page, but for what is marked as English."""

    def __init__(self):
        super().__init__()
        self.open = []  # each open element, and whether what stands in it is read as German
        self.texts = []

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        read = self.read() and tag not in ("script", "style") and of.get("lang", "de") == "de"
        if read:
            self.texts += [of[name] for name in READ_OUT & of.keys()]
            self.texts += [of["value"]] if tag == "input" and of["type"] in ("submit", "button") else []
        if tag not in VOID:
            self.open.append((tag, read))

    def handle_endtag(self, tag):
        if tag in [name for name, _ in self.open]:  # Django's pages leave some open, and close some twice
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        if self.read():
            self.texts.append(" ".join(data.split()))

    def read(self):
        return not self.open or self.open[-1][1]


def texts(html):
    shown = Shown()
    shown.feed(html)
    return [text for text in shown.texts if text]


def english(html):
    """Give what is left in English on a page: the sentence's pattern, and where it stands."""
    return {(found.group(), text) for text in texts(html) for each in ENGLISH if (found := each.search(text))}


@pytest.fixture
def client(settings):
    before = settings.MIDDLEWARE.index("django.middleware.common.CommonMiddleware")
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:before],
        "django.middleware.locale.LocaleMiddleware",
        *settings.MIDDLEWARE[before:],
    ]
    client = Client(headers={"Accept-Language": "de"})
    client.force_login(User.objects.create_superuser("root"))
    with translation.override("en", deactivate=True):  # the middleware leaves its language to what comes next
        yield client


def german(response):
    """Give what is read on a page, which has nothing of ours in English."""
    assert response.status_code == 200
    html = response.content.decode()
    assert '<html lang="de"' in html
    assert english(html) == set()
    return "\n".join(texts(html))


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=ACME, allow_credentials=True)
    policy.origins.create(pattern=ORIGIN)
    return policy


def test_the_list(client, acme):
    TenantPolicy.objects.create(tenant="globex.tenants.example", enabled=False, shadow=True, allow_methods="get")
    read = german(client.get(LIST))
    assert "Mandantenrichtlinie zur Änderung auswählen" in read
    for text in ("Schattenmodus", "Risiko", "mittel", "Ausgewählte Richtlinien aktivieren", "Begründung:"):
        assert text in read
    for page_of_all in ("Exportieren", "Importieren", "Gelöschte Richtlinien"):
        assert page_of_all in read


def test_the_index(client):
    assert "CORS-Richtlinien" in german(client.get(LIST.removesuffix("django_cors_policy/tenantpolicy/")))


def test_an_empty_form(client):
    read = german(client.get(ADD))
    for text in (
        "Mandant:",
        "Was die Seiten der Origins senden und lesen dürfen",
        "Eine deaktivierte Richtlinie erlaubt nichts.",
        "Origin",
    ):
        assert text in read


def test_a_form_with_findings(client, acme):
    read = german(client.get(change_url(acme)))
    for text in ("Befunde der Prüfung", "Testen", "Versionen", "Exportieren", "Begründung der Änderung:"):
        assert text in read
    assert "Anmeldedaten sind für eine andere Site erlaubt, aber SameSite hält die Cookies zurück." in read


def test_a_policy_without_findings(client):
    policy = TenantPolicy.objects.create(tenant="acme.tenants.example")
    assert "Die Prüfung findet nichts an der Richtlinie, wie sie gesichert ist." in german(
        client.get(change_url(policy))
    )


def test_the_confirmation_of_a_deletion(client, acme):
    url = change_url(acme).replace("/change/", "/delete/")
    assert "Mandantenrichtlinie" in german(client.get(url))
    assert "Mandantenrichtlinie" in german(client.post(url, {"post": "yes"}, follow=True))


def test_a_refused_origin(client):
    response = client.post(ADD, page("https://app.example.com/path", "ftp://app.example.com"))
    german(response)
    _, rows = errors(response)
    [of_path], [of_scheme] = (row["pattern"] for row in rows)
    assert of_path == (
        "'https://app.example.com/path': ein Origin endet mit dem Host oder Port und hat weder Pfad noch Query oder "
        "Fragment; schreiben Sie 'https://app.example.com'."
    )
    assert of_scheme == (
        "'ftp://app.example.com': ein Origin beginnt mit https:// oder http:// oder ist der einer App oder "
        "Erweiterung, dann ohne *."
    )


def test_what_is_beyond_a_limit(client):
    response = client.post(ADD, page("https://app.example.com:*", max_age="7201"))
    german(response)
    of_form, rows = errors(response)
    who = "Wer diese Website betreibt, kann diese Grenze in deren Einstellungen aufheben."
    [of_port], [of_max_age] = rows[0]["pattern"], of_form["max_age"]
    assert of_port == (
        "'https://app.example.com:*': es muss ein Port angegeben werden (überschreitet CORS_TENANT_LIMITS: any_port); "
        f"schreiben Sie 'https://app.example.com'. {who}"
    )
    assert of_max_age == (
        "7201: die Preflight-Antworten eines Mandanten gelten höchstens 7200 Sekunden "
        f"(CORS_TENANT_LIMITS: max_age). {who}"
    )


def test_one_origin_too_many(client, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    read = german(client.post(ADD, page("https://one.example.com", "https://two.example.com")))
    assert "eine Richtlinie enthält höchstens 1 Origins (CORS_TENANT_LIMITS: max_origins)" in read


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant": "https://api.tenants.example"},
        {"allow_methods": "PO ST"},
        {"allow_headers": "x bad"},
        {"expose_headers": "x" * 4001},
    ],
)
def test_a_refused_field(client, fields):
    response = client.post(ADD, page(ORIGIN, **fields))
    german(response)
    of_form, _ = errors(response)
    assert list(of_form) == list(fields)


def test_two_rows_of_one_origin(client):
    assert "Diese Richtlinie enthält den Origin bereits." in german(client.post(ADD, page(ORIGIN, f"{ORIGIN}/")))


def test_a_form_that_somebody_else_overtook(client, acme):
    data = page(policy=acme)
    client.post(change_url(acme), page(policy=acme, note="first"))
    read = german(client.post(change_url(acme), data))
    for text in ("Was andere geändert haben, seit Sie diese Seite geöffnet haben", "Notiz\nleer\nfirst"):
        assert text in read


@pytest.fixture
def of_everybody(settings):
    settings.CORS_TENANT_LIMITS = {"public_suffix_wildcards": True}
    policy = TenantPolicy.objects.create(tenant=HOST, enabled=False, allow_credentials=True)
    for suffix in ("github.io", "netlify.app", "vercel.app"):
        policy.origins.create(pattern=f"https://*.{suffix}")
    return policy


def test_a_reason_that_is_asked_for(client, of_everybody):
    response = client.post(change_url(of_everybody), page(policy=of_everybody, allow_credentials="on"))
    assert "Bitte begründen Sie dies: CORS105 (kritisch), https://*.github.io. | Und 2 weitere Befunde." in (
        german(response).replace("\n", " | ")
    )
    [said] = errors(response)[0]["reason"]
    assert '<span lang="en">&#x27;https://*.github.io&#x27;' in said


@pytest.mark.parametrize(
    ("action", "reason", "said"),
    [
        ("enable", "", f"Wegen {HOST} wurde nichts aktiviert."),
        ("enable", "A demo.", "1 Richtlinie wurde aktiviert."),
        ("disable", "", "0 Richtlinien wurden deaktiviert."),
    ],
)
def test_an_action(client, of_everybody, action, reason, said):
    data = {"action": action, "_selected_action": [of_everybody.pk], "reason": reason}
    assert said in german(client.post(LIST, data, follow=True))


def test_what_an_action_leaves_in_the_log(client, acme):
    client.post(LIST, {"action": "disable", "_selected_action": [acme.pk]})
    assert "Deaktiviert." in german(client.get(change_url(acme).replace("/change/", "/history/")))


def test_the_findings_that_are_told_after_a_save(client, acme):
    response = client.post(change_url(acme), page(policy=acme, allow_credentials="on"), follow=True)
    assert "CORS408 (mittel):" in german(response)
    rows = [f"http://localhost:{3000 + number}" for number in range(6)]
    read = german(client.post(change_url(acme), page(*rows, policy=acme), follow=True))
    assert "Ebenso: http://localhost:3001, http://localhost:3002, http://localhost:3003 und 2 weitere." in read


def test_what_the_audit_says_itself_is_marked_as_english(client, of_everybody):
    url, form = change_url(of_everybody), page(policy=of_everybody, allow_credentials="on")
    said = {sentence for found in findings(of_everybody) for sentence in (found.message, found.hint)}
    action = {"action": "enable", "_selected_action": [of_everybody.pk]}
    for response in (
        client.get(url),
        client.post(LIST, action, follow=True),
        client.post(url, form),
        client.post(url, form | {"reason": "A demo."}, follow=True),
    ):
        assert any(sentence in unescape(response.content.decode()) for sentence in said)
        assert not any(sentence in german(response) for sentence in said)


# --- the pages beside the form's


def test_the_export(client, acme):
    assert "CSV, für Tabellenkalkulationen" in german(client.get(EXPORT))
    read = german(client.get(policy_url(acme)))
    for text in ("Konfiguration von nginx", "CORS eines Buckets von Amazon S3", "Start"):
        assert text in read


def test_the_import(client):
    read = german(client.get(IMPORT))
    for text in (
        "Richtlinien importieren",
        "Datei:",
        "Datei prüfen",
        "Richtlinien entfernen, die die Datei nicht nennt",
    ):
        assert text in read


def test_what_a_file_would_change(client, acme):
    read = german(send(client, f"tenant,pattern,note\n{ACME},https://other.example.com,first\n"))
    for text in ("Das würde sich ändern", "1 hinzugefügt", "1 geändert", "1 entfernt", "0 abgelehnt", "Importieren"):
        assert text in read


def test_what_was_imported(client, acme):
    response = send(client, rows((ACME, "https://other.example.com")), confirm=True)
    assert "Importiert: 1 hinzugefügt, 0 geändert, 1 entfernt." in german(client.get(response.url))


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (rows((ACME, "ftp://a.example.com")), "a.csv", "ein Origin beginnt mit https:// oder http://"),
        (rows((ACME, ORIGIN), (ACME, ORIGIN)), "a.csv", f"'{ORIGIN}' steht bereits in Zeile 2"),
        (f"tenant,pattern,max_age\n{ACME},{ORIGIN},x\n", "a.csv", "max_age ist 'x'; schreiben Sie eine ganze Zahl."),
        (
            f"tenant,pattern,max_age\n{ACME},{ORIGIN},9999\n",
            "a.csv",
            "(CORS_TENANT_LIMITS: max_age). Wer diese Website",
        ),
        (f"tenant,pattern\n{ACME}\n", "a.csv", "Die Zeile hat 1 Zellen und die Kopfzeile 2"),
        ("[7]", "a.json", "Hier steht '7'; schreiben Sie ein Array von Richtlinien"),
        ('[{"tenant": "acme.tenants.example"}]', "a.json", "Der Richtlinie fehlt die Liste der Origins"),
    ],
)
def test_a_row_that_is_refused(client, content, name, said):
    read = german(send(client, content, name=name))
    assert "Es kann nichts importiert werden: Einige Zeilen werden abgelehnt" in read
    assert said in read


def test_a_file_of_one_origin_too_many(client, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    read = german(send(client, rows((ACME, "https://one.example.com"), (ACME, "https://two.example.com"))))
    assert "eine Richtlinie enthält höchstens 1 Origins (CORS_TENANT_LIMITS: max_origins). Wer diese Website" in read


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [(None, "", "Wählen Sie eine Datei aus."), ("x", "a.xlsx", "'a.xlsx' ist weder .csv noch .json")],
)
def test_a_file_that_is_none(client, content, name, said):
    assert said in german(send(client, content, name=name))


def test_an_empty_test(client, acme):
    read = german(client.get(try_url(acme)))
    for text in (
        "Was das Skript einer Seite aufruft",
        "Methode:",
        "Anmeldedaten:",
        "omit: Cookies werden nie gesendet",
    ):
        assert text in read


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (ORIGIN, ["Erlaubt: Die Seite darf die Antwort lesen", "Wenn dies eines Tages nicht mehr erlaubt ist"]),
        ("http://localhost:3000", ["Blockiert: Die Seite darf die Antwort nicht lesen", "Was die Prüfung", "mittel"]),
    ],
)
def test_a_test(client, acme, origin, said):
    response = client.post(try_url(acme), fetch(origin, method="PUT", headers="Cookie: 1"))
    read = german(response)
    for text in (*said, "Der Browser fragt zuerst", "Entschieden durch", "Header, die der Browser weglässt"):
        assert text in read


def test_what_the_explanation_says_itself_is_marked_as_english(client, acme):
    for origin in (ORIGIN, "http://localhost:3000"):
        response = client.post(try_url(acme), fetch(origin))
        told = response.context
        said = {
            told["explanation"].verdict.message,
            told["revocation"],
            *(finding["message"] for finding in told["risks"]),
        }
        said |= {sentence for _, step in told["steps"] for sentence in (step.answer_line, step.decided)}
        if told["explanation"].suggestion:
            said.add(told["explanation"].suggestion.text)
        source, read = unescape(response.content.decode()), german(response)
        for sentence in said - {""}:
            assert sentence in source
            assert sentence not in read


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "ftp://a.example.com/"}, "Schreiben Sie eine vollständige URL"),
        ({"headers": "bad"}, "'bad' hat keinen Doppelpunkt"),
        ({"headers": "X-Forwarded-For: 1"}, "'X-Forwarded-For' lässt sich nicht testen"),
        ({"url": "https://globex.tenants.example/"}, f"ist keine URL des Mandanten '{ACME}'"),
    ],
)
def test_what_cannot_be_tested(client, acme, fields, said):
    assert said in german(client.post(try_url(acme), fetch(ORIGIN, **fields)))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"enabled": False}, "Diese Richtlinie ist deaktiviert."),
        ({"shadow": True}, "Diese Richtlinie ist im Schattenmodus."),
    ],
)
def test_a_policy_that_answers_nothing_is_tested(client, acme, state, said):
    TenantPolicy.objects.update(**state)
    assert said in german(client.get(try_url(acme)))
    assert "Die Antwort unten ist die" in german(client.post(try_url(acme), fetch(ORIGIN, as_if="on")))


def test_edits_are_tested(client, acme):
    edits = page(policy=acme)
    assert "Nicht gesicherte Änderungen." in german(client.post(change_url(acme), {**edits, "_try": "1"}))
    assert "Nichts davon ist bisher gesichert." in german(client.post(change_url(acme), {**edits, "_edit": "1"}))


def test_the_versions(client, acme):
    acme.max_age, acme.allow_credentials = 60, False
    acme.save()
    acme.origins.update(expires_at="2020-01-02T03:04:00Z")
    read = german(client.get(listing(acme)))
    for text in (
        "Jede Änderung dieser Richtlinie und ihrer Origins",
        "Gültigkeitsdauer der Preflight-Antwort\n600 Sekunden\n60 Sekunden",
        "Anmeldedaten erlauben\nja\nnein",
        "geändert",
        "Läuft ab am: nie, dann",
        "Die Richtlinie wurde angelegt.",
    ):
        assert text in read


def test_a_version(client, acme):
    entry = last(ACME)
    acme.max_age = 60
    acme.save()
    read = german(client.get(version(acme, entry)))
    for text in ("Die Richtlinie nach dieser Änderung", "Diese Version wiederherstellen", "Jetzt", "Wiederhergestellt"):
        assert text in read
    assert "Diese Richtlinie wurde geändert, seit Sie diese Seite geöffnet haben; es wurde daher nichts" in (
        german(client.post(version(acme, entry), {"version": entry.pk}))
    )
    assert restore(client, version(acme, entry)).status_code == 302
    assert "Die Version wurde wiederhergestellt." in german(client.get(LIST))
    read = german(client.get(change_url(acme).replace("/change/", "/history/")))
    assert f"Version {entry.pk} wiederhergestellt." in read


def test_a_version_that_cannot_be_restored(client, acme, settings):
    entry = last(ACME)
    acme.origins.update(note="first")
    settings.CORS_TENANT_LIMITS = {"max_origins": 0, "max_age": 60}
    read = german(client.get(version(acme, entry)))
    assert "Diese Version kann nicht wiederhergestellt werden:" in read
    assert read.count("Wer diese Website betreibt, kann diese Grenze") == 2


def test_deleted_policies(client, acme):
    TenantPolicy.objects.filter(pk=acme.pk).delete()
    for url, said in (
        (DELETED, "Mandanten ohne Richtlinie, deren Richtlinie unter den letzten 100.000 Änderungen gelöscht wurde"),
        (f"{DELETED}?tenant={ACME}", "Die Richtlinie wurde gelöscht."),
        (f"{DELETED}?tenant=nobody", "Keine gelöschte Richtlinie hat genau diesen Schlüssel."),
        (deleted(last(ACME)), "Die Richtlinie wird mit diesen Origins wieder angelegt."),
    ):
        assert said in german(client.get(url))


# --- blocked origins


def test_the_blocked_origins(client, acme):
    blocked(would="allow")
    blocked("null", reason="null-origin")
    blocked("https://other.example.com", tenant="")
    read = german(client.get(BLOCKED))
    for text in (
        "Blockierte Origins",
        "Seiten dieser Origins haben hier etwas abgerufen",
        "Keine Richtlinie erlaubt den Origin. Im Schattenmodus: erlaubt.",
        "Liefern Sie die Seite von einer Adresse mit http oder https aus",
        "keiner mit einer Richtlinie",
        "Wie er erlaubt wird",
        "Erlauben…",
        "Ignorieren",
        "Nicht ignoriert",
        "Nach Schattenmodus",
        "Zuletzt gesehen",
    ):
        assert text in read


def test_a_blocked_origin(client, acme):
    row = blocked()
    read = german(client.get(address("change", row)))
    for text in ("Warum er blockiert wurde:", "Zuerst gesehen:", "Erlauben Sie ihn in der Richtlinie.", "Ignorieren"):
        assert text in read
    assert "1 Origin wird ignoriert." in german(client.post(address("ignore", row), follow=True))
    assert "Wieder zeigen" in german(client.get(address("change", row)))
    assert "1 Origin wird wieder gezeigt." in german(client.post(address("show", row), follow=True))


def test_what_an_origin_would_be_allowed(client, acme):
    TenantPolicy.objects.update(shadow=True)
    read = german(client.get(address("allow", blocked("http://localhost:3000"))))
    for text in (
        "durch die Richtlinie von\nacme.tenants.example\nerlaubt: Diese können dessen API",
        "Die Richtlinie ist aber im Schattenmodus",
        "Er wurde 3 Mal blockiert",
        "Was neu wäre",
        "Was schon jetzt so ist",
        "Ein Origin aus der Entwicklung ist erlaubt",
        "Diesen Origin erlauben",
    ):
        assert text in read


@pytest.mark.parametrize(
    ("origin", "tenant", "said"),
    [
        (ORIGIN, ACME, "Es gibt nichts mehr zu erlauben.\nDie Richtlinie erlaubt ihn, durch den Eintrag"),
        ("http://app.example.com", ACME, "Er kann hier nicht erlaubt werden.\n'http://app.example.com': http ist hier"),
        ("https://other.example.com", "", 'fügen Sie "https://other.example.com" in den Einstellungen'),
    ],
)
def test_what_cannot_be_allowed(client, acme, origin, tenant, said):
    assert said in german(client.get(address("allow", blocked(origin, tenant))))


def test_an_origin_that_was_allowed(client, acme):
    row = blocked()
    read = german(client.post(address("allow", row), {"reason": "a test"}, follow=True))
    assert f"Der Origin {row.origin} wurde zur Richtlinie von {ACME} hinzugefügt." in read
    url = change_url(acme).replace("/change/", "/history/")
    assert "Origin „https://new.acme.example“ hinzugefügt." in german(client.get(url))
    client.logout()
    client.force_login(User.objects.get())
    assert "Added allowed origin" in client.get(url, headers={"Accept-Language": "en"}).content.decode()


def test_what_the_end_of_shadow_mode_would_change(client, acme, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://trusted.example.com"]
    settings.CORS_PREFLIGHT_MAX_AGE = 60
    TenantPolicy.objects.update(shadow=True, allow_methods="", allow_headers="x-api-key")
    acme.origins.create(pattern="https://trusted.example.com")
    blocked(ORIGIN)
    blocked("https://other.example.com")
    blocked("https://trusted.example.com", reason="listed")
    read = german(client.get(change_url(acme)))
    for text in (
        "Blockierte Origins: 2 in den letzten 7 Tagen",
        "Wenn diese Richtlinie eingeschaltet wäre",
        "1 Origin, der jetzt blockiert ist, würde erlaubt:",
        "1 Origin würde weiterhin blockiert:",
        "1 Origin, den die Einstellungen jetzt erlauben, bekäme seine Antwort von dieser Richtlinie:",
        "Mit Anmeldedaten: Eine Seite könnte Cookies senden",
        "Ohne diese Methoden",
        "Mit diesen Anfrage-Headern",
        "Preflight-Antworten würden",
    ):
        assert text in read


# --- what is looked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "html",
    [
        "<p>Shadow mode:</p>",
        "<p>\n  A disabled policy\n  allows nothing.</p>",
        '<p lang="en">x</p><p>risk</p>',
        '<input type="submit" value="Why">',
        '<a title="many tenants">x</a>',
        "<p>&#x27;x&#x27;: an origin has a host.</p>",
        "<p>3 policies were enabled.</p>",
    ],
)
def test_english_is_found(html):
    assert english(f'<html lang="de">{html}</html>')


@pytest.mark.parametrize(
    "html", ['<p lang="en">Shadow mode <b>risk</b></p>', "<p>Schattenmodus</p>", "<script>why</script>"]
)
def test_what_is_marked_or_unread_is_let_through(html):
    assert english(f'<html lang="de">{html}</html>') == set()
