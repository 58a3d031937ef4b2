"""Writes `python/fixtures/wire`: one frame a file, and index.json with what each holds. Run once per change of the wire:

    python3 -B -m tests.make_fixtures      (in the folder `python`)
"""

import json
import os
import struct

from hostler_worker import frames

PLACE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures", "wire")

FLOATS = struct.pack("<3f", 0.5, -1.0, 1e20)
TEXTS = b"".join(struct.pack("<I", len(text)) + text for text in (b"", "é".encode(), b"\x00\xff"))

# name: (kind, flags, slot, call, meta, body)
FIXTURES = {
    "hello": (frames.HELLO, 0, 0, 0, {
        "version": 2, "model": "greeter", "replica": 2, "folder": "/models/greeter", "dialect": "banana", "device": "cuda:0",
        "threads": 4, "cache_dir": "/cache/greeter", "max_batch_size": 8, "window": 16}, b""),
    "hello_store": (frames.HELLO, frames.FD, 0, 0, {
        "version": 2, "model": "counter", "replica": 0, "folder": "/models/counter", "dialect": "hostler", "device": "cpu",
        "threads": 1, "cache_dir": "/cache/counter", "max_batch_size": 1, "window": 16}, b""),
    "call": (frames.CALL, 0, 0, 1, None, b'{"text":"one"}'),
    "call_unicode": (frames.CALL, 0, 15, 4294967295, None, '{"text":"día ☀"}'.encode()),
    "call_empty": (frames.CALL, 0, 3, 7, None, b""),
    "call_meta": (frames.CALL, 0, 1, 2, {
        "handler": 3, "id": "r-1", "stream": True, "headers": [["accept", "*/*"], ["x-two", "a"], ["x-two", "b"]],
        "content_type": "application/json", "accept": ["text/event-stream", "application/json"]}, b"[1,2.5,null,true]"),
    "call_raw": (frames.CALL, 0, 2, 3, {"handler": 1, "content_type": "image/png"}, b"\x89PNG\r\n\x1a\n\x00"),
    "call_batch": (frames.CALL, frames.MORE, 4, 8, None, b'"first of a batch"'),
    "call_tensors_in_body": (frames.CALL, 0, 0, 9, {
        "tensors": [{"name": "x", "dtype": "FP32", "shape": [1, 3], "offset": 0, "size": 12},
                    {"name": "names", "dtype": "BYTES", "shape": [3], "offset": 12, "size": len(TEXTS)}]}, FLOATS + TEXTS),
    "call_tensors_in_slot": (frames.CALL, frames.FD | frames.SLOT, 5, 10, {
        "tensors": [{"name": "x", "dtype": "FP32", "shape": [200, 250, 3], "offset": 0, "size": 600000},
                    {"name": "mask", "dtype": "BOOL", "shape": [7], "offset": 600064, "size": 7}]}, b""),
    "cancel": (frames.CANCEL, 0, 0, 2, None, b""),
    "stop": (frames.STOP, 0, 0, 0, None, b""),
    "loaded": (frames.LOADED, 0, 0, 0, {"version": 2, "python": "3.8.18", "pid": 4242}, b""),
    "ready": (frames.READY, 0, 0, 0, None, b""),
    "failed": (frames.FAILED, 0, 0, 0, {"message": "app.py, line 1 needs the module torch"}, b""),
    "answer": (frames.ANSWER, 0, 0, 1, None, b'{"greeting":"hello world"}'),
    "answer_null": (frames.ANSWER, 0, 3, 7, None, b"null"),
    "answer_fault": (frames.ANSWER, 0, 0, 1, {"error": {"kind": "pipeline_failed", "message": "ZeroDivisionError: día"}}, b""),
    "answer_invalid": (frames.ANSWER, 0, 1, 2, {"error": {
        "kind": "invalid_input", "message": "items.0.price: field required",
        "detail": [{"loc": ["body", "items", 0, "price"], "msg": "field required", "type": "missing"}]}}, b""),
    "answer_cancelled": (frames.ANSWER, 0, 1, 2, {"error": {"kind": "cancelled", "message": "nobody waits"}}, b""),
    "answer_media": (frames.ANSWER, 0, 2, 3, {"media": "image/png"}, b"\x89PNG\r\n\x1a\n\x00"),
    "answer_files": (frames.ANSWER, 0, 0, 4, {"files": [
        {"name": "día.png", "media": "image/png", "size": 4, "at": [11, 21]},
        {"name": "b.wav", "media": "audio/wav", "size": 0, "at": [12]}]}, b'{"images":[,],"best":}\x89PNG'),
    "answer_response": (frames.ANSWER, 0, 2, 3, {
        "status": 201, "headers": [["x-author", "1"], ["set-cookie", "a=b"]], "media": "text/plain; charset=utf-8"}, "día".encode()),
    "answer_tensors_in_body": (frames.ANSWER, 0, 0, 9, {
        "tensors": [{"name": "y", "dtype": "FP32", "shape": [3], "offset": 0, "size": 12}]}, FLOATS),
    "answer_tensors_in_slot": (frames.ANSWER, frames.FD | frames.SLOT, 5, 10, {
        "tensors": [{"name": "y", "dtype": "FP64", "shape": [75000], "offset": 0, "size": 600000}]}, b""),
    "answer_kept": (frames.ANSWER, frames.SLOT | frames.KEPT, 5, 11, {
        "tensors": [{"name": "y", "dtype": "INT64", "shape": [0], "offset": 0, "size": 0}]}, b""),
    "answer_end_of_stream": (frames.ANSWER, 0, 1, 2, {"chunks": True}, b""),
    "chunk": (frames.CHUNK, 0, 1, 2, None, '"día"'.encode()),
    "chunk_bytes": (frames.CHUNK, 0, 1, 2, {"bytes": True}, b"\x00\x01\xff"),
    "chunk_head": (frames.CHUNK, 0, 1, 2, {
        "head": {"status": 200, "headers": [["x-author", "1"]], "media": "audio/wav"}}, b""),
    "chunk_progress": (frames.CHUNK, 0, 1, 2, {"progress": True}, b'{"step":3,"of":10}'),
    "store_get": (frames.STORE, 0, 0, 1, {"op": "get", "key": "día"}, b""),
    "store_set": (frames.STORE, 0, 0, 2, {"op": "set", "key": "a", "form": "json"}, '{"text":"día"}'.encode()),
    "store_set_bytes": (frames.STORE, 0, 0, 3, {"op": "set", "key": "b", "form": "bytes", "ttl": 0.5}, b"\x00\x01\xff"),
    "store_delete": (frames.STORE, 0, 0, 4, {"op": "delete", "key": "a"}, b""),
    "store_increment": (frames.STORE, 0, 0, 4294967295, {"op": "increment", "key": "n", "by": -9223372036854775808}, b""),
    "store_compare_and_set": (frames.STORE, 0, 0, 5, {
        "op": "compare_and_set", "key": "a", "expected": "json", "expected_size": 3, "form": "bytes", "ttl": 30.0}, b"1.5\xfe\xff"),
    "store_compare_and_set_absent": (frames.STORE, 0, 0, 6, {"op": "compare_and_set", "key": "lock", "form": "json"}, b'"mine"'),
    "store_compare_and_delete": (frames.STORE, 0, 0, 7, {
        "op": "compare_and_set", "key": "lock", "expected": "json", "expected_size": 6}, b'"mine"'),
    "stored": (frames.STORED, 0, 0, 2, None, b""),
    "stored_json": (frames.STORED, 0, 0, 1, {"form": "json"}, '{"text":"día"}'.encode()),
    "stored_bytes": (frames.STORED, 0, 0, 1, {"form": "bytes"}, b"\x00\x01\xff"),
    "stored_result": (frames.STORED, 0, 0, 4294967295, None, b"-9223372036854775808"),
    "stored_error": (frames.STORED, 0, 0, 1, {"error": {"kind": "not_ready", "message": "the store is away: día"}}, b""),
}


def main():
    os.makedirs(PLACE, exist_ok=True)
    index = []
    for name, (kind, flags, slot, call, meta, body) in FIXTURES.items():
        with open(os.path.join(PLACE, name + ".bin"), "wb") as file:
            file.write(frames.encode(kind, body, meta, flags=flags, slot=slot, call=call))
        index.append({"file": name + ".bin", "kind": kind, "flags": flags, "slot": slot, "call": call, "meta": meta,
                      "body_hex": body.hex()})
    with open(os.path.join(PLACE, "index.json"), "w") as file:
        file.write("[\n" + ",\n".join("  " + json.dumps(entry) for entry in index) + "\n]\n")


if __name__ == "__main__":
    main()
