"""Text with marked spans, and what templates are made of."""

import re

HOLE = re.compile(r"\{(\w+)\}")
VERB = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")


def article(value):
    return "an" if value[:1].lower() in "aeiou" else "a"


def upper_first(text):
    return text[:1].upper() + text[1:]


class Marked:
    """Text built piece by piece that remembers where each value landed."""

    def __init__(self):
        self.text = ""
        self.spans = {}

    def add(self, text, key=None):
        if key is not None:
            self.spans[key] = (len(self.text), len(self.text) + len(text))
        self.text += text
