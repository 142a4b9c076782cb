"""What the simulated travel services know of the world: currencies, visas, phrases, names."""

from __future__ import annotations

import re

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated.matching import fold, pick, words

HOTELS = ("Hotel Central {}", "{} Garden Inn", "The Old Mill {}", "Casa {}", "{} Park Hotel",
          "Station Rooms {}", "Grand Hotel {}")  # fmt: skip
SIGHTS = ("{} Old Town", "{} Cathedral", "{} Botanical Garden", "{} City Museum", "{} Castle",
          "Riverside Walk {}", "{} Market Hall", "{} Viewpoint")  # fmt: skip

# code | one euro in it | what people call it, the country's adjective first
_CURRENCIES = """
EUR|1|euro
USD|1.09|us american dollar buck
GBP|0.86|british pound sterling quid
JPY|168|japanese yen
CHF|0.94|swiss franc
CAD|1.49|canadian dollar
AUD|1.66|australian aussie dollar
NZD|1.81|new zealand dollar kiwi
SGD|1.46|singapore singaporean dollar
HKD|8.5|hong kong dollar
TWD|35|taiwan taiwanese new dollar
JMD|170|jamaican dollar
NAD|20.1|namibian dollar
FJD|2.45|fijian fiji dollar
TTD|7.4|trinidad dollar
CNY|7.85|chinese yuan renminbi rmb
KRW|1480|korean south won
INR|91|indian rupee
PKR|303|pakistani rupee
LKR|327|sri lankan rupee
NPR|145|nepali nepalese rupee
MUR|50|mauritian rupee
SEK|11.3|swedish krona kronor crown
NOK|11.6|norwegian krone kroner crown
DKK|7.46|danish krone kroner crown
ISK|150|icelandic krona kronur crown
CZK|25|czech koruna koruny crown
PLN|4.3|polish zloty złoty zł
HUF|393|hungarian forint
RON|4.97|romanian lei leu
MDL|19.4|moldovan lei leu
BGN|1.96|bulgarian lev leva
RSD|117|serbian dinar
JOD|0.77|jordanian dinar
TND|3.4|tunisian dinar
BHD|0.41|bahraini dinar
KWD|0.33|kuwaiti dinar
DZD|146|algerian dinar
MKD|61.5|macedonian denar
ALL|101|albanian lek
BAM|1.96|bosnian convertible mark
TRY|35|turkish lira
UAH|44|ukrainian hryvnia
RUB|98|russian rouble ruble
GEL|3|georgian lari
AMD|424|armenian dram
AZN|1.85|azerbaijani manat
KZT|487|kazakh tenge
UZS|13700|uzbek uzbekistani som sum
KGS|97|kyrgyz som
MNT|3700|mongolian tugrik togrog
THB|40|thai baht
VND|27300|vietnamese dong
IDR|17500|indonesian rupiah
MYR|5.1|malaysian ringgit
PHP|63|philippine filipino peso
KHR|4450|cambodian riel
LAK|23500|lao laotian kip
MMK|2290|burmese myanmar kyat
BDT|128|bangladeshi taka
BTN|91|bhutanese ngultrum
AED|4|emirati uae dirham
MAD|10.9|moroccan dirham
SAR|4.08|saudi riyal
QAR|3.97|qatari riyal
OMR|0.42|omani rial
ILS|4.05|israeli shekel
EGP|51|egyptian pound
LBP|97500|lebanese pound
ZAR|20.1|south african rand
NGN|1650|nigerian naira
GHS|15.8|ghanaian cedi
KES|141|kenyan shilling
UGX|4100|ugandan shilling
TZS|2830|tanzanian shilling
RWF|1400|rwandan franc
ETB|62|ethiopian birr
XOF|656|west african cfa franc senegalese
XAF|656|central african franc cameroonian
MGA|4850|malagasy ariary
ZMW|28|zambian kwacha
MWK|1890|malawian kwacha
BWP|14.8|botswana pula
MZN|69|mozambican metical meticais
CVE|110|cape verdean escudo
MXN|18.5|mexican peso
ARS|960|argentine argentinian peso
CLP|1000|chilean peso
COP|4250|colombian peso
UYU|42|uruguayan peso
CUP|26|cuban peso
DOP|64|dominican peso
BRL|5.5|brazilian real reais
PEN|4.05|peruvian sol soles
BOB|7.5|bolivian boliviano
PYG|8100|paraguayan guarani
CRC|560|costa rican colon colones
GTQ|8.5|guatemalan quetzal
VES|39|venezuelan bolivar
"""
# Said without a country, these mean one of the many; "crowns" and the like are asked back.
_PLAIN = {"dollar": "USD", "pound": "GBP", "peso": "MXN", "rupee": "INR", "franc": "CHF"}
_PLAIN |= {"dirham": "AED", "lei": "RON", "leu": "RON", "som": "UZS", "riyal": "SAR"}
_SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "₺": "TRY"}


def currency(name: str) -> tuple[str, float]:
    """Code of the currency of that name, and what one euro is in it."""
    rows = [line.split("|") for line in _CURRENCIES.strip().splitlines()]
    rates = {code: float(rate) for code, rate, _ in rows}
    wanted = words(name) - words("unit note coin old new convertible")
    short = _SYMBOLS.get(name.strip()) or name.strip().upper()
    if short in rates:
        return short, rates[short]
    plain = next((_PLAIN[word] for word in wanted if word in _PLAIN), "")
    if plain and len(wanted) == 1:
        return plain, rates[plain]
    found = [(code, names) for code, _, names in rows if wanted and wanted <= words(names)]
    if not found:
        raise DeviceFailure(f'there is no currency "{name}"')
    if len(found) > 1:
        *others, last = (names.split()[0].capitalize() for _, names in found)
        raise DeviceFailure(f'"{name}" could be {", ".join(others)} or {last}')
    return found[0][0], rates[found[0][0]]


# One row a phrase, in the order of the languages.
_LANGUAGES = [
    "french", "german", "spanish", "italian", "portuguese", "dutch", "polish", "greek", "turkish",
    "japanese",
]  # fmt: skip
_PHRASES = """
hello|bonjour|hallo|hola|ciao|olá|hallo|cześć|γεια σας|merhaba|こんにちは
good morning|bonjour|guten Morgen|buenos días|buongiorno|bom dia|goedemorgen|dzień dobry|καλημέρα|günaydın|おはようございます
good evening|bonsoir|guten Abend|buenas tardes|buonasera|boa noite|goedenavond|dobry wieczór|καλησπέρα|iyi akşamlar|こんばんは
thank you|merci|danke|gracias|grazie|obrigado|dank u|dziękuję|ευχαριστώ|teşekkür ederim|ありがとうございます
thank you very much|merci beaucoup|vielen Dank|muchas gracias|grazie mille|muito obrigado|hartelijk dank|dziękuję bardzo|ευχαριστώ πολύ|çok teşekkür ederim|どうもありがとうございます
please|s'il vous plaît|bitte|por favor|per favore|por favor|alstublieft|proszę|παρακαλώ|lütfen|お願いします
the bill please|l'addition, s'il vous plaît|die Rechnung bitte|la cuenta, por favor|il conto, per favore|a conta, por favor|de rekening, alstublieft|poproszę rachunek|τον λογαριασμό, παρακαλώ|hesap lütfen|お会計をお願いします
cheers|santé|prost|salud|salute|saúde|proost|na zdrowie|γεια μας|şerefe|乾杯
excuse me|excusez-moi|entschuldigung|disculpe|mi scusi|com licença|pardon|przepraszam|συγγνώμη|affedersiniz|すみません
where is the station|où est la gare ?|wo ist der Bahnhof?|¿dónde está la estación?|dov'è la stazione?|onde fica a estação?|waar is het station?|gdzie jest dworzec?|πού είναι ο σταθμός;|istasyon nerede?|駅はどこですか
is this seat taken|cette place est-elle prise ?|ist hier noch frei?|¿está ocupado este asiento?|è occupato questo posto?|este lugar está ocupado?|is deze plaats bezet?|czy to miejsce jest zajęte?|είναι πιασμένη αυτή η θέση;|burası dolu mu?|この席は空いていますか
keep the change|gardez la monnaie|stimmt so|quédese con el cambio|tenga il resto|fique com o troco|laat maar zitten|reszty nie trzeba|κρατήστε τα ρέστα|üstü kalsın|お釣りは結構です
can I pay by card|puis-je payer par carte ?|kann ich mit Karte zahlen?|¿puedo pagar con tarjeta?|posso pagare con la carta?|posso pagar com cartão?|kan ik met kaart betalen?|czy mogę zapłacić kartą?|μπορώ να πληρώσω με κάρτα;|kartla ödeyebilir miyim?|カードで払えますか
"""  # noqa: E501


def translation(text: str, language: str) -> str | None:
    """The phrase in the language, if the phrase book has it."""
    name = next((known for known in _LANGUAGES if known in fold(language)), None)
    wanted = re.sub(r"[^\w ]", "", fold(text)).strip()
    for line in _PHRASES.strip().splitlines():
        phrase, *others = line.split("|")
        if name and fold(phrase) == wanted:
            return others[_LANGUAGES.index(name)]
    return None


# country | what its people are called: those who travel among them without a visa
_FREE = """
austria|austrian
belgium|belgian
bulgaria|bulgarian
croatia|croatian croat
cyprus|cypriot
czech czechia|czech
denmark|danish dane
estonia|estonian
finland|finnish finn
france|french
germany|german
greece|greek
hungary|hungarian
iceland|icelandic icelander
ireland|irish
italy|italian
latvia|latvian
lithuania|lithuanian
luxembourg|luxembourgish
malta|maltese
netherlands holland|dutch netherlander
norway|norwegian
poland|polish pole
portugal|portuguese
romania|romanian
slovakia|slovak
slovenia|slovenian slovene
spain|spanish spaniard
sweden|swedish swede
switzerland|swiss
"""
_RULES = (
    "visa not required for stays up to 90 days",
    "visa not required for stays up to 30 days",
    "visa on arrival, 30 days, 30 USD",
    "e-visa needed before departure, 3 working days, 50 USD",
    "visa required; apply at a consulate, 10 working days",
)


def visa(country: str, nationality: str) -> str:
    """The rule for entering a country, after its name and whom it is for."""
    rows = [line.split("|") for line in _FREE.strip().splitlines()]
    there = [row for row in rows if words(country) & words(row[0])]
    own = [row for row in rows if words(nationality) & words(f"{row[0]} {row[1]}")]
    if there and own:
        rule = "no visa needed, an identity card is enough"
        if there == own:
            rule = "no visa needed, it is your own country"
    else:
        rule = pick(_RULES, country, nationality)
    return f"{country}, {nationality} nationals: {rule}"
