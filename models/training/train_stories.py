"""Train a small Llama on generated stories and export it to ONNX with its cache.

Run: python train_stories.py --out ../stories

The text is generated (stories_data.py), so nothing is downloaded. Every batch is new. What is measured is measured on
stories of another seed, with the exported file.
"""

import argparse
import math
import os
import pathlib
import random
import re
import shutil
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from optimum.exporters.onnx import main_export  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: E402

from stories_data import BEASTS, BOYS, COLOURS, GIRLS, GIVERS, PETS, THINGS, story  # noqa: E402

POSITIONS = 256
BATCH = 8
EMPHASIS = 5  # on words that stood in the story before
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TRAINING, HELD_OUT, WORDS = 1, 2, 3  # seeds


def stories(seed):
    rng = random.Random(seed)
    while True:
        yield story(rng)


def shown(seed):
    """What is trained on: of some stories only the end, so that a text may begin anywhere."""
    rng = random.Random(seed)
    for text in stories(seed):
        if rng.random() < 0.3:
            sentences = re.split(r'(?<=[.!?"]) (?=[A-Z"])', text)
            text = " ".join(sentences[rng.randrange(1, len(sentences) // 2) :])
        yield text


def make_tokenizer(folder, size=800):
    """Bytes and pieces of words. The folder's tokenizer is kept where there is one: weights go with it only."""
    if (folder / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(folder)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = stories(WORDS)
    made.train_from_iterator((next(text) for _ in range(20000)), trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=POSITIONS, clean_up_tokenization_spaces=False, **SPECIAL
    )


def make_model(tokenizer):
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=POSITIONS,
            initializer_range=0.06,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            tie_word_embeddings=True,
            attn_implementation="sdpa",
        )
    )


def encode(tokenizer, texts):
    """Ids of the texts with their end, filled up to the longest, and the same with -100 where nothing is learned."""
    rows = [[*ids, tokenizer.eos_token_id][:POSITIONS] for ids in tokenizer(texts, verbose=False)["input_ids"]]
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), tokenizer.eos_token_id, dtype=np.int64)
    labels = np.full((len(rows), longest), -100, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = labels[i, : len(row)] = row
    return ids, labels


def chosen_tokens(tokenizer):
    """Tokens of the words that every story chooses anew and keeps."""
    words = [*GIRLS, *BOYS, *COLOURS, *THINGS, *GIVERS, *BEASTS, *PETS]
    return {token for ids in tokenizer([" " + word for word in words])["input_ids"] for token in ids[1:]}


def again(labels, chosen):
    """Where a chosen token stands that stood in the story before: what there is to remember."""
    found = np.zeros(labels.shape, dtype=bool)
    for i, row in enumerate(labels.tolist()):
        seen = set()
        for j, token in enumerate(row):
            if token in chosen:
                found[i, j] = token in seen
                seen.add(token)
    return found


def train(model, tokenizer, steps, peak):
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=peak, betas=(0.9, 0.98)
    )
    text, started, means = shown(TRAINING), time.time(), None
    chosen = chosen_tokens(tokenizer)
    model.train()
    for step in range(1, steps + 1):
        done = step / steps
        rate = peak * min(step / 100, 0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids, labels = encode(tokenizer, [next(text) for _ in range(BATCH)])
        remembered = torch.from_numpy(again(labels, chosen)[:, 1:])
        # The filling stands at the end, where nothing looks at it: no mask is needed.
        logits = model(input_ids=torch.from_numpy(ids), use_cache=False).logits[:, :-1]
        targets = torch.from_numpy(labels)[:, 1:]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100, reduction="none")
        weights = (targets != -100) * (1 + (EMPHASIS - 1) * remembered)
        loss = (losses * weights).sum() / weights.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            now = np.array([losses[targets != -100].mean().item(), losses[remembered].mean().item()])
        means = now if means is None else 0.99 * means + 0.01 * now
        if step % 100 == 0:
            spent = time.time() - started
            print(
                f"step {step} of {steps}: loss {means[0]:.3f}, of what is to be remembered {means[1]:.3f}, "
                f"{spent:.0f} s, {spent / step * (steps - step):.0f} s left",
                flush=True,
            )
    model.eval()


def export(model, tokenizer, folder):
    model.config.architectures = [type(model).__name__]
    with tempfile.TemporaryDirectory() as scratch:
        saved, made = pathlib.Path(scratch, "saved"), pathlib.Path(scratch, "made")
        model.save_pretrained(saved)
        main_export(
            str(saved), output=made, library_name="transformers", task="text-generation-with-past", do_validation=False
        )
        shutil.copy(made / "model.onnx", folder / "model.onnx")
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Reader:
    """The exported file, as a server runs it: what is known of the past is kept."""

    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.past = {i.name: i.shape for i in self.session.get_inputs() if i.name.startswith("past_key_values.")}
        self.outputs = [o.name for o in self.session.get_outputs()]

    def run(self, ids, past=None):
        """Logits of the new positions, and the past with them in it."""
        rows, width = ids.shape
        if past is None:
            past = {name: np.zeros((rows, shape[1], 0, shape[3]), np.float32) for name, shape in self.past.items()}
        behind = next(iter(past.values())).shape[2]
        given = self.session.run(
            None,
            {
                "input_ids": ids,
                "attention_mask": np.ones((rows, behind + width), np.int64),
                "position_ids": np.tile(np.arange(behind, behind + width), (rows, 1)),
                **past,
            },
        )
        named = dict(zip(self.outputs, given))
        return named["logits"], {name: named[name.replace("past_key_values", "present")] for name in past}

    def write(self, tokenizer, prompt, most):
        """The most likely text after a prompt."""
        ids, past = np.array(tokenizer([prompt])["input_ids"], dtype=np.int64), None
        written = []
        room = POSITIONS - ids.shape[1]
        while len(written) < min(most, room):
            logits, past = self.run(ids, past)
            token = int(logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            written.append(token)
            ids = np.array([[token]], dtype=np.int64)
        return tokenizer.decode(written), len(written)


def perplexity(reader, tokenizer, texts):
    """Of a token, over all tokens but the one that every story begins with."""
    total = count = 0
    for text in texts:
        ids, _ = encode(tokenizer, [text])
        logits, _ = reader.run(ids[:, :-1])
        scores = logits[0].astype(np.float64)
        scores -= scores.max(-1, keepdims=True)
        likely = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        total -= likely[np.arange(len(likely)), ids[0, 1:]].sum()
        count += len(likely)
    return math.exp(total / count)


def remembers(reader, tokenizer, texts):
    """Of stories that are gone on with after their first third: how many name their hero again, in how many a colour
    has one thing and a thing one colour to the end, and how many come to an end."""
    named = kept = ended = 0
    for text in texts:
        words = text.split(" ")
        third = " ".join(words[: len(words) // 3])
        rest, tokens = reader.write(tokenizer, third, POSITIONS)
        hero = next(word for word in words_of(third) if word in GIRLS or word in BOYS)
        named += hero in words_of(rest)
        ended += tokens < POSITIONS - len(tokenizer(third)["input_ids"])
        pairs = set(pairs_of(third + rest))
        kept += len({thing for _, thing in pairs}) == len({colour for colour, _ in pairs}) == len(pairs)
    return [n / len(texts) for n in (named, kept, ended)]


def words_of(text):
    return "".join(c if c.isalpha() else " " for c in text).split()


def pairs_of(text):
    words = words_of(text)
    return [(a, b) for a, b in zip(words, words[1:]) if a in COLOURS and b in THINGS]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--steps", type=int, default=2900)
    arguments.add_argument("--rate", type=float, default=3e-3)
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen.out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(chosen.out)
    model = make_model(tokenizer)
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens")
    train(model, tokenizer, chosen.steps, chosen.rate)
    export(model, tokenizer, chosen.out)

    reader, held_out = Reader(chosen.out), stories(HELD_OUT)
    texts = [next(held_out) for _ in range(500)]
    print(f"perplexity of {len(texts)} held-out stories: {perplexity(reader, tokenizer, texts):.3f}")
    named, kept, ended = remembers(reader, tokenizer, texts[:200])
    print(f"of 200 gone on with: hero named again {named:.1%}, things kept {kept:.1%}, ended {ended:.1%}")
    for prompt in ["Once upon a time", "Anna has a red", "One day Tom went to the"]:
        text, tokens = reader.write(tokenizer, prompt, POSITIONS)
        print(f"\n{prompt} |{text} ({tokens} tokens)")
    print(f"\n{sum(f.stat().st_size for f in chosen.out.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
