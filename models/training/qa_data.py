"""Generated reading-comprehension text for the small question answerer.

Every example has two or more people (or things) in one context, so that the
question, not the shape of the context, decides the answer. Training names are
random syllables, new for every example: the model can only learn to copy the
span, never to remember a name. The real-world names and places below are kept
out of training and used for the held-out set alone, as are the templates that
start with "~".

Template notation: [a|b] is the verb for the third person | for I and you;
{S} {s} subject, {P} {p} possessive, {o} object, {v} the value asked for; the
capital letter begins a sentence. {a} is "a" or "an" for the value.
"""

import random
import re

# --- words -----------------------------------------------------------------

JOBS = """nurse pilot teacher doctor baker farmer lawyer plumber painter singer dancer
writer poet chef cook waiter driver engineer programmer scientist chemist biologist
physicist architect carpenter electrician mechanic soldier sailor fisherman gardener florist
tailor butcher barber hairdresser dentist vet surgeon pharmacist librarian journalist editor
photographer actor director musician violinist pianist drummer composer judge detective
firefighter banker accountant cashier clerk secretary receptionist translator interpreter
guide astronomer geologist historian philosopher economist politician diplomat monk priest
miner welder mason roofer glazier potter weaver jeweller clockmaker blacksmith postman
courier cleaner janitor lifeguard coach referee athlete cyclist boxer swimmer runner model
designer illustrator animator consultant analyst researcher professor student apprentice
beekeeper shepherd vintner brewer bartender sculptor magician clown acrobat optician
therapist midwife paramedic zookeeper ranger forester surveyor planner broker trader
auctioneer data_scientist software_engineer taxi_driver bus_driver truck_driver
police_officer shop_assistant flight_attendant civil_engineer primary_school_teacher
head_chef train_driver estate_agent graphic_designer travel_agent dance_teacher
marine_biologist tour_guide web_developer project_manager bank_manager"""
ANIMALS = """dog cat horse rabbit hamster parrot goldfish turtle snake lizard pony goat pig
duck goose hen canary ferret donkey mouse rat tortoise gecko spider frog sheep lamb cow
kitten puppy llama owl pigeon guinea_pig guard_dog"""
COLOURS = """red blue green yellow orange purple pink black white brown grey turquoise
violet crimson gold silver beige indigo scarlet teal maroon cream dark_blue light_green
pale_pink bright_red navy_blue dark_red olive_green"""
FOODS = """pizza pasta rice soup bread cheese sushi curry salad chocolate honey pancakes
noodles dumplings tacos lasagne risotto porridge cake cherries apples bananas mangoes
strawberries olives mushrooms potatoes salmon tofu apple_pie ice_cream roast_chicken
lentil_soup fried_rice fish_and_chips"""
HOBBIES = """chess tennis football golf hockey rugby basketball swimming running sailing
hiking climbing cycling skiing fishing dancing singing painting drawing reading cooking
baking gardening knitting pottery archery badminton photography astronomy poetry yoga judo
table_tennis ice_skating horse_riding board_games jazz_music crossword_puzzles
playing_the_piano playing_the_guitar collecting_stamps bird_watching"""
THINGS = """bicycle car boat house guitar piano violin camera laptop phone watch ring
necklace lamp table chair sofa carpet painting book novel map coat hat scarf umbrella
suitcase backpack tent kite telescope typewriter radio clock mirror vase basket ladder
hammer sword drum flute coin stamp letter key box bottle cup plate knife candle bell flag
wallet purse ticket newspaper van truck motorbike tractor canoe piano sandwich toy_train
tennis_racket sewing_machine pocket_watch rocking_chair teddy_bear coffee_machine"""
ADJECTIVES = """old new small large tiny huge expensive cheap beautiful broken wooden golden
silver red blue green yellow black white heavy light round square strange famous rare
antique modern shiny dusty electric plastic leather"""
PLACES_IN = """kitchen garden garage attic cellar bedroom bathroom hall library office shed
barn drawer cupboard fridge car station museum park school church market theatre hospital
hotel harbour living_room dining_room back_yard"""
BUILDINGS = """bridge tower castle church temple museum library school hospital palace
factory lighthouse stadium theatre station harbour dam mill cathedral town_hall opera_house
city_wall"""
DAYS = """Monday Tuesday Wednesday Thursday Friday Saturday Sunday"""
MONTHS = """January February March April May June July August September October November
December"""
SUBJECTS = """maths physics chemistry biology history geography music art law medicine
economics philosophy literature engineering linguistics astronomy computer_science
political_science modern_languages"""
LANGUAGES = """English French German Spanish Italian Portuguese Dutch Danish Swedish
Norwegian Finnish Polish Czech Greek Turkish Arabic Hebrew Hindi Bengali Chinese Japanese
Korean Thai Vietnamese Swahili Latin Welsh Irish"""
RELATIONS_F = """sister mother daughter aunt wife grandmother niece girlfriend"""
RELATIONS_M = """brother father son uncle husband grandfather nephew boyfriend"""
RELATIONS_N = """best_friend boss neighbour cousin teacher doctor colleague manager
assistant flatmate"""
NUMBER_WORDS = """one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy
eighty ninety hundred thousand million"""

# Kept out of training: only the held-out set uses these.
REAL_F = """Ann Anna Mary Alice Sarah Emma Olivia Sophia Isabella Mia Charlotte Amelia
Harper Evelyn Abigail Emily Elizabeth Sofia Ella Grace Victoria Chloe Camila Penelope Layla
Nora Zoe Hannah Lily Eleanor Hazel Aurora Lucy Stella Natalie Leah Julia Clara
Caroline Ruby Maria Fatima Aisha Yuki Mei Ingrid Priya Ana Chiara Leila Noor Jane Karen
Linda Susan Margaret Dorothy Helen Ruth Irene Wilhelmina Philippa Zsofia Aroha Siobhan Marie
Nadia Olga Beatrice"""
REAL_M = """John James Robert Michael William David Richard Joseph Thomas Liam Noah Oliver
Elijah Lucas Logan Alexander Ethan Jacob Daniel Henry Jackson Sebastian Aiden Matthew
Samuel Owen Jack Luke Gabriel Anthony Isaac Leo Julian Hugo Felix Oscar Mateo Diego Carlos
Ahmed Omar Hiroshi Kenji Wei Rajesh Arjun Olaf Lars Sven Pierre Jacques Giovanni Marco Ivan
Dmitri Bob Tom Paul Peter Mark George Frank Bartholomew Wiremu Kwame Tariq Yusuf Stefan
Viktor Zoltan"""
REAL_LAST = """Smith Jones Brown Taylor Wilson Davies Evans Thompson Johnson Williams Garcia
Martinez Lopez Gonzalez Nguyen Patel Kim Chen Singh Khan Müller Schmidt Rossi Ferrari Dubois
Laurent Kowalski Novak Ivanov Petrov Jensen Larsen Tanaka Suzuki Okafor Mensah O'Brien
O'Neill MacDonald Fitzgerald"""
REAL_PLACES = """Paris London Berlin Madrid Rome Lisbon Vienna Prague Warsaw Oslo Stockholm
Helsinki Copenhagen Dublin Athens Budapest Amsterdam Brussels Zurich Geneva Munich Hamburg
Lyon Milan Naples Turin Porto Seville Tokyo Kyoto Osaka Seoul Beijing Shanghai Mumbai Delhi
Bangkok Hanoi Manila Jakarta Sydney Melbourne Perth Auckland Wellington Cairo Nairobi Lagos
Accra Toronto Montreal Chicago Boston Denver Seattle Austin Lima Bogota Santiago Havana
Leeds Bristol New_York San_Francisco Los_Angeles Buenos_Aires Cape_Town Mexico_City
Rio_de_Janeiro"""
REAL_COMPANIES = """Toyota Siemens Nokia Barclays General_Electric Rolls_Royce Red_Cross
Bosch Philips Volvo Lufthansa Deutsche_Bank Air_France Boeing"""


def _words(text):
    """Split on white space; "_" stands for a space inside a phrase."""
    return [word.replace("_", " ") for word in text.split()]


def _lists():
    """Turn every list of words above from text into a list."""
    for key, value in list(globals().items()):
        if key.isupper() and isinstance(value, str):
            globals()[key] = _words(value)


_lists()
REAL = {w.lower() for w in REAL_F + REAL_M + REAL_LAST + REAL_PLACES}

# --- templates -------------------------------------------------------------
# kind of fact: (statements, questions, questions for the subject or None)

FACTS = {
    "name": (
        ["{P} name is {v}.", "{P} name is {v}.", "{P} name is {v}.", "{S} [is|am] called {v}.",
         "{P} name's {v}.", "{S} [goes|go] by {v}.", "{S} [goes|go] by the name of {v}.",
         "{S} [is|am] {v}.", "{P} full name is {v}.", "everyone calls {o} {v}.",
         "{P} parents named {o} {v}.", "{v} is {p} name.", "{P} first name is {v}.",
         "people call {o} {v}.",
         "{S} [is|am] known to everyone as {v}.", "{P} friends call {o} {v}.", "{P} name was {v}.",
         "~{S} [is|am] known as {v}."],
        ["What is {p} name?", "What is {p} name?", "What is {p} name?", "What's {p} name?",
         "What [is|am] {s} called?", "What name [does|do] {s} go by?", "Who [is|am] {s}?",
         "What do people call {o}?", "{P} name is what?", "Tell me {p} name.", "What was {s} named?",
         "What name [does|do] {s} have?", "Do you know {p} name?", "I want to know {p} name.",
         "~Can you tell me {p} name?"], None),
    "home": (
        ["{S} [lives|live] in {v}.", "{S} [lives|live] in {v}.",
         "{S} [lives|live] in a {adj} house in {v}.",
         "{P} home is in {v}.", "{S} [has|have] lived in {v} for {n} years.", "{S} moved to {v} last year.",
         "{S} now [lives|live] in {v}.", "{S} [lives|live] in {v} with {p} {animal}.",
         "{S} settled in {v} {n} years ago.", "{S} [has|have] a {adj} flat in {v}.",
         "{S} [resides|reside] in {v}.", "at the moment {s} [lives|live] in {v}.",
         "{S} still [lives|live] in {v}.", "~these days {s} [lives|live] in {v}."],
        ["Where [does|do] {s} live?", "Where [does|do] {s} live?", "In which city [does|do] {s} live?",
         "What city [does|do] {s} live in?", "Where is {p} home?", "Which town [does|do] {s} live in?",
         "Where [does|do] {s} live now?", "Where is {s} living?",
         "In what place [does|do] {s} live?", "Where exactly [does|do] {s} live?",
         "~Where [does|do] {s} reside?"],
        ["Who lives in {v}?", "Who has a home in {v}?"]),
    "origin": (
        ["{S} [comes|come] from {v}.", "{S} [is|am] from {v}.", "{S} was born in {v}.",
         "{S} grew up in {v}.",
         "{S} was born and raised in {v}.", "originally, {s} [comes|come] from {v}.",
         "{P} birthplace is {v}.", "~{P} home town is {v}."],
        ["Where [does|do] {s} come from?", "Where [is|am] {s} from?", "Where was {s} born?",
         "What is {p} birthplace?", "~Where [is|am] {s} originally from?"],
        ["Who comes from {v}?", "Who is from {v}?", "Who was born in {v}?"]),
    "job": (
        ["{S} [is|am] {a} {v}.", "{S} [is|am] {a} {v}.", "{S} [works|work] as {a} {v}.", "{P} job is {v}.",
         "{S} [has|have] worked as {a} {v} for {n} years.", "{S} [is|am] a {adj2} {v}.",
         "{S} [is|am] {a} {v} by profession.", "{S} [earns|earn] {p} living as {a} {v}.",
         "{S} became {a} {v} last year.", "{S} [has|have] a job as {a} {v}.",
         "{S} trained as {a} {v}.", "{P} profession is {v}.", "{P} occupation is {v}.",
         "~{S} [is|am] employed as {a} {v}."],
        ["What [does|do] {s} do?", "What [does|do] {s} do?", "What is {p} job?", "What is {p} job?",
         "What is {p} profession?", "What [does|do] {s} do for a living?", "What [does|do] {s} work as?",
         "What's {p} job?", "What kind of job [does|do] {s} have?", "What is {p} occupation?",
         "How [does|do] {s} earn a living?", "What is {p} line of work?", "~What job [does|do] {s} have?"],
        ["Who is the {v}?", "Who works as {a} {v}?", "Who is {a} {v}?"]),
    "employer": (
        ["{S} [works|work] at {v}.", "{S} [works|work] for {v}.", "{S} [is|am] employed by {v}.",
         "{S} [has|have] a job at {v}.", "{P} employer is {v}.",
         "~{S} [has|have] been working at {v} since {year}."],
        ["Where [does|do] {s} work?", "Who [does|do] {s} work for?",
         "Which company [does|do] {s} work for?",
         "Who is {p} employer?", "What company [does|do] {s} work at?", "Who employs {o}?",
         "At which company [does|do] {s} work?",
         "~What company [does|do] {s} work for?"],
        ["Who works at {v}?", "Who works for {v}?"]),
    "age": (
        ["{S} [is|am] {v} years old.", "{S} [is|am] {v} years old.", "{S} [is|am] {v}.",
         "{S} turned {v} last week.",
         "{S} [is|am] {v} years of age.", "{P} age is {v}.", "{S} just turned {v}.",
         "{S} [is|am] now {v} years old.",
         "{S} recently celebrated turning {v}.", "at {v} years old, {s} still [likes|like] {hobby}.",
         "{S} will soon be {v} years old.", "~{S} [is|am] already {v} years old."],
        ["How old [is|am] {s}?", "How old [is|am] {s}?", "What is {p} age?", "What age [is|am] {s}?",
         "How many years old [is|am] {s}?", "Tell me how old {s} [is|am].", "~How old [is|am] {s} now?"],
        ["Who is {v} years old?"]),
    "petname": (
        ["{S} [has|have] a {animal} named {v}.", "{S} [has|have] a {animal} called {v}.",
         "{P} {animal} is called {v}.", "the name of {p} {animal} is {v}.", "{P} {animal}'s name is {v}.",
         "~{S} [owns|own] a {animal} whose name is {v}."],
        ["What is the name of {p} {animal}?", "What is {p} {animal} called?",
         "What is {p} {animal}'s name?",
         "What is {p} pet called?", "What is the name of {p} pet?", "What did {s} name {p} {animal}?",
         "~What name does {p} {animal} have?"], None),
    "pet": (
        ["{S} [has|have] a {adj} {v}.", "{S} [has|have] {a} {v} as a pet.", "{S} [keeps|keep] {a} {v}.",
         "{P} pet is {a} {v}.", "{S} [owns|own] {a} {v} named {animalname}.",
         "{S} [looks|look] after {a} {v} at home.", "~{S} [has|have] {a} {v} at home."],
        ["What pet [does|do] {s} have?", "What animal [does|do] {s} have?",
         "What kind of pet [does|do] {s} have?",
         "Which animal [does|do] {s} own?", "What sort of animal [does|do] {s} keep?",
         "What pet [does|do] {s} own?",
         "~What kind of animal [does|do] {s} have?"],
        ["Who has {a} {v}?", "Who owns {a} {v}?"]),
    "colour": (
        ["{P} favourite colour is {v}.", "{P} favorite color is {v}.", "{v} is {p} favourite colour.",
         "{S} [likes|like] the colour {v} best.", "the colour {s} [likes|like] most is {v}.",
         "of all colours {s} [prefers|prefer] {v}.", "{S} [likes|like] {v} more than any other colour.",
         "~the colour {v} is {p} favourite."],
        ["What is {p} favourite colour?", "What is {p} favorite color?",
         "Which colour [does|do] {s} like best?",
         "What colour [does|do] {s} like?", "Which color [does|do] {s} prefer?",
         "~Which colour [does|do] {s} like most?"],
        ["Whose favourite colour is {v}?"]),
    "eye": (
        ["{P} eyes are {v}.", "{S} [has|have] {v} eyes.", "the colour of {p} eyes is {v}."],
        ["What colour are {p} eyes?", "What is the colour of {p} eyes?",
         "What color eyes [does|do] {s} have?"],
        ["Who has {v} eyes?"]),
    "food": (
        ["{P} favourite food is {v}.", "{P} favorite food is {v}.", "{S} [loves|love] {v}.",
         "{S} [eats|eat] {v} every day.",
         "{S} [likes|like] to eat {v}.", "{P} favourite dish is {v}.",
         "nothing tastes better to {o} than {v}.", "for lunch {s} [has|have] {v}.",
         "~{S} [likes|like] eating {v}."],
        ["What is {p} favourite food?", "What [does|do] {s} like to eat?", "What [does|do] {s} eat?",
         "What is {p} favorite food?", "What food [does|do] {s} love?",
         "Which dish [does|do] {s} like best?", "~Which food [does|do] {s} like?"],
        ["Who likes {v}?", "Who eats {v}?"]),
    "hobby": (
        ["{P} hobby is {v}.", "{S} [likes|like] {v}.", "{S} [enjoys|enjoy] {v}.",
         "{P} favourite hobby is {v}.",
         "in {p} free time {s} [enjoys|enjoy] {v}.", "{S} [spends|spend] {p} weekends on {v}.",
         "{P} favourite sport is {v}.", "after work {s} [goes|go] in for {v}.",
         "for fun {s} [does|do] {v}.", "~after work {s} [enjoys|enjoy] {v}."],
        ["What is {p} hobby?", "What [does|do] {s} like?", "What [does|do] {s} enjoy?",
         "What [does|do] {s} enjoy in {p} free time?", "What is {p} favourite hobby?",
         "What [does|do] {s} do for fun?", "What [does|do] {s} do after work?",
         "~Which hobby [does|do] {s} have?"],
        ["Who likes {v}?", "Who enjoys {v}?"]),
    "study": (
        ["{S} [studies|study] {v}.", "{S} studied {v} in {place}.",
         "{S} [is|am] studying {v} at university.",
         "{S} [has|have] a degree in {v}.", "{S} graduated in {v}.", "~{S} studied {v} at university."],
        ["What [does|do] {s} study?", "What did {s} study?", "Which subject [does|do] {s} study?",
         "What is {p} degree in?", "What subject [does|do] {s} study?", "~What subject did {s} study?"],
        ["Who studies {v}?"]),
    "language": (
        ["{S} [speaks|speak] {v}.", "{S} [speaks|speak] fluent {v}.", "{P} native language is {v}.",
         "{P} mother tongue is {v}.", "{S} [is|am] learning {v}."],
        ["What language [does|do] {s} speak?", "Which language [does|do] {s} speak?",
         "What is {p} native language?",
         "What is {p} language?"],
        ["Who speaks {v}?"]),
    "birthyear": (
        ["{S} was born in {v}.", "{S} was born in {v} in {place}.", "{P} birth year is {v}.",
         "{S} was born in the year {v}."],
        ["When was {s} born?", "What year was {s} born?", "In which year was {s} born?",
         "What is {p} birth year?"],
        ["Who was born in {v}?"]),
    "birthday": (
        ["{P} birthday is on {v}.", "{P} birthday is {v}.",
         "{S} [celebrates|celebrate] {p} birthday on {v}."],
        ["When is {p} birthday?", "What is {p} birthday?", "What day is {p} birthday?"], None),
    "day": (
        ["{S} arrived on {v}.", "{S} left {place} on {v}.", "{S} met {person} on {v}.",
         "{S} will arrive on {v}.",
         "{S} came home on {v}."],
        None, ["Who arrived on {v}?"]),
    "relation": (
        ["{P} {rel} is {v}.", "{P} {rel} is called {v}.", "{P} {rel}'s name is {v}.",
         "{S} [has|have] a {rel} named {v}.",
         "{v} is {p} {rel}.", "the name of {p} {rel} is {v}.", "{S} [has|have] a {rel}, {v}.",
         "~{S} [has|have] a {rel} called {v}."],
        ["Who is {p} {rel}?", "What is the name of {p} {rel}?", "What is {p} {rel} called?",
         "What is {p} {rel}'s name?", "How is {p} {rel} called?", "~What name does {p} {rel} have?"], None),
    "spouse": (
        ["{S} [is|am] married to {v}.", "{S} married {v} in {year}.", "{S} married {v} in {place}.",
         "{S} [is|am] engaged to {v}."],
        ["Who [is|am] {s} married to?", "Who did {s} marry?", "Whom did {s} marry?"],
         ["Who is married to {v}?"]),
    "children": (
        ["{S} [has|have] {v} children.", "{S} [has|have] {v} sons.", "{S} [has|have] {v} daughters.",
         "{S} [has|have] {v} kids."],
        None, None),
    "phone": (
        ["{P} phone number is {v}.", "{S} can be reached at {v}.", "you can call {o} on {v}."],
        ["What is {p} phone number?", "What is {p} number?"], None),
    "height": (
        ["{S} [is|am] {v} tall.", "{P} height is {v}."],
        ["How tall [is|am] {s}?", "What is {p} height?"], ["Who is {v} tall?"]),
    "car": (
        ["{S} [drives|drive] {a} {v}.", "{P} car is {a} {v}.", "{S} [drives|drive] to work in {a} {v}."],
        ["What car [does|do] {s} drive?", "What [does|do] {s} drive?",
         "What kind of car [does|do] {s} have?"],
        ["Who drives {a} {v}?"]),
}

# Facts left out of a context because the question could be about them as well.
CLASH = {
    "pet": ["petname"],
    "origin": ["birthyear"],
    "birthyear": ["origin"],
    "relation": ["spouse"],
    "spouse": ["relation"],
    "hobby": ["food"],
    "food": ["hobby"],
}

# Actions: (past, base). "{S} bought a {v} in {place}."
ACTIONS = [
    ("bought", "buy"),
    ("sold", "sell"),
    ("found", "find"),
    ("lost", "lose"),
    ("saw", "see"),
    ("painted", "paint"),
    ("made", "make"),
    ("stole", "steal"),
    ("repaired", "repair"),
    ("broke", "break"),
    ("ordered", "order"),
    ("got", "get"),
    ("built", "build"),
    ("hid", "hide"),
    ("wanted", "want"),
    ("carried", "carry"),
    ("needed", "need"),
    ("brought", "bring"),
    ("invented", "invent"),
    ("discovered", "discover"),
    ("visited", "visit"),
    ("cleaned", "clean"),
]
ACTION_TAILS = [
    "",
    "",
    " in {place}",
    " on {day}",
    " for {person}",
    " yesterday",
    " last week",
    " in {year}",
    " at the market",
]

# Facts about things: (statement, questions with their answers' field)
WORLD = [
    ("The capital of {A} is {B}.", [("What is the capital of {A}?", "B"),
     ("Which city is the capital of {A}?", "B"),
                                    ("{B} is the capital of which country?", "A")]),
    ("{B} is the capital of {A}.", [("What is the capital of {A}?", "B"), ("{B} is the capital of what?",
     "A")]),
    ("The mayor of {A} is {N}.", [("Who is the mayor of {A}?", "N"),
     ("What is the name of the mayor of {A}?", "N"),
                                  ("Where is {N} the mayor?", "A")]),
    ("{N} is the president of {A}.", [("Who is the president of {A}?", "N")]),
    ("{N} is the mayor of {A}.", [("Who is the mayor of {A}?", "N")]),
    ("The {bld} in {A} was built in {Y}.", [("When was the {bld} in {A} built?", "Y"),
     ("What was built in {A}?", "bld"),
                                           ("When was the {bld} built?", "Y")]),
    ("The {bld} of {A} was designed by {N}.", [("Who designed the {bld} of {A}?", "N"),
     ("Who designed the {bld}?", "N")]),
    ("{N} founded {C} in {Y}.", [("Who founded {C}?", "N"), ("When was {C} founded?", "Y"),
     ("What did {N} found?", "C")]),
    ("{C} was founded in {Y} by {N}.", [("Who founded {C}?", "N"), ("When was {C} founded?", "Y")]),
    ("{C} is based in {A}.", [("Where is {C} based?", "A"), ("Which company is based in {A}?", "C")]),
    ("The {thing} is in the {room}.", [("Where is the {thing}?", "room"), ("What is in the {room}?",
     "thing")]),
    ("The {thing} is on the {thing2}.", [("Where is the {thing}?", "on the thing2"),
     ("What is on the {thing2}?", "thing")]),
    ("The {thing} costs {D} dollars.", [("How much does the {thing} cost?", "D dollars"),
     ("What costs {D} dollars?", "thing")]),
    ("The price of the {thing} is {D} euros.", [("What is the price of the {thing}?", "D euros"),
                                               ("How much is the {thing}?", "D euros")]),
    ("The {thing} is {col}.", [("What colour is the {thing}?", "col"), ("What color is the {thing}?",
     "col"),
                               ("What is {col}?", "thing")]),
    ("The {thing} belongs to {N}.", [("Who does the {thing} belong to?", "N"), ("Whose is the {thing}?",
     "N"),
                                     ("Who owns the {thing}?", "N"), ("What belongs to {N}?", "thing")]),
    ("{N} wrote the book {B}.", [("Who wrote {B}?", "N"), ("What did {N} write?", "B"),
     ("Who wrote the book {B}?", "N")]),
    ("{B} was written by {N} in {Y}.", [("Who wrote {B}?", "N"), ("When was {B} written?", "Y"),
     ("Who is the author of {B}?", "N")]),
    ("The river {B} flows through {A}.", [("Which river flows through {A}?", "B"),
     ("Where does the river {B} flow?", "A")]),
    ("{A} has a population of {K}.", [("What is the population of {A}?", "K"),
     ("How many people live in {A}?", "K")]),
    ("The language of {A} is {L}.", [("What is the language of {A}?", "L"),
     ("Which language is spoken in {A}?", "L")]),
    ("The meeting with {N} is on {day}.", [("When is the meeting with {N}?", "day"),
     ("Who is the meeting with on {day}?", "N")]),
    ("The train to {A} leaves at {T}.", [("When does the train to {A} leave?", "T"),
     ("What time does the train to {A} leave?", "T"),
                                        ("Where does the train at {T} go?", "A")]),
    ("{N} gave the {thing} to {M}.", [("Who gave the {thing} to {M}?", "N"),
     ("Who did {N} give the {thing} to?", "M"),
                                      ("What did {N} give to {M}?", "thing"), ("Who got the {thing}?",
                                       "M")]),
    ("The {team} from {A} won the match on {day}.", [("Who won the match on {day}?", "team"),
     ("When did the {team} win the match?", "day")]),
    ("{N} won the {bld} prize in {Y}.", [("Who won the {bld} prize?", "N"),
     ("When did {N} win the {bld} prize?", "Y")]),
    ("In {Y}, {N} opened a {bld} in {A}.", [("Who opened a {bld} in {A}?", "N"),
     ("When did {N} open a {bld}?", "Y"),
                                           ("Where did {N} open a {bld}?", "A")]),
    ("The old {bld} stands in {A}.", [("Where does the old {bld} stand?", "A")]),
    ("{N} bought the {thing} from {M}.", [("Who did {N} buy the {thing} from?", "M"),
     ("Who bought the {thing}?", "N")]),
]
WORLD_UNSEEN = [
    ("The {bld} in {A} opened in {Y}.", [("When did the {bld} in {A} open?", "Y")]),
    ("The {thing} was bought by {N}.", [("Who bought the {thing}?", "N"), ("What was bought by {N}?",
     "thing")]),
    ("{N} is the author of {B}.", [("Who is the author of {B}?", "N"), ("Who wrote {B}?", "N")]),
    ("The {thing} stands in the {room}.", [("Where is the {thing}?", "room")]),
]

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

# --- random names ----------------------------------------------------------

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


# --- building one example --------------------------------------------------

HOLE = re.compile(r"\{(\w+)\}")
VERB = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")


def article(value):
    return "an" if value[:1].lower() in "aeiou" else "a"


def upper_first(text):
    return text[:1].upper() + text[1:]


class Marked:
    """Text built piece by piece that remembers where each value landed."""

    def __init__(self):
        self.text = ""
        self.spans = {}

    def add(self, text, key=None):
        if key is not None:
            self.spans[key] = (len(self.text), len(self.text) + len(text))
        self.text += text


class Maker:
    """Makes examples from one pool of names; `unseen` picks the held-back templates."""

    def __init__(self, rng, names, noise=True):
        self.rng, self.names, self.noise = rng, names, noise

    # words

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

    def template(self, choices, unseen):
        """One template; the held-back ones only when `unseen`. Returns (text, was it held back)."""
        held = [c for c in choices if c.startswith("~")]
        if unseen and held:
            return self.rng.choice(held)[1:], True
        return self.rng.choice([c for c in choices if not c.startswith("~")]), False

    # people

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

    def one(self, unseen=False, sentences=None, plain=0.1):
        """One example; tries again until the dice give a sound one. `plain`: share of the plainest cases."""
        while True:
            r = self.rng.random()
            if not unseen and self.rng.random() < plain:
                example = self.plain_case()
            elif r < 0.12 and not unseen:
                example = self.appositive_example()
            elif r < (0.25 if unseen else 0.32):
                example = self.world_example(unseen)
            else:
                example = self.people_example(unseen, sentences=sentences)
            if example:
                return example

    def padded(self, words):
        """An example with unrelated sentences around it, about `words` words long in all."""
        example = self.one()
        before, after = [], []
        count = len(example["context"].split())
        while count < words:
            sentence = self.filler()
            (before if self.rng.random() < 0.5 else after).append(sentence)
            count += len(sentence.split())
        head = " ".join(before) + (" " if before else "")
        tail = (" " if after else "") + " ".join(after)
        example["context"] = head + example["context"] + tail
        example["start"] += len(head)
        return example


def word_list():
    """Every plain word of the templates and lists, for the tokenizer to learn (no names)."""
    texts = []
    for statements, questions, who in FACTS.values():
        texts += statements + (questions or []) + (who or [])
    for statement, questions in WORLD + WORLD_UNSEEN:
        texts += [statement] + [q for q, _ in questions]
    for key in (
        "JOBS ANIMALS COLOURS FOODS HOBBIES THINGS ADJECTIVES PLACES_IN BUILDINGS DAYS MONTHS SUBJECTS LANGUAGES "
        "RELATIONS_F RELATIONS_M RELATIONS_N NUMBER_WORDS FILLER NOUNS_F NOUNS_M"
    ).split():
        texts += globals()[key]
    texts += [w for pair in ACTIONS for w in pair] + ACTION_TAILS + OPENERS + ASIDES
    texts += [
        "year old who lives where works friend our new this is he she him his her hers i me my you your we us they them their it its"
    ]
    return [VERB.sub(r" \1 \2 ", HOLE.sub(" ", t.lstrip("~"))) for t in texts]


if __name__ == "__main__":
    maker = Maker(random.Random(0), Synthetic())
    for _ in range(25):
        e = maker.one()
        assert e["context"][e["start"] : e["start"] + len(e["answer"])].lower() == e["answer"].lower()
        print(e["question"], "|", e["context"], "=>", e["answer"])
    maker = Maker(random.Random(1), Real(), noise=False)
    for _ in range(25):
        e = maker.one(unseen=True)
        print("UNSEEN", e["question"], "|", e["context"], "=>", e["answer"])
