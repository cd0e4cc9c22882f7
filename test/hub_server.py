# SPDX-License-Identifier: Apache-2.0
"""A small Hugging Face hub on this machine: huggingface_hub's own code talks to it, nothing leaves the machine."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = '0' * 40


class Hub(ThreadingHTTPServer):
    """files: path on the hub ('/owner/name/resolve/main/file') -> content; errors: path -> X-Error-Code.

    wrong_hash: tell another hash than the file has. stall_after: send so many bytes and then nothing more.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files, self.errors = {}, {}
        self.wrong_hash, self.stall_after = False, None
        self.stalled, self.over = threading.Event(), threading.Event()
        self.requests = []

    @property
    def address(self) -> str:
        return f'http://127.0.0.1:{self.server_port}'


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        content = self._answer()
        if content is None:
            return
        stop = self.server.stall_after
        self.wfile.write(content[:stop])
        if stop is not None:
            self.wfile.flush()
            self.server.stalled.set()
            self.server.over.wait(60)

    def log_message(self, *_):
        pass

    def _answer(self):
        self.server.requests.append((self.command, self.path))
        error = self.server.errors.get(self.path)
        content = self.server.files.get(self.path)
        if error or content is None:
            self.send_response(403 if error == 'GatedRepo' else 404)
            self.send_header('X-Error-Code', error or 'RepoNotFound')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return None
        self.send_response(200)
        digest = '0' * 64 if self.server.wrong_hash else hashlib.sha256(content).hexdigest()
        self.send_header('ETag', f'"{digest}"')
        self.send_header('X-Repo-Commit', COMMIT)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        return content


@contextmanager
def running_hub():
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        hub.shutdown()
        hub.server_close()
