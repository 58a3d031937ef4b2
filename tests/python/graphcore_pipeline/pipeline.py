"""Counts the words of a text."""

import re
from collections import Counter
from typing import Dict


class Pipeline:
    def __init__(self):
        self.words = None

    def compile(self):
        # The pattern is compiled on the first call.
        self({"text": "a first text"})

    def __call__(self, inputs: Dict) -> Dict:
        """Words of `text`, the most frequent first."""
        if self.words is None:
            self.words = re.compile(r"\w+")
        counts = Counter(word.lower() for word in self.words.findall(inputs["text"]))
        top = int(inputs.get("top", 3))
        return {"words": sum(counts.values()), "top": counts.most_common(top)}
