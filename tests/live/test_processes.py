"""A change, as four processes of a server learn of it while they are asked without a pause."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from django.utils import timezone

from django_cors_policy.feed import PRUNED_AT_ONCE, PolicyChange
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from tests.admin.test_policies import change_url, page
from tests.live.workers import COMMANDS, PATIENCE, WORKERS, Answer, Asking, Question, Response, serving

BOUND = 1.0 + 0.5  # seconds: CORS_POLICY_REFRESH_SECONDS, which the settings leave as it is, and the grace
HOLD = 2.0  # seconds that a long transaction stays open after its write
ROUNDS = 2  # of each kind of change
LANES = 6  # changes that are watched at a time, each of a tenant of its own
WEIGHT = 4  # how much more often the questions that matter are asked
AFTERWARDS = 2  # answers of each worker that are awaited after the bound
FIRST = "first.tenants.example"  # the tenant of the feed's first rows
STEADY = Question("steady.tenants.example", "https://app.steady.tenants.example")  # never changes
SAVERS = 8  # who save at a time
SAVES = 4  # of each
SAVE_WAIT = 3.0  # seconds that a save may take while seven others are saved on two busy cores


@dataclass(frozen=True, slots=True)
class Change:
    """A write, and what every worker is to say before and after it."""

    before: Mapping[Question, bool]
    after: Mapping[Question, bool]
    write: Callable[[], Response | None]


@dataclass(frozen=True, slots=True)
class Course:
    """What was answered while a change was made: ``begun`` is before its write, ``committed`` after its commit."""

    change: Change
    begun: float
    committed: float
    response: Response | None
    answers: list[Answer]
    across: list[Answer]  # to whether another tenant's origin is let in

    def workers(self) -> set[str]:
        return {one.worker for one in self.answers}

    def stale(self) -> list[Answer]:
        """Give the answers by the old policy to requests that were sent after the commit."""
        after = self.change.after
        return [one for one in self.answers if one.sent > self.committed and one.allowed != after[one.question]]

    def staleness(self) -> float:
        """Give the seconds from the commit to the last request that a worker answered by the old policy."""
        return max((one.sent - self.committed for one in self.stale()), default=0.0)

    def early(self) -> list[Answer]:
        """Give the answers that did not follow the old policy and came before the write had begun."""
        before = self.change.before
        return [one for one in self.answers if one.received < self.begun and one.allowed != before[one.question]]

    def relapses(self) -> list[Answer]:
        """Give the answers by the old policy of a worker that had answered by the new one."""
        before, after = self.change.before, self.change.after
        learned: dict[tuple[str, Question], float] = {}
        for one in sorted(self.answers, key=lambda one: one.received):
            if after[one.question] != before[one.question] and one.allowed == after[one.question]:
                learned.setdefault((one.worker, one.question), one.received)
        return [one for one in self.stale() if one.sent > learned.get((one.worker, one.question), one.sent)]


# --- the kinds of change


def stored(host: str) -> AllowedOrigin:
    """Give a new tenant's one origin."""
    return TenantPolicy.objects.create(tenant=host).origins.create(pattern=f"https://app.{host}")


def revokes(origin: AllowedOrigin, write: Callable[[], object]) -> Change:
    question = Question(origin.policy.tenant, origin.pattern)
    return Change({question: True}, {question: False}, lambda: write() and None)


def by_save(host, admin):
    origin = stored(host)
    origin.enabled = False
    return revokes(origin, origin.save)


def by_the_admin(host, admin):
    origin = stored(host)
    data = page(policy=origin.policy) | {"origins-0-DELETE": "on"}
    change = revokes(origin, lambda: None)
    return Change(change.before, change.after, lambda: admin.save(origin.policy, data))


def by_update(host, admin):
    origin = stored(host)
    return revokes(origin, lambda: AllowedOrigin.objects.filter(policy=origin.policy).update(enabled=False))


def by_update_of_the_policy(host, admin):
    origin = stored(host)
    return revokes(origin, lambda: TenantPolicy.objects.filter(tenant=host).update(enabled=False))


def by_bulk_create(host, admin):
    policy = TenantPolicy.objects.create(tenant=host)
    question = Question(host, f"https://app.{host}")
    origins = [AllowedOrigin(policy=policy, pattern=question.origin)]
    return Change({question: False}, {question: True}, lambda: AllowedOrigin.objects.bulk_create(origins) and None)


def by_bulk_update(host, admin):
    origin = stored(host)
    origin.enabled = False
    return revokes(origin, lambda: AllowedOrigin.objects.bulk_update([origin], ["enabled"]))


def by_delete_of_the_policy(host, admin):
    origin = stored(host)
    return revokes(origin, origin.policy.delete)


def by_delete_of_a_queryset(host, admin):
    origin = stored(host)
    return revokes(origin, AllowedOrigin.objects.filter(pk=origin.pk).delete)


def by_renaming_the_tenant(host, admin):
    origin = stored(host)
    policy = origin.policy
    policy.tenant = f"renamed-{host}"
    old, new = Question(host, origin.pattern), Question(policy.tenant, origin.pattern)
    return Change({old: True, new: False}, {old: False, new: True}, policy.save)


KINDS = [
    by_save,
    by_the_admin,
    by_update,
    by_update_of_the_policy,
    by_bulk_create,
    by_bulk_update,
    by_delete_of_the_policy,
    by_delete_of_a_queryset,
    by_renaming_the_tenant,
]


class Admin:
    """Somebody who is logged in at the servers' admin."""

    def __init__(self, asking: Asking) -> None:
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        self._asking = asking
        self._token = secrets.token_hex(16)
        cookies = {"csrftoken": self._token, **{name: cookie.value for name, cookie in client.cookies.items()}}
        self._headers = {
            "Host": "testserver",
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        }

    def save(self, policy: TenantPolicy, data: Mapping[str, object]) -> Response:
        """Send a policy's form, as a browser does."""
        form = {**data, "csrfmiddlewaretoken": self._token}
        response = self._asking.server.send(change_url(policy), self._headers, form, "POST")
        assert response.status == 302, f"{response}\n{self._asking.server.output()}"
        return response


# --- the servers, and what they answered


@pytest.fixture(scope="module")
def database(django_db_modify_db_settings, django_db_blocker) -> Iterator[None]:
    """A database of these tests' own: what they share with the servers must not be flushed after each of them."""
    with django_db_blocker.unblock():
        before = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        try:
            yield
        finally:
            teardown_databases(before, verbosity=0)


@pytest.fixture(scope="module", params=list(COMMANDS))
def asking(request, database, tmp_path_factory) -> Iterator[Asking]:
    """A server and those who ask it."""
    stored(STEADY.host)
    PolicyChange.rows.bulk_create(PolicyChange(token="first", tenant=FIRST) for _ in range(80 * PRUNED_AT_ONCE))
    with (
        serving(request.param, tmp_path_factory.mktemp(request.param)) as server,
        Asking(server).running() as asking,
    ):
        yield asking
    call_command("flush", verbosity=0, interactive=False)
    # All that they have to say is how they started and ended.
    assert "Traceback" not in server.output()
    assert "CORS" not in server.output()


@pytest.fixture(scope="module")
def admin(asking) -> Admin:
    return Admin(asking)


@contextmanager
def watched(asking, *changes):
    """Have the questions of these changes asked, and whether the tenants let each other's origins in.

    Gives the second kind. Who comes in here has had an answer of every worker to the first kind.
    """
    matter = [question for change in changes for question in change.before]
    ring = [STEADY, *matter]
    neighbours = zip(ring, [*ring[1:], STEADY], strict=True)
    across = {Question(one.host, other.origin) for one, other in neighbours}.difference(ring)
    with asking.about([*matter * WEIGHT, *across, STEADY]):
        asking.wait_for_all_workers(matter, since=0)
        yield across


def settle(asking) -> None:
    """Return once every worker has read what the feed holds now.

    A worker that learns of a new tenant's rows only after their change would obey it, whether it is recorded or not.
    """
    with asking.about([STEADY]):
        asking.wait_for_all_workers([STEADY], time.monotonic() + BOUND)


def follow(asking, change) -> Course:
    """Make a change, and wait until every worker has answered after the bound."""
    questions = change.before.keys()
    with watched(asking, change) as across:
        begun = time.monotonic()
        response = change.write()
        committed = time.monotonic()
        asking.wait_for_all_workers(questions, committed + BOUND, AFTERWARDS)
    return Course(change, begun, committed, response, asking.answers(questions), asking.answers(across))


@pytest.fixture(scope="module")
def courses(asking, admin) -> dict[str, list[Course]]:
    """Every kind of change, some at a time, each of a tenant that was never asked for before."""

    changes = [KINDS[number % len(KINDS)](f"t{number}.tenants.example", admin) for number in range(ROUNDS * len(KINDS))]
    settle(asking)

    def make(change: Change) -> Course:
        try:
            return follow(asking, change)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(LANES) as pool:
        made = list(pool.map(make, changes))
    measured = sorted(course.staleness() for course in made)
    asked = sum(len(course.answers) for course in made)
    print(
        f"\n{asking.server.name}, {WORKERS} workers, {len(measured)} changes, {asked} answers: the last stale answer "
        f"{median(measured):.2f} s after the commit in the median, {measured[-1]:.2f} s at worst (bound {BOUND} s)"
    )
    return {kind.__name__: made[number :: len(KINDS)] for number, kind in enumerate(KINDS)}


# --- what is promised


every_kind = pytest.mark.parametrize("kind", [kind.__name__ for kind in KINDS])


@every_kind
def test_every_worker_obeys_a_change_within_the_bound(courses, kind, record_property):
    for course in courses[kind]:
        record_property("last stale answer, seconds after the commit", round(course.staleness(), 3))
        assert len(course.workers()) == WORKERS
        assert {one.worker for one in course.answers if one.received < course.begun} == course.workers()
        assert {one.worker for one in course.answers if one.sent > course.committed + BOUND} == course.workers()
        assert course.staleness() <= BOUND


@every_kind
def test_no_worker_is_ahead_of_a_change(courses, kind):
    assert [one for course in courses[kind] for one in course.early()] == []


@every_kind
def test_no_worker_goes_back_to_the_old_policy(courses, kind):
    assert [one for course in courses[kind] for one in course.relapses()] == []


def test_the_worker_that_saves_obeys_at_once(courses):
    for course in courses["by_the_admin"]:
        own = [one for one in course.answers if one.worker == course.response.worker and one.sent > course.committed]
        assert own
        assert not any(one.allowed for one in own)


def test_tenants_do_not_cross_while_they_change(asking, courses):
    made = [course for of_a_kind in courses.values() for course in of_a_kind]
    across = [one for course in made for one in course.across]
    steady = [one for one in asking.answers([STEADY]) if one.received < max(course.committed for course in made)]
    assert len({one.worker for one in across}) == len({one.worker for one in steady}) == WORKERS
    assert [one for one in across if one.allowed] == []
    assert [one for one in steady if not one.allowed] == []


def test_a_rollback_is_never_seen(asking):
    """Not while its transaction is open, however often every worker reads the feed and the rows, and not later."""
    origin = stored("rollback.tenants.example")
    other = Question(origin.policy.tenant, "https://other.rollback.tenants.example")
    unchanged = {Question(origin.policy.tenant, origin.pattern): True, other: False}
    with watched(asking, Change(unchanged, unchanged, lambda: None)):
        with transaction.atomic():
            origin.policy.origins.create(pattern=other.origin)
            origin.delete()
            asking.wait_for_all_workers(unchanged, time.monotonic() + BOUND)
            transaction.set_rollback(True)
        asking.wait_for_all_workers(unchanged, time.monotonic() + BOUND)
    assert [one for one in asking.answers(unchanged) if one.allowed != unchanged[one.question]] == []


def test_a_transaction_that_commits_late(asking, admin, record_property):
    """It is not seen before its commit; readers do not wait for it, and writers no longer than for its commit."""
    late, before_it, behind_it = (
        by_delete_of_the_policy("late.tenants.example", admin),
        by_update("before-it.tenants.example", admin),
        by_the_admin("behind-it.tenants.example", admin),
    )
    settle(asking)
    with watched(asking, late, before_it, behind_it) as across, ThreadPoolExecutor(1) as pool:
        first_begun = time.monotonic()
        before_it.write()
        first_committed = time.monotonic()
        with transaction.atomic():
            late.write()
            written = time.monotonic()
            # Meanwhile every worker answers, and learns of what was committed before.
            asking.wait_for_all_workers({*late.before, *before_it.before}, written + BOUND, AFTERWARDS)
            waiting = pool.submit(timed, behind_it.write)  # and holds a worker that serves one request at a time
            time.sleep(max(HOLD / 4, written + HOLD - time.monotonic()))
            assert not waiting.done()
            committing = time.monotonic()
        committed = time.monotonic()
        waited_from, waited_until, response = waiting.result(PATIENCE)
        asking.wait_for_all_workers(late.after, committed + BOUND, AFTERWARDS)
        asking.wait_for_all_workers(behind_it.after, waited_until + BOUND, AFTERWARDS)

    def course(change, begun, committed, response=None):
        return Course(change, begun, committed, response, asking.answers(change.before), asking.answers(across))

    courses = [
        course(before_it, first_begun, first_committed),
        course(late, committing, committed),
        course(behind_it, committing, waited_until, response),
    ]
    for one in courses:
        record_property("last stale answer, seconds after the commit", round(one.staleness(), 3))
        assert one.staleness() <= BOUND
        assert one.early() == one.relapses() == []
        assert not any(answer.allowed for answer in one.across)
    assert waited_until - committed < SAVE_WAIT
    print(
        f"\n{asking.server.name}, a transaction of {committing - written:.1f} s: the last stale answer "
        f"{courses[1].staleness():.2f} s after its commit; a save behind it took {waited_until - waited_from:.2f} s, "
        f"{waited_until - committed:.2f} s of them after the commit"
    )


def test_saves_of_different_tenants_do_not_wait_long_for_each_other(asking, admin, record_property):
    """Nor fail; and every worker knows all of them afterwards, although they were recorded at the same time."""
    policies = [TenantPolicy.objects.create(tenant=f"s{number}.tenants.example") for number in range(SAVERS)]
    together = threading.Barrier(SAVERS)

    def wanted(policy, number):
        return Question(policy.tenant, f"https://n{number}.{policy.tenant}")

    def save(policy):
        try:
            together.wait(PATIENCE)
            return [
                timed(admin.save, policy, page(wanted(policy, number).origin, policy=policy)) for number in range(SAVES)
            ]
        finally:
            connections.close_all()

    alone = TenantPolicy.objects.create(tenant="alone.tenants.example")
    lone = [timed(admin.save, alone, page(wanted(alone, number).origin, policy=alone)) for number in range(SAVES)]
    last = [wanted(policy, SAVES - 1) for policy in policies]
    change = Change(dict.fromkeys(last, False), dict.fromkeys(last, True), lambda: None)
    # Every save has something to prune, while the others have it too.
    PolicyChange.rows.filter(tenant=FIRST).update(created_at=timezone.now() - timedelta(days=2))
    with watched(asking, change):
        pass  # so that every worker has them in memory; then none is asked, for it is the saves that are timed
    begun = time.monotonic()
    with ThreadPoolExecutor(SAVERS) as pool:
        saves = [made for saver in pool.map(save, policies) for made in saver]
    committed = time.monotonic()
    with watched(asking, change) as across:
        asking.wait_for_all_workers(last, committed + BOUND)
    course = Course(change, begun, committed, None, asking.answers(last), asking.answers(across))
    assert PolicyChange.rows.filter(tenant=FIRST).exists()
    assert course.early() == course.relapses() == []
    assert course.staleness() <= BOUND
    assert not any(one.allowed for one in course.across)
    assert len({response.worker for _, _, response in saves}) == WORKERS
    assert AllowedOrigin.objects.filter(policy__in=policies).count() == SAVERS * SAVES
    took = sorted(until - begun for begun, until, _ in saves)
    record_property("longest save, seconds", round(took[-1], 3))
    print(
        f"\n{asking.server.name}, {len(took)} saves of {SAVERS} tenants at a time: {median(took):.3f} s in the median, "
        f"{took[-1]:.3f} s at worst; alone {median(until - begun for begun, until, _ in lone):.3f} s"
    )
    assert took[-1] < SAVE_WAIT


def timed(call, *args):
    """Call, and give the moments before and after with what it gave."""
    begun = time.monotonic()
    result = call(*args)
    return begun, time.monotonic(), result
