"""Questions answered with transformers' tokenizer and ONNX Runtime in FastAPI.

Run: python serve_question_answering.py PORT FOLDER

A request is a run, as one writes it first. The answer is chosen as transformers' pipeline does with its defaults.
"""

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

from common import load, serve

WINDOW, STRIDE, LONGEST = 384, 128, 15

app = FastAPI()
if __name__ != "__main__":
    tokenizer, session = load()
    names = [i.name for i in session.get_inputs()]


class Question(BaseModel):
    question: str
    context: str


def softmax(scores, allowed):
    scores = np.where(allowed, scores, -10000.0)
    likely = np.exp(scores - scores.max())
    likely /= likely.sum()
    likely[0] = 0.0
    return likely


@app.post("/")
def answer(asked: Question) -> dict:
    windows = tokenizer(
        asked.question,
        asked.context,
        max_length=WINDOW,
        stride=STRIDE,
        truncation="only_second",
        padding=True,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="np",
    )
    starts, ends = session.run(["start_logits", "end_logits"], {name: windows[name] for name in names})
    found = {}
    for i in range(len(starts)):
        allowed = np.array([part == 1 for part in windows.sequence_ids(i)])
        # The token that classifies takes part in the softmax and is struck out afterwards.
        allowed[0] = True
        spans = np.outer(softmax(starts[i], allowed), softmax(ends[i], allowed))
        spans = np.tril(np.triu(spans), LONGEST - 1)
        for place in np.argsort(-spans, axis=None)[:12]:
            first, last = np.unravel_index(place, spans.shape)
            if spans[first, last] == 0.0:
                break
            begin = windows.word_to_chars(i, windows.token_to_word(i, int(first)), sequence_index=1).start
            end = windows.word_to_chars(i, windows.token_to_word(i, int(last)), sequence_index=1).end
            text = asked.context[begin:end]
            known = found.setdefault(text.lower(), {"results": text, "score": 0.0, "start": begin, "end": end})
            known["score"] += float(spans[first, last])
    nothing = {"results": "", "score": 0.0, "start": 0, "end": 0}
    return max(found.values(), key=lambda span: span["score"], default=nothing)


if __name__ == "__main__":
    serve("serve_question_answering:app")
