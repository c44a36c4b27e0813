"""What the embedded corpus says: data of Unicode CLDR, and the ways to say each in any of its languages."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from babel import Locale
from babel.dates import format_date, format_interval, format_time, format_timedelta, get_datetime_format
from babel.lists import format_list
from babel.numbers import format_currency
from babel.units import format_unit

TERRITORIES, TONGUES, CURRENCIES, UNITS = map(
    str.split,
    (
        "AR AT AU BD BE BR CA CH CL CN CO CU CZ DE DK EG ES ET FI FR GB GR HU ID IE IL IN IQ IR IT JP KE KR MX NG NL NO"
        " NP NZ PE PH PK PL PT RU SE TH TR UA US VN ZA",
        "am ar bn cs da de el en es fa fi fr gu he hi hu hy id it ja ka km ko lo mr my nl pa pl pt ro ru sv sw ta te th"
        " tr uk ur vi zh",
        "AUD BRL CAD CHF CNY EGP EUR GBP INR JPY KRW MXN NOK RUB SEK THB TRY USD ZAR",
        "area-square-kilometer area-square-meter length-centimeter length-kilometer length-meter length-mile mass-gram"
        " mass-kilogram speed-kilometer-per-hour temperature-celsius volume-liter volume-milliliter",
    ),
)
# Babel writes the separators of the numbering system that CLDR gives a language, but not its digits: their zeros.
ZEROS = {"arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "khmr": "០", "mymr": "၀", "telu": "౦", "thai": "๐"}
# The largest number said of each unit before the next one takes over, and its length in seconds.
SPANS = {"second": (59, 1), "minute": (59, 60), "hour": (23, 3600), "day": (6, 86_400), "week": (3, 604_800)}
SPANS |= {"month": (11, 30 * 86_400), "year": (60, 365 * 86_400)}

# A datum, as the way to say it in any language; KeyError where CLDR has no translation into that one.
Saying = Callable[[Locale], str]


def territory(code: str) -> Saying:
    return lambda locale: locale.territories[code]


def tongue(code: str) -> Saying:
    return lambda locale: locale.languages[code]


def amount(number: float, code: str) -> Saying:
    return lambda locale: translated(
        format_currency(number, code, locale=locale, format_type="name", numbering_system="default"), code
    )


def measure(number: float, unit: str) -> Saying:
    def say(locale: Locale, length: str = "long") -> str:
        said = format_unit(number, unit, length, locale=locale, numbering_system="default")
        # CLDR lets the long form inherit from the short one, which Babel does not.
        return say(locale, "short") if unit in said and length == "long" else translated(said, unit)

    return say


def moment(when: datetime) -> Saying:
    def say(locale: Locale) -> str:
        day, clock = format_date(when, "full", locale), format_time(when, "short", locale=locale)
        return get_datetime_format("full", locale=locale).replace("{1}", day).replace("{0}", clock)

    return say


def listed(items: list[Saying], style: str = "standard") -> Saying:
    return lambda locale: format_list([say(locale) for say in items], style=style, locale=locale)


def translated(text: str, code: str) -> str:
    """Return `text`; KeyError where Babel, for want of a translation, put the code into it."""
    if code in text:
        raise KeyError(code)
    return text


def dictionary() -> list[Saying]:
    """Return every single word: what the sentences are put together from."""
    counted = ((measure, [*UNITS, *(f"duration-{span}" for span in SPANS)]), (amount, CURRENCIES))
    return [
        *(say(code) for say, codes in ((territory, TERRITORIES), (tongue, TONGUES)) for code in codes),
        *(say(n, code) for say, codes in counted for code in codes for n in (1, 2, 5)),  # three forms in Slavic, Arabic
    ]


def draw_number(rng: random.Random) -> float:
    """Draw a number with two digits that count, as prices and distances have them: 7.5, 75, 750 ... 75,000."""
    return rng.randint(1, 99) * rng.choice((1, 1, 10, 100, 1000)) / rng.choice((1, 1, 1, 10))


def draw_date(rng: random.Random) -> date:
    return date(1980, 1, 1) + timedelta(days=rng.randrange(50 * 365))


def draw_day(rng: random.Random) -> Saying:
    drawn, width = draw_date(rng), rng.choice(("full", "long"))
    return lambda locale: format_date(drawn, width, locale)


def draw_days(rng: random.Random) -> Saying:
    first = draw_date(rng)
    last = first + timedelta(days=rng.randint(1, 60))
    return lambda locale: format_interval(first, last, "yMMMd", locale=locale)


def draw_moment(rng: random.Random) -> Saying:
    return moment(datetime.combine(draw_date(rng), time(rng.randrange(24), rng.randrange(60))))


def draw_relative(rng: random.Random) -> Saying:
    largest, length = SPANS[rng.choice(list(SPANS))]
    delta = timedelta(seconds=rng.choice((-1, 1)) * rng.randint(1, largest) * length)
    return lambda locale: format_timedelta(delta, threshold=1, add_direction=True, locale=locale)


def draw_duration(rng: random.Random) -> Saying:
    spans = ["second", "minute", "hour", "day", "month", "year"]
    smallest = rng.randrange(len(spans) - 1)
    chosen = reversed(spans[smallest : smallest + rng.choice((2, 3))])
    return listed([measure(rng.randint(1, SPANS[span][0]), f"duration-{span}") for span in chosen])


def draw_measure(rng: random.Random) -> Saying:
    return measure(draw_number(rng), rng.choice(UNITS))


def draw_amount(rng: random.Random) -> Saying:
    return amount(draw_number(rng), rng.choice(CURRENCIES))


def draw_amounts(rng: random.Random) -> Saying:
    return listed([draw_amount(rng), draw_amount(rng)], rng.choice(("standard", "or")))


def draw_names(rng: random.Random) -> Saying:
    say, codes = rng.choice(((territory, TERRITORIES), (tongue, TONGUES)))
    return listed([say(code) for code in rng.sample(codes, rng.choice((2, 3)))], rng.choice(("standard", "or")))


KINDS = (
    *(draw_day, draw_days, draw_moment, draw_relative, draw_duration, draw_measure, draw_amount, draw_amounts),
    *(draw_names, draw_names),  # twice: they carry the most words
)
