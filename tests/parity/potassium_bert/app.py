import os

import torch
from potassium import Potassium, Request, Response
from transformers import pipeline

app = Potassium("fill_mask")
HERE = os.path.dirname(os.path.abspath(__file__))


@app.init
def init():
    """Loads the model once, for all handlers."""
    device = 0 if torch.cuda.is_available() else -1
    return {"model": pipeline("fill-mask", model=os.path.join(HERE, "bert"), device=device)}


@app.handler("/")
def handler(context: dict, request: Request) -> Response:
    """Fills in the [MASK] of a prompt."""
    outputs = context["model"](request.json.get("prompt"))
    return Response(json={"outputs": outputs}, status=200)


if __name__ == "__main__":
    app.serve()
