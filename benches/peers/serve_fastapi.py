"""FastAPI on uvicorn: python serve_fastapi.py PORT. Two worker processes, uvloop and httptools, as uvicorn[standard] brings them."""

import sys
from typing import List

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from work import work

app = FastAPI()


class Value(BaseModel):
    text: str
    numbers: List[int]


@app.post("/")
def handle(value: Value) -> dict:
    return work(value.model_dump())


if __name__ == "__main__":
    uvicorn.run("serve_fastapi:app", host="127.0.0.1", port=int(sys.argv[1]), workers=2, access_log=False, log_level="warning")
