"""The codec against the fixtures that the server's tests read too."""

import json
import os
import struct
import unittest

from hostler_worker import frames

from .make_fixtures import PLACE


class Fixtures(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(PLACE, "index.json")) as file:
            self.index = json.load(file)

    def bytes_of(self, entry):
        with open(os.path.join(PLACE, entry["file"]), "rb") as file:
            return file.read()

    def test_each_file_is_in_the_index_and_the_other_way_round(self):
        files = sorted(name for name in os.listdir(PLACE) if name.endswith(".bin"))
        self.assertEqual(files, sorted(entry["file"] for entry in self.index))

    def test_each_fixture_is_read_as_the_index_says(self):
        for entry in self.index:
            with self.subTest(entry["file"]):
                kind, flags, slot, call, meta, body = frames.decode(self.bytes_of(entry))
                self.assertEqual((kind, flags, slot, call, meta, body.hex()),
                                 tuple(entry[key] for key in ("kind", "flags", "slot", "call", "meta", "body_hex")))

    def test_each_fixture_is_written_byte_for_byte(self):
        for entry in self.index:
            with self.subTest(entry["file"]):
                made = frames.encode(entry["kind"], bytes.fromhex(entry["body_hex"]), entry["meta"], flags=entry["flags"],
                                     slot=entry["slot"], call=entry["call"])
                self.assertEqual(made, self.bytes_of(entry))

    def test_every_kind_has_a_fixture(self):
        kinds = {value for name, value in vars(frames).items() if name in (
            "HELLO", "CALL", "CANCEL", "STOP", "STORED", "LOADED", "READY", "FAILED", "ANSWER", "CHUNK", "STORE")}
        self.assertEqual(kinds, {entry["kind"] for entry in self.index})

    def test_the_header_is_sixteen_bytes_little_endian(self):
        data = frames.encode(frames.CALL, b"[]", b"{}", flags=0x05, slot=0x0102, call=0x03040506)
        self.assertEqual(data, bytes.fromhex("04000000" "02" "05" "0201" "06050403" "02000000") + b"{}[]")


class Broken(unittest.TestCase):
    def test_what_is_no_frame_is_refused(self):
        header = struct.Struct("<IBBHII")
        for data in (
            b"\x00" * 15,
            header.pack(3, 2, 0, 0, 1, 0) + b"ab",
            header.pack(2, 2, 0, 0, 1, 3) + b"ab",
            header.pack(frames.MAX_SIZE + 1, 2, 0, 0, 1, 0),
        ):
            with self.subTest(data), self.assertRaises(frames.BrokenFrame):
                frames.decode(data)
