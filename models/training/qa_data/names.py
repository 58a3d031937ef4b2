"""Names: random ones for training, real ones for the held-out set."""

from .words import REAL, REAL_COMPANIES, REAL_F, REAL_LAST, REAL_M, REAL_PLACES

SINGLE = "b c d f g h j k l m n p r s t v w z y".split()
ONSETS = """br cr dr fr gr kr pr tr bl cl fl gl pl sl sh ch th st sk sp sm sn qu wh ph x kh zh
str rh sv mb dj hj nn ll rr ss tt""".split()
VOWELS = "a e i o u".split()
PAIRS = "y ai ea ee ie oo ou ia io au ei oa ue ae oi eo uy ay".split()
CODAS = """n r l s m t d k p x ck nd nt rt st ng ll ss th sh rd lf rn tt ns ld ff z b g v c h w
nn rl ts""".split()
ACCENTS = {
    "a": "áàâäãå",
    "e": "éèêë",
    "i": "íîï",
    "o": "óôöõø",
    "u": "úûü",
    "n": "ñ",
    "c": "çć",
    "s": "š",
    "z": "ž",
}
SCRIPTS = [
    "אבגדהוזחטיכלמנסעפצקרשת",
    "ابتثجحدرسشعفقكلمنهوي",
    "абвгдежзиклмнопрстуфхя",
    "αβγδεζηθικλμνοπρστυφ",
    "王李張劉陳楊趙黃周吳",
]


def random_word(rng, low=1, high=4):
    """A mostly pronounceable word of `low` to `high` syllables, now and then plain letters."""
    if rng.random() < 0.05:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(1, 7)))
    count = rng.choices(range(low, high + 1), weights=[5, 8, 2, 0.2][low - 1 : high])[0]
    word = ""
    for k in range(count):
        onset = rng.choice(SINGLE if rng.random() < 0.7 else ONSETS) if k or rng.random() < 0.8 else ""
        coda = rng.choice(CODAS) if rng.random() < (0.5 if k == count - 1 else 0.25) else ""
        word += onset + rng.choice(VOWELS if rng.random() < 0.8 else PAIRS) + coda
    return word


class Synthetic:
    """Names for training: random, never one of the real names."""

    def _one(self, rng, low=1, high=4):
        while True:
            word = random_word(rng, low, high)
            if word not in REAL:
                break
        if rng.random() < 0.04:
            spots = [i for i, c in enumerate(word) if c in ACCENTS]
            if spots:
                i = rng.choice(spots)
                word = word[:i] + rng.choice(ACCENTS[word[i]]) + word[i + 1 :]
        return word.capitalize()

    def first(self, rng, gender):
        r = rng.random()
        if r < 0.02:
            script = rng.choice(SCRIPTS)
            return "".join(rng.choice(script) for _ in range(rng.randint(1, 6)))
        if r < 0.03:
            return self._one(rng) + rng.choice("0123456789")
        if r < 0.05:
            return self._one(rng).upper()
        if r < 0.07:
            return self._one(rng).lower()
        return self._one(rng)

    def last(self, rng):
        r = rng.random()
        if r < 0.05:
            return rng.choice(["O'", "D'", "Mc", "van ", "de "]) + self._one(rng)
        if r < 0.09:
            return self._one(rng) + "-" + self._one(rng)
        return self._one(rng)

    def place(self, rng):
        r = rng.random()
        if r < 0.12:
            return (
                rng.choice(
                    ["New", "Saint", "Port", "East", "West", "North", "Upper", "Los", "San", "Fort", "Lake"]
                )
                + " "
                + self._one(rng)
            )
        if r < 0.2:
            return (
                self._one(rng)
                + " "
                + rng.choice(["City", "Bay", "Falls", "Island", "Town", "Hill", "Springs"])
            )
        if r < 0.25:
            return self._one(rng) + rng.choice([" de ", " on ", " upon ", "-", " "]) + self._one(rng)
        return self._one(rng) + rng.choice(
            ["", "", "", "", "ville", "ton", "burg", "ford", "land", "ia", "stan", "by"]
        )

    def company(self, rng):
        r = rng.random()
        if r < 0.3:
            return (
                self._one(rng)
                + " "
                + rng.choice(
                    [
                        "Bank",
                        "Motors",
                        "Foods",
                        "Airlines",
                        "Software",
                        "Ltd",
                        "Group",
                        "University",
                        "Systems",
                        "Hospital",
                        "and Sons",
                        "Books",
                    ]
                )
            )
        if r < 0.4:
            return self._one(rng) + " " + self._one(rng)
        if r < 0.5:
            return "".join(rng.choice("ABCDEFGHIJKLMNOPRSTVW") for _ in range(3))
        return self._one(rng)


class Real:
    """Names for the held-out set: real ones, none of them ever seen in training."""

    def first(self, rng, gender):
        return rng.choice(REAL_F if gender == "f" else REAL_M)

    def last(self, rng):
        return rng.choice(REAL_LAST)

    def place(self, rng):
        return rng.choice(REAL_PLACES)

    def company(self, rng):
        return rng.choice(REAL_COMPANIES)
