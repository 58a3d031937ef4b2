"""Sends the requests of the README, and runs the notebook, against servers with the models it names."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess

from server import ROOT, Server

ADDRESS = "localhost:8100"
MODELS = '[{"model": "question_answering", "replicas": 2}, {"model": "digits"}]'
NOTEBOOK = "notebooks/running_local_endpoint.ipynb"
# Figures in the README are rounded.
TOLERANCE = 0.05
# Text that differs from answer to answer ends so; what stands before it does not.
CUT = "…"
# Answers have one of these: of models, of an accepted job, of a list of jobs.
KEYS = {"results", "success", "jobs"}
# A request that is refused must fail the block it stands in.
PRELUDE = 'set -euo pipefail; curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
# The part of the README whose requests go to models of its own.
TASKS = re.compile(r"^### Tasks$.*?(?=^#{2,3} )", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def asks(script):
    return re.search(rf"\bcurl [^|]*{ADDRESS}/", script) is not None


def requests(text):
    """The shell blocks that send a request, each with the answer that is printed below it, if there is one."""
    blocks = BLOCK.findall(text)
    for (language, block), (next_language, below) in zip(blocks, [*blocks[1:], ("", "")]):
        if language == "sh" and asks(block):
            yield block, below if next_language == "json" or below.startswith("data: ") else None


def rows(text):
    """The rows of the table of tasks: the tasks of each, and the request that stands in it."""
    table = re.search(r"<!-- tasks -->(.*?)<!-- /tasks -->", text, re.DOTALL)[1]
    for row in re.findall(r"^\| `.*$", table, re.MULTILINE):
        lines = [code for code in re.findall(r"`([^`]+)`", row) if asks(code)]
        assert len(lines) == 1, f"expected one request in the row\n{row}"
        yield re.findall(r"`([^`]+)`", row.split("|")[1]), lines[0]


def variables(text):
    """What the line that starts the server sets: `NAME=VALUE … make serve`."""
    for language, block in BLOCK.findall(text):
        words = shlex.split(block)
        if language == "sh" and words[-2:] == ["make", "serve"]:
            return dict(word.split("=", 1) for word in words[:-2])
    raise AssertionError("the README does not say how to start the server of its tasks")


def alike(told, got):
    if isinstance(told, float):
        return isinstance(got, (int, float)) and abs(told - got) <= TOLERANCE
    if isinstance(told, dict):
        return isinstance(got, dict) and told.keys() == got.keys() and all(alike(told[k], got[k]) for k in told)
    if isinstance(told, list):
        return isinstance(got, list) and len(told) == len(got) and all(map(alike, told, got))
    if isinstance(told, str) and told.endswith(CUT):
        return isinstance(got, str) and got.startswith(told.removesuffix(CUT))
    return told == got


def agree(told, got):
    """An answer is as it is told; of a stream only the form is, since pieces come as they do."""
    if len(told) == 1:
        return alike(told, got)
    return told[0].keys() == got[0].keys() and told[-1].keys() == got[-1].keys()


def answer(output):
    """The one value of an answer, or those of a stream, the last of which is the whole."""
    if not output.startswith("data: "):
        return [json.loads(output)]
    *chunks, last = output.strip().split("\n\n")
    assert chunks and last.startswith("event: result\n"), f"a stream that ends otherwise: {output}"
    return [json.loads(event.partition("data: ")[2]) for event in [*chunks, last]]


def send(server, script):
    ran = subprocess.run(
        ["bash", "-c", PRELUDE + script.replace(ADDRESS, server.url)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, f"{script}\nfailed: {ran.stderr}{ran.stdout}"
    values = answer(ran.stdout)
    assert KEYS & values[-1].keys(), f"{script}\nanswered without any of {', '.join(sorted(KEYS))}: {ran.stdout}"
    return values


def send_blocks(server, text):
    sent = 0
    for block, told in requests(text):
        got = send(server, block)
        assert told is None or agree(answer(told), got), f"{block}\nanswered {got}\nbut the README says {told}"
        sent += 1
    assert sent, "the README has no request"
    return sent


def send_rows(server, text):
    """Each row's request goes to a model of the row's task."""
    served = {path: model["task"] for model in server.models() for path in model["paths"]}
    sent = 0
    for tasks, script in rows(text):
        path = re.search(rf"{ADDRESS}(/\S+)", script)[1]
        assert served.get(path) in tasks, f"{path} is served as {served.get(path)}, in the row of {tasks}"
        send(server, script)
        sent += 1
    return sent


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
    readme = (ROOT / "README.md").read_text()
    tasks = TASKS.search(readme)[0]
    assert shutil.which("curl"), "curl is not installed, and the README's requests are sent with it"
    with Server(SERVER_MODELS=MODELS) as server:
        sent = send_blocks(server, readme.replace(tasks, ""))
        print(f"README: {sent} requests answered as it says")
        run_notebook(server)
    with Server(**variables(tasks)) as server:
        sent = send_rows(server, tasks) + send_blocks(server, tasks)
        print(f"README: {sent} requests to its tasks answered")


if __name__ == "__main__":
    main()
