"""Querysets and models whose writes are recorded: in the feed for other processes, in the history for people.

Every queryset method, save and signal below comes to ``_recorded()``, in the transaction that it writes in.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, router, transaction
from django.db.models.signals import post_save, pre_delete, pre_save

from django_cors_policy.feed import EVERYTHING, MAX_NAMED, lock, recording
from django_cors_policy.history import Action, Row, State, as_json, readers, writing

BATCH = 500  # primary keys in one statement; SQLite used to stop at 999 parameters
TOLD = 5000  # rows of one write that the history tells


@dataclass(slots=True)
class _Write:
    """What one write found and left, and the tenants that it touched."""

    found: dict[Row, State] = field(default_factory=dict)
    left: dict[Row, State] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    is_told: bool = True

    def find(self, rows: dict[Row, State]) -> None:
        self.found.update(rows)
        self.touched.update(tenant for tenant, _ in rows.values())

    def leave(self, rows: dict[Row, State]) -> None:
        self.left.update(rows)
        self.touched.update(tenant for tenant, _ in rows.values())


@contextmanager
def _recorded(using: str, action: str = Action.CODE) -> Iterator[_Write]:
    with recording(using) as touched, writing(using, action) as change:
        write = _Write()
        yield write
        touched.update(write.touched)
        if EVERYTHING in write.touched or len(write.touched) > MAX_NAMED:
            change.untold.add(EVERYTHING)
        elif not write.is_told or len(write.found) > TOLD:
            change.untold.update(write.touched)
        else:
            change.add(write.found, write.left)


def _write_alias(queryset: models.QuerySet[Any]) -> str:
    # The one private attribute of Django's here: a queryset says which database it would *write* to only when it is
    # marked so, and a router may send reads elsewhere. QuerySet.update() and delete() mark themselves the same way.
    queryset._for_write = True  # type: ignore[attr-defined]
    return queryset.db


def parts(keys: list[Any]) -> Iterator[list[Any]]:
    """Give lists that one statement can take."""
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


class RecordedQuerySet(models.QuerySet[Any]):
    """A queryset whose writes are recorded, each as one."""

    def update(self, **kwargs: Any) -> int:
        using = _write_alias(self)
        super(RecordedQuerySet, self.none()).update(**kwargs)  # refuses what Django refuses, before any transaction
        with _recorded(using) as write:
            rows = self.using(using)
            # Through the primary keys: an update may well change what the queryset filters by.
            keys = list(rows.order_by().values_list("pk", flat=True))
            if len(keys) > BATCH or not kwargs.keys().isdisjoint({"pk", self.model._meta.pk.name}):
                # One statement, as Django's: the second of two would not find what the first has changed.
                write.touched.add(EVERYTHING)
                return super().update(**kwargs)
            write.find(_stored(self.model, keys, using))
            count = super(RecordedQuerySet, rows.filter(pk__in=keys)).update(**kwargs)
            write.leave(_stored(self.model, keys, using))
            _follow(self.model, write, using)
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        using = _write_alias(self)
        super(RecordedQuerySet, self.none()).delete()  # as in update()
        with _recorded(using) as write:
            keys = list(self.using(using).order_by().values_list("pk", flat=True))
            write.find(_stored(self.model, keys, using))
            write.find(self.model.children_of(keys, using))
            deleted = super().delete()
            write.leave(_stored(self.model, keys, using))  # what a signal's receiver has kept
        return deleted

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        instances = list(objs)
        using = _write_alias(self)
        with _recorded(using) as write:
            # With update_conflicts a row may be taken over from another tenant.
            write.find(self._conflicting(instances, using))
            created = super().bulk_create(instances, *args, **kwargs)
            write.leave(self._conflicting(instances, using))
            write.touched.update(self.model.tenants_of_instances(instances, using))
            write.is_told = len(instances) <= TOLD
        return created

    def _conflicting(self, instances: list[Any], using: str) -> dict[Row, State]:
        """Give the stored rows that have the primary key or the natural key of one of these."""
        rows = _stored(self.model, [instance.pk for instance in instances], using)
        if len(instances) <= TOLD:
            for part in parts(instances):
                rows |= rows_of(self.model, models.Q(*self.model.alike(part)), using)
        return rows

    def select_for_update(self, nowait: bool = False, *args: Any, **kwargs: Any) -> "RecordedQuerySet":
        # Who locks rows will save them. Two of whom one has the feed and waits for a row, and one has the row and waits
        # for the feed, would wait for each other: so the feed comes first here too. update_or_create() locks this way.
        rows = super().select_for_update(nowait, *args, **kwargs)
        if transaction.get_connection(rows.db).in_atomic_block:  # else it fails, or is not evaluated yet
            lock(rows.db, nowait=nowait)
        return rows


class RecordedModel(models.Model):
    """A model whose every save is recorded."""

    kind: ClassVar[str]  # in the history
    tenant_path: ClassVar[str]  # the lookup from a row to its tenant's key
    told: ClassVar[tuple[str, ...]]  # the fields that the history tells
    rows_before: dict[Row, State] | None = None  # between the two signals of a fixture's row

    class Meta:
        abstract = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        readers.setdefault(cls.kind, partial(_stored, cls))
        # Proxies and children too: a signal is sent in the name of the instance's own class.
        pre_delete.connect(_record_delete, sender=cls)
        pre_save.connect(_record_before_fixture, sender=cls)
        post_save.connect(_record_after_fixture, sender=cls)

    @classmethod
    @abstractmethod
    def tenants_of_instances(cls, instances: Iterable[Any], using: str) -> set[str]:
        """Give the tenants that the instances belong to as they are now, written or not."""

    @classmethod
    @abstractmethod
    def alike(cls, instances: Collection[Any]) -> Collection[models.Q]:
        """Give what the stored rows have that have the natural keys of instances; others may have it too."""

    @classmethod
    def children_of(cls, keys: list[Any], using: str) -> dict[Row, State]:  # noqa: ARG003
        """Give the rows that belong to these, and go with them."""
        return {}

    def full_clean(self, exclude: Any = None, *args: Any, **kwargs: Any) -> None:
        """Validate; what is wrong with a field that a form leaves out is said of the whole."""
        try:
            super().full_clean(exclude, *args, **kwargs)
        except ValidationError as error:
            errors: dict[str, list[ValidationError]] = {}
            for name, found in error.error_dict.items():
                errors.setdefault(NON_FIELD_ERRORS if name in (exclude or ()) else name, []).extend(found)
            raise ValidationError(errors) from error

    # save(), create(), get_or_create() and the admin all come here.
    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with _recorded(using) as write:
            write.find(_stored(type(self), [self.pk], using))
            super().save_base(raw, force_insert, force_update, using, update_fields)
            write.leave(_stored(type(self), [self.pk], using))
            _follow(type(self), write, using)

    save_base.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        # The signal records it, but is sent after the origins were collected: one may be another policy's by then.
        with transaction.atomic(using=using):  # a savepoint: what Django refuses to delete breaks no transaction
            lock(using)
            return super().delete(using, keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


# --- what is stored --------------------------------------------------------------------------------------------------

_TOO_MANY: dict[Row, State] = {("", None): (EVERYTHING, {})}


def tenants_of(model: type[RecordedModel], keys: Iterable[Any], using: str) -> set[str]:
    """Give the tenants of the rows with these primary keys, as they are stored."""
    return {tenant for tenant, _ in _stored(model, keys, using).values()}


def _stored(model: type[RecordedModel], keys: Iterable[Any], using: str) -> dict[Row, State]:
    """Give the rows with these keys, or what touches everything where they are more tenants' than can be named."""
    rows: dict[Row, State] = {}
    tenants: set[str] = set()
    for part in parts([key for key in keys if key is not None]):
        read = rows_of(model, models.Q(pk__in=part), using)
        rows |= read
        tenants.update(tenant for tenant, _ in read.values())
        if len(tenants) > MAX_NAMED:
            return dict(_TOO_MANY)
    return rows


def rows_of(model: type[RecordedModel], which: models.Q, using: str) -> dict[Row, State]:
    """Read rows, and where in a transaction, lock them.

    Its snapshot may be older than the feed's lock: a plain read would give the key that a tenant had before it was
    renamed, and the change would be told of a tenant that is no more. A locking read sees what is stored, or fails
    where the isolation level does not let it.
    """
    connection = transaction.get_connection(using)
    stored: models.QuerySet[Any] = models.QuerySet(model, using=using).filter(which)
    if connection.in_atomic_block:
        stored = stored.select_for_update(no_key=connection.features.has_select_for_no_key_update)
    read = stored.order_by().values_list("pk", model.tenant_path, *model.told)
    return {
        (model.kind, key): (tenant, {name: as_json(value) for name, value in zip(model.told, fields, strict=True)})
        for key, tenant, *fields in read
    }


def _follow(model: type[RecordedModel], write: _Write, using: str) -> None:
    """Tell of the rows whose tenant has another key by this write, without being written themselves."""
    for row in write.found.keys() & write.left.keys():
        before, after = write.found[row][0], write.left[row][0]
        if before != after:
            children = model.children_of([row[1]], using)
            write.leave(children)
            write.find({child: (before, fields) for child, (_, fields) in children.items()})


# --- writes that only signals see ------------------------------------------------------------------------------------


def _record_delete(
    sender: type[RecordedModel], instance: RecordedModel, using: str, origin: object = None, **_: object
) -> None:
    recorded_already = isinstance(origin, RecordedQuerySet)
    recorded_by_parent = isinstance(origin, RecordedModel) and origin.kind != sender.kind
    if not (recorded_already or recorded_by_parent):
        with _recorded(using) as write:
            write.find(_stored(type(instance), [instance.pk], using))
            write.find(sender.children_of([instance.pk], using))


def _record_before_fixture(instance: RecordedModel, raw: bool, using: str, **_: object) -> None:
    # loaddata goes round save_base() of the model. Its transaction is what the lock is held in; without one, nothing
    # holds a lock until the row is written.
    if raw and transaction.get_connection(using).in_atomic_block:
        lock(using)
    if raw:
        instance.rows_before = _stored(type(instance), [instance.pk], using)


def _record_after_fixture(instance: RecordedModel, raw: bool, using: str, **_: object) -> None:
    if raw:
        # An origin that comes before its policy finds no tenant; the policy records itself when it comes.
        with _recorded(using, Action.COMMAND) as write:
            write.find(instance.rows_before or {})
            write.leave(_stored(type(instance), [instance.pk], using))
            _follow(type(instance), write, using)
