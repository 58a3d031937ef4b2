"""Object stores for tests/it/uploads.rs, each on a free port of the loopback:

    python servers.py s3
    python servers.py gcs
    python servers.py azure AZURITE      # the program azurite-blob

Makes the bucket or container `files`, prints one JSON object with the environment that leads to it, and serves until its
standard input is closed."""

import base64
import hashlib
import hmac
import http.client
import http.server
import functools
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from email.utils import formatdate

BUCKET = "files"
_ACCOUNT = "tester"


def s3():
    """moto: S3 in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = "http://%s:%d" % (host, port)
    _ask(port, "PUT", "/" + BUCKET)
    return {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}, server.stop


def gcs():
    """gcp-storage-emulator, with what it does not have of the XML API: ETags, multipart uploads, DELETE."""
    from gcp_storage_emulator.exceptions import NotFound
    from gcp_storage_emulator.handlers import buckets, objects
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    uploads = {}

    class Handler(RequestHandler):
        def end_headers(self):
            if self.command == "PUT":
                self.send_header("ETag", '"%x"' % time.time_ns())
            super().end_headers()

        def do_POST(self):
            query = self._query()
            if "uploads" in query:
                number = str(time.time_ns())
                uploads[number] = ({}, self.headers.get("content-type"))
                self._xml("<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>k</Key><UploadId>%s</UploadId>"
                          "</InitiateMultipartUploadResult>" % (BUCKET, number))
            elif "uploadId" in query:
                self._body()
                parts, media = uploads.pop(query["uploadId"][0])
                data = b"".join(parts[number] for number in sorted(parts))
                name = self._name()
                about = objects._make_object_resource("", BUCKET, name, media, str(len(data)))
                self.storage.create_file(BUCKET, name, data, objects._checksums(data, about))
                self._xml('<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>')
            else:
                super().do_POST()

        def do_PUT(self):
            query = self._query()
            if "uploadId" not in query:
                return super().do_PUT()
            number, body = int(query["partNumber"][0]), self._body()
            if number > 1 and "broken" in self.path:  # a model of this name never gets a file through
                return self.send_error(400)
            if query["uploadId"][0] not in uploads:
                return self.send_error(404)
            uploads[query["uploadId"][0]][0][number] = body
            self._xml("")

        def do_DELETE(self):
            query = self._query()
            if "uploadId" in query:
                del uploads[query["uploadId"][0]]
            else:
                try:
                    self.storage.delete_file(BUCKET, self._name())
                except NotFound:
                    return self.send_error(404)
            self._xml("")

        def do_GET(self):
            if self.path == "/uploads-under-way":  # for the test alone
                return self._xml(str(len(uploads)))
            return super().do_GET()

        def _query(self):
            return urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)

        def _name(self):
            return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).split("/", 2)[2]

        def _body(self):
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def _xml(self, text):
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    logging.disable(logging.CRITICAL)
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket(BUCKET, storage)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, storage))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    account = {"type": "service_account", "client_email": "tester@example.com", "private_key_id": "1",
               "private_key": _rsa_key(), "gcs_base_url": "http://127.0.0.1:%d" % server.server_port}
    return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}, server.shutdown


def _rsa_key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def azure(program):
    """Azurite."""
    port = _free_port()
    folder = tempfile.TemporaryDirectory()
    key = base64.b64encode(os.urandom(64)).decode()
    child = subprocess.Popen([program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder.name, "--silent",
                              "--skipApiVersionCheck", "--disableTelemetry"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             env=dict(os.environ, AZURITE_ACCOUNTS="%s:%s" % (_ACCOUNT, key)))
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            if child.poll() is not None or time.monotonic() > until:
                raise SystemExit("azurite-blob did not start")
            time.sleep(0.05)
    path = "/%s/%s" % (_ACCOUNT, BUCKET)
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    lines = ["PUT"] + [""] * 11 + ["%s:%s" % pair for pair in sorted(headers.items())]
    text = "\n".join(lines) + "\n/%s%s\nrestype:container" % (_ACCOUNT, path)
    signature = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
    headers["authorization"] = "SharedKey %s:%s" % (_ACCOUNT, signature)
    _ask(port, "PUT", path + "?restype=container", headers)

    def stop():
        child.terminate()
        child.wait()
        folder.cleanup()

    return {"AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": key, "AZURE_ALLOW_HTTP": "true",
            "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:%d/%s" % (port, _ACCOUNT)}, stop


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _ask(port, verb, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(verb, path, headers=dict({"content-length": "0"}, **(headers or {})))
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status in (200, 201), "%d %s" % (answer.status, text)


def main(kind, *more):
    environment, stop = {"s3": s3, "gcs": gcs, "azure": azure}[kind](*more)
    print(json.dumps(environment), flush=True)
    try:
        sys.stdin.read()
    finally:
        stop()
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
