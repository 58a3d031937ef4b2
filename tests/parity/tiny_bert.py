"""Saves a BERT of two small layers with random weights, the same each time: python tiny_bert.py FOLDER.

Its answers mean nothing; that they are the same behind a server is what is checked."""

import pathlib
import sys

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a day is was today sunny windy grey cat dog sat on mat ##s ##y .".split()


def main():
    folder = pathlib.Path(sys.argv[1])
    tokenizer = BertWordPieceTokenizer({word: number for number, word in enumerate(WORDS)}, lowercase=True)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tokenizer.json"
    tokenizer.save(str(file))
    PreTrainedTokenizerFast(
        tokenizer_file=str(file), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]").save_pretrained(folder)
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertForMaskedLM(BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **sizes)).save_pretrained(folder)


if __name__ == "__main__":
    main()
