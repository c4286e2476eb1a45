"""nginx, Apache and Caddy in front of a server, each with a configuration that the package wrote.

On Debian: apt-get install nginx-light apache2-bin caddy.
"""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

START = 20.0  # seconds
_MODULES = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http", "rewrite", "setenvif")

_NGINX = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/cors.conf;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            include {folder}/location.conf;
        }}
        location /down/ {{
            proxy_pass http://127.0.0.1:{nobody};
            include {folder}/location.conf;
        }}
    }}
}}
"""
_APACHE = """
{modules}
{user}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    Include {folder}/cors.conf
    ProxyPass /down/ http://127.0.0.1:{nobody}/ retry=0
    ProxyPass / http://127.0.0.1:{behind}/
</VirtualHost>
"""
_CADDY = """
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    route {{
        import {folder}/cors.conf
        reverse_proxy /down/* 127.0.0.1:{nobody}
        reverse_proxy 127.0.0.1:{behind}
    }}
}}
"""


def location_of(lines):
    """Give what the introduction of nginx's file says to put into a location."""
    return [line.removeprefix("#     ") for line in lines if line.startswith("#     ")]


def _program(name):
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed", pytrace=False)
    return found


def _free_ports(number):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [held.getsockname()[1] for held in sockets]


def _commands(kind, folder):
    """Give the command that checks a configuration and the one that serves by it."""
    file = folder / "server.conf"
    if kind == "nginx":
        command = [_program("nginx"), "-e", folder / "error.log", "-p", folder, "-c", file]
        return [*command, "-t"], command
    if kind == "apache":
        command = [_program("apache2"), "-f", file]
        return [*command, "-t"], [*command, "-DFOREGROUND"]
    command = [_program("caddy")]
    options = ["--config", file, "--adapter", "caddyfile"]
    return [*command, "validate", *options], [*command, "run", *options]


def _write(kind, folder, lines, behind):
    port, nobody = _free_ports(2)
    (folder / "cors.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "location.conf").write_text("\n".join(location_of(lines)), encoding="utf-8")
    user = ""
    if os.geteuid() == 0:  # for anybody else, the servers run as who starts them
        user = "User www-data\nGroup www-data" if kind == "apache" else "user root;"
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _MODULES)
    text = {"nginx": _NGINX, "apache": _APACHE, "caddy": _CADDY}[kind].format(
        folder=folder, port=port, behind=behind, nobody=nobody, user=user, modules=modules
    )
    (folder / "server.conf").write_text(text)
    return port


def _environment(folder):
    return os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def check(kind, folder, lines):
    """Let the server check a configuration; give its exit code and what it says."""
    _write(kind, folder, lines, 9)
    command, _ = _commands(kind, folder)
    done = subprocess.run(
        command,
        env=_environment(folder),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=START,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def fronting(kind, folder, lines, behind):
    """Run a server with a configuration in front of the port ``behind``; nobody answers below /down/. Give its port."""
    port = _write(kind, folder, lines, behind)
    _, command = _commands(kind, folder)
    log = folder / "output.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{kind} does not start:\n{log.read_text()}", pytrace=False)
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(START)
        process.kill()


def _listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
