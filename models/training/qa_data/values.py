"""A value for every hole of a template, drawn from one pool of names."""

from .names import random_word
from .words import (
    ADJECTIVES, ANIMALS, BUILDINGS, COLOURS, DAYS, FOODS, HOBBIES, JOBS, LANGUAGES, MONTHS, NUMBER_WORDS, PLACES_IN,
    RELATIONS_F, SUBJECTS, THINGS,
)


class Values:
    """Draws values. `noise` mixes in invented words and careless typing."""

    def __init__(self, rng, names, noise=True):
        self.rng, self.names, self.noise = rng, names, noise

    def pick(self, words):
        """A listed word; in training now and then an invented one, so unknown words can be copied too."""
        if self.noise and self.rng.random() < 0.12:
            return " ".join(random_word(self.rng, 1, 3) for _ in range(self.rng.choice([1, 1, 1, 2])))
        return self.rng.choice(words)

    def person_name(self, gender):
        r = self.rng.random()
        name = self.names.first(self.rng, gender)
        if r < 0.22:
            name += " " + self.names.last(self.rng)
        elif r < 0.25:
            name += " " + self.names.first(self.rng, gender) + " " + self.names.last(self.rng)
        elif r < 0.27:
            name += " " + self.rng.choice("ABCDEFGHJKLMNPRSTW") + ". " + self.names.last(self.rng)
        elif r < 0.29:
            name += "-" + self.names.first(self.rng, gender)
        return name

    def date(self):
        rng = self.rng
        return rng.choice(
            [
                f"{rng.randint(1, 30)} {rng.choice(MONTHS)}",
                f"{rng.choice(MONTHS)} {rng.randint(1, 30)}",
                f"the {rng.randint(4, 20)}th of {rng.choice(MONTHS)}",
            ]
        )

    def word(self, key):
        """A value for an incidental hole such as {adj} or {place}."""
        rng = self.rng
        if key == "adj":
            return self.pick(ADJECTIVES)
        if key == "adj2":
            return rng.choice("good great young famous busy retired talented brave clever part-time".split())
        table = {
            "animal": ANIMALS,
            "thing": THINGS,
            "thing2": THINGS,
            "bld": BUILDINGS,
            "room": PLACES_IN,
            "day": DAYS,
            "food": FOODS,
            "hobby": HOBBIES,
            "colour": COLOURS,
            "col": COLOURS,
            "L": LANGUAGES,
        }
        if key in table:
            return self.pick(table[key])
        if key in ("place", "A", "B"):
            return self.names.place(rng)
        if key in ("person", "N", "M"):
            return self.person_name(rng.choice("fm"))
        if key == "animalname":
            return self.names.first(rng, rng.choice("fm"))
        if key == "C":
            return self.names.company(rng)
        if key == "n":
            return rng.choice([str(rng.randint(2, 30)), rng.choice(NUMBER_WORDS[1:12])])
        if key in ("year", "Y"):
            return str(rng.randint(1200, 2030))
        if key == "D":
            return str(rng.choice([rng.randint(1, 99), rng.randint(100, 5000)]))
        if key == "K":
            return rng.choice(
                [
                    f"{rng.randint(1, 99)},{rng.randint(0, 999):03d}",
                    f"{rng.randint(2, 90)} million",
                    str(rng.randint(200, 99999)),
                ]
            )
        if key == "T":
            return rng.choice(
                [
                    f"{rng.randint(1, 12)}:{rng.randint(0, 59):02d}",
                    f"{rng.randint(1, 12)} pm",
                    f"{rng.randint(1, 12)} o'clock",
                ]
            )
        if key == "team":
            return self.pick(ANIMALS).title() + "s"
        raise KeyError(key)

    def value(self, kind, gender, about):
        rng = self.rng
        if kind == "name":
            return self.person_name(gender)
        if kind in ("home", "origin"):
            return self.names.place(rng)
        if kind == "employer":
            return self.names.company(rng)
        if kind == "age":
            r = rng.random()
            if r < 0.85:
                return str(rng.randint(1, 105))
            if r < 0.93:
                return rng.choice(NUMBER_WORDS[:20])
            return rng.choice(NUMBER_WORDS[19:27]) + "-" + rng.choice(NUMBER_WORDS[:9])
        if kind == "petname":
            return self.names.first(rng, rng.choice("fm"))
        if kind == "birthyear":
            return str(rng.randint(1700, 2024))
        if kind == "birthday":
            return self.date()
        if kind == "day":
            return rng.choice([self.pick(DAYS), self.date(), self.pick(DAYS) + " morning"])
        if kind == "relation":
            return self.person_name("f" if about["rel"] in RELATIONS_F else "m")
        if kind == "spouse":
            return self.person_name(rng.choice("fm"))
        if kind == "children":
            return rng.choice([rng.choice(NUMBER_WORDS[1:9]), str(rng.randint(2, 9))])
        if kind == "phone":
            return "-".join(str(rng.randint(100, 9999)) for _ in range(rng.randint(1, 3)))
        if kind == "height":
            return rng.choice(
                [
                    f"{rng.randint(140, 210)} cm",
                    f"1.{rng.randint(40, 99)} metres",
                    f"{rng.randint(4, 6)} feet",
                ]
            )
        if kind == "car":
            return rng.choice(
                [self.names.company(rng), rng.choice(ADJECTIVES) + " " + self.names.company(rng)]
            )
        if kind == "action":
            r = rng.random()
            return (self.pick(ADJECTIVES) + " " if r < 0.5 else "") + self.pick(THINGS)
        return self.pick(
            {
                "job": JOBS,
                "pet": ANIMALS,
                "colour": COLOURS,
                "eye": COLOURS,
                "food": FOODS,
                "hobby": HOBBIES,
                "study": SUBJECTS,
                "language": LANGUAGES,
            }[kind]
        )
