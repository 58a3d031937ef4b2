"""Record what the transformers question-answering pipeline answers with the model in a folder.

Run: python record_qa_reference.py --model ../question_answering --out ../../tests/fixtures/qa_reference.json

The tokenizer, the windows over long contexts and the choice of answers are the pipeline's own,
with its defaults where a case does not say otherwise; the logits come from the folder's model.onnx, so that the record holds for the
very file that is served.
"""

import argparse
import json
import pathlib
import random

import numpy as np
import onnxruntime
import tokenizers
import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, pipeline
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from qa_data import FILLER, HOLE, Maker, Real


class DistilBertForQuestionAnswering(PreTrainedModel):
    """Gives the pipeline the logits of model.onnx (the pipeline checks the class by its name)."""

    def __init__(self, config, path):
        super().__init__(config)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.here = torch.nn.Parameter(torch.zeros(1))  # tells the pipeline which device to use

    def forward(self, input_ids, attention_mask):
        start, end = self.session.run(
            ["start_logits", "end_logits"],
            {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()},
        )
        return QuestionAnsweringModelOutput(
            start_logits=torch.from_numpy(start), end_logits=torch.from_numpy(end)
        )


def long_text(seed, words, sentences):
    """`sentences` spread evenly through about `words` words of small talk."""
    rng = random.Random(seed)
    maker = Maker(rng, Real(), noise=False)
    small_talk = []
    while sum(len(s.split()) for s in small_talk) < words:
        small_talk.append(HOLE.sub(lambda m: maker.word(m.group(1)), rng.choice(FILLER)))
    step = len(small_talk) // (len(sentences) + 1)
    for n, sentence in reversed(list(enumerate(sentences))):
        small_talk.insert((n + 1) * step, sentence)
    return " ".join(small_talk)


def cases():
    """The questions asked: (question, context, top_k or None for the default)."""
    pair = "Her name is Ann. His name is Bartholomew."
    family = (
        "Alice is a nurse from Leeds. She is 34 years old and her favourite colour is green. "
        "Omar is a software engineer. He lives in Buenos Aires with his dog Rex."
    )
    yield "What is his name?", pair, None
    yield "What is her name?", pair, None
    yield "What is her name?", "His name is Wiremu Patel. Her name is Zsófia O'Neill-García.", None
    yield "What is his name?", pair, 1
    yield "What is his name?", pair, 3
    yield "Where does Omar live?", family, None
    yield "Where does Omar live?", family, 3
    yield "What is Alice's job?", family, 3
    yield "How old is Alice?", family, 1
    yield "What is her favourite colour?", family, 5
    # An answer that the context gives more than once.
    yield "Where does she live?", "She lives in Oslo. He lives in Rome. Her home is in Oslo. Oslo is cold.", None
    yield "Where does she live?", "She lives in Oslo. He lives in Rome. Her home is in OSLO. oslo is cold.", 3
    yield "What is his name?", "His name is Ann. His name is Bob. His name is ann. His name is BOB.", 3
    # Emoji: one, several, joined, with skin tones, inside and beside the answer.
    yield "What is his name?", "😀 Her name is Ann 🎉. 👋 His name is Bob 🐻.", None
    yield "What is her pet?", "👩‍👩‍👧‍👦 Her pet is a 🐱 cat. His pet is a 🐶 dog. 👍🏽", 3
    yield "What is his name?", "Her name is 🌸. His name is 🦊.", 3
    # Right-to-left text.
    yield "What is his name?", "Her name is מרים. His name is דוד.", None
    yield "מה שמו?", "שמה הוא מרים. שמו הוא דוד כהן.", 3
    yield "Where does he live?", "He lives in القاهرة. She lives in دمشق.", None
    yield "ما اسمه؟", "اسمها فاطمة، واسمه طارق.", 3
    # Combining characters: the same name composed and decomposed.
    yield "What is her name?", "His name is Jose\u0301. Her name is Zoe\u0308 Mu\u0308ller.", None
    yield "What is his name?", "His name is Jose\u0301. Her name is Zo\u00eb.", 3
    yield "What is his name?", "Her name is A\u030angstro\u0308m\u0323. His name is Z\u0351\u036ba\u0300\u0315lgo\u0322.", None
    yield "Where do I live?", "My name is Merve and I live in \u0130stanbul.", None
    # Punctuation, quotation marks, dashes, odd spaces.
    yield "What is his name?", "«Her name is “Ann” — she’s 34…» ‘His name’s Bob’!", None
    yield "What is her name?", "Her\u00a0name\u00a0is\u00a0Ann.\u2003His\u3000name\u200b is Bob\ufeff.", 3
    yield "What is his job?", "Name:Ann;job:nurse.Name:Bob;job:pilot/engineer(part-time).", 3
    yield "What is his name?", "她的名字是安娜。他的名字是王大卫。", 3
    yield "How much does the lamp cost?", "The lamp costs £1,234.50 dollars; the chair costs $99 dollars.", None
    # White space.
    yield "  What is his name?  ", "   Her name is Ann.   His name is Bob.   ", None
    yield "What is\nher name?", "\n\nHis name is Bob.\r\n\tHer name is Ann.\n", None
    # Very small contexts, and a word far longer than usual.
    yield "What is his name?", "Bartholomew", None
    yield "What is his name?", "Bob", None
    yield "What is his name?", "Bob Evans", 1
    yield "What is his name?", "Her name is Ann. His name is " + "Llanfairpwllgwyngyll" * 4 + ".", None
    yield "What is his name?", "Her name is Ann. His name is " + "x" * 120 + ".", None
    yield "Why?", '<b>Her name is Ann.</b> & [MASK] [SEP] his name is Bob \\ "quoted".', 3
    # Contexts of several windows.
    two = ["Her name is Ann Kowalski.", "His name is Bartholomew Singh."]
    yield "What is his name?", long_text(1, 1100, two), None
    yield "What is his name?", long_text(1, 1100, two), 3
    yield "What is her name?", long_text(2, 1500, two), None
    yield "Where does Priya live?", long_text(
        3, 1200, ["Wei lives in Hanoi.", "Priya lives in Buenos Aires.", "Olga lives in Turin."]
    ), 3
    yield "What is her job?", long_text(
        4, 1000, ["Her job is marine biologist."] * 6 + ["His job is baker."]
    ), 3
    yield "How old is he?", long_text(5, 420, ["She is 34 years old.", "He is 71 years old."]), None
    yield "What is his name?", "😀 Zoe\u0308 שלום. " * 150 + "His name is Bob. " + "Ann’s name… " * 150, 3
    yield "What is his name?", "His name is Bob. " * 200, 3
    yield "What is his name?", "supercalifragilistic" * 60 + " His name is Bob.", 1
    # Words of many pieces, so that windows begin and end inside one.
    yield "What is his name?", "His name is Bob. " + ("supercalifragilistic" * 4 + " ") * 40, 3


def varied_cases():
    """Long contexts with windows and answers other than the default: (question, context, options)."""
    names = long_text(1, 1100, ["Her name is Ann Kowalski.", "His name is Bartholomew Singh."])
    homes = long_text(3, 700, ["Wei lives in Hanoi.", "Priya lives in Buenos Aires.", "Olga lives in Turin."])
    jobs = long_text(4, 600, ["Her job is marine biologist."] * 4 + ["His job is baker."])
    # Words of many pieces, so that windows begin and end inside one.
    pieces = "His name is Bob. " + ("supercalifragilistic" * 4 + " ") * 40
    for doc_stride in (0, 16, 64, 250):
        yield "What is his name?", names, {"doc_stride": doc_stride}
        yield "Where does Priya live?", homes, {"top_k": 3, "doc_stride": doc_stride}
        yield "What is his name?", pieces, {"doc_stride": doc_stride}
    for max_answer_len in (1, 3, 40):
        yield "What is his name?", names, {"max_answer_len": max_answer_len}
        yield "What is her job?", jobs, {"top_k": 3, "max_answer_len": max_answer_len}
        yield "Where does Priya live?", homes, {"top_k": 2, "max_answer_len": max_answer_len, "doc_stride": 64}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the model folder")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the JSON file to write")
    args = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = DistilBertForQuestionAnswering(AutoConfig.from_pretrained(args.model), args.model / "model.onnx")
    ask = pipeline("question-answering", model=model, tokenizer=tokenizer, device="cpu")
    recorded = []
    plain = [(question, context, {} if k is None else {"top_k": k}) for question, context, k in cases()]
    for question, context, options in [*plain, *varied_cases()]:
        answers = ask(question=question, context=context, **options)
        answers = [answers] if isinstance(answers, dict) else answers
        case = {"question": question, "context": context, **options}
        case["answers"] = [
            {
                "answer": a["answer"],
                "score": float(a["score"]),
                "start": int(a["start"]),
                "end": int(a["end"]),
            }
            for a in answers
        ]
        for a in case["answers"]:
            assert context[a["start"] : a["end"]] == a["answer"]
        recorded.append(case)
    header = {
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "torch": torch.__version__.split("+")[0],
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        "cases": recorded,
    }
    args.out.write_text(json.dumps(header, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(recorded), "cases written")


if __name__ == "__main__":
    main()
