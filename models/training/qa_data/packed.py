"""Sentences that pack several facts about one person."""

from .marked import HOLE, Marked
from .sentences import Sentences
from .words import HOBBIES, JOBS


class Packed(Sentences):
    """Contexts of such sentences."""

    def appositive_example(self):
        """Sentences packing several facts: "N, a 34-year-old nurse from X, lives in Y."."""
        rng = self.rng
        shapes = [
            ("{N}, a {age}-year-old {job} from {place}, likes {hobby}.", "age job place hobby"),
            ("{N} is a {job} who lives in {place}.", "job place"),
            ("{N} is {age} years old and lives in {place}.", "age place"),
            ("{N}, who lives in {place}, is a {job}.", "place job"),
            ("{N}, {age}, lives in {place} and works as a {job}.", "age place job"),
            ("{N} works as a {job} in {place}.", "job place"),
            ("{N} is a {age} year old {job} living in {place}.", "age job place"),
            ("{N} lives in {place} and likes {hobby}.", "place hobby"),
            ("{N} lives in {place}, where {he} works as a {job}.", "place job"),
            ("My friend {N} is a {job} and lives in {place}.", "job place"),
            ("{N} ({age}) lives in {place}.", "age place"),
            ("This is {N}, our new {job} from {place}.", "job place"),
        ]
        asks = {
            "age": ["How old is {N}?", "What is {N}'s age?"],
            "job": ["What does {N} do?", "What is {N}'s job?", "What is {N}'s profession?"],
            "place": None,
            "hobby": ["What does {N} like?"],
        }
        count = rng.choice([2, 2, 3])
        target = rng.randrange(count)
        out = Marked()
        seen = set()
        chosen = None
        for i in range(count):
            gender = rng.choice("fm")
            values = {
                "N": self.person_name(gender),
                "age": str(rng.randint(3, 99)),
                "job": self.pick(JOBS),
                "place": self.names.place(rng),
                "hobby": self.pick(HOBBIES),
                "he": "she" if gender == "f" else "he",
            }
            if seen & {v.lower() for k, v in values.items() if k != "he"}:
                return None
            seen |= {v.lower() for k, v in values.items() if k != "he"}
            shape, fields = rng.choice(shapes)
            if values["job"][0] in "aeiou":
                shape = shape.replace("a {job}", "an {job}")
            if out.text:
                out.add(" ")
            at = 0
            for m in list(HOLE.finditer(shape)) + [None]:
                out.add(shape[at : m.start() if m else None])
                if m is None:
                    break
                at = m.end()
                out.add(values[m.group(1)], (i, m.group(1)))
            if i == target:
                field = rng.choice(fields.split())
                origin = "from {place}" in shape
                chosen = (
                    field,
                    values,
                    origin,
                    "lives in" in shape or "living in" in shape,
                    "works as" in shape,
                )
        field, values, origin, home, works = chosen
        if rng.random() < 0.3:
            question = {
                "age": "Who is {age} years old?",
                "job": rng.choice(["Who is a {job}?", "Who is the {job}?", "Who works as a {job}?"]),
                "place": (
                    "Who is from {place}?"
                    if origin
                    else "Who lives in {place}?" if home else "Who works in {place}?"
                ),
                "hobby": "Who likes {hobby}?",
            }[field]
            answer = (target, "N")
        else:
            if field == "place":
                question = rng.choice(
                    ["Where is {N} from?", "Where does {N} come from?"]
                    if origin
                    else (
                        ["Where does {N} live?", "What city does {N} live in?"]
                        if home
                        else ["Where does {N} work?"]
                    )
                )
            else:
                question = rng.choice(asks[field])
            answer = (target, field)
        question = HOLE.sub(lambda m: values[m.group(1)], question)
        return self.finish(question, out, answer, False)
