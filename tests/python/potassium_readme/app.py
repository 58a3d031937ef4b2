from potassium import Potassium, Request, Response

app = Potassium("fill_mask")


class FillMask:
    WORDS = ("sunny", "windy", "grey")

    def __call__(self, prompt):
        if "[MASK]" not in prompt:
            raise ValueError("the prompt has no [MASK]")
        return [
            {"score": 0.5 / (rank + 1), "token_str": word, "sequence": prompt.replace("[MASK]", word)}
            for rank, word in enumerate(self.WORDS)
        ]


@app.init
def init():
    print("loading the model")
    return {"model": FillMask()}


@app.handler()
def handler(context: dict, request: Request) -> Response:
    """Fills in the [MASK] of a prompt."""
    outputs = context["model"](request.json.get("prompt"))
    return Response(json={"outputs": outputs}, status=200)


if __name__ == "__main__":
    app.serve()
