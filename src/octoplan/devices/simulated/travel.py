"""The simulated travel services: the functions of the `travel` set."""

from __future__ import annotations

import re
import sqlite3
from datetime import date, datetime, time, timedelta

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated import lexicons, spoken, times, world
from octoplan.devices.simulated.matching import (
    best,
    between,
    code,
    fold,
    has_word,
    pick,
    subject,
    words,
)
from octoplan.devices.simulated.store import Store

_NUMBER = r"(TAP|[A-Z][A-Z0-9]|[0-9][A-Z]) ?(\d{1,4})"
_FLIGHT = re.compile(rf"\b(?!AM |PM |AT |ON |BY |TO ){_NUMBER}\b")
_REFERENCE = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9-]{4,10}\b")
_AIRLINES = ("EI", "LH", "KL", "AF", "BA", "SK", "TP", "IB", "LO", "TK")
_BOOKABLE = {
    "flight": lexicons.FLIGHTS,
    "car": lexicons.CARS,
    "hotel": lexicons.LODGINGS,
}
_SEATS = {"window": "A", "aisle": "C", "middle": "B"}


class Travel:
    """One public method a function of the `travel` set."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search_flights(
        self, destination: str, origin: str = "", date: str = "", return_date: str = ""
    ) -> str:
        """Three flights, the cheapest first; home is where they start by default."""
        self._store.go_online()
        to, start = subject(destination), origin or self._store.get("city")
        if fold(to) == fold(start):
            raise DeviceFailure("start and destination are the same")
        day = times.day(date, self._store.now)
        self._not_past(day, date)
        back = times.last_day(return_date, day, self._store.now)
        found = []
        for number in range(3):
            key = (number, start, to)
            price = between(60, 620, "fare", start, to) + number * between(12, 60, *key)
            airline, leaves = pick(_AIRLINES, *key), between(6 * 12, 21 * 12, *key) * 5
            flight = f"{airline} {between(100, 1999, *key)}"
            way = ("direct", "direct", "one stop")[number]
            clock = f"{leaves // 60:02}:{leaves % 60:02}"
            price = round(price * (1.9 if back else 1))
            found.append(f"{flight} {start} to {to} {times.said_day(day)} {clock} {way} €{price:,}")
        return "; ".join(found) + (f"; back on {times.said_day(back)}" if back else "")

    def book_flight(self, flight: str, passengers: int = 1, cabin: str = "economy") -> str:
        """The flight of that number, or the first of a list."""
        self._store.go_online()
        first = flight.split(";")[0]
        what = re.sub(r" (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d.*", "", subject(first))
        fare = re.search(r"€([\d,]+)", first)
        factor = {"economy": 1, "premium economy": 1.6, "business": 3.2, "first": 5}[cabin]
        one = int(fare[1].replace(",", "")) if fare else between(60, 620, "fare", what)
        price = round(one * factor) * passengers
        leaves = re.search(r"\b([01]\d|2[0-3]):([0-5]\d)\b", first)
        start = self._store.now + timedelta(days=7)
        if leaves:
            day = re.search(r"\w{3} \d{1,2} \w{3}", first)
            start = datetime.combine(
                times.day(day[0] if day else None, self._store.now),
                time(int(leaves[1]), int(leaves[2])),
            )
        people = "1 passenger" if passengers == 1 else f"{passengers} passengers"
        return self._book("flight", what, start, f"{people}, {cabin}, €{price:,}")

    def check_flight_status(self, flight: str) -> str:
        """On time, delayed or landed: it depends on flight and day."""
        self._store.go_online()
        booked = self._booked(flight)
        number = _number(flight) or (booked and _number(booked["what"]))
        name = number or subject(flight)
        if not number and not has_word(flight, _BOOKABLE["flight"]) and len(words(flight)) < 2:
            raise DeviceFailure(f"unknown flight number {flight}")
        key = (name, self._store.now.date())
        gate = f"{pick('ABCD', *key)}{between(1, 40, *key)}"
        late = between(2, 26, "late", *key) * 5
        state = (
            f"on time, gate {gate}",
            f"on time, gate {gate}",
            f"delayed by {late} min, gate {gate}",
            f"landed, belt {between(1, 9, *key)}",
            f"boarding, gate {gate}",
        )
        return f"{name}: {pick(state, 'state', *key)}"

    def check_in_flight(self, flight: str, seat: str = "") -> str:
        """By number or reference; for a flight booked here within a day before it leaves."""
        self._store.go_online()
        number, row = _number(flight), self._booked(flight)
        if row and row["status"] == "cancelled":
            raise DeviceFailure(f"booking {row['reference']} was cancelled")
        if row:
            opens = datetime.fromisoformat(row["start"]) - spoken.DAY
            if opens > self._store.now:
                raise DeviceFailure(
                    f"check-in opens 24 hours before departure, {times.said(opens)}"
                )
        told = row or number or _REFERENCE.search(flight.upper()) or len(words(flight)) > 1
        if not told:
            raise DeviceFailure(f"no booking for {flight} under your name")
        name = (_number(row["what"]) if row else number) or subject(flight)
        chosen = re.search(r"\d{1,2} ?[A-K]\b", seat.upper())
        line = 11 if "exit" in seat.lower() else 1 if "front" in seat.lower() else 0
        line = line or between(4, 32, name)
        letter = next((at for kind, at in _SEATS.items() if kind in seat.lower()), "B")
        given = chosen[0].replace(" ", "") if chosen else f"{line}{letter}"
        self._store.insert("files", f"/Documents/Travel/boarding_pass_{fold(name)}.pdf", name)
        self._store.did(f"checked in for {name}, seat {given}")
        wish = f" ({seat})" if seat and not chosen else ""
        return f"boarding pass {name}, seat {given}{wish}"

    def search_hotels(
        self, location: str, check_in: str = "", check_out: str = "", max_price: float | None = None
    ) -> str:
        """Three hotels, with the price of a night."""
        self._store.go_online()
        place = subject(location)
        first = times.day(check_in, self._store.now)
        times.last_day(check_out, first, self._store.now)
        if max_price is not None and max_price < 15:
            raise DeviceFailure(f"no hotel in {place} under €{max_price:g} a night")
        found = []
        for number in range(3):
            form = world.HOTELS[(between(0, 99, place) + number) % len(world.HOTELS)]
            name = form.format(place)
            price = between(58, 240, "night", name)
            if max_price is not None and price > max_price:
                price = int(max_price * between(70, 99, "night", name) / 100)
            found.append(f"{name} €{price:,} a night, rating {between(71, 95, name) / 10}")
        return "; ".join(found)

    def book_hotel(
        self, hotel: str, check_in: str = "", check_out: str = "", guests: int = 1
    ) -> str:
        """The hotel of that name, or the first of a list; tonight and one night by default."""
        self._store.go_online()
        first = times.day(check_in, self._store.now)
        last = times.last_day(check_out, first, self._store.now) or first + spoken.DAY
        self._not_past(first, check_in)
        name = subject(hotel)
        price = re.search(r"€([\d,]+)", hotel)
        one = int(price[1].replace(",", "")) if price else between(58, 240, "night", name)
        nights = (last - first).days
        stay = "1 night" if nights == 1 else f"{nights} nights"
        people = "1 guest" if guests == 1 else f"{guests} guests"
        detail = f"{stay}, {people}, €{one * nights * -(-guests // 2):,}"
        return self._book("hotel", name, datetime.combine(first, time(15)), detail)

    def cancel_booking(self, booking: str) -> str:
        """A booking made here, or one from elsewhere that can be told by reference or kind."""
        self._store.go_online()
        row = self._booked(booking)
        if row is None:
            name = subject(booking)
            telling = _REFERENCE.search(name.upper()) or _kind(name) or re.search(r"[A-ZÀ-Þ]", name)
            if not telling:
                raise DeviceFailure(f"no booking {booking} found")
            self._store.insert("bookings", name, _kind(name) or "", name, "", "", "cancelled")
            self._store.did(f"cancelled booking {name}")
            return f"{name} cancelled, refund within 5 days"
        if row["status"] == "cancelled":
            raise DeviceFailure(f"booking {row['reference']} was already cancelled")
        if row["status"] == "final":
            raise DeviceFailure(f"{row['what']} can no longer be cancelled: {row['detail']}")
        self._store.rows(
            "UPDATE bookings SET status = 'cancelled' WHERE reference = ?", row["reference"]
        )
        self._store.did(f"cancelled booking {row['reference']}, {row['what']}")
        return f"{row['what']}, booking {row['reference']}, cancelled, refund within 5 days"

    def rent_car(
        self, location: str, start: str = "", end: str = "", car_type: str = "compact"
    ) -> str:
        """A car of that kind; today and one day by default."""
        self._store.go_online()
        first = times.day(start, self._store.now)
        last = times.last_day(end, first, self._store.now) or first + spoken.DAY
        self._not_past(first, start)
        place, days = subject(location), (last - first).days
        price = between(32, 95, "car", place, car_type) * days
        stay = "1 day" if days == 1 else f"{days} days"
        begins = datetime.combine(first, time(10))
        return self._book("car", f"{car_type} in {place}", begins, f"{stay}, €{price:,}")

    def order_ride(
        self, destination: str, pickup: str = "current location", time: str = "now"
    ) -> str:
        """A driver now or at a time."""
        self._store.go_online()
        to, start = subject(destination), subject(pickup)
        if fold(to) == fold(start):
            raise DeviceFailure("pickup and destination are the same")
        length, now = spoken.length(time), self._store.now
        at = now + length if length is not None else times.moment(time, now, earliest=4)
        driver = pick(("Mihai", "Farida", "Seán", "Amara", "Jonas", "Leila"), to, at)
        car = pick(("white Octavia", "blue Corolla", "grey Prius", "black Model 3"), start, at)
        self._store.did(f"ordered a ride from {start} to {to}")
        when = f"arrives in {between(3, 12, to, at)} min" if at <= now else times.said(at)
        return f"ride to {to}, pickup {start}: driver {driver}, {car}, {when}"

    def find_attractions(self, location: str, kind: str = "") -> str:
        """Three sights of the place, of that kind if one is said."""
        self._store.go_online()
        place = subject(location)
        if kind:
            kinds = kind[:1].upper() + kind[1:]
            where = ("of the old town", "by the river", "on the hill")
            found = [f"{kinds} {part}, {place}" for part in where]
        else:
            forms, start = world.SIGHTS, between(0, 99, place)
            found = [forms[(start + 3 * n) % len(forms)].format(place) for n in range(3)]
        return "; ".join(f"{name}, rating {between(38, 49, name) / 10}" for name in found)

    def book_restaurant(self, restaurant: str, time: str, party_size: int = 2) -> str:
        """A table; kitchens are open from 11:00 to 23:00 and seat at most 20 together."""
        self._store.go_online()
        name = subject(restaurant)
        at = times.moment(time, self._store.now, earliest=11)
        if not 11 <= at.hour < 23:
            raise DeviceFailure(f"{name} is closed at {at:%H:%M}")
        if party_size > 20:
            raise DeviceFailure(f"no table for {party_size} at {name}, the largest seats 20")
        taken = self._store.row(
            "SELECT 1 FROM bookings WHERE kind = 'table' AND what = ? AND start = ? "
            "AND status = 'booked'",
            name, at.isoformat(" ", "minutes"),
        )  # fmt: skip
        if taken:
            raise DeviceFailure(f"you already have a table at {name} at {at:%H:%M}")
        return self._book("table", name, at, f"table for {party_size}")

    def convert_currency(self, amount: float, from_currency: str, to_currency: str) -> str:
        """At rates that do not move."""
        self._store.go_online()
        if amount > 1e12:
            raise DeviceFailure("that is more money than can be converted")
        (source, rate), (target, other) = world.currency(from_currency), world.currency(to_currency)
        result = amount / rate * other
        shown = f"{result:,.2f}" if result < 10000 else f"{result:,.0f}"
        return f"{amount:,.2f}".removesuffix(".00") + f" {source} = {shown} {target}"

    def translate_phrase(self, text: str, language: str) -> str:
        """From a small phrase book; other phrases come back marked with the language."""
        self._store.go_online()
        known = world.translation(text, language)
        return known if known else f"[{language}] {text}"

    def get_visa_requirements(self, country: str, nationality: str = "") -> str:
        """Rules that depend on the two countries; free within the EU."""
        self._store.go_online()
        return world.visa(country, nationality or self._store.get("nationality"))

    def buy_travel_insurance(self, destination: str, start: str = "", end: str = "") -> str:
        """A policy; from today for 14 days by default."""
        self._store.go_online()
        first = times.day(start, self._store.now)
        last = times.last_day(end, first, self._store.now) or first + timedelta(days=14)
        self._not_past(first, start)
        place = subject(destination)
        price = 9 + 2.4 * (last - first).days
        begins = datetime.combine(first, time())
        period = f"{times.said_day(first)} to {times.said_day(last)}"
        return self._book(
            "insurance", f"travel insurance for {place}", begins, f"€{price:.2f}", period
        )

    def _not_past(self, first: date, said: str) -> None:
        if first < self._store.now.date():
            raise DeviceFailure(f"{said} has passed")

    def _book(self, kind: str, what: str, start: datetime, detail: str, when: str = "") -> str:
        reference = code(6, self._store.count("bookings"), what)
        self._store.insert(
            "bookings", reference, kind, what, start.isoformat(" ", "minutes"), detail, "booked"
        )
        when = when or (times.said(start) if kind == "table" else times.said_day(start))
        self._store.did(f"booked {what}, {when}, {detail}")
        number = "policy" if kind == "insurance" else "reference"
        return f"booked {what}, {when}, {detail}, {number} {reference}"

    def _booked(self, text: str) -> sqlite3.Row | None:
        """The booking that a reference, a number or a description means."""
        rows = self._store.rows("SELECT * FROM bookings ORDER BY rowid DESC")
        for row in rows:
            if re.search(rf"(?<!\w){re.escape(row['reference'])}(?!\w)", text, re.IGNORECASE):
                return row
        number = _number(text)
        if number:
            return next((row for row in rows if number in row["what"]), None)
        kind, wanted = _kind(text), words(subject(text))
        wanted -= words("booking reservation tomorrow") | _BOOKABLE.get(kind or "", frozenset())
        options = [row for row in rows if not kind or row["kind"] == kind]
        if not wanted:
            return options[0] if kind and options else None
        found = best(" ".join(wanted), [(row["what"], row) for row in options])
        return found[0] if found else None


def _number(text: str) -> str | None:
    """The flight number in a text: "LH 1810"."""
    found = re.fullmatch(_NUMBER, text.strip().upper()) or _FLIGHT.search(text.upper())
    return f"{found[1]} {found[2]}" if found else None


def _kind(text: str) -> str | None:
    return next((kind for kind, lexicon in _BOOKABLE.items() if has_word(text, lexicon)), None)
