"""Words that tell what is of a kind: a room, a document, a group, something to connect to.

People name their own things as they like. What is not seeded on the simulated device is there all
the same if one word of its name is in the list of its kind.
"""

from __future__ import annotations

from octoplan.devices.simulated.matching import words

# Whom one writes to together.
GROUPS = words("""
team family group class committee crew staff participant attendee everyone colleague neighbour
club board band choir department union gang squad guest volunteer parent friend flatmate housemate
roommate student office list council society everybody cousin tenant
""")

# Whom a phone finds on the map, not in the address book.
BUSINESSES = words("""
restaurant hotel plumber plumbing plant school clinic hospital surgery practice pharmacy chemist
garage taxi bank bakery salon hairdresser barber vet kennel office hire shop store museum library
station airport church centre center gym nursery nursing home electrician locksmith florist
pizzeria pizza cafe café bar pub butcher company agency auberge desk bureau support helpline
hotline insurance workshop service studio theatre council embassy consulate tierklinik apotheke
police market dealership supplier farm depot hall cleaner
""")

# What people keep as a document.
DOCUMENTS = words("""
document file pdf doc docx xlsx pptx contract agreement lease policy insurance bill invoice
receipt payslip statement tax return cv resume letter form certificate card passport licence
license permit manual warranty guarantee report minutes agenda presentation slide deck spreadsheet
budget list schedule timetable rota roster plan recipe itinerary ticket pass booking reservation
quote estimate proposal thesis paper essay notes handout worksheet lecture syllabus menu flyer
poster brochure programme program map drawing blueprint diagram chart result record prescription
referral scan photo copy memo memorandum statute rule bylaw application objection deed will power
attorney registration logbook score lyric sheet template badge invitation guide instruction
checklist inventory catalogue price survey questionnaire portfolio script draft manuscript spec
specification datasheet log diary calendar newsletter article study analysis eulogy speech
question answer assessment matrix part account notice protocol approval leaflet booklet rotation
dossier brief curriculum roadmap manifest register summary transcript diploma degree confirmation
voucher label pitch syllabi payroll timesheet expense claim accident waiver consent pattern
notation
""")

# What people connect by Bluetooth.
BLUETOOTH = words("""
headset headphone earphone earbud bud airpod speaker soundbar hearing aid keyboard mouse printer
watch band strap scale car stereo radio tv projector controller gamepad tracker thermometer
monitor sensor pod beat helmet intercom dongle piano guitar amp microphone mic jbl bose sony jabra
marshall sennheiser anker soundcore shokz beats sonos logitech garmin fitbit polar wahoo coros
phonak oticon rode poly plantronics skullcandy aftershokz philips harman kardon bang olufsen ue
boom xiaomi samsung galaxy pixel nothing technics grundig subaru hyundai kia honda nissan peloton
nordictrack tribit hyperx powerbeats polaroid yamaha roland beamer owl horn treadmill kenwood
pioneer alpine ford toyota vw skoda tesla renault peugeot dacia zebronics boat tozo
""")

# The apps that are installed.
APPS = words("""
duolingo strava headspace komoot kindle zoom notion canva whatsapp spotify instagram facebook
messenger signal telegram gmail outlook maps waze camera gallery photos calendar clock calculator
notes chrome firefox youtube netflix disney audible soundcloud deezer shazam paypal revolut wise
monzo n26 klarna uber bolt lyft airbnb booking ryanair tripadvisor alltrails linkedin slack teams
trello asana dropbox drive docs sheets evernote onenote todoist calm fitbit garmin weather
translate deepl amazon ebay vinted etsy kleinanzeigen lidl ikea tiktok snapchat reddit pinterest x
twitter twitch discord skype meet facetime settings files store play health bank banking wallet
news bbc sound guardian nyt wechat line viber vsco lightroom overleaf eventim ticketmaster
docusign shopify square samsara sage deputy eventbrite maps.me cube timer air greenland contacts
phone messages music podcast flashlight compass recorder authenticator classroom capcut
inaturalist paprika pokemon minecraft nextdoor kahoot bereal moodle stellarium zotero merlin
shortcut dashlane roblox olx glovo wolt deliveroo doordash flightradar24 photomath quizlet nike
peloton tidal obsidian figma memrise anki goodreads storytel libby moovit citymapper transit uno
chess sudoku wordle
""")

# The languages of subtitles.
LANGUAGES = words("""
english french german spanish italian portuguese dutch danish swedish norwegian finnish icelandic
polish czech slovak hungarian romanian bulgarian greek turkish russian ukrainian croatian serbian
slovenian estonian latvian lithuanian albanian arabic hebrew persian farsi urdu hindi bengali
tamil telugu malayalam marathi kannada punjabi gujarati nepali sinhala thai vietnamese indonesian
malay tagalog filipino chinese mandarin cantonese japanese korean swahili yoruba igbo hausa
amharic zulu xhosa afrikaans somali irish gaelic welsh catalan basque galician maltese quechua
maori georgian armenian kazakh mongolian khmer burmese brazilian canadian latin american british
austrian swiss castilian flemish
""")

# The languages of sound tracks; few titles are dubbed into more.
DUBBED = words("""
english french german spanish italian portuguese dutch danish swedish norwegian finnish polish
czech hungarian romanian greek turkish russian ukrainian arabic hindi tamil telugu thai japanese
korean chinese mandarin brazilian latin american british austrian castilian canadian indonesian
catalan cantonese icelandic estonian bulgarian
""")

# What shows a video.
SCREENS = words("""
tv telly television screen projector monitor display beamer chromecast roku firestick stick ipad
tablet laptop macbook computer pc console playstation xbox apple shield nest hub echo bravia
samsung lg sony panasonic philips ambilight epson xiaomi hisense tcl toshiba loewe cast wall
portal vizio viewsonic sharp smartboard whiteboard headset quest room bedroom kitchen lounge
""")

# Rooms and places of a home.
ROOMS = words("""
room rooms bedroom bathroom kitchen lounge hall hallway living dining study office library attic
loft basement cellar garage porch landing corridor stair staircase stairwell nursery playroom den
conservatory sunroom pantry larder utility laundry mudroom closet cloakroom toilet loo wc ensuite
suite en-suite spare guest guestroom workshop studio gym sauna pool poolhouse bar cinema theatre
theater terrace patio balcony deck veranda garden yard backyard courtyard driveway drive gate
gazebo pergola greenhouse shed barn stable stall coop byre kennel cabin caravan cottage annex
annexe granny flat apartment bunkhouse chalet dairy scullery boot foyer entrance entry entryway
lobby vestibule mezzanine snug parlour parlor nook alcove bunk reception waiting salon shop store
storeroom storage server cupboard wardrobe chapel ballroom clinic surgery ward tack cowshed
everywhere house home upstairs downstairs outside outdoor indoors floor wing crib treehouse
summerhouse boathouse orchard lawn pond path walkway roof proving hive bee chicken henhouse hen
bath outhouse carport decking passage boardroom dock loading bay orangery kitchenette archive
booth paddock intercom trampoline allotment catio gutter box tv game music craft sewing boiler
plant wine fridge freezer bed desk table shower whole villa tunnel polytunnel aquarium terrarium
incubator dorm dormitory classroom mansard
""")

# Colours that lights show.
COLORS = words("""
white red green blue yellow orange purple violet pink amber gold golden teal turquoise cyan
magenta lavender lilac coral peach salmon crimson scarlet indigo lime mint aqua rose warm cool
cold soft daylight candle candlelight sunset sunrise ivory cream silver navy emerald fuchsia
burgundy ruby sapphire honey copper bronze maroon neutral bright pastel fire ocean forest
""")

# Places without a roof.
OUTDOORS = words("""
garden yard backyard lawn terrace patio balcony deck driveway orchard pond roof outside outdoor
""")

# What is no room, and yet has a battery or uses energy.
METERED = words("""
door doorbell lock alarm dryer washer oven pump heat hot tub stairlift car boiler kettle
""")

# What opens and closes by motor.
COVERS = words("""
blind curtain shutter shade drape door gate awning roller skylight window screen roof canopy vent
sunshade louvre louver hatch valance velux marquise umbrella parasol cover sail
""")

# What plays sound, beside the rooms that have a speaker.
SPEAKERS = words("""
speaker soundbar sonos echo homepod tv telly television radio stereo alexa google nest hub bose
jbl marshall denon receiver hifi amplifier projector
""")

# What a camera looks at, beside rooms.
CAMERAS = words("""
door doorbell front back gate camera cam baby pet dog cat bird feeder nest alley street road
parking lot car beehive lamb calf mailbox mail slot letterbox window roof side pen paddock field
cot cradle cage hutch tank bins bin
""")

# Plants, and where they grow.
PLANTS = words("""
garden lawn bed plant flower rose tomato herb pot orchid fern hydrangea seedling dahlia hedge
greenhouse terrace balcony patio basil vegetable veg veggie fruit tree orchard bush shrub
strawberry raspberry blueberry gooseberry lavender pumpkin courgette zucchini cucumber pepper
chilli chili bean pea lettuce cabbage potato leek onion carrot grass meadow border window box
bonsai cactus palm fig olive lemon citrus apple pear cherry plum vine grape peony tulip geranium
azalea camellia rhododendron magnolia jasmine clematis sunflower pond zone courtyard backyard
front yard allotment planter hanging basket nursery sprout microgreen cress mint parsley rosemary
thyme sage succulent monstera begonia iris lily marigold petunia fuchsia maple bamboo artichoke
asparagus squash melon watermelon hop kale spinach chard beet conifer
""")

# What has a lock, beside rooms.
LOCKED = words("""
door flap safe window hatch locker cabinet box front back side
""")

# What a booking is about.
FLIGHTS = words("flight plane fare seat")
CARS = words("""
car rental van suv jeep convertible minivan compact saloon estate hatchback camper fiat duster ford
toyota opel skoda moped scooter hire
""")
LODGINGS = words("""
hotel room hostel riad pension pensione inn lodge resort suite apartment villa guesthouse motel
cabin cottage stay night pod campsite chalet yurt casa hostal ibis moxy hilton parador
""")

# What says the kind of a film or series, and not what it is about.
GENRES = words("""
film movie series show documentary cartoon anime comedy drama thriller horror romance western
musical mystery crime noir sci-fi fantasy adventure action biopic title episode new about set in
""")
