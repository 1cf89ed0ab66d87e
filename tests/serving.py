"""A web server on the loopback address, for tests that download."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, except where `server.faults` has something else in mind for a path."""

    def do_GET(self):
        self.server.requests.append(self.path)
        fault = self.server.faults.get(self.path)
        if fault is None:
            super().do_GET()
        elif isinstance(fault, int):
            self.send_error(fault)
        else:
            fault(self)

    def log_message(self, *_arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    """A server that remembers what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.faults, self.requests = {}, []
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_arguments):
        """Clients that go away are part of the tests."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of a folder's files."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
