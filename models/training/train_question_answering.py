"""Train the small DistilBERT question answerer and export it to ONNX.

Run: python train_question_answering.py --out ../question_answering --heldout ../../tests/fixtures/qa_heldout.json

The text is generated (qa_data), so nothing is downloaded. Every batch is new; the model
never sees a name twice and so learns to copy the span the question points at.
"""

import argparse
import json
import math
import pathlib
import random
import time

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import DistilBertConfig, DistilBertForQuestionAnswering, DistilBertTokenizerFast

from qa_data import Maker, Real, Synthetic, word_list

LENGTH = 384  # longest training sequence, in tokens
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789æøßđłıþð"


def make_vocabulary(folder, size=3000):
    """Learn vocab.txt: whole words for the plain words, pieces for names."""
    rng = random.Random(1)
    names = Synthetic()
    text = word_list() * 200
    text += [names.first(rng, "f") for _ in range(30000)]
    text += [letter + " " + other + letter for letter in LETTERS for other in "ae"] * 500
    text = [t for t in text if all(ord(c) < 0x250 for c in t)]
    trainer = BertWordPieceTokenizer(lowercase=True)
    punctuation = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~‘’“”–—…€£°«»¿¡")
    trainer.train_from_iterator(
        text,
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=list(LETTERS) + punctuation,
    )
    folder.mkdir(parents=True, exist_ok=True)
    trainer.save_model(str(folder))


def make_tokenizer(folder):
    """A lower-casing WordPiece tokenizer.

    The folder's vocab.txt is kept where there is one: learning it is the one step whose result
    differs from run to run (ties are broken by hashing), and weights go with one vocabulary only.
    """
    if not (folder / "vocab.txt").exists():
        make_vocabulary(folder)
    tokenizer = DistilBertTokenizerFast(
        vocab_file=str(folder / "vocab.txt"), do_lower_case=True, model_max_length=512
    )
    tokenizer.save_pretrained(str(folder))
    return tokenizer


def make_model(tokenizer):
    """A random DistilBERT, small, begun in a way that makes copying quick to learn.

    Positions start as waves; in every layer one head starts out looking a little back and one a
    little ahead; above the first, one head per layer starts out looking for tokens like
    its own among the first few, which is where the question stands (this kind of model is not told
    where the question ends). Without this it takes far longer to find that the question points
    into the text.
    """
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=128,
        n_layers=4,
        n_heads=4,
        hidden_dim=384,
        max_position_embeddings=512,
        dropout=0.0,
        attention_dropout=0.0,
        qa_dropout=0.0,
        initializer_range=0.07,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = DistilBertForQuestionAnswering(config)
    embeddings, layers = model.distilbert.embeddings, model.distilbert.transformer.layer
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(0, 128, 2) / 128)
    angles = torch.arange(512)[:, None] * frequencies
    with torch.no_grad():
        embeddings.word_embeddings.weight.normal_(0, 0.1)
        embeddings.word_embeddings.weight[:, :40] = 0  # room in which the fast waves are read undisturbed
        waves = embeddings.position_embeddings.weight
        waves[:, 0::2], waves[:, 1::2] = torch.sin(angles) * 0.07, torch.cos(angles) * 0.07
        look_near(layers[0], 0, -1, frequencies, range(16))
        look_near(layers[0], 1, 1, frequencies, range(16))
        for layer in layers[1:]:
            query, key = layer.attention.q_lin, layer.attention.k_lin
            key.weight[:24] = query.weight[:24]
            query.weight[24:32] = key.weight[24:32] = 0
            query.bias[24:32] = 4
            for row, k in enumerate(range(12, 20)):
                key.weight[24 + row, 2 * k + 1] = 1
            look_near(layer, 1, -4, frequencies, range(4, 20))
            look_near(layer, 2, 4, frequencies, range(4, 20))
    return model


def look_near(layer, head, shift, frequencies, waves):
    """Start a head off looking `shift` tokens away: the wave at p, turned, meets the wave at p + shift."""
    query, key = torch.zeros(32, 128), torch.zeros(32, 128)
    for row, k in zip(range(0, 32, 2), waves):
        c, s = torch.cos(shift * frequencies[k]) * 4, torch.sin(shift * frequencies[k]) * 4
        key[row, 2 * k] = key[row + 1, 2 * k + 1] = 4
        query[row, 2 * k], query[row, 2 * k + 1] = c, s
        query[row + 1, 2 * k], query[row + 1, 2 * k + 1] = -s, c
    rows = slice(32 * head, 32 * head + 32)
    layer.attention.q_lin.weight[rows], layer.attention.k_lin.weight[rows] = query, key


def encode(tokenizer, examples):
    """Token ids, attention mask, and the tokens where each answer begins and ends."""
    batch = tokenizer(
        [e["question"] for e in examples],
        [e["context"] for e in examples],
        padding=True,
        truncation="only_second",
        max_length=LENGTH,
        return_offsets_mapping=True,
    )
    starts, ends, second = [], [], []
    for i, e in enumerate(examples):
        first, last = e["start"], e["start"] + len(e["answer"])
        s, t = batch.char_to_token(i, first, 1), batch.char_to_token(i, last - 1, 1)
        lost = s is None or t is None  # cut off: the model's loss ignores positions past the end
        starts.append(LENGTH * 10 if lost else s)
        ends.append(LENGTH * 10 if lost else t)
        second.append(batch.sequence_ids(i).index(1))
    return (
        torch.tensor(batch["input_ids"]),
        torch.tensor(batch["attention_mask"]),
        torch.tensor(starts),
        torch.tensor(ends),
        second,
        batch["offset_mapping"],
    )


class Hints(torch.nn.Module):
    """Side tasks, for training only: they say of every token what the answer says of two.

    Half-way up: does this context token, or this one with the one before, occur in the question?
    Above that: does it stand in the sentence of the answer? Learning to match the question with
    the text from the answers alone takes many times longer.
    """

    def __init__(self, dim=128):
        super().__init__()
        self.match, self.sentence = torch.nn.Linear(dim, 2), torch.nn.Linear(dim, 1)

    def forward(self, hidden, ids, mask, starts, second, stop):
        inside = torch.arange(ids.shape[1])[None] >= torch.tensor(second)[:, None]
        pairs = torch.cat([torch.full_like(ids[:, :1], -1), ids[:, :-1] * 100000 + ids[:, 1:]], 1)
        labels = torch.stack(
            [
                (x[:, :, None] == x[:, None, :].masked_fill(inside[:, None, :], -2)).any(2)
                for x in (ids, pairs)
            ],
            2,
        ).float()
        sentence = torch.cumsum(ids == stop, 1) - (ids == stop).long()
        same = (sentence == sentence.gather(1, starts.clamp(max=ids.shape[1] - 1)[:, None])).float()
        counts = (inside & (mask == 1)).float()
        bce = torch.nn.functional.binary_cross_entropy_with_logits
        loss = bce(self.match(hidden[2]), labels, reduction="none").mean(2)
        loss = loss + bce(self.sentence(hidden[3])[:, :, 0], same, reduction="none")
        return (loss * counts).sum() / counts.sum()


def shift_positions(model, rng, length, second):
    """Put each context at a random distance from its question, so late positions are trained cheaply."""
    rows = torch.arange(512).repeat(len(second), 1)
    for row, begin in zip(rows, second):
        if rng.random() < 0.5:
            row[begin:length] += rng.randint(0, 511 - length)
    model.distilbert.embeddings.position_ids = rows


def plain_positions(model):
    model.distilbert.embeddings.position_ids = torch.arange(512)[None]


@torch.no_grad()
def predict(model, tokenizer, examples):
    """The best span of each context, as text (start before end, both inside the context)."""
    plain_positions(model)
    model.eval()
    answers = []
    for k in range(0, len(examples), 50):
        part = examples[k : k + 50]
        ids, mask, _, _, second, offsets = encode(tokenizer, part)
        out = model(input_ids=ids, attention_mask=mask)
        for i, e in enumerate(part):
            last = int(mask[i].sum()) - 1
            start, end = out.start_logits[i, second[i] : last], out.end_logits[i, second[i] : last]
            scores = np.triu((start[:, None] + end[None, :]).numpy() + 1e3)
            scores = np.tril(scores, 14)
            s, t = np.unravel_index(scores.argmax(), scores.shape)
            answers.append(e["context"][offsets[i][second[i] + s][0] : offsets[i][second[i] + t][1]])
    model.train()
    return answers


def exact_match(model, tokenizer, examples):
    """Share of answers equal to the expected text, overall and for unseen templates."""
    right = [a == e["answer"] for a, e in zip(predict(model, tokenizer, examples), examples)]
    unseen = [r for r, e in zip(right, examples) if e["unseen_template"]]
    return sum(right) / len(right), sum(unseen) / len(unseen)


def make_heldout(count=500, seed=20240):
    """Held-out cases: real names only, and more than one in five with templates never trained on."""
    maker = Maker(random.Random(seed), Real(), noise=False)
    cases, seen = [], set()
    while len(cases) < count:
        n = len(cases)
        if n < 60:
            case = maker.name_case()
        else:
            case = maker.one(unseen=n % 4 == 0)
        if case and (case["question"], case["context"]) not in seen:
            seen.add((case["question"], case["context"]))
            cases.append(case)
    return cases


def export(model, path):
    """Write model.onnx with the names that optimum's exporter gives the inputs, outputs and axes."""
    import onnx

    plain_positions(model)
    model.eval()
    ids = torch.ones(2, 16, dtype=torch.long)
    axes = {0: "batch_size", 1: "sequence_length"}
    names = ["input_ids", "attention_mask"], ["start_logits", "end_logits"]
    model.config.return_dict = True
    with torch.no_grad():
        torch.onnx.export(
            model,
            (ids, ids),
            str(path),
            input_names=names[0],
            output_names=names[1],
            dynamic_axes={n: axes for n in names[0] + names[1]},
            opset_version=14,
            do_constant_folding=True,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(str(path)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the model folder to write")
    parser.add_argument(
        "--heldout", type=pathlib.Path, required=True, help="the held-out cases to write (JSON)"
    )
    parser.add_argument(
        "--work", type=pathlib.Path, default=pathlib.Path("work"), help="where checkpoints are kept"
    )
    parser.add_argument("--steps", type=int, default=11000)
    parser.add_argument("--tokens", type=int, default=1800, help="tokens in a batch, padding included")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--export-only", action="store_true", help="export the best checkpoint and stop")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(7)
    rng = random.Random(7)
    args.work.mkdir(parents=True, exist_ok=True)
    best_path = args.work / "best.pt"
    tokenizer = make_tokenizer(args.out)
    model = make_model(tokenizer)
    heldout = make_heldout()

    # A development set, made like the training text but from another seed, picks the checkpoint;
    # the held-out cases are scored once, at the end.
    watcher = Maker(random.Random(99), Synthetic(), noise=False)
    watch = [watcher.one(unseen=k % 4 == 0) for k in range(300)]

    if not args.export_only:
        train(model, tokenizer, args, rng, watch, best_path)
    model.load_state_dict(torch.load(best_path))
    args.out.mkdir(parents=True, exist_ok=True)
    print("held-out exact match: %.4f, unseen templates: %.4f" % exact_match(model, tokenizer, heldout))
    export(model, args.out / "model.onnx")
    model.config.architectures = ["DistilBertForQuestionAnswering"]
    model.config.save_pretrained(str(args.out))
    keep = [{k: c[k] for k in ("question", "context", "answer", "unseen_template")} for c in heldout]
    args.heldout.write_text(json.dumps(keep, ensure_ascii=False, separators=(",", ":")) + "\n")


def batches(maker, tokenizer, rng, tokens, done):
    """512 new examples sorted by length and cut into batches of about `tokens` tokens, in random order."""
    # Plain cases first, then short contexts, then everything: pointing is learned on the plainest.
    plain = 0.9 if done < 0.07 else 0.4 if done < 0.12 else 0.1
    examples = [maker.one(plain=plain, sentences=1 if done < 0.12 else None) for _ in range(512)]
    if done > 0.6:
        examples[:12] = [maker.padded(rng.randint(60, 220)) for _ in range(12)]
    texts = [e["question"] for e in examples], [e["context"] for e in examples]
    lengths = [min(len(ids), LENGTH) for ids in tokenizer(*texts)["input_ids"]]
    order = sorted(range(len(examples)), key=lengths.__getitem__)
    made, batch = [], []
    for i in order:
        if batch and lengths[i] * (len(batch) + 1) > tokens:
            made.append(batch)
            batch = []
        batch.append(examples[i])
    made.append(batch)
    rng.shuffle(made)
    return made


def train(model, tokenizer, args, rng, watch, best_path):
    """AdamW with warm-up and a linear fall; short contexts first, a few long ones later."""
    maker = Maker(rng, Synthetic())
    hints, stop = Hints(), tokenizer.convert_tokens_to_ids(".")
    parameters = list(model.parameters()) + list(hints.parameters())
    decay = [p for p in parameters if p.dim() > 1]
    rest = [p for p in parameters if p.dim() <= 1]
    adam = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}],
        lr=args.rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    began, best, total, ready = time.time(), -1.0, 0.0, []
    for step in range(1, args.steps + 1):
        done = step / args.steps
        for group in adam.param_groups:
            group["lr"] = args.rate * min(1.0, step / 300) * max(0.02, 1.0 - max(0.0, done - 0.3) / 0.7)
        if not ready:
            ready = batches(maker, tokenizer, rng, args.tokens, done)
        examples = ready.pop()
        ids, mask, starts, ends, second, _ = encode(tokenizer, examples)
        if done > 0.6 and step % 2 == 0:
            shift_positions(model, rng, ids.shape[1], second)
        else:
            plain_positions(model)
        out = model(
            input_ids=ids,
            attention_mask=mask,
            start_positions=starts,
            end_positions=ends,
            output_hidden_states=True,
        )
        hint = hints(out.hidden_states, ids, mask, starts, second, stop)
        loss = out.loss
        adam.zero_grad()
        (loss + max(0.1, 2.0 - 2.5 * done) * hint).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step} loss {total / 100:.4f} {time.time() - began:.0f}s", flush=True)
            total = 0.0
        if step % 500 == 0:
            overall, unseen = exact_match(model, tokenizer, watch)
            print(f"step {step} watch {overall:.4f} unseen templates {unseen:.4f}", flush=True)
            if overall >= best:
                best = overall
                torch.save(model.state_dict(), best_path)


if __name__ == "__main__":
    main()
