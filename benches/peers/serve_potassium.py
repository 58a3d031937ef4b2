"""Potassium with its own server, as its README starts it: python serve_potassium.py PORT. One process; calls of a handler wait for each other."""

import sys

from potassium import Potassium, Request, Response

from work import work

app = Potassium("peer")


@app.init
def init():
    return {}


@app.handler("/")
def handle(context: dict, request: Request) -> Response:
    return Response(json=work(request.json), status=200)


if __name__ == "__main__":
    app.serve(host="127.0.0.1", port=int(sys.argv[1]))
