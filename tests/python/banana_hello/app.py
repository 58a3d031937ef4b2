import time

model = None


def init():
    global model
    time.sleep(0.2)
    model = {"greeting": "hello world"}
    print("hello")


def inference(model_inputs: dict) -> dict:
    global model
    print("hello world")
    return {"greeting": model["greeting"]}
