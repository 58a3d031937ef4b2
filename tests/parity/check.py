"""Compares fill-mask behind Hostler with transformers: python check.py, with the interpreter that has torch.

Serves a copy of potassium_bert/ with a model of its own making, and asks both the same questions."""

import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from server import Server  # noqa: E402

NAME = "potassium_bert"
PROMPTS = ["The day is [MASK].", "the cat sat on the [MASK]", "[MASK] was sunny today."]


def folder(models):
    """The author's folder with its model, and a manifest that names this interpreter."""
    made = models / NAME
    shutil.copytree(HERE / NAME, made)
    subprocess.run([sys.executable, "-B", str(HERE / "tiny_bert.py"), str(made / "bert")], check=True)
    (made / "model.toml").write_text("python = %s\n" % json.dumps(sys.executable))
    return made


def alike(one, other):
    if isinstance(one, float):
        return isinstance(other, float) and math.isclose(one, other, rel_tol=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def main():
    from transformers import pipeline

    with tempfile.TemporaryDirectory() as scratch:
        models = pathlib.Path(scratch)
        model = pipeline("fill-mask", model=str(folder(models) / "bert"), device=-1)
        served = [{"model": NAME, "replicas": 1, "devices": ["cpu"]}]
        with Server(SERVER_MODELS=json.dumps(served), SERVER_MODELS_DIR=scratch, SERVER_DEVICES="cpu") as server:
            for path in ("/" + NAME, "/"):
                for prompt in PROMPTS:
                    expected = {"outputs": model(prompt)}
                    status, got = server.post(path, {"prompt": prompt})
                    assert status == 200, f"{path}, {prompt!r}: {status} {got}\n{server.messages()}"
                    assert alike(expected, got), f"{path}, {prompt!r}: Hostler gives {got}\ntransformers gives {expected}"
    print(f"parity: {len(PROMPTS)} prompts answered as by transformers, at /{NAME} and at /")


if __name__ == "__main__":
    main()
