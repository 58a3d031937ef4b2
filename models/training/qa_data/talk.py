"""What stands between facts and around questions, and people without a name."""

FILLER = [
    "The weather was {adj} that day.",
    "It rained all morning in {place}.",
    "The {bld} was closed.",
    "They met at the {bld} on {day}.",
    "There was a {adj} {thing} on the {thing2}.",
    "Nobody knew why.",
    "It was a {adj} day.",
    "The {bld} is very {adj}.",
    "Everyone was happy.",
    "They are good friends.",
    "The {thing} was {adj} and {colour}.",
    "A {animal} was sleeping in the {room}.",
    "In {year} there were {n} {bld}s in {place}.",
    "The street was quiet.",
    "We had {food} for dinner.",
    "{person} was late again.",
    "This is a story about some people.",
    "Two people are here.",
    "Hello!",
    "Thank you for your letter.",
    "Nice to meet you.",
    "They have known each other for {n} years.",
]

OPENERS = [
    "in fact, ",
    "of course ",
    "well, ",
    "as you know, ",
    "I heard that ",
    "today ",
    "this year ",
    "as far as I know, ",
    "yes, ",
    "by the way, ",
]
ASIDES = ["So, ", "And ", "Tell me, ", "Please answer: ", "One more question: ", "Well, "]
NOUNS_F = ["the woman", "the girl", "the lady", "the old woman", "my sister", "my aunt", "the mother"]
NOUNS_M = ["the man", "the boy", "the gentleman", "the old man", "my brother", "my uncle", "the father"]
