"""The local store: the server's own, which the replicas of the model share. It outlives replicas and restarts."""

from __future__ import annotations


class Local:
    """Found at the first use, since a Store is often made while a module is imported, where there is none yet."""

    def get(self, key):
        return _server().get(_text(key))

    def set(self, key, value, ttl):
        # As bytes, whatever the encoding: they come back as they were.
        _server().set(_text(key), value.encode("utf-8") if isinstance(value, str) else value, ttl)


def _server():
    from hostler_worker.store import here

    return here


def _text(key):
    return key.decode("utf-8") if isinstance(key, bytes) else str(key)
