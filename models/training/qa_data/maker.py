"""Examples of all kinds, in the shares that training draws them in."""

from .packed import Packed
from .people import People
from .plain import Plain


class Maker(People, Packed, Plain):
    """Makes examples from one pool of names; `unseen` picks the held-back templates."""

    def one(self, unseen=False, sentences=None, plain=0.1):
        """One example; tries again until the dice give a sound one. `plain`: share of the plainest cases."""
        while True:
            r = self.rng.random()
            if not unseen and self.rng.random() < plain:
                example = self.plain_case()
            elif r < 0.12 and not unseen:
                example = self.appositive_example()
            elif r < (0.25 if unseen else 0.32):
                example = self.world_example(unseen)
            else:
                example = self.people_example(unseen, sentences=sentences)
            if example:
                return example

    def padded(self, words):
        """An example with unrelated sentences around it, about `words` words long in all."""
        example = self.one()
        before, after = [], []
        count = len(example["context"].split())
        while count < words:
            sentence = self.filler()
            (before if self.rng.random() < 0.5 else after).append(sentence)
            count += len(sentence.split())
        head = " ".join(before) + (" " if before else "")
        tail = (" " if after else "") + " ".join(after)
        example["context"] = head + example["context"] + tail
        example["start"] += len(head)
        return example
