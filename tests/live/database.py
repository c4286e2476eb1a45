"""A database server of the tests' own, which they may stop, kill, freeze and reconfigure."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import Error, connections

PATIENCE = 30.0  # seconds that a server may take to start or to stop


class Database:
    """A server of the vendor that DATABASE_URL names, in a folder and on a port of its own, with one database."""

    engine: str
    account: str  # whom the server runs as where the tests run as root, which servers refuse
    user: str  # whom clients connect as
    superuser: str
    programs: tuple[str, ...]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {"cwd": folder, "env": {**os.environ, "HOME": str(folder)}}
        if os.geteuid() == 0:
            self._as |= {"user": self.account, "group": self.account, "extra_groups": []}
            shutil.chown(folder, self.account, self.account)
        for program in self.programs:
            if not self.program(program):
                pytest.fail(f"There is no {program}; tox.ini names Debian's packages.", pytrace=False)

    def program(self, name: str) -> str | None:
        raise NotImplementedError

    def install(self) -> list[str]:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        raise NotImplementedError

    def settings(self, port: int | None = None, **changes: Any) -> dict[str, Any]:
        """Give DATABASES' entry of the server, or of what stands on another port before it."""
        return {
            "ENGINE": self.engine,
            "NAME": "cors",
            "USER": self.user,
            "HOST": "127.0.0.1",
            "PORT": port or self.port,
            **changes,
        }

    def execute(self, *statements: str, name: str = "cors") -> None:
        """Run statements as the superuser, past any proxy."""
        with self.session(name) as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def session(self, name: str = "cors") -> Iterator[Any]:
        entry = connections["default"].settings_dict | self.settings(USER=self.superuser, NAME=name, PASSWORD="")
        connection = connections["default"].__class__({**entry, "OPTIONS": {}}, "superuser")
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def start(self) -> None:
        """Start it and wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process is None or self._process.poll() is not None:
                # After a kill it may have to wait for what its processes have left.
                with (self.folder / "server.log").open("ab") as log:
                    self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, **self._as)
            try:
                return self.execute("SELECT 1", name=self.superuser_database)
            except Error:
                if time.monotonic() > deadline:
                    pytest.fail((self.folder / "server.log").read_text(), pytrace=False)
                time.sleep(0.05)

    superuser_database: str

    def stop(self) -> None:
        """Stop it in the way that waits for no client."""
        self._end(self.stop_signal)

    stop_signal: signal.Signals

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)

    def freeze(self) -> None:
        """Let all its processes stand still: its sockets go on accepting, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, which: signal.Signals) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, which)

    @contextmanager
    def lost(self, table: str) -> Iterator[None]:
        self.execute(f"ALTER TABLE {table} RENAME TO lost")
        yield
        self.execute(f"ALTER TABLE lost RENAME TO {table}")

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Hold a lock that lets nobody read a table."""
        raise NotImplementedError
        yield

    @contextmanager
    def read_only(self) -> Iterator[None]:
        raise NotImplementedError
        yield


class PostgreSQL(Database):
    engine = "django.db.backends.postgresql"
    account = "postgres"
    user = "cors"
    superuser = "postgres"
    superuser_database = "postgres"
    programs = ("initdb", "postgres")
    stop_signal = signal.SIGQUIT  # pg_ctl's "immediate"

    def program(self, name: str) -> str | None:
        # Debian keeps them off the path, a folder for each version.
        folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
        return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))

    def install(self) -> list[str]:
        options = ["--auth=trust", f"--username={self.superuser}", "--no-sync", "--encoding=UTF8", "--locale=C"]
        return [str(self.program("initdb")), "-D", str(self.folder / "data"), *options]

    def command(self) -> list[str]:
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 60,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self.program("postgres")), "-D", str(self.folder / "data"), *arguments]

    def prepare(self) -> None:
        self.execute(f"CREATE ROLE {self.user} LOGIN", name=self.superuser_database)
        self.execute(f"CREATE DATABASE cors OWNER {self.user}", name=self.superuser_database)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        with self.session() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            cursor.execute("ROLLBACK")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        for value in ("on", "off"):
            self.execute(
                f"ALTER ROLE {self.user} SET default_transaction_read_only = {value}",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.user}'",
            )
            if value == "on":
                yield


class MariaDB(Database):
    engine = "django.db.backends.mysql"
    account = "mysql"
    user = "cors"
    superuser = "root"
    superuser_database = "mysql"
    programs = ("mariadb-install-db", "mariadbd")
    stop_signal = signal.SIGTERM

    def program(self, name: str) -> str | None:
        return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))

    def install(self) -> list[str]:
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        return [str(self.program("mariadb-install-db")), "--no-defaults", f"--datadir={self.folder / 'data'}", *options]

    def command(self) -> list[str]:
        options = {
            "datadir": self.folder / "data",
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "innodb-buffer-pool-size": "32M",
            "innodb-flush-log-at-trx-commit": 0,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        return [str(self.program("mariadbd")), "--no-defaults", "--skip-name-resolve", *arguments]

    def prepare(self) -> None:
        self.execute(
            "CREATE DATABASE cors CHARACTER SET utf8mb4",
            f"CREATE USER {self.user}@'%'",
            f"GRANT ALL ON cors.* TO {self.user}@'%'",  # so not READ ONLY ADMIN, which nothing is read-only for
            name=self.superuser_database,
        )

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        with self.session() as cursor:
            cursor.execute(f"LOCK TABLES {table} WRITE")
            yield
            cursor.execute("UNLOCK TABLES")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self.execute("SET GLOBAL read_only = ON")
        yield
        self.execute("SET GLOBAL read_only = OFF")


@contextmanager
def own_database(vendor: str) -> Iterator[Database]:
    """Install and start a server in a temporary folder; what is left of it at the end is removed."""
    kinds = {"postgresql": PostgreSQL, "mysql": MariaDB}
    if vendor not in kinds:
        pytest.fail("tests/live need DATABASE_URL, of PostgreSQL or MariaDB.", pytrace=False)
    # Not pytest's own folder, which the server's account may not enter.
    with tempfile.TemporaryDirectory(prefix="cors-policy-", ignore_cleanup_errors=True) as folder:
        database = kinds[vendor](Path(folder))
        subprocess.run(database.install(), check=True, stdout=subprocess.DEVNULL, timeout=120, **database._as)
        try:
            database.start()
            database.prepare()
            yield database
        finally:
            database.kill()
