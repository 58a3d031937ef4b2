from typing import Iterator


class Pipeline:
    def __call__(self, text: str, times: int = 1) -> Iterator[str]:
        """The words of a text, one after the other."""
        for _ in range(times):
            for word in text.split():
                if word == "fail":
                    raise RuntimeError("a word that cannot be said")
                yield word
