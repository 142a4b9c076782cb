"""What a new simulated device holds: the life of one household in Dublin.

Compact text tables, one row a line, columns apart by `|`. Times are relative to the day the device
is made, so that the calendar is never empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

Row = tuple[Any, ...]

_SETTINGS = {
    "wifi": "on", "bluetooth": "on", "do not disturb": "off", "ring volume": "6",
    "media volume": "5", "alarm volume": "7", "screen brightness": "60 %", "paper": "60",
    "home": "14 Rowan Terrace, Dublin", "city": "Dublin", "nationality": "Irish",
    "payment": "Visa ending 4471", "coupon": "", "profile": "Ciara", "playing": "Interstellar",
    "playback": "playing", "speed": "1", "subtitles": "off", "audio": "English",
    "video quality": "auto", "screen": "this phone", "climate mode": "auto",
    "thermostat": "20.5 °C", "security": "disarmed", "vacuum": "docked", "vacuum battery": "100",
    "rain tank": "300", "music": "",
}  # fmt: skip

# name | phone | e-mail | also known as
_CONTACTS = """
Mom|+353 87 555 0101|maeve.byrne@example.org|mum mama mother mam mummy mami
Dad|+353 87 555 0102|declan.byrne@example.org|papa father daddy pa tata
Grandma Ilse||| grandmother granny nan nana oma nonna abuela babcia
Grandad|+353 1 555 0104||grandpa grandfather opa nonno abuelo
Tomás Byrne|+353 87 555 0105|tomas.byrne@example.org|brother
Aoife Byrne|+353 87 555 0106|aoife.byrne@example.org|sister
Yuki Tanaka|+353 87 555 0107|yuki@example.org|wife husband partner
Ngozi Okafor|+353 87 555 0108|ngozi.okafor@example.org|friend
Kofi Mensah|+353 87 555 0109|kofi.mensah@example.org|
Siobhán Kelly|+353 87 555 0110|siobhan.kelly@example.org|neighbour neighbor
Wanjiru Kamau|+353 87 555 0111|wanjiru@example.org|
Priya Raman|+353 87 555 0112|priya.raman@example.org|manager boss supervisor
Marisol Quintana|+353 87 555 0113|marisol.q@example.org|
Lerato Nkosi|+27 71 555 8834|lerato.nkosi@example.org|
Halina Kowalska|+48 601 555 014|halina.kowalska@example.org|
Ingrid Solberg|+47 400 55 015||
Efua Boateng|+353 87 555 0116|efua@example.org|
Shirin Ahmadi|+353 87 555 0117|shirin.ahmadi@example.org|
Yusuf Demir|+353 87 555 0118|yusuf.demir@example.org|
Mehmet Kaya|+353 87 555 0119|mehmet.kaya@example.org|
Hyun-woo Park|+353 87 555 0120|hyunwoo.park@example.org|
Kwabena Owusu|+353 87 555 0121|kwabena@example.org|
Solveig Dahl|+47 400 55 022|solveig.dahl@example.org|
Alex Kim|+353 87 555 0123|alex.kim@example.org|
Alex Moreau|+33 6 12 55 01 24|alex.moreau@example.org|
Dr. Lindqvist|+353 1 555 0125|practice@lindqvist.example.org|doctor gp
Dr. Moreau|+353 1 555 0126|desk@moreau-dental.example.org|dentist
Radovan Petrić|+353 87 555 0127|radovan@example.org|plumber
Mrs Oyelaran|+353 87 555 0128|oyelaran@example.org|landlady landlord
Coach Herrera|+353 87 555 0129|herrera@example.org|coach
Bea Nolan|+353 87 555 0130||babysitter nanny sitter
Accounts|+353 1 555 0131|accounts@example.org|accounting bookkeeping
Reception|+353 1 555 0132|reception@example.org|front desk office
HR|+353 1 555 0133|hr@example.org|human resource
"""

# days from now | start | end | place | title
_EVENTS = """
0|08:30|08:45||stand-up
0|14:30|15:15|Merrion Square 7|dentist, Dr. Moreau
0|19:30|21:00|St. Michael's hall|choir rehearsal
1|09:00|10:00|room 3|project review
1|13:00|14:00|Fallon's|lunch with Ngozi
2|11:00|12:00||call with the Lagos office
3|10:00|12:00|Markievicz pool|swimming gala
4|12:00|15:00|Mom's|Sunday lunch
5|16:00|16:30||one-to-one with Priya
7|18:00|20:00|library|book club
9|09:30|10:30|school|parents' meeting
12|07:15|09:00|airport|flight to Lisbon
"""

# path | words that it is found by
_FILES = """
/Documents/Home/lease_contract.pdf|tenancy agreement rental lease contract flat apartment
/Documents/Home/home_insurance_policy.pdf|homeowner household insurance policy cover
/Documents/Home/boiler_manual.pdf|boiler heating manual instruction
/Documents/Home/boiler_warranty.pdf|boiler heating warranty guarantee
/Documents/Home/electricity_bill.pdf|electricity power energy bill
/Documents/Car/car_insurance.pdf|car insurance paper green card
/Documents/Car/vehicle_registration.pdf|car registration logbook
/Documents/Pay/payslip_march.pdf|payslip salary march
/Documents/Pay/payslip_april.pdf|payslip salary april latest
/Documents/Tax/tax_return_2025.pdf|tax return 2025 last year
/Documents/Health/vaccination_certificate.pdf|vaccination vaccine certificate card
/Documents/Health/blood_test_results.pdf|blood test result lab
/Documents/Health/insurance_card.pdf|health insurance card
/Documents/CV_2026.pdf|cv resume curriculum vitae
/Documents/cover_letter.docx|cover letter application
/Documents/passport_scan.pdf|passport scan copy
/Documents/birth_certificate.pdf|birth certificate
/Documents/School/consent_form.pdf|consent permission form school trip
/Documents/School/exam_timetable.pdf|exam timetable schedule
/Documents/Travel/lisbon_itinerary.pdf|travel itinerary trip plan lisbon
/Documents/Travel/boarding_pass_lisbon.pdf|boarding pass flight lisbon
/Documents/Recipes/sourdough.docx|sourdough bread recipe
/Documents/Recipes/goulash.docx|goulash recipe
/Drive/Work/project_presentation.pptx|presentation slide deck pitch project meeting tomorrow morning
/Drive/Work/quarterly_report.pdf|quarterly report q1 q2 q3 q4 sale
/Drive/Work/budget_2026.xlsx|budget spreadsheet 2026
/Drive/Work/meeting_minutes.docx|minute meeting standup
/Drive/Work/meeting_agenda.docx|agenda meeting
/Drive/Work/project_contract.pdf|contract agreement client
/Drive/Work/invoice_0412.pdf|invoice latest
/Drive/Work/inventory_list.xlsx|inventory stock list
/Drive/Work/shift_rota.pdf|shift rota roster schedule
/Drive/Work/travel_expenses.pdf|travel expense form claim
/Drive/Club/choir_programme.pdf|choir programme concert song sheet
/Drive/Club/members.xlsx|member list club
/Photos/IMG_0001.jpg|beach summer
/Photos/IMG_0002.jpg|birthday cake
"""

# Bluetooth: what is near; the rest is known but cannot be connected.
_GADGETS = """
Jabra headset|in range
AirPods Pro|in range
Marshall Emberton|in range
Kitchen speaker|in range
Oticon hearing aids|in range
Shokz OpenRun|in range
Garmin watch|in range
Golf car radio|not in range
Sennheiser Momentum|not in range
JBL Charge|connected to another phone
"""

# name | price | in stock | stars | reviews | verdict
_PRODUCTS = """
Kobo Libra e-reader|159.99|14|4.6|3120|sharp screen, slow menus
Sony WH-1000XM5 headphones|299|8|4.7|9854|superb noise cancelling, does not fold
Brother HL-L2400 printer|139|5|4.4|2918|fast and reliable, a little loud
Dyson V12 vacuum|449|6|4.5|1877|light and strong, short battery
Dyson Airwrap|429|3|4.1|2210|lovely curls, expensive
Osprey Farpoint 40 backpack|145|11|4.8|4012|comfortable and sturdy
Instant Pot Duo|89.90|20|4.6|15230|does everything, bulky
Lego Rivendell|469|2|4.9|640|beautiful, takes a week to build
Anker 737 power bank|109|25|4.5|5100|charges fast, heavy
Sonos Roam|179|9|4.2|2600|good sound, battery could last longer
Breville Barista Express|549|4|4.4|3300|great coffee, needs practice
Fjällräven Kånken backpack|95|17|4.7|8800|light and tough
Hario V60 set|34.50|30|4.8|2100|simple and good
Opinel No 8 knife|12.90|0|4.8|7400|takes a fine edge
carbon steel wok|38.90|16|4.5|980|gets very hot, needs seasoning
yoga mat|24.90|40|4.3|1500|good grip, smells at first
running shoes|119|22|4.4|2750|well cushioned
phone case|14.90|80|4.1|3900|thin, scratches
USB-C cable|9.90|120|4.6|12400|sturdy
desk lamp|42|13|4.5|870|warm light
water bottle|19.90|60|4.7|5600|never leaks
coffee beans|13.50|75|4.6|4300|round and dark
cat litter|11.90|90|4.4|6100|hardly any dust
printer ink|27.90|33|4.0|2500|does its job
scented candles|16.90|45|4.3|1200|smell lovely, burn fast
garlic press|15.90|28|4.5|960|easy to clean
"""

_CART = (("scented candles", 2, 16.90), ("garlic press", 1, 15.90), ("toaster", 1, 34.90),
         ("walking stick", 1, 22.50), ("inflatable kayak", 1, 189.00))  # fmt: skip

# number | item | total | status | days until delivery
_ORDERS = """
31-77180|coffee beans|27.00|delivered|-6
31-77182|cordless drill|89.00|delivered|-9
31-77185|hiking boots|129.00|delivered|-40
31-77190|Instant Pot Duo|89.90|delivered|-3
31-77193|patio heater|149.00|shipped|1
31-77196|rain jacket|79.00|out for delivery|0
31-77199|standing desk|289.00|in preparation|4
31-77202|trampoline|219.00|in preparation|6
31-77204|memory foam pillow|39.00|in preparation|3
31-77207|bunk bed|349.00|shipped|2
"""

_COUPONS = (("WELCOME10", 10, 0, ""), ("FREESHIP", 5, 0, ""), ("SPRING5", 5, 0, ""),
            ("BIG20", 20, 500, ""), ("WINTER15", 15, 0, "28 February"))  # fmt: skip

# name | year | genre | people | minutes | seasons (0: a film, -1: not in the catalogue)
_TITLES = """
Dark|2017|sci-fi mystery thriller series german time travel|Louis Hofmann|53|3
Severance|2022|sci-fi thriller mystery series office|Adam Scott Ben Stiller|48|2
Slow Horses|2022|spy thriller crime series british|Gary Oldman|46|4
Andor|2022|sci-fi adventure series star wars|Diego Luna|45|2
Derry Girls|2018|comedy series irish feel-good funny teen|Saoirse-Monica Jackson|24|3
Fleabag|2016|comedy drama series british dark|Phoebe Waller-Bridge|27|2
The Bear|2022|drama comedy series cooking kitchen|Jeremy Allen White|34|4
Babylon Berlin|2017|crime drama series german period noir|Volker Bruch|45|4
The Crown|2016|drama series royal british history period|Olivia Colman|55|6
Downton Abbey|2010|drama series british period|Maggie Smith|50|6
Ted Lasso|2020|comedy series feel-good cosy football|Jason Sudeikis|35|3
Bluey|2018|children family cartoon animation series|David McCormack|7|3
Peppa Pig|2004|children family cartoon animation series|Lily Snowden-Fine|5|8
Planet Earth III|2023|nature documentary series wildlife|David Attenborough|52|1
Our Planet|2019|nature documentary series wildlife ocean|David Attenborough|50|2
My Octopus Teacher|2020|nature documentary film ocean octopus|Craig Foster|85|0
Chef's Table|2015|food cooking documentary series|Massimo Bottura|50|7
The Great British Baking Show|2010|baking competition cooking cosy reality series|Prue Leith|60|12
Squid Game|2021|thriller survival series korean|Lee Jung-jae|55|3
Lupin|2021|crime heist thriller series french|Omar Sy|47|3
Emily in Paris|2020|romantic comedy series|Lily Collins|30|4
Tiger King|2020|true crime documentary series|Joe Exotic|45|2
The Idol|2023|drama music series|Lily-Rose Depp|55|1
Line of Duty|2012|crime police thriller series british|Vicky McClure|58|6
Bodyguard|2018|thriller series british police|Richard Madden|58|1
Detectorists|2014|comedy series cosy gentle british slow|Mackenzie Crook|29|3
Bridgerton|2020|romance period drama series|Nicola Coughlan|60|3
The Last of Us|2023|post-apocalyptic horror drama series|Pedro Pascal|55|2
Star Trek: Strange New Worlds|2022|sci-fi space opera series|Anson Mount|52|3
True Detective|2014|crime mystery noir series|Matthew McConaughey|58|4
Paddington|2014|family comedy film feel-good children|Ben Whishaw|95|0
Paddington 2|2017|family comedy film feel-good children|Ben Whishaw Hugh Grant|103|0
Amélie|2001|romantic comedy film french feel-good|Audrey Tautou|122|0
Spirited Away|2001|animation fantasy film family japanese ghibli|Hayao Miyazaki|125|0
My Neighbour Totoro|1988|animation fantasy film family japanese ghibli cosy|Hayao Miyazaki|86|0
Casablanca|1942|romance drama film classic black and white war|Humphrey Bogart|102|0
Parasite|2019|thriller drama film korean|Bong Joon-ho Song Kang-ho|132|0
Past Lives|2023|romance drama film korean slow|Greta Lee|106|0
Roma|2018|drama film mexican slow black and white|Alfonso Cuarón|135|0
RRR|2022|action film indian telugu bollywood|N. T. Rama Rao Jr. S. S. Rajamouli|182|0
Seven Samurai|1954|action drama film japanese samurai classic|Akira Kurosawa Toshiro Mifune|207|0
Fargo|1996|crime dark comedy thriller film|Frances McDormand|98|0
No Country for Old Men|2007|crime thriller western film|Javier Bardem|122|0
The Good, the Bad and the Ugly|1966|spaghetti western film classic|Clint Eastwood|161|0
Mamma Mia!|2008|musical romantic comedy film music|Meryl Streep|108|0
Hereditary|2018|horror film|Toni Collette|127|0
Muriel's Wedding|1994|comedy drama film australian|Toni Collette|106|0
Little Miss Sunshine|2006|comedy drama road movie film|Toni Collette Steve Carell|101|0
Free Solo|2018|documentary film climbing sport mountain|Alex Honnold|100|0
Dune|2021|sci-fi film space epic|Timothée Chalamet Denis Villeneuve|155|0
Interstellar|2014|sci-fi film space|Matthew McConaughey Christopher Nolan|169|0
Die Hard|1988|action film christmas|Bruce Willis|132|0
Love Actually|2003|romantic comedy film christmas|Hugh Grant|135|0
Groundhog Day|1993|comedy film feel-good time|Bill Murray|101|0
Cats|2019|musical film|Judi Dench|110|0
Before Sunrise|1995|romance film slow talk|Julie Delpy|101|0
Knives Out|2019|mystery comedy crime film cozy locked-room|Daniel Craig|130|0
The Northman|2022|action viking history film|Alexander Skarsgård|137|0
Stalker|1979|sci-fi film russian slow|Andrei Tarkovsky|162|-1
The Black Book|2023|action thriller film nigerian nollywood|Richard Mofe-Damijo|124|0
"""

_PROFILES = "Ciara|Yuki|Kids|Guest|Mum|Dad|Teens|Little Ones|Grandad|Grandma|Papa|Priya|Mia|Ingrid"
_WATCHLIST = (
    "Emily in Paris|The Crown|Cats|The Idol|Tiger King|Squid Game|Euphoria|The Office|Peppa Pig"
    "|Bridgerton|Tampopo|The Kissing Booth|The Northman"
)
# title | episode | seconds | when seen, later is more recent
_PROGRESS = """
Interstellar||2400|9
Dark|season 1 episode 3|1300|4
The Crown|season 4 episode 3|1300|8
Slow Horses|season 2 episode 1|640|7
Babylon Berlin|season 1 episode 5|1910|6
Paddington||2400|5
"""

# reference | kind | what | days from now | start | detail | can be cancelled
_BOOKINGS = """
K7P2MN|flight|EI 484 Dublin to Lisbon|12|09:05|seat 17C, €118|booked
TR9X2M|flight|KL 934 Dublin to Amsterdam|1|06:20|seat 9A, €96|booked
QX48LP|hotel|Riad Yasmine in Marrakesh|30|15:00|3 nights, €264|booked
ZR19TT|car|car in Faro|12|12:30|compact, 5 days, €190|booked
HB50QD|hotel|Hostal Bahía|20|15:00|2 nights, €118, not refundable|final
"""

# kind | name | state | what is wrong with it
_THINGS = """
light|living room|off|
light|kitchen|on|
light|hallway|on|
light|bedroom|off|
light|bathroom|off|
light|porch|off|
lock|front door|locked|
lock|back door|locked|
lock|garage door|locked|
lock|back gate|locked|its battery is empty
lock|wine cellar|locked|it is jammed
cover|living room blinds|open|
cover|bedroom curtains|closed|
cover|garage door|closed|
cover|terrace awning|closed|the wind is too strong, 58 km/h
plug|kettle|off|
plug|iron|off|
plug|dehumidifier|off|
plug|jukebox|off|it does not answer
speaker|kitchen speaker|silent|
speaker|living room speaker|silent|
speaker|bedroom speaker|silent|
speaker|living room TV|silent|
speaker|shed speaker|silent|it is offline
speaker|laundry speaker|silent|it is switched off
screen|living room TV|ready|
screen|basement TV|ready|it is switched off
camera|front door|a courier with a parcel|
camera|driveway|empty, garage closed|
camera|garden|a blackbird on the lawn|
camera|alley|dark|it is offline
appliance|washing machine|ready|
appliance|dryer|ready|
appliance|dishwasher|ready|
appliance|oven|ready|
appliance|coffee maker|ready|
"""


def _table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def tables(now: datetime) -> Iterator[tuple[str, list[Row]]]:
    """Each table's name and the rows that it begins with, on a device made at `now`."""

    def at(days: str | int, clock: str = "00:00") -> str:
        day = now.date() + timedelta(days=int(days))
        return datetime.combine(day, time.fromisoformat(clock)).isoformat(" ", "minutes")

    me = _SETTINGS["profile"]
    yield "settings", list(_SETTINGS.items())
    yield "contacts", [(n, p or None, e or None, also) for n, p, e, also in _table(_CONTACTS)]
    yield (
        "events",
        [(title, at(d, a), at(d, b), place) for d, a, b, place, title in _table(_EVENTS)],
    )
    yield "files", [tuple(row) for row in _table(_FILES)]
    yield "gadgets", [tuple(row) for row in _table(_GADGETS)]
    yield (
        "products",
        [(n, float(p), int(s), float(r), int(c), v) for n, p, s, r, c, v in _table(_PRODUCTS)],
    )
    yield "cart", list(_CART)
    yield "orders", [(n, i, float(t), s, at(due)[:10]) for n, i, t, s, due in _table(_ORDERS)]
    yield "coupons", list(_COUPONS)
    yield (
        "titles",
        [(n, int(y), g, p, int(m), int(s)) for n, y, g, p, m, s in _table(_TITLES)],
    )
    yield "profiles", [(name,) for name in _PROFILES.split("|")]
    yield "saved", [("watch list", name, "") for name in _WATCHLIST.split("|")]
    yield "progress", [(me, t, e, int(s), int(w)) for t, e, s, w in _table(_PROGRESS)]
    yield (
        "bookings",
        [(ref, kind, what, at(d, t), *rest) for ref, kind, what, d, t, *rest in _table(_BOOKINGS)],
    )
    yield "things", [(k, n, s, fault) for k, n, s, fault in _table(_THINGS)]
