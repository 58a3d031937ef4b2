"""What both peers share: a session of one thread, and uvicorn with two worker processes.

The folder travels to the workers in the environment: each imports its script anew.
"""

import os
import sys

import onnxruntime
import uvicorn
from transformers import AutoTokenizer


def load():
    """Tokenizer and session of the folder, one of each a worker."""
    folder = os.environ["PEER_FOLDER"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return AutoTokenizer.from_pretrained(folder), session


def serve(app):
    """python SCRIPT PORT FOLDER"""
    os.environ["PEER_FOLDER"] = sys.argv[2]
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), workers=2, access_log=False, log_level="warning")
