"""Sends the requests of the README, and runs the notebook, against a server with the demo models."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess

from server import ROOT, Server

ADDRESS = "localhost:8100"
MODELS = '[{"model": "question_answering", "replicas": 2}, {"model": "digits"}]'
NOTEBOOK = "notebooks/running_local_endpoint.ipynb"
# Figures in the README are rounded.
TOLERANCE = 0.05
# A request that is refused must fail the block it stands in.
PRELUDE = 'set -euo pipefail; curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def requests(text):
    """The shell blocks that send a request, each with the answer that is printed below it, if there is one."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for (language, block), (next_language, below) in zip(blocks, [*blocks[1:], ("", "")]):
        if language == "sh" and f"curl {ADDRESS}" in block:
            yield block, json.loads(below) if next_language == "json" else None


def alike(told, got):
    if isinstance(told, float):
        return isinstance(got, (int, float)) and abs(told - got) <= TOLERANCE
    if isinstance(told, dict):
        return isinstance(got, dict) and told.keys() == got.keys() and all(alike(told[k], got[k]) for k in told)
    if isinstance(told, list):
        return isinstance(got, list) and len(told) == len(got) and all(map(alike, told, got))
    return told == got


def send_readme(server):
    sent = 0
    for block, told in requests((ROOT / "README.md").read_text()):
        script = PRELUDE + block.replace(ADDRESS, server.url)
        ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, f"{block}\nfailed: {ran.stderr}{ran.stdout}"
        answer = json.loads(ran.stdout)
        assert "results" in answer, f"{block}\nanswered without results: {ran.stdout}"
        assert told is None or alike(told, answer), f"{block}\nanswered {ran.stdout}\nbut the README says {told}"
        sent += 1
    assert sent, "the README has no request"
    print(f"README: {sent} requests answered as it says")


def run_notebook(server):
    cells = json.loads((ROOT / NOTEBOOK).read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert ADDRESS in code[0], "the notebook's first cell does not set the address"
    code[0] = code[0].replace(f"http://{ADDRESS}", server.url)
    names, printed = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, source in enumerate(code, 1):
            exec(compile(source, f"{NOTEBOOK}, code cell {number}", "exec"), names)
    assert "Bernard" in printed.getvalue(), printed.getvalue()
    print(f"notebook: {len(code)} cells ran")


def main():
    # Whatever the machine serves otherwise, these are the settings the README has in mind.
    for name in [name for name in os.environ if name.startswith("SERVER_")]:
        del os.environ[name]
    with Server(SERVER_MODELS=MODELS) as server:
        if shutil.which("curl"):
            send_readme(server)
        else:
            print("curl is not installed: the README's requests were not sent")
        run_notebook(server)


if __name__ == "__main__":
    main()
