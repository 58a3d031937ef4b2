"""The server's store, played for workers: one dict, which all replicas that are given it share."""

import json
import socket
import threading
import time

from hostler_worker import frames


class Refusal(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class ServerStore:
    def __init__(self):
        self.entries = {}
        """key -> (form, body, end of its time or None)"""
        self.away = None
        """the sentence that every request is answered with"""
        self.pause = 0
        self.most = 0
        """requests that were under way at once"""
        self.seen = []
        """the metas of all requests"""
        self._under_way = 0
        self._lock = threading.Lock()
        self._ends = []

    def line(self):
        """The replica's end of a new socket."""
        ours, theirs = socket.socketpair()
        self._ends.append(ours)
        threading.Thread(target=self._serve, args=(ours,), daemon=True).start()
        return theirs

    def close(self):
        for end in self._ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def _serve(self, sock):
        data, writing = b"", threading.Lock()
        while True:
            try:
                read = sock.recv(1 << 20)
            except OSError:
                return
            if not read:
                return
            data += read
            while len(data) >= frames.HEADER_SIZE:
                end = frames.HEADER_SIZE + frames.HEADER.unpack_from(data)[0]
                if len(data) < end:
                    break
                frame, data = frames.decode(data[:end]), data[end:]
                assert frame[:3] == (frames.STORE, 0, 0), frame
                threading.Thread(target=self._answer, args=(sock, writing, frame), daemon=True).start()

    def _answer(self, sock, writing, frame):
        _, _, _, number, meta, body = frame
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        time.sleep(self.pause)
        with self._lock:
            self._under_way -= 1
        try:
            told, body = self._done(meta, body)
        except Refusal as error:
            told, body = {"error": {"kind": error.kind, "message": str(error)}}, b""
        with writing:
            try:
                sock.sendall(frames.encode(frames.STORED, body, told, call=number))
            except OSError:
                pass

    def _done(self, meta, body):
        with self._lock:
            self.seen.append(meta)
            if self.away:
                raise Refusal("not_ready", self.away)
            if not 1 <= len(meta["key"].encode()) <= 1024:
                raise Refusal("invalid_input", "a key has 1 to 1024 bytes, this one has %d" % len(meta["key"].encode()))
            return getattr(self, "_" + meta["op"])(meta["key"], meta, body)

    def _held(self, key):
        held = self.entries.get(key)
        if held is not None and held[2] is not None and held[2] <= time.monotonic():
            held = self.entries.pop(key) and None
        return held

    def _put(self, key, meta, body):
        ttl = meta.get("ttl")
        self.entries[key] = (meta["form"], body, None if ttl is None else time.monotonic() + ttl)

    def _get(self, key, meta, body):
        held = self._held(key)
        return (None, b"") if held is None else ({"form": held[0]}, held[1])

    def _set(self, key, meta, body):
        self._put(key, meta, body)
        return None, b""

    def _delete(self, key, meta, body):
        found = self._held(key) is not None
        self.entries.pop(key, None)
        return None, json.dumps(found).encode()

    def _increment(self, key, meta, body):
        form, text, end = self._held(key) or ("json", b"0", None)
        if form != "json" or type(json.loads(text)) is not int:
            raise Refusal("invalid_input", "%s holds no integer" % key)
        total = b"%d" % (json.loads(text) + meta["by"])
        self.entries[key] = ("json", total, end)
        return None, total

    def _compare_and_set(self, key, meta, body):
        held, size = self._held(key), meta.get("expected_size", 0)
        expected = None if "expected" not in meta else (meta["expected"], _plain(meta["expected"], body[:size]))
        if expected != (None if held is None else (held[0], _plain(*held[:2]))):
            return None, b"false"
        if "form" in meta:
            self._put(key, meta, body[size:])
        else:
            self.entries.pop(key, None)
        return None, b"true"


def _plain(form, body):
    return json.loads(body) if form == "json" else body
