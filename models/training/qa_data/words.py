"""Plain words by what they are, and the real names."""


def listed(text):
    """Split on white space; "_" stands for a space inside a phrase."""
    return [word.replace("_", " ") for word in text.split()]


JOBS = listed("""nurse pilot teacher doctor baker farmer lawyer plumber painter singer dancer
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
marine_biologist tour_guide web_developer project_manager bank_manager""")
ANIMALS = listed("""dog cat horse rabbit hamster parrot goldfish turtle snake lizard pony goat pig
duck goose hen canary ferret donkey mouse rat tortoise gecko spider frog sheep lamb cow
kitten puppy llama owl pigeon guinea_pig guard_dog""")
COLOURS = listed("""red blue green yellow orange purple pink black white brown grey turquoise
violet crimson gold silver beige indigo scarlet teal maroon cream dark_blue light_green
pale_pink bright_red navy_blue dark_red olive_green""")
FOODS = listed("""pizza pasta rice soup bread cheese sushi curry salad chocolate honey pancakes
noodles dumplings tacos lasagne risotto porridge cake cherries apples bananas mangoes
strawberries olives mushrooms potatoes salmon tofu apple_pie ice_cream roast_chicken
lentil_soup fried_rice fish_and_chips""")
HOBBIES = listed("""chess tennis football golf hockey rugby basketball swimming running sailing
hiking climbing cycling skiing fishing dancing singing painting drawing reading cooking
baking gardening knitting pottery archery badminton photography astronomy poetry yoga judo
table_tennis ice_skating horse_riding board_games jazz_music crossword_puzzles
playing_the_piano playing_the_guitar collecting_stamps bird_watching""")
THINGS = listed("""bicycle car boat house guitar piano violin camera laptop phone watch ring
necklace lamp table chair sofa carpet painting book novel map coat hat scarf umbrella
suitcase backpack tent kite telescope typewriter radio clock mirror vase basket ladder
hammer sword drum flute coin stamp letter key box bottle cup plate knife candle bell flag
wallet purse ticket newspaper van truck motorbike tractor canoe piano sandwich toy_train
tennis_racket sewing_machine pocket_watch rocking_chair teddy_bear coffee_machine""")
ADJECTIVES = listed("""old new small large tiny huge expensive cheap beautiful broken wooden golden
silver red blue green yellow black white heavy light round square strange famous rare
antique modern shiny dusty electric plastic leather""")
PLACES_IN = listed("""kitchen garden garage attic cellar bedroom bathroom hall library office shed
barn drawer cupboard fridge car station museum park school church market theatre hospital
hotel harbour living_room dining_room back_yard""")
BUILDINGS = listed("""bridge tower castle church temple museum library school hospital palace
factory lighthouse stadium theatre station harbour dam mill cathedral town_hall opera_house
city_wall""")
DAYS = listed("""Monday Tuesday Wednesday Thursday Friday Saturday Sunday""")
MONTHS = listed("""January February March April May June July August September October November
December""")
SUBJECTS = listed("""maths physics chemistry biology history geography music art law medicine
economics philosophy literature engineering linguistics astronomy computer_science
political_science modern_languages""")
LANGUAGES = listed("""English French German Spanish Italian Portuguese Dutch Danish Swedish
Norwegian Finnish Polish Czech Greek Turkish Arabic Hebrew Hindi Bengali Chinese Japanese
Korean Thai Vietnamese Swahili Latin Welsh Irish""")
RELATIONS_F = listed("""sister mother daughter aunt wife grandmother niece girlfriend""")
RELATIONS_M = listed("""brother father son uncle husband grandfather nephew boyfriend""")
RELATIONS_N = listed("""best_friend boss neighbour cousin teacher doctor colleague manager
assistant flatmate""")
NUMBER_WORDS = listed("""one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy
eighty ninety hundred thousand million""")

# Kept out of training: only the held-out set uses these.
REAL_F = listed("""Ann Anna Mary Alice Sarah Emma Olivia Sophia Isabella Mia Charlotte Amelia
Harper Evelyn Abigail Emily Elizabeth Sofia Ella Grace Victoria Chloe Camila Penelope Layla
Nora Zoe Hannah Lily Eleanor Hazel Aurora Lucy Stella Natalie Leah Julia Clara
Caroline Ruby Maria Fatima Aisha Yuki Mei Ingrid Priya Ana Chiara Leila Noor Jane Karen
Linda Susan Margaret Dorothy Helen Ruth Irene Wilhelmina Philippa Zsofia Aroha Siobhan Marie
Nadia Olga Beatrice""")
REAL_M = listed("""John James Robert Michael William David Richard Joseph Thomas Liam Noah Oliver
Elijah Lucas Logan Alexander Ethan Jacob Daniel Henry Jackson Sebastian Aiden Matthew
Samuel Owen Jack Luke Gabriel Anthony Isaac Leo Julian Hugo Felix Oscar Mateo Diego Carlos
Ahmed Omar Hiroshi Kenji Wei Rajesh Arjun Olaf Lars Sven Pierre Jacques Giovanni Marco Ivan
Dmitri Bob Tom Paul Peter Mark George Frank Bartholomew Wiremu Kwame Tariq Yusuf Stefan
Viktor Zoltan""")
REAL_LAST = listed("""Smith Jones Brown Taylor Wilson Davies Evans Thompson Johnson Williams Garcia
Martinez Lopez Gonzalez Nguyen Patel Kim Chen Singh Khan Müller Schmidt Rossi Ferrari Dubois
Laurent Kowalski Novak Ivanov Petrov Jensen Larsen Tanaka Suzuki Okafor Mensah O'Brien
O'Neill MacDonald Fitzgerald""")
REAL_PLACES = listed("""Paris London Berlin Madrid Rome Lisbon Vienna Prague Warsaw Oslo Stockholm
Helsinki Copenhagen Dublin Athens Budapest Amsterdam Brussels Zurich Geneva Munich Hamburg
Lyon Milan Naples Turin Porto Seville Tokyo Kyoto Osaka Seoul Beijing Shanghai Mumbai Delhi
Bangkok Hanoi Manila Jakarta Sydney Melbourne Perth Auckland Wellington Cairo Nairobi Lagos
Accra Toronto Montreal Chicago Boston Denver Seattle Austin Lima Bogota Santiago Havana
Leeds Bristol New_York San_Francisco Los_Angeles Buenos_Aires Cape_Town Mexico_City
Rio_de_Janeiro""")
REAL_COMPANIES = listed("""Toyota Siemens Nokia Barclays General_Electric Rolls_Royce Red_Cross
Bosch Philips Volvo Lufthansa Deutsche_Bank Air_France Boeing""")

REAL = {w.lower() for w in REAL_F + REAL_M + REAL_LAST + REAL_PLACES}
