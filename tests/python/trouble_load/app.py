def init():
    raise RuntimeError("no such weights")


def inference(model_inputs: dict) -> dict:
    return model_inputs
