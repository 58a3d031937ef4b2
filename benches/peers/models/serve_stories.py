"""Texts written with transformers' tokenizer and ONNX Runtime in FastAPI.

Run: python serve_stories.py PORT FOLDER

Each request goes on from its prompt by itself, a token a run, with keys and values of the past kept; it takes the most
likely token.
"""

import json
import os

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

from common import load, serve

app = FastAPI()
if __name__ != "__main__":
    tokenizer, session = load()
    past_shapes = {i.name: i.shape for i in session.get_inputs() if i.name.startswith("past_key_values.")}
    outputs = [o.name for o in session.get_outputs()]
    with open(os.path.join(os.environ["PEER_FOLDER"], "config.json"), encoding="utf-8") as file:
        config = json.load(file)


class Prompt(BaseModel):
    prompt: str
    max_new_tokens: int = 256
    temperature: float = 0


@app.post("/")
def write(asked: Prompt) -> dict:
    ids = tokenizer(asked.prompt, return_tensors="np")["input_ids"].astype(np.int64)
    given = ids.shape[1]
    past = {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in past_shapes.items()}
    written, reason, position = [], "length", 0
    for _ in range(min(asked.max_new_tokens, config["max_position_embeddings"] - given)):
        positions = np.arange(position, position + ids.shape[1])[None]
        position += ids.shape[1]
        feed = {"input_ids": ids, "attention_mask": np.ones((1, position), np.int64), "position_ids": positions, **past}
        found = dict(zip(outputs, session.run(None, feed)))
        past = {name: found[name.replace("past_key_values", "present")] for name in past}
        token = int(found["logits"][0, -1].argmax())
        written.append(token)
        if token == config["eos_token_id"]:
            reason = "stop"
            break
        ids = np.array([[token]], dtype=np.int64)
    text = tokenizer.decode(written, skip_special_tokens=True)
    return {"results": text, "finish_reason": reason, "prompt_tokens": given, "generated_tokens": len(written)}


if __name__ == "__main__":
    serve("serve_stories:app")
