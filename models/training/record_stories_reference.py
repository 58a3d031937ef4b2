"""Record what the story writer goes on with, the most likely token each time.

Run: python record_stories_reference.py --model ../stories --out ../../tests/fixtures/stories_reference.json

Every token is chosen from a run over the whole text so far: nothing is kept of the past, so that the record does not
hang on how a server keeps it. The logits come from the folder's model.onnx, the very file that is served.
"""

import argparse
import json
import pathlib
import random

import numpy as np
import onnxruntime
import tokenizers
import transformers
from transformers import AutoTokenizer

from stories_data import BOYS, GIRLS, story

# The seed of the stories that train_stories.py holds out.
HELD_OUT = 2
STORIES = 12
MOST = 256
PROMPTS = ["Once upon a time", "Ben was very sad.", "Anna has a red"]


def session_of(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])


def next_logits(session, ids):
    """Logits of the token after these."""
    past = {
        i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32)
        for i in session.get_inputs()
        if i.name.startswith("past_key_values.")
    }
    width = len(ids)
    fed = {
        "input_ids": np.array([ids], np.int64),
        "attention_mask": np.ones((1, width), np.int64),
        "position_ids": np.arange(width)[None],
    }
    return session.run(["logits"], fed | past)[0][0, -1]


def go_on(session, tokenizer, prompt):
    """The case of a prompt, and by how much the best token was ahead of the next at least."""
    ids = tokenizer(prompt)["input_ids"]
    begun, most = len(ids), tokenizer.model_max_length - len(ids)
    written, ahead, ended = [], np.inf, False
    while len(written) < most and not ended:
        logits = next_logits(session, ids + written)
        second, best = np.sort(logits)[-2:]
        ahead = min(ahead, float(best - second))
        written.append(int(logits.argmax()))
        ended = written[-1] == tokenizer.eos_token_id
    case = {
        "request": {"prompt": prompt, "max_new_tokens": MOST},
        "results": tokenizer.decode(written, skip_special_tokens=True),
        "finish_reason": "stop" if ended else "length",
        "prompt_tokens": begun,
        "generated_tokens": len(written),
    }
    return case, ahead


def beginnings():
    """First thirds of held-out stories, each with its hero."""
    rng = random.Random(HELD_OUT)
    for _ in range(STORIES):
        words = story(rng).split(" ")
        third = " ".join(words[: len(words) // 3])
        letters = "".join(c if c.isalpha() else " " for c in third)
        yield third, next(word for word in letters.split() if word in GIRLS or word in BOYS)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    chosen = arguments.parse_args()
    session, tokenizer = session_of(chosen.model), AutoTokenizer.from_pretrained(chosen.model)
    cases, closest = [], np.inf
    for prompt, hero in [*((prompt, None) for prompt in PROMPTS), *beginnings()]:
        case, ahead = go_on(session, tokenizer, prompt)
        cases.append({"hero": hero, **case} if hero else case)
        closest = min(closest, ahead)
    record = {
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "onnxruntime": onnxruntime.__version__,
        "cases": cases,
    }
    chosen.out.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    print(f"{len(cases)} cases; the best logit was ahead of the next by {closest:.4f} at least")


if __name__ == "__main__":
    main()
