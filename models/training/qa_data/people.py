"""Two or three people, and several facts about each."""

from .facts import CLASH, FACTS
from .marked import Marked
from .sentences import Sentences
from .talk import OPENERS


class People(Sentences):
    """Contexts about a cast of people; the question is about one of them."""

    def cast(self):
        """The people of a context, and the style in which they are told apart."""
        rng = self.rng
        r = rng.random()
        if r < 0.55:  # one woman and one man: his / her decides
            style, people = "pronoun", [self.person("f", "f"), self.person("m", "m")]
        elif r < 0.65:  # I (or you) and another person
            style = "self"
            people = [self.person(rng.choice(["i", "i", "you"]), "f"), self.person(rng.choice("fm"), "")]
            people[1]["gender"] = "f" if people[1]["mode"] == "f" else "m"
        elif r < 0.72:
            style, people = "noun", [self.person("noun", g) for g in "fm"]
        else:
            style = "named"
            people = [self.person("named", rng.choice("fm")) for _ in range(rng.choice([2, 2, 3]))]
        if len({p["name"] for p in people}) < len(people):
            return None
        rng.shuffle(people)
        return style, people

    def outline(self, style, people, target, ask, count):
        """Which fact is told of whom, in which order: pairs of (person's index, kind of fact)."""
        rng = self.rng
        shared = [
            k for k in rng.sample(list(FACTS), min(count, 6)) if k != ask and k not in CLASH.get(ask, [])
        ]
        grouped = rng.random() < 0.6
        lines = []
        for i in range(len(people)):
            mine = [ask] if i == target or rng.random() < 0.85 else []
            mine += [k for k in shared if rng.random() < 0.6][: count - 1]
            rng.shuffle(mine)
            if style != "named" and "name" not in mine and rng.random() < 0.75:
                mine.insert(0, "name")
            elif "name" in mine and ask != "name":
                mine.remove("name")
                mine.insert(0, "name")
            if style == "named" and "name" in mine:
                mine.remove("name")
            lines.append([(i, k) for k in mine])
        if grouped:
            return [x for group in lines for x in group], grouped
        order = []
        while any(lines):
            order.append(rng.choice([group for group in lines if group]).pop(0))
        return order, grouped

    def give_values(self, order, people):
        """A value for every fact; all of them different, so that one span alone answers."""
        seen = set()
        for i, k in order:
            v = people[i]["name"] if k == "name" else self.value(k, people[i]["gender"], people[i]["about"])
            if v.lower() in seen or k == "job" and v.lower().startswith(("is", "the")):
                return False
            seen.add(v.lower())
            people[i]["values"][k] = v
        return True

    def refer(self, style, p, i, kind, order, n, previous, grouped):
        """How the n-th sentence names its subject: by name, pronoun, noun, or as I / you."""
        rng = self.rng
        named_before = (i, "name") in order[:n]
        if style == "named":
            how = "name" if previous != i or not grouped or rng.random() < 0.25 else "pronoun"
        elif style == "noun":
            how = "noun" if previous != i or rng.random() < 0.4 else "pronoun"
            if kind != "name" and named_before and rng.random() < 0.3:
                how = "name"
        elif p["mode"] in ("i", "you"):
            how = p["mode"]
        else:
            how = "name" if named_before and rng.random() < 0.25 else "pronoun"
        return "pronoun" if kind == "name" and how == "name" else how

    def ask_about(self, style, p, ask, told_name):
        """How the question refers to the person it is about."""
        rng = self.rng
        if style == "named":
            return "name"
        if p["mode"] in ("i", "you"):
            return p["mode"]
        if ask != "name" and told_name and rng.random() < 0.4:
            return "name"
        if style == "noun":
            return "noun" if rng.random() < 0.7 else "pronoun"
        return "pronoun"

    def people_example(self, unseen, sentences=None):
        """Two or three people and several facts about each; the question is about one of them."""
        rng = self.rng
        cast = self.cast()
        if cast is None:
            return None
        style, people = cast
        count = sentences or rng.choice([1, 1, 1, 2, 2, 3])
        target = rng.randrange(len(people))
        ask = rng.choice(list(FACTS) + ["action"] * 3)
        if style != "named" and rng.random() < 0.25:
            ask = "name"
        if style == "named" and ask == "name":
            ask = rng.choice(["job", "home", "age"])
        if FACTS.get(ask, (0, 1))[1] is None:
            return None
        order, grouped = self.outline(style, people, target, ask, count)
        if len({i for i, _ in order}) < 2 and rng.random() < 0.9:
            return None
        if not self.give_values(order, people):
            return None

        hold_statement, held = unseen and rng.random() < 0.6, False
        out, previous, how_told = Marked(), None, {}
        for n, (i, k) in enumerate(order):
            p = people[i]
            template, was_held = self.template(
                self.templates(p, k)[0], hold_statement and (i, k) == (target, ask)
            )
            held |= was_held
            how = how_told[i, k] = self.refer(style, p, i, k, order, n, previous, grouped)
            if out.text:
                self.join(out)
            if self.noise and rng.random() < 0.06:
                template = rng.choice(OPENERS) + template[0].lower() + template[1:]
            self.fill(out, template, p, how, k, p["values"][k], {}, i)
            previous = i
            if rng.random() < 0.08:
                out.add(" " + self.filler())

        p, answer = people[target], (target, "value", ask)
        _, questions, who = self.templates(p, ask)
        told_name = style == "named" or ask != "name" and (target, "name") in order
        how = self.ask_about(style, p, ask, told_name)
        subject = (target, "subject", ask)
        if who and subject in out.spans and rng.random() < 0.5 and how_told[target, ask] == "name":
            template, was_held, answer = rng.choice(who), False, subject  # "Who lives in Rome?"
            if ask == "home" and any(
                q["values"].get("home") == p["values"][ask] for q in people if q is not p
            ):
                return None
        else:
            template, was_held = self.template(questions, unseen)
        held |= was_held
        if unseen and not held:
            return None
        question = Marked()
        self.fill(question, template, p, how, ask, p["values"][ask], dict(p["about"]), "q")
        return self.finish(question.text, out, answer, held)
