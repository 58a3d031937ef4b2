"""Writes the tokenizer.json of a MarianMT folder, for which transformers has no fast tokenizer.

Run: python marian_tokenizer.py FOLDER

Reads source.spm and vocab.json. Needs tokenizers, and transformers and protobuf to read
SentencePiece's file. Texts are cut up as source.spm does it; pieces that only the target has are there to be decoded.
"""

import json
import pathlib
import re
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers.convert_slow_tokenizer import import_protobuf

# Of a character: no text that the source's own pieces can spell is cut up into a piece that only the target has.
NEVER = -1000.0


def converted(folder):
    proto = import_protobuf().ModelProto()
    proto.ParseFromString((folder / "source.spm").read_bytes())
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    eos, unk, pad = "</s>", "<unk>", "<pad>"
    # Pieces of the kinds 1 and 4 are words and their parts; the others are signs of the model.
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type in (1, 4)}
    pieces = [(f"<none{place}>", NEVER) for place in range(max(vocab.values()) + 1)]
    for piece, place in vocab.items():
        pieces[place] = (piece, scores.get(piece, NEVER * len(piece)))
    made = Tokenizer(models.Unigram(pieces, unk_id=vocab[unk], byte_fallback=False))
    steps = [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    if proto.normalizer_spec.precompiled_charsmap:
        steps.insert(0, normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap))
    made.normalizer = normalizers.Sequence(steps)
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(single=f"$A {eos}", special_tokens=[(eos, vocab[eos])])
    made.add_special_tokens([AddedToken(token, normalized=False) for token in [eos, unk, pad]])
    languages = sorted((piece for piece in vocab if re.fullmatch(">>.+<<", piece)), key=vocab.get)
    made.add_special_tokens([AddedToken(code, normalized=False, rstrip=True) for code in languages])
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    place = pathlib.Path(sys.argv[1])
    converted(place).save(str(place / "tokenizer.json"))
