"""The plain words that the tokenizer learns."""

from .facts import ACTION_TAILS, ACTIONS, FACTS
from .marked import HOLE, VERB
from .talk import ASIDES, FILLER, NOUNS_F, NOUNS_M, OPENERS
from .words import (
    ADJECTIVES, ANIMALS, BUILDINGS, COLOURS, DAYS, FOODS, HOBBIES, JOBS, LANGUAGES, MONTHS,
    NUMBER_WORDS, PLACES_IN, RELATIONS_F, RELATIONS_M, RELATIONS_N, SUBJECTS, THINGS,
)
from .world import WORLD, WORLD_UNSEEN


def word_list():
    """Every plain word of the templates and lists, for the tokenizer to learn (no names)."""
    texts = []
    for statements, questions, who in FACTS.values():
        texts += statements + (questions or []) + (who or [])
    for statement, questions in WORLD + WORLD_UNSEEN:
        texts += [statement] + [q for q, _ in questions]
    for plain in (
        JOBS, ANIMALS, COLOURS, FOODS, HOBBIES, THINGS, ADJECTIVES, PLACES_IN, BUILDINGS, DAYS,
        MONTHS, SUBJECTS, LANGUAGES, RELATIONS_F, RELATIONS_M, RELATIONS_N, NUMBER_WORDS, FILLER,
        NOUNS_F, NOUNS_M,
    ):
        texts += plain
    texts += [w for pair in ACTIONS for w in pair] + ACTION_TAILS + OPENERS + ASIDES
    texts += [
        "year old who lives where works friend our new this is he she him his her hers i me my you your we us they them "
        "their it its"
    ]
    return [VERB.sub(r" \1 \2 ", HOLE.sub(" ", t.lstrip("~"))) for t in texts]
