#!/usr/bin/env bash
# A fill-mask app.py behind Hostler beside transformers itself: scripts/parity.sh
#
# Installs torch and transformers into .tools/parity (some GB), makes a tiny BERT with random weights, serves
# tests/parity/potassium_bert with it and compares the answers. Takes the release build; HOSTLER_BIN names another binary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$(scripts/python.sh parity tests/parity/requirements.txt)
if [[ -z ${ORT_DYLIB_PATH-} ]]; then scripts/onnxruntime.sh; fi
if [[ -z ${HOSTLER_BIN-} ]]; then cargo build --release --locked; fi
exec "$python" -B tests/parity/check.py
