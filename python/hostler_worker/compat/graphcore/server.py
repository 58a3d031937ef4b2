"""What an endpoint.py of the Graphcore server finds around it: `router`, `w`, `models`.

In that server `w` fed other processes through queues; here the endpoint runs in the replica, and `w.workers[NAME]` is the
replica's own pipe: `feed` keeps the data, `get_result` runs the pipe on it, and raises what the pipe raises."""

import collections
import time


class ModelConfig(dict):
    """An entry of SERVER_MODELS; equal to its own name, so that `"name" in models` holds."""

    @property
    def model(self):
        return self["model"]

    @property
    def replicas(self):
        return int(self.get("replicas", 1))

    def get_name(self):
        return self.model

    def __eq__(self, other):
        return self.model == other if isinstance(other, str) else dict.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = None


class Worker:
    """One model, as an endpoint sees it."""

    def __init__(self, name, pipe=None):
        self.model_name = name
        self.pipe = pipe
        self._fed = collections.deque()

    def feed(self, data_dict):
        self._fed.append(data_dict)

    def get_result(self):
        """The result for what was fed first; `model_latency` is put into it, in seconds, as that server does."""
        if not self._fed:
            raise RuntimeError('get_result() of the model %s without a feed() before it' % self.model_name)
        if self.pipe is None:
            raise RuntimeError("the model %s is not loaded; call it in an endpoint, not while endpoint.py is imported" % self.model_name)
        data = self._fed.popleft()
        started = time.time()
        result = self.pipe(data)
        if isinstance(result, dict):
            result["model_latency"] = time.time() - started
        return result

    def clear(self):
        """Forgets what was fed and never asked for."""
        self._fed.clear()

    def queue_size(self):
        return len(self._fed)

    def is_alive(self):
        return True


class Workers(dict):
    def __missing__(self, name):
        own = ", ".join(sorted(self)) or "none"
        raise KeyError("this replica runs the model %s, not %s; a model's endpoints stand in its own folder" % (own, name))


class WorkerGroup:
    def __init__(self):
        self.workers = Workers()

    def is_ready(self):
        return all(worker.pipe is not None for worker in self.workers.values())

    def is_alive(self):
        return True

    def start(self):
        """The server starts the replicas."""

    def stop(self):
        """The server stops the replicas."""


class Route:
    """One decorated function; the attributes have FastAPI's names."""

    def __init__(self, path, endpoint, methods, options):
        self.path = path
        self.endpoint = endpoint
        self.methods = methods
        self.status_code = options.get("status_code")
        self.response_model = options.get("response_model")
        self.response_model_by_alias = options.get("response_model_by_alias", True)
        self.response_model_exclude_unset = options.get("response_model_exclude_unset", False)
        self.response_model_exclude_defaults = options.get("response_model_exclude_defaults", False)
        self.response_model_exclude_none = options.get("response_model_exclude_none", False)
        self.summary = options.get("summary")
        self.description = options.get("description")


class Router:
    """FastAPI's decorators. Keywords that only shape its documentation (tags, include_in_schema, …) are taken and have no effect."""

    def __init__(self, prefix="", **options):
        self.prefix = prefix
        self.routes = []

    def api_route(self, path, methods=None, **options):
        def decorate(function):
            self.add_api_route(path, function, methods=methods, **options)
            return function
        return decorate

    def add_api_route(self, path, endpoint, methods=None, **options):
        self.routes.append(Route(self.prefix + path, endpoint, [one.upper() for one in methods or ["GET"]], options))

    def get(self, path, **options):
        return self.api_route(path, ["GET"], **options)

    def post(self, path, **options):
        return self.api_route(path, ["POST"], **options)

    def put(self, path, **options):
        return self.api_route(path, ["PUT"], **options)

    def patch(self, path, **options):
        return self.api_route(path, ["PATCH"], **options)

    def delete(self, path, **options):
        return self.api_route(path, ["DELETE"], **options)

    def include_router(self, router, prefix="", **options):
        for route in router.routes:
            route.path = self.prefix + prefix + route.path
            self.routes.append(route)


router = Router()
models = []
w = WorkerGroup()
ipu_worker_group = w
