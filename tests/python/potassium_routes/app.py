import time

from potassium import Potassium, Request, Response, send_webhook

app = Potassium("routes")


@app.init
def init():
    return {"calls": 0, "jobs": []}


@app.handler("/")
def root(context: dict, request: Request) -> Response:
    return Response(json={"place": "/"}, status=200)


@app.handler("weather")
def weather(context: dict, request: Request) -> Response:
    """A path without its slash."""
    return Response(json={"place": "/weather"}, status=200)


@app.handler(route="/weather/today")
def today(context: dict, request: Request) -> Response:
    return Response(json={"place": "/weather/today"}, status=200)


@app.handler("/echo")
def echo(context: dict, request: Request) -> Response:
    return Response(json={"json": request.json})


@app.handler("/binary")
def binary(context: dict, request: Request) -> Response:
    return Response(
        body=bytes(range(256)),
        status=200,
        headers={"Content-Type": "application/octet-stream"}
    )


@app.handler("/byte_stream")
def byte_stream(context: dict, request: Request) -> Response:
    def stream():
        for i in range(request.json.get("n", 2)):
            yield b"chunk %d\n" % i
            time.sleep(request.json.get("pause", 0))

    return Response(
        body=stream(),
        status=206,
        headers={"Content-Type": "text/plain", "X-Chunks": "yes"}
    )


@app.handler("/text_stream")
def text_stream(context: dict, request: Request) -> Response:
    def stream():
        for word in ("grüße", "from", "a", "stream"):
            yield word + "\n"

    return Response(body=stream(), status=200, headers={"Content-Type": "text/plain; charset=utf-8"})


@app.handler("/headers")
def headers(context: dict, request: Request) -> Response:
    assert request.headers["Colour"] == "blue"
    assert request.headers.get("count") == "two"
    assert request.headers.get("absent", "nothing") == "nothing"
    assert request.headers["X-Banana-Request-Id"] == request.id
    return Response(
        headers={"Colour": "blue", "Count": "two", "X-Banana-Request-Id": request.id},
        json={"id": request.id},
        status=201
    )


@app.handler("/id")
def request_id(context: dict, request: Request) -> Response:
    return Response(json={"id": request.id})


@app.handler("/count")
def count(context: dict, request: Request) -> Response:
    context["calls"] += 1
    return Response(json={"calls": context["calls"]})


@app.background("/background")
def background(context: dict, request: Request):
    job = request.json.get("job")
    if job == "fails":
        raise RuntimeError("the job failed")
    context["jobs"].append(job)
    context["calls"] += 1
    if request.json.get("url"):
        send_webhook(url=request.json["url"], json={"job": job, "outputs": ["done"]})


@app.handler("/jobs")
def jobs(context: dict, request: Request) -> Response:
    return Response(json={"jobs": context["jobs"], "calls": context["calls"]})


@app.handler("/raises")
def raises(context: dict, request: Request) -> Response:
    return Response(json={"value": request.json["missing"]})


@app.handler("/no_response")
def no_response(context: dict, request: Request):
    return {"outputs": []}


@app.handler("/empty")
def empty(context: dict, request: Request) -> Response:
    return Response(status=200)


@app.handler("/teapot")
def teapot(context: dict, request: Request) -> Response:
    return Response(json={"error": "short and stout"}, status=418)


if __name__ == "__main__":
    app.serve()
