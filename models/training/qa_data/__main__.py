"""Prints samples: of training, then of the held-out set."""

import random

from . import Maker, Real, Synthetic

maker = Maker(random.Random(0), Synthetic())
for _ in range(25):
    e = maker.one()
    assert e["context"][e["start"] : e["start"] + len(e["answer"])].lower() == e["answer"].lower()
    print(e["question"], "|", e["context"], "=>", e["answer"])
maker = Maker(random.Random(1), Real(), noise=False)
for _ in range(25):
    e = maker.one(unseen=True)
    print("UNSEEN", e["question"], "|", e["context"], "=>", e["answer"])
