"""Facts about the world, and the plainest cases of all."""

from .facts import FACTS
from .marked import HOLE, Marked, upper_first
from .sentences import Sentences
from .world import WORLD, WORLD_UNSEEN


class Plain(Sentences):
    """Contexts whose sentences differ only in whom or what they are about."""

    def world_example(self, unseen, plain=False):
        """Facts about places, things and companies; two of the same shape, so the question must pick."""
        rng = self.rng
        shapes = [rng.choice(WORLD_UNSEEN if unseen else WORLD)]
        shapes.append(shapes[0])
        for _ in range(0 if plain else rng.choice([0, 1, 2])):
            shapes.append(rng.choice(WORLD))
        order = list(range(len(shapes)))
        rng.shuffle(order)
        out, seen, all_values = Marked(), set(), {}
        for i in order:
            statement, _ = shapes[i]
            if out.text:
                out.add(" ")
            at, values = 0, {}
            for m in list(HOLE.finditer(statement)) + [None]:
                out.add(statement[at : m.start() if m else None])
                if m is None:
                    break
                key, at = m.group(1), m.end()
                values[key] = self.word(key)
                if values[key].lower() in seen:
                    return None
                seen.add(values[key].lower())
                out.add(values[key], (i, key))
            all_values[i] = values
            if not plain and rng.random() < 0.1:
                out.add(" " + self.filler())
        question, field = rng.choice(shapes[0][1])
        values = all_values[0]
        question = HOLE.sub(lambda m: values[m.group(1)], question)
        if field in ("on the thing2",):
            s, e = out.spans[(0, "thing2")]
            out.spans[(0, field)] = (s - len("on the "), e)
        elif " " in field:
            s, e = out.spans[(0, field.split()[0])]
            out.spans[(0, field)] = (s, e + len(field.split()[1]) + 1)
        return self.finish(upper_first(question), out, (0, field), unseen)

    def name_case(self):
        """The plainest case of all: "Her name is Ann. His name is Bo." in either order, asked either way."""
        rng = self.rng
        values = {g: self.person_name(g) for g in "fm"}
        if values["f"].lower() == values["m"].lower():
            return None
        asked, order = rng.choice("fm"), rng.choice(["fm", "mf"])
        out = Marked()
        for g in order:
            if out.text:
                out.add(" ")
            out.add("Her" if g == "f" else "His")
            out.add(" name is ")
            out.add(values[g], g)
            out.add(".")
        question = "What is {} name?".format("her" if asked == "f" else "his")
        return self.finish(question, out, asked, False)

    def named_case(self):
        """Two people, the same fact about each in the same words; the question names one of them."""
        rng = self.rng
        kind = rng.choice([k for k, (_, questions, _) in FACTS.items() if questions and k != "name"])
        statements, questions, who = FACTS[kind]
        statement, out, people = self.template(statements, False)[0], Marked(), []
        for tag in range(2):
            p = self.person("named", rng.choice("fm"))
            if rng.random() < 0.7:
                p["name"] = self.names.first(rng, p["gender"])
            if tag:
                p["about"] = people[0]["about"]
            p["value"] = self.value(kind, p["gender"], p["about"])
            people.append(p)
        if len({w.lower() for p in people for w in (p["name"], p["value"])}) < 4:
            return None
        words = {}
        for tag, p in enumerate(people):
            if tag:
                out.add(" ")
            self.fill(out, statement, p, "name", kind, p["value"], words, tag)
        target = rng.randrange(2)
        p, question = people[target], Marked()
        key = (target, "value", kind)
        if who and (target, "subject", kind) in out.spans and rng.random() < 0.4:
            template, key = rng.choice(who), (target, "subject", kind)
        else:
            template = self.template(questions, False)[0]
        self.fill(question, template, p, "name", kind, p["value"], dict(p["about"]), "q")
        return self.finish(question.text, out, key, False)

    def plain_case(self):
        """Two short sentences that differ only in whom or what they are about."""
        r = self.rng.random()
        return (
            self.name_case()
            if r < 0.3
            else self.world_example(False, plain=True) if r < 0.6 else self.named_case()
        )
