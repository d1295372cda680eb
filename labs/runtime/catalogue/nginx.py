"""The stand-in for nginx in its image: serves files over HTTP, configured and logging as nginx does.

It runs alone in a container, on the Python of the machine, and reads of the configuration what an exercise
may change: `listen` and `root` in /etc/nginx/conf.d. Options are nginx's; all but `-v` and `-t` are taken for
granted, so that `nginx -g "daemon off;"` starts it.
"""

import os
import re
import signal
import sys
import time
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = "1.27.5"
CONFIGURATION = Path("/etc/nginx/conf.d")
TYPES = {".html": "text/html", ".txt": "text/plain", ".css": "text/css", ".js": "application/javascript"}
PAGE = (
    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n"
    "<hr><center>nginx/{version}</center>\r\n</body>\r\n</html>\r\n"
)


class Server(ThreadingHTTPServer):
    """Serves the files below `root`."""

    daemon_threads = True

    def __init__(self, port: int, root: Path) -> None:
        self.root = root
        super().__init__(("", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 65
    server: Server

    def version_string(self) -> str:
        return f"nginx/{VERSION}"

    def do_GET(self) -> None:
        file = self.server.root / os.path.normpath(self.path.partition("?")[0]).lstrip("/")
        if file.is_dir():
            file /= "index.html"
        try:
            body = file.read_bytes()
        except FileNotFoundError:
            self._fail(HTTPStatus.NOT_FOUND, f'open() "{file}" failed (2: No such file or directory)')
        except OSError as failure:
            reason = f'open() "{file}" failed ({failure.errno}: {failure.strerror})'
            self._fail(HTTPStatus.FORBIDDEN, reason)
        else:
            headers = {
                "Last-Modified": formatdate(file.stat().st_mtime, usegmt=True),
                "Accept-Ranges": "bytes",
            }
            self._answer(HTTPStatus.OK, TYPES.get(file.suffix, "application/octet-stream"), body, headers)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/html", page(HTTPStatus.METHOD_NOT_ALLOWED), {})

    do_PUT = do_DELETE = do_POST  # noqa: N815

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        host = self.headers.get("Host", "")
        where = f'client: {self.client_address[0]}, server: localhost, request: "{self.requestline}"'
        log("error", f"{reason}, {where}" + (f', host: "{host}"' if host else ""))
        self._answer(status, "text/html", page(status), {})

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self._log_access(status, len(body))

    def _log_access(self, status: HTTPStatus, size: int) -> None:
        """In the format `main` of nginx's image."""
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        referer, agent, forwarded = (
            self.headers.get(name, "-") for name in ("Referer", "User-Agent", "X-Forwarded-For")
        )
        client, request = self.client_address[0], f'"{self.requestline}" {status.value} {size}'
        print(f'{client} - - [{stamp}] {request} "{referer}" "{agent}" "{forwarded}"', flush=True)

    def log_message(self, format: str, *args: object) -> None:
        """What the base class would say of each request is said in nginx's words instead."""


def page(status: HTTPStatus) -> bytes:
    """nginx's own page for a status."""
    return PAGE.format(status=f"{status.value} {status.phrase}", version=VERSION).encode()


def log(level: str, message: str) -> None:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
    print(f"{stamp} [{level}] {os.getpid()}#{os.getpid()}: {message}", file=sys.stderr, flush=True)


def configured(directive: str, default: str) -> str:
    """The first value of a directive in the configuration."""
    text = "\n".join(file.read_text() for file in sorted(CONFIGURATION.glob("*.conf")))
    found = re.search(rf"^\s*{directive}\s+([^;\s]+)", re.sub(r"#.*", "", text), re.MULTILINE)
    return found[1] if found else default


def main() -> int:
    if "-v" in sys.argv[1:]:
        print(f"nginx version: nginx/{VERSION}", file=sys.stderr)
        return 0
    address = configured("listen", "80")
    port = int(address.rpartition(":")[2])
    if "-t" in sys.argv[1:]:
        print("nginx: configuration file /etc/nginx/nginx.conf test is successful", file=sys.stderr)
        return 0
    try:
        server = Server(port, Path(configured("root", "/usr/share/nginx/html")))
    except OSError as failure:
        reason = f"bind() to 0.0.0.0:{port} failed ({failure.errno}: {failure.strerror})"
        print(f"nginx: [emerg] {reason}", file=sys.stderr)
        return 1
    log("notice", f"nginx/{VERSION}")
    log("notice", f"start worker process {os.getpid()}")
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        signal.signal(number, lambda number, _: stop(number))
    server.serve_forever(poll_interval=3600)
    return 0


def stop(number: int) -> None:
    log("notice", f"signal {number} ({signal.Signals(number).name}) received, shutting down")
    log("notice", "exit")
    os._exit(0)  # connections are answered by threads that would be waited for


if __name__ == "__main__":
    sys.exit(main())
