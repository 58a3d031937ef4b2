#!/usr/bin/env bash
# The dashboard and the docs in a real browser: scripts/e2e.sh
#
# Starts target/release/hostler (HOSTLER_BIN names another binary) with the models of .env (SERVER_MODELS names
# others), and sends a request from /docs for each. Pictures go to .tools/e2e/. Installs Debian's chromium and
# chromium-driver where they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    as_root=()
    if ((EUID != 0)); then as_root=(sudo); fi
    if ! { command -v apt-get && "${as_root[@]}" apt-get update --quiet=2 &&
        "${as_root[@]}" apt-get install --yes --quiet=2 --no-install-recommends chromium chromium-driver; } >&2; then
        echo 'e2e.sh: install chromium and chromedriver, and run it again' >&2
        exit 1
    fi
fi

packages=.tools/e2e-packages
if ! cmp --silent tests/e2e/requirements.txt "$packages/requirements.txt"; then
    rm -rf "$packages"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$packages" -r tests/e2e/requirements.txt
    cp tests/e2e/requirements.txt "$packages/"
fi

if [[ -z ${ORT_DYLIB_PATH-} ]]; then scripts/onnxruntime.sh; fi
PYTHONPATH=$packages exec python3 -B tests/e2e/browser.py
