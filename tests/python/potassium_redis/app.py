import os

from potassium import Potassium, Request, Response
from potassium.store import RedisConfig, Store

import settings

app = Potassium("shared")

store = Store(
    backend="redis",
    config=RedisConfig(host=settings.HOST, port=settings.PORT),
)


@app.init
def init():
    return {}


@app.handler("/set")
def set_value(context: dict, request: Request) -> Response:
    store.set(request.json["key"], request.json["value"], ttl=60)
    return Response(json={"pid": os.getpid()})


@app.handler("/get")
def get_value(context: dict, request: Request) -> Response:
    return Response(json={"pid": os.getpid(), "value": store.get(request.json["key"])})


if __name__ == "__main__":
    app.serve()
