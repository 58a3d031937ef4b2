from typing import Dict


class Pipeline:
    """Answers with the sentence of the context that shares the most words with the question."""

    def __init__(self, minimum: int):
        self.minimum = minimum

    def __call__(self, inputs: Dict) -> Dict:
        asked = set(inputs["question"].lower().strip("?").split())
        best = {"score": 0, "prediction": ""}
        for sentence in inputs["context"].split("."):
            words = sentence.lower().split()
            score = len(asked.intersection(words))
            if len(words) >= self.minimum and score > best["score"]:
                best = {"score": score, "prediction": sentence.strip()}
        if not best["prediction"]:
            raise LookupError("no sentence has a word of the question")
        return best


def compile(pipe: Pipeline):
    pipe({"question": "What is my name?", "context": "My name is Rob."})
    print("compiled")


pipe = Pipeline(2)
