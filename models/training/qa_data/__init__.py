"""Generated reading-comprehension text for the small question answerer.

Every example has two or more people (or things) in one context, so that the
question, not the shape of the context, decides the answer. Training names are
random syllables, new for every example: the model can only learn to copy the
span, never to remember a name. The real names and places are kept out of training
and used for the held-out set alone, as are the templates that start with "~".

Run: python -m qa_data prints samples.
"""

from .maker import Maker
from .marked import HOLE
from .names import Real, Synthetic
from .talk import FILLER
from .vocabulary import word_list

__all__ = ["FILLER", "HOLE", "Maker", "Real", "Synthetic", "word_list"]
