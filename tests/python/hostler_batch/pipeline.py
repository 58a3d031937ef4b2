from typing import List, TypedDict


class Score(TypedDict):
    length: int
    batch: int


class Pipeline:
    def run_batch(self, texts: List[str]) -> List[Score]:
        """Lengths, with the size of the batch they were measured in."""
        if "" in texts:
            raise ValueError("a text is not empty")
        return [{"length": len(text), "batch": len(texts)} for text in texts]
