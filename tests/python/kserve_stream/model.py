import time

from kservehelper.model import KServeModel
from kservehelper.types import Input

WORDS = "the quick brown fox jumps over the lazy dog".split()


class Model:

    def load(self):
        self.words = WORDS

    def predict(
            self,
            count: int = Input(description="How many words", default=3, ge=0),
            pause: float = Input(description="Seconds after each", default=0),
    ):
        time.sleep(count * pause)
        return {"output": " ".join(self.words[:count])}

    def generate(
            self,
            count: int = Input(description="How many words", default=3, ge=0),
            pause: float = Input(description="Seconds after each", default=0),
    ):
        """The same, word by word."""
        def words():
            for word in self.words[:count]:
                yield word
                time.sleep(pause)

        return KServeModel.wrap_generator(words)


if __name__ == "__main__":
    KServeModel.serve("words", Model)
