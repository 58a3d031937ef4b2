#!/usr/bin/env python3
"""Checks what the compiler does not see: that scripts parse, and that documents name things that are there."""

import ast
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHELL = [".ci/run", "deploy/healthcheck.sh", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("scripts/*.sh"))]
CODE = ("benches", "examples", "models/training", "python", "scripts", "tests")
PYTHON = [p for folder in CODE for p in sorted((ROOT / folder).rglob("*.py"))]
DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "benches/README.md",
    "docs/jobs.md",
    "docs/python.md",
    "examples/python/ipu_bert/README.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("models/*/README.md")),
    "python/hostler_worker/DESCRIBE.md",
    "python/hostler_worker/WIRE.md",
]
CONFIGURATION = [".env", "Dockerfile", "deploy/kubernetes.yaml", "ps-deploy-config.yaml"]
FOLDERS = "benches|deploy|docs|examples|models|notebooks|python|scripts|tests"
# Folders of the user's own, as they are written in the README.
PLACEHOLDER = re.compile(r"NAME")

faults = []


def read(path):
    return (ROOT / path).read_text()


def shell():
    for path in SHELL:
        ran = subprocess.run(["bash", "-n", path], cwd=ROOT, capture_output=True, text=True)
        if ran.returncode:
            faults.append(ran.stderr.strip())
    if shutil.which("shellcheck") is None:
        print("shellcheck is not installed; scripts were only parsed")
        return
    ran = subprocess.run(["shellcheck", *SHELL], cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        faults.append(ran.stdout.strip())


def python():
    for path in PYTHON:
        try:
            ast.parse(path.read_text(), str(path.relative_to(ROOT)))
        except SyntaxError as error:
            faults.append(f"{error.filename}, line {error.lineno}: {error.msg}")


def notebooks():
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        name = path.relative_to(ROOT)
        book = json.loads(path.read_text())
        if book["nbformat"] != 4:
            faults.append(f"{name}: nbformat is {book['nbformat']}, expected 4")
        for number, cell in enumerate(book["cells"], 1):
            if cell["cell_type"] != "code":
                continue
            ast.parse("".join(cell["source"]), f"{name}, cell {number}")
            if cell["outputs"] or cell["execution_count"] is not None:
                faults.append(f"{name}, cell {number}: has outputs; clear them")


def documents():
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    for name in DOCUMENTS:
        text = read(name)
        for target in re.findall(r"(?:^|`)make ([a-z0-9-]+)", text, re.MULTILINE):
            if target not in targets:
                faults.append(f"{name}: make {target} is no target of the Makefile")
        paths = re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*[\w/]", text)
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        # Paths are told from the root, links from where they stand.
        folder = (ROOT / name).parent
        for path in {*(ROOT / path for path in paths), *(folder / link for link in links)}:
            shown = os.path.relpath(path, ROOT)
            if not PLACEHOLDER.search(shown) and not path.exists():
                faults.append(f"{name}: {shown} is not there")


def settings():
    """The README's table is held to the code by a Rust test; here the rest is held to the table."""
    table = re.search(r"<!-- settings -->(.*?)<!-- /settings -->", read("README.md"), re.DOTALL)
    known = set(re.findall(r"^\| `(SERVER_\w+)`", table[1], re.MULTILINE))
    for name in [*DOCUMENTS, *CONFIGURATION]:
        for setting in set(re.findall(r"\bSERVER_[A-Z_]+\b", read(name))) - known:
            faults.append(f"{name}: {setting} is no setting")


def models():
    """Models that are configured have a folder."""
    for name in CONFIGURATION:
        for model in re.findall(r'"model"\s*:\s*"([^"]+)"', read(name)):
            if not (ROOT / "models" / model).is_dir():
                faults.append(f"{name}: models/{model} is not there")


def main():
    for check in (shell, python, notebooks, documents, settings, models):
        check()
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        sys.exit(1)
    print("scripts and documents: no faults")


if __name__ == "__main__":
    main()
