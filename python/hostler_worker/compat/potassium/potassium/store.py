"""Store: key and value with a time to live, shared by the handlers and replicas of a model.

`local` is the server's own store, where the keys of each model are apart; `redis` and `s3` are the author's, through the packages
redis and boto3, with plain keys."""

from __future__ import annotations

import importlib
import json
import pickle

from ._local import Local

VALID_ENCODINGS = ["json", "pickle"]

_JSON = (json.dumps, json.loads)
_PICKLE = (pickle.dumps, pickle.loads)


class RedisConfig:
    """Where the author's Redis is. The encoding is json, or pickle for any Python object: then nobody else may write there."""

    def __init__(self, host, port, username=None, password=None, db=0, encoding="json"):
        _check_encoding("RedisConfig", encoding)
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        self.db = db
        self.encoding = encoding


class S3Config:
    """Where the author's bucket is. For the encoding, see RedisConfig."""

    def __init__(self, aws_access_key_id, aws_secret_access_key, bucket, encoding="json"):
        _check_encoding("S3Config", encoding)
        if aws_access_key_id is None or aws_secret_access_key is None:
            raise ValueError("S3Config needs aws_access_key_id and aws_secret_access_key, from the environment, good for this bucket only")
        self.access_key = aws_access_key_id
        self.secret_access_key = aws_secret_access_key
        self.bucket = bucket
        self.encoding = encoding


class Store:
    """set(key, value, ttl) and get(key), None where there is no such key or its time is over."""

    def __init__(self, backend="redis", config=None):
        if backend not in _BACKENDS:
            raise ValueError("Store knows the backends %s, not %r" % (", ".join(_BACKENDS), backend))
        self.backend = backend
        self.config = config
        self._place = _BACKENDS[backend](config)
        # A local store without a config keeps what it is given as it is: its keys are written by this model alone.
        encoding = getattr(config, "encoding", "pickle" if backend == "local" else "json")
        self._dumps, self._loads = _PICKLE if encoding == "pickle" else _JSON

    def get(self, key):
        found = self._place.get(key)
        return None if found is None else self._loads(found)

    def set(self, key, value, ttl=600):
        """`ttl` in seconds; None: for ever."""
        self._place.set(key, self._dumps(value), ttl)


class _Redis:
    def __init__(self, config):
        if not isinstance(config, RedisConfig):
            raise ValueError('Store(backend="redis") needs your own Redis: config=RedisConfig(host="localhost", port=6379)')
        redis = _needed("redis", "redis")
        self._client = redis.Redis(
            host=config.host, port=int(config.port), username=config.username, password=config.password, db=config.db)

    def get(self, key):
        return self._client.get(key)

    def set(self, key, value, ttl):
        self._client.set(key, value, ex=ttl)


class _S3:
    """Objects have no time to live there; a bucket's life-cycle rules do that."""

    def __init__(self, config):
        if not isinstance(config, S3Config):
            raise ValueError('Store(backend="s3") needs your own bucket: config=S3Config(KEY, SECRET, "bucket")')
        boto3 = _needed("boto3", "s3")
        self._client = boto3.Session(config.access_key, config.secret_access_key).client("s3")
        self._bucket = config.bucket

    def get(self, key):
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def set(self, key, value, ttl):
        self._client.put_object(Bucket=self._bucket, Key=key, Body=value)


_BACKENDS = {"redis": _Redis, "s3": _S3, "local": lambda config: Local()}


def _needed(package, backend):
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        said = 'Store(backend="%s") needs the package %s; pip install %s, or use Store(backend="local")' % (backend, package, package)
        raise RuntimeError(said) from None


def _check_encoding(config, encoding):
    if encoding not in VALID_ENCODINGS:
        raise ValueError("the encoding of %s is one of %s, not %r" % (config, ", ".join(VALID_ENCODINGS), encoding))
