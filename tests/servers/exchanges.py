"""A small HTTP server that keeps what it is asked: a tap before a real server, or a stub.

It tells black box what capscan negotiated, from what the last question consisted of.
"""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

FORWARD_S_MAX = 300.0
HOP_BY_HOP = {"connection", "content-length", "date", "host", "server", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    raw: bytes

    @property
    def body(self) -> Json:
        """The JSON object that was sent; an empty one where there was none."""
        return dict(json.loads(self.raw)) if self.raw else {}

    @property
    def is_question(self) -> bool:
        """Whether a model is asked here, or only looked at."""
        return self.method == "POST"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its answer, and when the request came."""

    asked: Asked
    told: Told
    at_s: float
    took_s: float


Handle = Callable[[Asked], Told]


def told_json(body: object, status: int = 200, **headers: str) -> Told:
    """An answer in JSON; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Told(status, json.dumps(body).encode(), {"content-type": "application/json"} | named)


def told_page(title: str, status: int) -> Told:
    """The page that a gateway puts in the place of an answer."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Told(status, page.encode(), {"content-type": "text/html"})


def forward(url: str) -> Handle:
    """Hand on each request to another server, and its answer back."""
    host = urlsplit(url).netloc

    def handle(asked: Asked) -> Told:
        connection = http.client.HTTPConnection(host, timeout=FORWARD_S_MAX)
        try:
            headers = {k: v for k, v in asked.headers.items() if k not in HOP_BY_HOP}
            connection.request(asked.method, asked.path, asked.raw or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP}
        return Told(answer.status, body, kept)

    return handle


@dataclass
class Listener:
    """What was asked so far, in the order in which it was answered."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def questions(self) -> list[Exchange]:
        """Requests to a model, without looks at cards and lists."""
        return [exchange for exchange in self.exchanges if exchange.asked.is_question]

    @property
    def statuses(self) -> dict[int, int]:
        """How many questions got which status."""
        return dict(sorted(Counter(e.told.status for e in self.questions).items()))

    @property
    def looks(self) -> dict[str, int]:
        """What each look at a card or a list got last."""
        looks = [exchange for exchange in self.exchanges if not exchange.asked.is_question]
        return {exchange.asked.path: exchange.told.status for exchange in looks}


@contextmanager
def listening(handle: Handle) -> Iterator[Listener]:
    """Serve on the loopback interface while the block lasts."""
    listener = Listener("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked, came_s = Asked(self.command, self.path, headers, raw), time.monotonic()
            try:
                told = handle(asked)
            except OSError:  # The server behind is not there: neither is an answer.
                self.close_connection = True
                return
            took_s = time.monotonic() - came_s
            listener.exchanges.append(Exchange(asked, told, came_s, took_s))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(told.body)))
            with suppress(OSError):  # Nobody waits for the answer any more.
                self.end_headers()
                self.wfile.write(told.body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing: what was asked is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    listener.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def negotiated(body: Json) -> str:
    """Say what a question consists of, of the parts that servers differ in."""
    parts = [_form(body), f"system prompt {_system(body)}", _limit(body)]
    if "cache_control" in json.dumps(body):
        parts.append("cache mark")
    return ", ".join(parts)


def _form(body: Json) -> str:
    if "tools" in body:
        return f"tool ({body.get('tool_choice', {}).get('type', 'free')})"
    return str(body.get("response_format", {}).get("type", "plain text"))


def _system(body: Json) -> str:
    if "system" in body:
        return "in `system`"
    first = body["messages"][0]["role"]
    return "as its own turn" if first in {"system", "developer"} else "in the first user turn"


def _limit(body: Json) -> str:
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body:
            return f"{name} {body[name]}"
    return "no limit"
