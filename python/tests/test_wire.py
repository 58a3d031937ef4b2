"""The socket's end: frames however they are cut, descriptors in order, cancels, writes that come together."""

import os
import random
import socket
import unittest

from hostler_worker import frames
from hostler_worker.wire import Lost, Wire


class Wires(unittest.TestCase):
    def setUp(self):
        self.ours, theirs = socket.socketpair()
        self.wire = Wire(theirs)
        self.addCleanup(self.ours.close)
        self.addCleanup(theirs.close)

    def test_frames_cut_anywhere_come_out_whole(self):
        chance = random.Random(3)
        sent = [(b"%d" % number * chance.choice((0, 1, 30, 5000)), number) for number in range(1, 60)]
        data = b"".join(frames.encode(frames.CALL, body, {"n": number} if number % 3 else None, slot=number % 7, call=number)
                        for body, number in sent)
        got = []
        while len(got) < len(sent):
            cut = chance.choice((1, 7, 16, 17, 900, 20000))
            if data:
                self.ours.sendall(data[:cut])
                data = data[cut:]
            self.wire.receive()
            while self.wire.frames:
                kind, flags, slot, call, meta, body, descriptor = self.wire.frames.popleft()
                self.assertEqual((kind, flags, slot, descriptor), (frames.CALL, 0, call % 7, None))
                self.assertEqual(meta, b'{"n":%d}' % call if call % 3 else None)
                got.append((body, call))
        self.assertEqual(got, sent)

    def test_a_frame_larger_than_the_buffer_and_the_ones_behind_it(self):
        large = os.urandom(9 << 20)
        data = b"".join((frames.encode(frames.CALL, b"1", call=1), frames.encode(frames.CALL, large, call=2),
                         frames.encode(frames.CALL, b"3", call=3)))
        got = []
        self.ours.setblocking(False)
        while len(got) < 3:
            if data:
                data = data[self.ours.send(data[:1 << 17]):]
            self.wire.receive()
            got.extend(self.wire.frames)
            self.wire.frames.clear()
        self.assertEqual([frame[3] for frame in got], [1, 2, 3])
        self.assertEqual(got[1][5], large)
        self.assertEqual(got[2][5], b"3")
        # The large buffer does not stay for good.
        self.ours.send(frames.encode(frames.STOP))
        self.wire.receive()
        self.assertLessEqual(len(self.wire._view), 8 << 20)

    def test_descriptors_go_to_their_frames_in_order(self):
        made = [os.memfd_create("test") for _ in range(3)]
        for number, descriptor in enumerate(made):
            os.write(descriptor, b"%d" % number)
            self.ours.sendall(frames.encode(frames.CALL, call=10 + number))
            frame = frames.encode(frames.CALL, flags=frames.FD, call=number)
            socket.send_fds(self.ours, [frame], [descriptor]) if hasattr(socket, "send_fds") else self.skipTest("no send_fds")
            os.close(descriptor)
        got = [self.wire.next() for _ in range(6)]
        for frame in got:
            if frame[1] & frames.FD:
                self.assertEqual(os.pread(frame[6], 1, 0), b"%d" % frame[3])
                self.assertFalse(os.get_inheritable(frame[6]))
                os.close(frame[6])
            else:
                self.assertIsNone(frame[6])

    def test_cancelled_looks_without_waiting(self):
        self.assertFalse(self.wire.cancelled(4))
        self.ours.sendall(frames.encode(frames.CALL, b"1", call=5) + frames.encode(frames.CANCEL, call=4))
        self.assertTrue(self.wire.cancelled(4))
        self.assertFalse(self.wire.cancelled(5))
        self.assertEqual([frame[0] for frame in self.wire.frames], [frames.CALL, frames.CANCEL])

    def test_answers_leave_together_before_waiting(self):
        self.wire.answer(1, 0, b"1")
        self.wire.send(frames.CHUNK, b"2", {"bytes": True}, call=2)
        self.ours.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.ours.recv(1)
        self.ours.sendall(frames.encode(frames.STOP))
        self.wire.next()
        expected = frames.encode(frames.ANSWER, b"1", call=1) + frames.encode(frames.CHUNK, b"2", {"bytes": True}, call=2)
        self.assertEqual(self.ours.recv(1000), expected)

    def test_what_is_large_leaves_at_once_behind_what_was_pending(self):
        self.wire.answer(1, 0, b"1")
        self.wire.send(frames.ANSWER, b"x" * 100000, call=2)
        data = b""
        while len(data) < 100033:
            data += self.ours.recv(1 << 20)
        self.assertEqual(data[:17], frames.encode(frames.ANSWER, b"1", call=1))
        self.assertEqual(frames.decode(data[17:])[5], b"x" * 100000)

    def test_the_end_of_the_socket_is_lost(self):
        self.ours.close()
        with self.assertRaises(Lost):
            self.wire.next()
        self.wire.answer(1, 0, b"1")
        with self.assertRaises(Lost):
            self.wire.flush()

    def test_a_header_that_promises_nonsense_is_refused(self):
        self.ours.sendall(frames.HEADER.pack(5, frames.CALL, 0, 0, 1, 6) + b"abcde")
        with self.assertRaises(frames.BrokenFrame):
            self.wire.next()
