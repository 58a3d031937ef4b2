"""Short stories out of sentences with gaps, for train_stories.py. Run by itself it prints samples.

A story has a hero, a friend, a thing with a colour, a home, and one of nine plots. What is chosen for one is kept to
the end of the story, so that a model has something to remember. Everything here was written for this purpose.
"""

import random
import re

GIRLS = """Anna Mia Lena Clara Rosa Nina Ella Ida Nora Sara Lucy Emma Zoe Tara Mina Olga Ruth Vera Iris Hanna Maya Alma
Dora Greta Paula Leila""".split()
BOYS = """Ben Tom Max Leo Paul Finn Omar Hugo Ivan Sam Noah Jan Karl Otto Emil Luis Adam Amir Oskar Peter Milo Theo Rolf
Bruno Jonas Felix""".split()
BEASTS = "fox rabbit bear mouse hedgehog duck squirrel owl frog badger".split()
COLOURS = "red blue green yellow white black brown grey golden silver purple orange".split()
SIZES = "small big old new tiny lovely pretty little".split()
THINGS = "ball kite boat hat scarf drum lamp cup book box bell basket doll key coat bag flute top".split()
HOMES = [
    "in a small house by the sea",
    "in a white house on a hill",
    "in a village near the forest",
    "in a big town with many bridges",
    "in an old mill by the river",
    "on a farm with three cows and a goat",
    "in a little house at the end of the road",
    "in a tall house next to the market",
    "in a hut at the edge of the woods",
]
PLACES = ["the park", "the beach", "the forest", "the market", "the river", "the meadow", "the old bridge", "the lake"]
SPOTS = [
    "under the bed",
    "behind the door",
    "in the garden",
    "under a big tree",
    "on the roof",
    "next to the well",
    "behind the barn",
    "in the tall grass",
    "under the bench",
    "in the kitchen",
]
GIVERS = ["grandmother", "grandfather", "mother", "father", "uncle", "aunt", "sister", "brother"]
PETS = ["kitten", "puppy", "bird", "lamb", "duckling", "turtle"]
WEATHER = [
    "the sun was shining",
    "it was a cold day",
    "it was a warm day",
    "the wind was strong",
    "the sky was grey",
    "snow was falling",
    "the morning was quiet",
]
CHORES = [
    "fed the hens",
    "swept the floor",
    "brought wood for the fire",
    "carried water from the well",
    "picked apples in the garden",
    "washed the cups",
    "wrote letters to the king",
    "painted the door",
]
FOODS = ["bread", "soup", "apple pie", "porridge", "honey cake", "plum jam"]
MISSING = ["flour", "butter", "milk", "sugar", "salt", "honey"]
BUILDS = ["a tree house", "a small boat", "a snowman", "a castle of sand", "a bridge of wood", "a house for the birds"]
FEELINGS = ["happy", "proud", "glad"]


class Someone:
    """A person or an animal, and the words that stand for it."""

    def __init__(self, name, kind, she):
        self.name, self.kind = name, kind
        self.he, self.him, self.his = ("she", "her", "her") if she else ("he", "him", "his")


class Story:
    def __init__(self, rng):
        self.rng = rng
        self.sentences = []
        self.hero = self.person()
        self.friend = self.person(other=self.hero)
        self.beast = rng.choice(BEASTS)
        self.colour, self.other_colour = rng.sample(COLOURS, 2)
        self.thing, self.other_thing = rng.sample(THINGS, 2)
        self.home, self.giver = rng.choice(HOMES), rng.choice(GIVERS)
        self.place, self.other_place = rng.sample(PLACES, 2)
        self.spots = rng.sample(SPOTS, 3)

    def person(self, other=None):
        she = self.rng.random() < 0.5
        # Of two persons one is a girl and one a boy: "she" and "he" are never in doubt.
        if other is not None:
            she = other.he == "he"
        return Someone(self.rng.choice(GIRLS if she else BOYS), "girl" if she else "boy", she)

    def say(self, *ways, **more):
        """Adds one of these ways to say it."""
        h, f = self.hero, self.friend
        gaps = dict(
            h=h.name,
            kind=h.kind,
            he=h.he,
            him=h.him,
            his=h.his,
            f=f.name,
            fkind=f.kind,
            fhe=f.he,
            fhim=f.him,
            fhis=f.his,
            c=self.colour,
            t=self.thing,
            ct=f"{self.colour} {self.thing}",
            oc=self.other_colour,
            ot=self.other_thing,
            home=self.home,
            giver=self.giver,
            place=self.place,
            oplace=self.other_place,
            beast=self.beast,
            s0=self.spots[0],
            s1=self.spots[1],
            s2=self.spots[2],
            **more,
        )
        text = re.sub(r"\ba (?=[aeio])", "an ", self.rng.choice(ways).format(**gaps))
        for sentence in text.split("|"):
            self.sentences.append(sentence[:1].upper() + sentence[1:])

    def maybe(self, *ways, **more):
        if self.rng.random() < 0.6:
            self.say(*ways, **more)

    def opening(self):
        self.say(
            "once upon a time there was a {kind} called {h}.|{he} lived {home}.",
            "once upon a time there was a little {kind} called {h} who lived {home}.",
            "once upon a time, {home}, there lived a {kind} called {h}.",
            "there once was a {kind} called {h}.|{he} lived {home} with {his} {giver}.",
            "{h} was a little {kind}.|{he} lived {home}.",
            "a long time ago a {kind} called {h} lived {home}.",
        )

    def days(self):
        """What the hero does when nothing happens."""
        first, second, third = self.rng.sample(CHORES, 3)
        self.say(
            "every day {h} {first} and {second}.|in the evening {he} {third}.",
            "on Monday {he} {first}, on Tuesday {he} {second}, and on Sunday {he} {third}.",
            "{h} helped {his} {giver}: {he} {first} and {second}.|{his} {giver} {third}.",
            first=first,
            second=second,
            third=third,
        )
        self.maybe("but most of all {he} liked to walk to {oplace}.", "{he} was never bored.", "life was good.")

    def treasure(self):
        self.say(
            "{h} had a {ct}.|it was a gift from {his} {giver}.",
            "{he} had a {ct}, and {he} loved it very much.",
            "of all {his} things {h} loved {his} {ct} the most.",
            "for {his} birthday {h} got a {ct} from {his} {giver}.",
        )

    def morning(self):
        weather = self.rng.choice(WEATHER)
        self.say(
            "one day {h} went to {place}.|{weather}.",
            "{weather}, and {h} wanted to go to {place}.",
            "one morning {h} got up early and walked to {place}.",
            'one day {his} {giver} said: "Let us go to {place}!"',
            weather=weather,
        )

    def lost(self):
        self.treasure()
        self.morning()
        self.say("when {he} came home, the {ct} was gone.", "but in the evening {he} could not find the {ct}.")
        self.say("{h} looked {s0}, but it was not there.", "first {he} looked {s0}.|there was no {t}.")
        self.say("{he} looked {s1}, but it was not there either.", "then {he} looked {s1}.|there was nothing.")
        self.maybe("{h} sat down and cried.", "now {h} was very sad.")
        self.say("then {his} friend {f} came by.", "a {fkind} called {f} heard {him} and came.")
        self.say('"What is wrong?" asked {f}.', '"Why are you sad?" asked {f}.')
        self.say('"I have lost my {ct}," said {h}.', '"My {ct} is gone," said {h}.')
        self.say("{f} helped {him} to look for it.", "so they looked for it together.")
        self.say("at last {f} found the {ct} {s2}.", "and there it was: the {ct} was {s2}!")
        self.say('"Thank you, {f}!" said {h}.', "{h} was so happy that {he} danced.")

    def gift(self):
        self.say("{his} best friend was {f}.", "{he} had a good friend called {f}.")
        self.say("tomorrow was the birthday of {f}, and {h} had no gift.", "{f} had a birthday soon.")
        self.say("{h} went to {place} to look for something nice.", "so {h} took {his} money and went to the market.")
        self.say("{he} saw a {oc} {ot}, but it cost too much.", "there was a {oc} {ot}, but it was broken.")
        self.say(
            'then {he} saw a {ct}.|"That is just right!" said {h}.', "at last {he} found a {ct}, and it was just right."
        )
        self.maybe("an old woman put it in a box for {him}.", "{he} carried it home under {his} coat.")
        self.say("the next day {h} gave the {ct} to {f}.", "in the morning {h} went to {f} with the {ct}.")
        self.say(
            '"A {ct}!" said {f}.|"I always wanted one."', '{f} opened it and laughed.|"What a lovely {ct}!" {fhe} said.'
        )
        self.say("they played with the {t} all day long.", "then they ate cake and played with the {ct}.")

    def storm(self):
        self.morning()
        self.say("{he} took {his} {ct} with {him}.", "{he} had only {his} {ct} and a piece of bread in {his} bag.")
        self.say("on the way it began to rain.", "suddenly the sky became dark.|then came the rain.")
        self.say("{h} ran as fast as {he} could.", "soon {h} was wet and cold.")
        self.say("then {he} saw a light.|it was the house of {f}.", "near {oplace} {he} came to the house of {f}.")
        self.say('"Come in!" said {f}.|"It is warm in here."', "{f} opened the door and let {him} in.")
        food = self.rng.choice(FOODS)
        self.say("they sat by the fire and ate {food}.", "{f} gave {him} a dry coat and some {food}.", food=food)
        self.maybe("{h} told {fhim} a story about {oplace}.", "{f} played a song, and {h} sang.")
        self.say(
            "when the rain was over, {h} went home.",
            "in the evening the rain stopped.|{h} said thank you and went home.",
        )
        self.say(
            "the next day {he} gave {f} the {ct} to say thank you.", "but {he} left the {ct} there as a gift for {f}."
        )

    def share(self):
        self.treasure()
        self.morning()
        self.say("there {he} met {f}, a {fkind} from the next village.", "a {fkind} called {f} was there too.")
        self.say("{f} had nothing to play with and looked sad.", "{f} sat alone {s0} and said nothing.")
        self.say('"Do you want to play with my {ct}?" asked {h}.', '"We can play with my {ct}," said {h}.')
        self.say('"Yes, please!" said {f}.', "{f} smiled and stood up.")
        self.say("they played until the sun went down.", "first {h} had the {ct}, and then {f} had it.")
        self.maybe("{f} gave {him} an apple.", "they laughed a lot.")
        self.say("the next day {f} came with a {oc} {ot}.", "when they met again, {f} had a {oc} {ot}.")
        self.say('"Now we have a {ct} and a {oc} {ot}," said {f}.', '"This is for both of us," said {f}.')

    def stray(self):
        pet = self.rng.choice(PETS)
        self.morning()
        self.say("{s0} {he} found a little {pet}.", "there {he} heard a sound.|a {pet} sat {s0}.", pet=pet)
        self.say("the {pet} was hungry and cold.", "it was a {c} {pet}, and it was all alone.", pet=pet)
        self.say("{h} gave it some milk and put it in {his} {ot}.", "{h} took it home and gave it some bread.")
        self.say(
            '"Who has lost a {pet}?" {he} asked everyone.', "{he} asked at every door who had lost a {pet}.", pet=pet
        )
        self.say("the baker did not know.|the farmer did not know.", "nobody had lost one.")
        self.say("then {he} met {f}, who looked very sad.", "in the evening {he} saw a {fkind} called {f}.")
        self.say('"I have lost my {pet}," said {f}.', '"Have you seen a {pet}?" asked {f}.', pet=pet)
        self.say('"Here it is!" said {h}.', "{h} gave the {pet} to {fhim}.", pet=pet)
        self.say("{f} thanked {him} and gave {him} a {ct}.", "{f} was so happy that {fhe} gave {him} a {ct}.")

    def build(self):
        what = self.rng.choice(BUILDS)
        self.say("{his} best friend was {f}.", "{he} had a friend called {f}.")
        self.say("one day they wanted to build {what}.", '"Let us build {what}!" said {f} one day.', what=what)
        self.say("{h} brought wood and {f} brought a rope.", "they met at {place} and began to work.")
        self.say("they worked all morning.", "it took them a whole day.")
        self.say("but then a strong wind came and broke it.", "but in the night it fell down.")
        self.say('"We will never do it," said {f}.', "{f} was sad and wanted to go home.")
        self.say('"We will try again," said {h}.', "but {h} did not give up.")
        self.say("this time a {beast} came and helped them.", "{his} {giver} showed them how to do it.")
        self.say("when it was done, they put a {ct} on top.", "at last it was ready, and {h} put {his} {ct} on it.")

    def bake(self):
        food, missing = self.rng.choice(FOODS), self.rng.choice(MISSING)
        self.say("one day {h} wanted to make {food} for {his} {giver}.", "on Sunday {h} made {food}.", food=food)
        self.say("but there was no {m} in the house.", "{he} looked {s0}, but there was no {m}.", m=missing)
        self.say("so {he} went to {f}, who lived next door.", "{h} took {his} {ct} and went to {f}.")
        self.say('"Do you have some {m}?" asked {h}.', '"I need some {m}," said {h}.', m=missing)
        self.say('"Yes," said {f}, "but I want to help you."', '"Of course," said {f}.|"I will come with you."')
        self.say("they mixed everything in a {c} bowl.", "{h} read the book, and {f} did the work.")
        self.say("soon the whole house smelled of {food}.", "after an hour the {food} was ready.", food=food)
        self.say(
            "they gave some to {his} {giver} and some to a hungry {beast}.",
            "{his} {giver} came home and was very surprised.",
        )
        self.say("it was the best {food} they had ever eaten.", '"This is very good!" said {his} {giver}.', food=food)

    def beastly(self):
        self.treasure()
        self.morning()
        self.say("there {he} met a {beast}.", "a {beast} sat {s0} and looked at {him}.")
        self.say('"Good morning," said the {beast}.', '"Where are you going?" asked the {beast}.')
        self.say('"I am going to {oplace}," said {h}.', '"I am looking for {oplace}," said {h}.')
        self.say(
            '"Give me your {ct}, and I will show you the way," said the {beast}.',
            '"I know the way, but I want your {ct}," said the {beast}.',
        )
        self.say("{h} thought about it for a long time.", "{h} did not like that, but {he} was lost.")
        self.say("then {he} gave the {ct} to the {beast}.", "so {he} gave away {his} {ct}.")
        self.say("they walked past the river and over a hill.", "they walked and walked until the sun went down.")
        self.say(
            "when they were there, the {beast} gave the {ct} back.", '"You can have your {t} back," said the {beast}.'
        )
        self.say('"I only wanted a friend," said the {beast}.', '"It was nice to walk with you," it said.')

    def facts(self):
        """Told as it is and not as it was."""
        size, other_size = self.rng.sample(SIZES, 2)
        self.sentences.clear()
        self.say(
            "{h} has a {ct}.|it is very {size}.",
            "{h} has a {ct}.|{his} {giver} gave it to {him}.",
            "{h} has a {ct}.|{he} likes it more than {his} bed.",
            size=size,
        )
        self.say("{he} lives {home}.", "{h} lives {home} with {his} {giver}.")
        self.say("every morning {h} takes the {ct} to {place}.", "in the morning the {ct} is {s0}.")
        self.say("{his} friend {f} has a {oc} {ot}.", "{f} is {his} best friend.|{fhe} has a {oc} {ot}.")
        self.say(
            "the {ot} of {f} is {size}, but the {t} of {h} is {other}.",
            "{f} likes the {t} of {h} very much.",
            size=size,
            other=other_size,
        )
        self.say(
            "when it rains, they sit in the kitchen and eat {food}.",
            "on Sunday they go to {oplace} together.",
            food=self.rng.choice(FOODS),
        )
        self.say("there they see a {beast}.", "sometimes a {beast} comes and looks at them.")
        self.say('"Good morning," says the {beast}.', '"Hello, {beast}!" says {f}.')
        self.say("{h} shows the {ct} to the {beast}.", "{h} gives it a piece of bread.")
        self.say("in the evening {h} puts the {ct} {s1}.", "at night the {ct} lies next to the bed of {h}.")
        self.say("{f} puts the {oc} {ot} {s2}.", "{f} goes home with the {oc} {ot}.")
        self.say("then {he} goes to bed and sleeps.", "then the day is over, and {h} is happy.")

    def ending(self, alone):
        friend = "the {beast}" if alone else "{f}"
        self.say(
            f"from that day on {{h}} and {friend} were the best of friends.",
            "that night {h} slept well and dreamed of {oplace}.",
            'in the evening {h} told {his} {giver} everything.|"You did well," said {his} {giver}.',
            "{h} was {glad}, and {his} {giver} was {glad} too.",
            "and {h} never forgot that day.",
            glad=self.rng.choice(FEELINGS),
        )
        self.say("the end.", "and that is the end of the story.", "and so they lived happily for many years.")

    def text(self):
        return " ".join(self.sentences)


PLOTS = [Story.lost, Story.gift, Story.storm, Story.share, Story.stray, Story.build, Story.bake, Story.beastly]


def story(rng):
    made = Story(rng)
    if rng.random() < 0.2:
        made.facts()
        return made.text()
    made.opening()
    made.days()
    plot = rng.choice(PLOTS)
    plot(made)
    # With a beast the hero has no other friend.
    made.ending(alone=plot is Story.beastly)
    return made.text()


if __name__ == "__main__":
    for seed in range(12):
        print(story(random.Random(seed)), "\n")
