"""Templates to sentences whose values are marked, and those to one example."""

import re

from .facts import ACTION_TAILS, ACTIONS, FACTS
from .marked import HOLE, VERB, article, upper_first
from .talk import ASIDES, FILLER, NOUNS_F, NOUNS_M
from .values import Values
from .words import ANIMALS, RELATIONS_F, RELATIONS_M, RELATIONS_N


class Sentences(Values):
    """Writes sentences about people."""

    def template(self, choices, unseen):
        """One template; the held-back ones only when `unseen`. Returns (text, was it held back)."""
        held = [c for c in choices if c.startswith("~")]
        if unseen and held:
            return self.rng.choice(held)[1:], True
        return self.rng.choice([c for c in choices if not c.startswith("~")]), False

    def person(self, mode, gender):
        """mode: f/m, or i/you for the first and second person."""
        p = {"mode": mode, "gender": gender, "name": self.person_name(gender), "about": {}, "values": {}}
        if mode == "noun":
            p["noun"] = self.rng.choice(NOUNS_F if gender == "f" else NOUNS_M)
        p["about"]["animal"] = self.rng.choice(ANIMALS)
        p["about"]["rel"] = self.rng.choice(
            (RELATIONS_F if self.rng.random() < 0.5 else RELATIONS_M) + RELATIONS_N
        )
        return p

    def forms(self, p, how):
        """Subject, possessive, object and verb column of a person referred to as `how`."""
        if how == "name":
            name = p["name"]
            return name, name + "'s", name, 0
        if how == "noun":
            return p["noun"], p["noun"] + "'s", p["noun"], 0
        if how == "i":
            return "I", "my", "me", 1
        if how == "you":
            return "you", "your", "you", 1
        return ("she", "her", "her", 0) if p["gender"] == "f" else ("he", "his", "him", 0)

    def fill(self, out, template, p, how, kind, value, words, tag):
        """Write a template, marking the value as (tag, "value", kind) and the name as (tag, "subject", kind)."""
        s, poss, o, column = self.forms(p, how)
        template = VERB.sub(lambda m: m.group(column + 1), template)
        if column:
            template = template.replace("is living", "are living")
            if how == "you":
                template = re.sub(r"\bam\b", "are", template)
                template = template.replace("you was", "you were").replace("was you", "were you")
        at, first, mentioned = 0, len(out.text), False
        begins = not out.text or out.text[-2:-1] in ".!?" or out.text[-1] == "\n"
        for m in list(HOLE.finditer(template)) + [None]:
            piece = template[at : m.start() if m else None]
            out.add(piece)
            if m is None:
                break
            key, at = m.group(1), m.end()
            if key in "sSpPo":
                if mentioned and how in ("name", "noun"):
                    how = "pronoun"
                    s, poss, o, _ = self.forms(p, how)
                mentioned = True
                text = {"s": s, "p": poss, "o": o}[key.lower()]
                if how == "name":
                    out.add(p["name"], (tag, "subject", kind))
                    out.add(text[len(p["name"]) :])
                else:
                    out.add(text)
            elif key == "v":
                out.add(value, (tag, "value", kind))
            elif key == "a":
                out.add(article(value))
            else:
                if key not in words:
                    words[key] = p["about"].get(key) or self.word(key)
                if out.text.endswith(" a ") and article(words[key]) == "an":
                    out.text = out.text[:-1] + "n "
                out.add(words[key])
        if begins:
            out.text = out.text[:first] + upper_first(out.text[first:])

    def action_templates(self, p):
        past, base = p["about"].setdefault("action", self.rng.choice(ACTIONS))
        tail = self.rng.choice(ACTION_TAILS)
        return (
            [f"{{S}} {past} {{a}} {{v}}{tail}."],
            [f"What did {{s}} {base}?"],
            [f"Who {past} {{a}} {{v}}?", f"Who {past} the {{v}}?"],
        )

    def templates(self, p, kind):
        if kind == "action":
            return self.action_templates(p)
        statements, questions, who = FACTS[kind]
        return statements, questions, who

    def join(self, out):
        """Between two sentences: mostly a space; sometimes "and", "but" or a line break."""
        rng = self.rng
        r = rng.random()
        if r < 0.12 and out.text.endswith("."):
            out.text = out.text[:-1]
            out.add(rng.choice([" and ", ", and ", ", but ", ", while ", "; "]))
        elif r < 0.15:
            out.add("\n")
        else:
            out.add(" ")

    def filler(self):
        return HOLE.sub(lambda m: self.word(m.group(1)), self.rng.choice(FILLER))

    def finish(self, question, out, key, unseen):
        if key not in out.spans:
            return None
        start, end = out.spans[key]
        text = out.text
        answer = text[start:end]
        if answer.lower() in question.lower():
            return None
        times = len(re.findall(r"(?<!\w)" + re.escape(answer) + r"(?!\w)", text, re.I))
        if times != 1 and "subject" not in key and "N" not in key:
            return None
        # Careless typing is part of the world.
        if self.noise:
            r = self.rng.random()
            if r > 0.95:
                question = self.rng.choice(ASIDES) + question
            elif r < 0.06:
                question = question.rstrip("?.")
            elif r < 0.10:
                question = question[:1].lower() + question[1:]
        return {
            "question": question,
            "context": text,
            "start": start,
            "answer": answer,
            "unseen_template": bool(unseen),
        }
