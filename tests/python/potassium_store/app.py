from potassium import Potassium, Request, Response
from potassium.store import Store

app = Potassium("store")

store = Store(
    backend="local"
)


@app.init
def init():
    return {}


@app.handler("/set")
def set_value(context: dict, request: Request) -> Response:
    if "ttl" in request.json:
        store.set(request.json["key"], request.json["value"], ttl=request.json["ttl"])
    else:
        store.set(request.json["key"], request.json["value"])
    return Response(json={"ok": True})


@app.handler("/get")
def get_value(context: dict, request: Request) -> Response:
    return Response(json={"value": store.get(request.json["key"])})


if __name__ == "__main__":
    app.serve()
