"""Starts the server on a free loopback port, for the scripts beside this file. Standard library only."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Debug builds on two busy cores get ready in a second or two; a GPU may take a minute for its first context.
READY_WITHIN = 120


def binary():
    """HOSTLER_BIN, else the release build."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    path = pathlib.Path(os.environ.get("HOSTLER_BIN", target / "release" / "hostler"))
    path = path if path.is_absolute() else ROOT / path
    if not path.is_file():
        sys.exit(f"there is no {path.name} at {path}: run cargo build --release, or set HOSTLER_BIN")
    return path


class Server:
    """A running server; `with Server() as server:` ends it by its process id."""

    def __init__(self, **variables):
        self.cache = tempfile.TemporaryDirectory(prefix="hostler-e2e-")
        self.log = tempfile.TemporaryFile(mode="w+")
        fixed = {
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": "0",
            "SERVER_GRPC_PORT": "0",
            "SERVER_MODEL_CACHE_DIR": self.cache.name,
            "SERVER_STORE_URL": f"file:{self.cache.name}/jobs",
        }
        self.process = subprocess.Popen(
            [str(binary())],
            cwd=ROOT,
            env={**os.environ, **fixed, **variables},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.url = None

    def __enter__(self):
        try:
            self.url = self._address()
            # The pipe must not fill up, whatever else is printed.
            threading.Thread(target=self.process.stdout.read, daemon=True).start()
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.cache.cleanup()

    def _address(self):
        for line in self.process.stdout:
            found = re.match(r"docs: (http://\S+)/docs$", line.strip())
            if found:
                return found[1]
        raise RuntimeError(f"the server did not start:\n{self.messages()}")

    def _wait_until_ready(self):
        end = time.monotonic() + READY_WITHIN
        while True:
            status, body = self.get("/health/readiness")
            if status == 200:
                return
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"the server is not ready: {body}\n{self.messages()}")
            time.sleep(0.05)

    def messages(self):
        """What the server logged."""
        self.log.seek(0)
        return self.log.read()

    def get(self, path, accept="application/json"):
        return self._send(urllib.request.Request(self.url + path, headers={"accept": accept}))

    def post(self, path, value):
        headers = {"content-type": "application/json"}
        return self._send(urllib.request.Request(self.url + path, json.dumps(value).encode(), headers))

    def _send(self, request):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, body = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode(errors="replace")

    def models(self):
        """The models that are served, as `GET /` lists them."""
        status, body = self.get("/")
        assert status == 200, body
        return body["models"]
