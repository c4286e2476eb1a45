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
from tests.admin.test_policies import ADD, HOST, LIST, ORIGIN, change_url, errors, page
from tests.test_translations import MESSAGES, PLACEHOLDER, forms

pytestmark = pytest.mark.django_db

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
    policy = TenantPolicy.objects.create(tenant="acme.tenants.example", allow_credentials=True)
    policy.origins.create(pattern=ORIGIN)
    return policy


def test_the_list(client, acme):
    TenantPolicy.objects.create(tenant="globex.tenants.example", enabled=False, shadow=True, allow_methods="get")
    read = german(client.get(LIST))
    assert "Mandantenrichtlinie zur Änderung auswählen" in read
    for text in ("Schattenmodus", "Risiko", "mittel", "Ausgewählte Richtlinien aktivieren", "Begründung:"):
        assert text in read


def test_the_index(client):
    assert "CORS-Richtlinien" in german(client.get(LIST.removesuffix("django_cors_policy/tenantpolicy/")))


def test_an_empty_form(client):
    read = german(client.get(ADD))
    for text in ("Mandant:", "Was die Origins dürfen", "Eine deaktivierte Richtlinie erlaubt nichts.", "Origin"):
        assert text in read


def test_a_form_with_findings(client, acme):
    read = german(client.get(change_url(acme)))
    assert "Befunde der Prüfung" in read
    assert "Anmeldedaten sind für eine andere Site erlaubt, aber SameSite hält die Cookies zurück." in read


def test_a_policy_without_findings(client):
    policy = TenantPolicy.objects.create(tenant="acme.tenants.example")
    assert "Die Prüfung findet nichts an dieser Richtlinie." in german(client.get(change_url(policy)))


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
    assert "Die letzte Änderung stammt von root." in german(client.post(change_url(acme), data))


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
