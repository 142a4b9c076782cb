"""The simulated device, by its public interface: every function, its failures, and its file."""

import os
import re
import sqlite3
import string
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoplan.devices import DeviceError, DeviceFailure
from octoplan.devices.simulated import SimulatedDevice

NOW = datetime(2026, 5, 6, 10, 0)  # a Wednesday

Call = tuple[str, dict[str, Any]]


@pytest.fixture
def device() -> Iterator[SimulatedDevice]:
    with SimulatedDevice(now=NOW) as device:
        yield device


def run(device: SimulatedDevice, *calls: Call) -> str:
    """The last call's result; "$" in an argument is the result of the call before."""
    result = ""
    for function, arguments in calls:
        filled = {name: result if value == "$" else value for name, value in arguments.items()}
        assert function in device.functions
        assert not device.functions[function].problems(filled)
        result = device.call(function, filled)
    return result


# Plans that succeed on a new device, and a word of the last result.
PLANS: list[tuple[list[Call], str]] = [
    ([("take_photo", {"camera": "front"})], "/Photos/"),
    ([("take_screenshot", {})], "Screenshot"),
    ([("get_trending_news", {"query": "solar eclipse"})], "olar eclipse"),
    ([("get_trending_news", {"query": "olive oil", "language": "Spanish"})], "(Spanish)"),
    ([("get_weather_forecast", {"location": "Tromsø"})], "Wed 6 May"),
    ([("get_weather_forecast", {"location": "Izmir", "date": "this weekend"})], "Sun 10 May"),
    ([("get_weather_forecast", {"location": "90210", "date": "21 December"})], "Mon 21 Dec"),
    ([("send_email", {"recipient": "Marisol", "content": "hello"})], "Marisol Quintana"),
    ([("send_email", {"recipient": "all meeting participants"})], "all meeting participants"),
    ([("send_email", {"recipient": "claims@warmhaus.example", "title": "Hi"})], "@warmhaus"),
    (
        [
            ("find_document", {"query": "lease contract"}),
            ("send_email", {"recipient": "my wife", "attachment": "$"}),
        ],
        "lease_contract.pdf",
    ),
    ([("search_youtube_videos", {"query": "chair yoga"})], "hair yoga"),
    ([("find_route_google_maps", {"destination": "Whitby", "origin": "Leeds"})], "km"),
    ([("find_route_google_maps", {"destination": "the zoo", "mode": "walking"})], "on foot"),
    ([("find_route_google_maps", {"destination": "Arlanda", "mode": "transit"})], "min"),
    ([("send_text_message", {"contact_name": "Ngozi", "message": "On my way"})], "Ngozi Okafor"),
    ([("send_text_message", {"contact_name": "0044 7700 900318", "message": "hi"})], "0044 7700"),
    ([("send_text_message", {"contact_name": "book club group", "message": "hi"})], "group"),
    ([("make_phone_call", {"recipient": "Mum"})], "Mom"),
    ([("make_phone_call", {"recipient": "the dentist"})], "Dr. Moreau"),
    ([("make_phone_call", {"recipient": "concrete plant"})], "concrete plant"),
    ([("make_phone_call", {"recipient": "ext 4410"})], "4410"),
    (
        [("find_contact", {"name": "Lerato Nkosi"}), ("make_phone_call", {"recipient": "$"})],
        "calling Lerato Nkosi, +27",
    ),
    (
        [
            ("create_contact", {"name": "Xiomara Beltrán", "phone_number": "0044 7700 900318"}),
            ("send_text_message", {"contact_name": "Xiomara", "message": "hi"}),
        ],
        "Xiomara Beltrán",
    ),
    ([("create_contact", {"name": "Ibo", "phone_number": "oh eight one, triple five"})], "Ibo"),
    ([("find_contact", {"name": "kofi"})], "kofi.mensah@"),
    ([("set_timer_alarm", {"time": "an hour and a quarter", "label": "rice"})], "1 h 15 min"),
    ([("set_timer_alarm", {"time": "6:30 am"})], "Thu 7 May 06:30"),
    (
        [
            (
                "create_calendar_event",
                {
                    "title": "review",
                    "start_time": "next Friday at 3 pm",
                    "end_time": "half past four",
                    "location": "room 2",
                },
            ),
            ("get_calendar_events", {"date": "next Friday"}),
        ],
        "15:00 review, room 2",
    ),
    (
        [
            ("create_calendar_event", {"title": "fair", "start_time": "14 July"}),
            ("get_calendar_events", {"date": "in July"}),
        ],
        "all day fair",
    ),
    ([("get_calendar_events", {"date": "this afternoon"})], "dentist"),
    ([("set_reminder", {"text": "call the bank", "time": "in 20 minutes"})], "10:20"),
    ([("set_volume", {"level": 3, "volume_type": "ring"})], "3"),
    ([("set_screen_brightness", {"percent": 80})], "80 %"),
    ([("connect_bluetooth_device", {"device_name": "Jabra"})], "Jabra headset"),
    ([("connect_bluetooth_device", {"device_name": "Logitech R500"})], "Logitech R500"),
    ([("set_wifi", {"enabled": False})], "off"),
    ([("set_do_not_disturb", {"enabled": True})], "on"),
    ([("find_document", {"query": "minutes of the meeting"})], "meeting_minutes"),
    ([("find_document", {"query": "pour schedule for block C"})], "/Documents/pour_schedule"),
    ([("print_document", {"document": "insurance card"})], "insurance_card"),
    (
        [
            ("take_photo", {"camera": "back"}),
            ("print_document", {"document": "$", "copies": 3}),
        ],
        "3 copies of /Photos/",
    ),
    ([("create_note", {"content": "plate KRW 5582", "title": "Van"})], "Van"),
    ([("create_note", {"content": "plate KRW 5582"})], "plate KRW 5582"),
    ([("play_music", {"query": "Fela Kuti"})], "Fela Kuti"),
    ([("open_app", {"app_name": "Duolingo"})], "Duolingo"),
    ([("search_products", {"query": "carbon steel wok"})], "carbon steel wok"),
    ([("search_products", {"query": "left-handed ukulele", "max_price": 90})], "ukulele"),
    ([("compare_prices", {"product": "Dyson V12"})], "our shop"),
    ([("get_product_reviews", {"product": "Kobo Libra"})], "4.6 of 5 from 3,120 reviews"),
    (
        [
            ("search_products", {"query": "tent pegs"}),
            ("get_product_reviews", {"product": "$"}),
            ("add_to_cart", {"product": "$", "quantity": 2}),
        ],
        " tent pegs; cart:",
    ),
    ([("remove_from_cart", {"product": "candles"})], "garlic press"),
    ([("view_cart", {})], "scented candles"),
    ([("add_to_wishlist", {"product": "mohair scarf"})], "mohair scarf"),
    ([("apply_coupon", {"code": "WELCOME10"})], "10 % off"),
    ([("apply_coupon", {"code": "STUDY25"})], "25 % off"),
    ([("checkout", {})], "order 31-"),
    ([("checkout", {"payment_method": "PayPal", "address": "8 Mill Lane"})], "8 Mill Lane"),
    ([("checkout", {}), ("track_order", {"order": "$"})], "in preparation"),
    ([("track_order", {"order": "31-77196"})], "out for delivery"),
    ([("track_order", {"order": "cello strings"})], "cello strings"),
    ([("checkout", {}), ("cancel_order", {"order": "$"})], "refunded"),
    ([("cancel_order", {"order": "standing desk"})], "31-77199"),
    ([("return_item", {"item": "cordless drill", "reason": "it hums"})], "RL-31-77182"),
    ([("return_item", {"item": "yellow raincoat"})], "yellow raincoat"),
    ([("reorder", {"item": "cat litter"})], "order 31-"),
    ([("write_review", {"product": "juicer", "rating": 2, "text": "Loud"})], "2 of 5"),
    ([("set_price_alert", {"product": "Sonos Roam", "price": 120})], "now €179"),
    ([("search_titles", {"query": "Toni Collette"})], "Hereditary (2018)"),
    ([("search_titles", {"query": "deep sea diving"})], "Deep Sea Diving"),
    ([("search_titles", {"query": "Seven Samurai"})], "Seven Samurai (1954)"),
    ([("play_title", {"title": "Toni Erdmann"})], "playing Toni Erdmann"),
    ([("play_title", {"title": "Dark", "episode": "s2e4"})], "season 2 episode 4"),
    ([("play_title", {"title": "Bluey", "episode": "series two episode one"})], "season 2 episode"),
    (
        [
            ("get_recommendations", {"based_on": "Fargo"}),
            ("play_title", {"title": "$"}),
        ],
        "playing",
    ),
    ([("pause_playback", {})], "paused at 40:00"),
    ([("pause_playback", {}), ("resume_playback", {})], "resumed Interstellar, at 40:00"),
    ([("resume_playback", {"title": "Slow Horses"})], "season 2 episode 1, at 10:40"),
    ([("seek_to", {"position": "forward 30 seconds"})], "40:30"),
    ([("seek_to", {"position": "back half a minute"})], "39:30"),
    ([("seek_to", {"position": "1:02:00"})], "1:02:00"),
    ([("seek_to", {"position": "the beginning"})], "0:00"),
    ([("seek_to", {"position": "the five minute mark"})], "5:00"),
    ([("seek_to", {"position": "forward two and a half minutes"})], "42:30"),
    ([("seek_to", {"position": "90 seconds ahead"})], "41:30"),
    ([("set_playback_speed", {"speed": 1.25})], "1.25"),
    ([("set_subtitles", {"language": "Dutch"})], "Dutch"),
    ([("set_subtitles", {"language": "off"})], "off"),
    ([("set_audio_language", {"language": "Korean"})], "Korean"),
    ([("set_video_quality", {"quality": "480p"})], "480p"),
    ([("add_to_watchlist", {"title": "Shogun"})], "Shogun"),
    ([("remove_from_watchlist", {"title": "Tiger King"})], "Emily in Paris"),
    ([("get_recommendations", {"based_on": "westerns"})], "No Country for Old Men"),
    ([("download_title", {"title": "Peppa Pig", "episode": "s3e12"})], "season 3 episode 12"),
    ([("cast_to_device", {"device": "attic projector"})], "attic projector"),
    ([("rate_title", {"title": "Casablanca", "rating": 5})], "5 of 5"),
    ([("switch_profile", {"profile": "kids"})], "Kids"),
    ([("search_flights", {"destination": "Lisbon"})], "Dublin to Lisbon"),
    (
        [
            (
                "search_flights",
                {
                    "destination": "Kigali",
                    "origin": "Leeds",
                    "date": "12 May",
                    "return_date": "20th",
                },
            ),
            ("book_flight", {"flight": "$", "passengers": 2, "cabin": "business"}),
        ],
        "Leeds to Kigali, Tue 12 May, 2 passengers, business",
    ),
    ([("book_flight", {"flight": "UA2044"})], "UA2044"),
    ([("check_flight_status", {"flight": "LH 1810"})], "LH 1810"),
    ([("check_in_flight", {"flight": "KL 934", "seat": "14A"})], "seat 14A"),
    ([("check_in_flight", {"flight": "TR9X2M", "seat": "window"})], "window"),
    ([("search_hotels", {"location": "Hoi An", "check_in": "Friday", "max_price": 80})], "Hoi An"),
    (
        [
            ("search_hotels", {"location": "Hoi An"}),
            ("book_hotel", {"hotel": "$", "check_in": "30 May", "check_out": "3 nights"}),
            ("order_ride", {"destination": "$", "time": "noon"}),
        ],
        "ride to Hoi An Garden Inn,",
    ),
    ([("book_hotel", {"hotel": "Hotel Sacher", "guests": 2})], "Wed 6 May, 1 night, 2 guests"),
    ([("cancel_booking", {"booking": "Riad Yasmine"})], "QX48LP"),
    ([("cancel_booking", {"booking": "car in Faro"})], "ZR19TT"),
    ([("cancel_booking", {"booking": "HX-5520"})], "HX-5520 cancelled"),
    ([("rent_car", {"location": "Split airport", "start": "2 Aug", "end": "11 Aug"})], "9 days"),
    ([("order_ride", {"destination": "Gatwick"})], "min"),
    ([("order_ride", {"destination": "zoo", "pickup": "hotel", "time": "5:15 am"})], "05:15"),
    ([("find_attractions", {"location": "Tbilisi", "kind": "churches"})], "Churches"),
    ([("find_attractions", {"location": "Madrid"})], "Madrid"),
    ([("book_restaurant", {"restaurant": "Dishoom", "time": "Friday at 8"})], "Fri 8 May 20:00"),
    (
        [
            (
                "convert_currency",
                {"amount": 300, "from_currency": "euros", "to_currency": "quid"},
            )
        ],
        "300 EUR = 258.00 GBP",
    ),
    ([("translate_phrase", {"text": "The bill, please", "language": "Italian"})], "il conto"),
    ([("translate_phrase", {"text": "my ear hurts", "language": "Thai"})], "[Thai] my ear hurts"),
    ([("get_visa_requirements", {"country": "Nepal", "nationality": "Polish"})], "Nepal"),
    ([("get_visa_requirements", {"country": "Spain"})], "no visa needed"),
    (
        [("buy_travel_insurance", {"destination": "Iceland", "start": "Friday", "end": "a week"})],
        "Fri 8 May to Fri 15 May",
    ),
    ([("set_light", {"room": "kitchen", "state": "on", "brightness": 40})], "on, 40 %"),
    ([("set_light", {"room": "Kai's room", "state": "on", "color": "warm white"})], "warm white"),
    ([("set_light", {"room": "everywhere", "state": "off"})], "lights everywhere: off"),
    ([("set_thermostat", {"temperature": 21.5})], "21.5 °C"),
    ([("set_thermostat", {"temperature": 70, "room": "nursery"})], "70 °F"),
    ([("set_climate_mode", {"mode": "cool"})], "cool"),
    ([("set_lock", {"door": "front door", "state": "unlocked"})], "unlocked"),
    ([("set_cover", {"cover": "garage door", "position": "40%"})], "40 % open"),
    ([("set_plug", {"appliance": "popcorn machine", "state": "on"})], "on"),
    ([("start_vacuum", {})], "whole home"),
    ([("start_vacuum", {"room": "hallway"}), ("dock_vacuum", {})], "dock"),
    ([("play_on_speaker", {"media": "Radio Nova", "device": "kitchen speaker"})], "Radio Nova"),
    ([("announce", {"message": "dinner", "room": "upstairs"})], "upstairs"),
    ([("set_security_mode", {"mode": "armed_away"})], "armed away"),
    ([("show_camera", {"camera": "front door"})], "courier"),
    ([("get_sensor", {"sensor": "humidity", "room": "wine cellar"})], "%"),
    ([("get_sensor", {"sensor": "smoke alarm's battery"})], "%"),
    ([("run_scene", {"scene": "movie night"})], "movie night"),
    ([("water_plants", {"zone": "tomatoes", "duration": "half an hour"})], "30 min"),
    ([("start_appliance", {"appliance": "dishwasher", "start_time": "22:30"})], "22:30"),
    ([("start_appliance", {"appliance": "tumble dryer", "programme": "wool"})], "started"),
]


@pytest.mark.parametrize(("calls", "expected"), PLANS)
def test_plan_succeeds(device: SimulatedDevice, calls: list[Call], expected: str) -> None:
    assert expected in run(device, *calls)


def test_plans_cover_every_function(device: SimulatedDevice) -> None:
    called = {function for calls, _ in PLANS for function, _ in calls}
    assert called == {function.name for function in device.functions}
    assert len(called) == 87


def test_same_calls_give_same_results() -> None:
    def results() -> list[str]:
        found = []
        for calls, _ in PLANS:
            with SimulatedDevice(now=NOW) as device:
                found.append(run(device, *calls))
        return found

    assert results() == results()


WIFI_OFF: Call = ("set_wifi", {"enabled": False})
# Plans whose last call fails, and a part of the reason.
FAILURES: list[tuple[list[Call], str]] = [
    ([("find_contact", {"name": "Bob"})], "no contact named Bob"),
    ([("send_text_message", {"contact_name": "Bob", "message": "hi"})], "no contact named Bob"),
    ([("send_text_message", {"contact_name": "Alex", "message": "hi"})], "Kim and Alex Moreau"),
    ([("send_email", {"recipient": "Grandma"})], "no email address"),
    ([("send_email", {"recipient": "Mom", "attachment": "/no/such.pdf"})], "no file /no/such.pdf"),
    ([("make_phone_call", {"recipient": "Vojta"})], "no contact named Vojta"),
    ([("create_contact", {"name": "kofi mensah", "phone_number": "1234"})], "already"),
    ([("create_contact", {"name": "Bob", "phone_number": "none"})], "not a phone number"),
    ([("find_document", {"query": "Kubota"})], 'no document matches "Kubota"'),
    ([("print_document", {"document": "CV", "copies": 61})], "out of paper"),
    ([("connect_bluetooth_device", {"device_name": "Sennheiser"})], "not in range"),
    ([("connect_bluetooth_device", {"device_name": "JBL Charge"})], "another phone"),
    ([("connect_bluetooth_device", {"device_name": "Bob's thing"})], "no Bluetooth device"),
    ([("open_app", {"app_name": "Frobnicator"})], "not installed"),
    ([("find_route_google_maps", {"destination": "?"})], "not found"),
    ([("set_reminder", {"text": "x", "time": "whenever"})], 'cannot tell when "whenever" is'),
    ([("set_reminder", {"text": "x", "time": "today at 9 am"})], "has passed"),
    ([("get_calendar_events", {"date": "Ramadan"})], "cannot tell when"),
    ([("set_timer_alarm", {"time": "99 hours"})], "24 hours"),
    (
        [
            (
                "create_calendar_event",
                {"title": "x", "start_time": "5 July", "end_time": "4 July 2026"},
            )
        ],
        "not after",
    ),
    ([WIFI_OFF, ("play_music", {"query": "Abba"})], "Wi-Fi is off"),
    ([WIFI_OFF, ("send_email", {"recipient": "Mom"})], "Wi-Fi is off"),
    ([WIFI_OFF, ("search_products", {"query": "wok"})], "Wi-Fi is off"),
    ([WIFI_OFF, ("search_hotels", {"location": "Rome"})], "Wi-Fi is off"),
    ([WIFI_OFF, ("download_title", {"title": "Dark"})], "downloads need Wi-Fi"),
    ([WIFI_OFF, ("play_title", {"title": "Dune"})], "Wi-Fi is off"),
    ([("checkout", {}), ("checkout", {})], "cart is empty"),
    ([("checkout", {}), ("apply_coupon", {"code": "SPRING5"})], "cart is empty"),
    ([("checkout", {"payment_method": "invoice"})], "not offered"),
    ([("remove_from_cart", {"product": "anvil"})], "not in the cart"),
    ([("add_to_cart", {"product": "Opinel No 8"})], "out of stock"),
    ([("add_to_cart", {"product": "Dyson Airwrap", "quantity": 9})], "only 3"),
    ([("apply_coupon", {"code": "NONSENSE"})], "not valid"),
    ([("apply_coupon", {"code": "WINTER15"})], "expired"),
    ([("apply_coupon", {"code": "BIG20"})], "minimum order of €500"),
    ([("track_order", {"order": "7"})], "no order 7"),
    ([("cancel_order", {"order": "patio heater"})], "already shipped"),
    ([("cancel_order", {"order": "standing desk"})] * 2, "already cancelled"),
    ([("return_item", {"item": "hiking boots"})], "return period"),
    ([("return_item", {"item": "patio heater"})], "delivered"),
    ([("write_review", {"product": "juicer", "rating": 1})] * 2, "already reviewed"),
    ([("set_price_alert", {"product": "Sonos Roam", "price": 500})], "already €179"),
    ([("search_products", {"query": "sofa", "max_price": 1})], "no sofa under €1"),
    ([("play_title", {"title": "Stalker"})], "not in the catalogue"),
    ([("play_title", {"title": "Dark", "episode": "s9e1"})], "only 3 seasons"),
    ([("pause_playback", {})] * 2, "nothing is playing"),
    ([("switch_profile", {"profile": "Kids"}), ("resume_playback", {})], "nothing is paused"),
    (
        [("switch_profile", {"profile": "Kids"}), ("seek_to", {"position": "1:00"})],
        "nothing is playing",
    ),
    ([("switch_profile", {"profile": "Kenji"})], "no profile named Kenji"),
    ([("seek_to", {"position": "9:00:00"})], "only 2:49:00 long"),
    ([("seek_to", {"position": "Narnia"})], "no position"),
    ([("set_subtitles", {"language": "Klingon"})], "no Klingon subtitles"),
    ([("set_audio_language", {"language": "Navajo"})], "no Navajo sound track"),
    ([("remove_from_watchlist", {"title": "Lost"})], "not on the watch list"),
    ([("cast_to_device", {"device": "basement TV"})], "switched off"),
    ([("cast_to_device", {"device": "hat"})], "not found"),
    ([("search_flights", {"destination": "Dublin"})], "the same"),
    ([("check_in_flight", {"flight": "EI 484"})], "opens 24 hours before departure, Sun 17 May"),
    ([("check_in_flight", {"flight": "mine"})], "no booking for mine"),
    ([("check_flight_status", {"flight": "mine"})], "unknown flight"),
    ([("cancel_booking", {"booking": "something"})], "no booking something"),
    ([("cancel_booking", {"booking": "Hostal Bahía"})], "not refundable"),
    ([("cancel_booking", {"booking": "K7P2MN"})] * 2, "already cancelled"),
    ([("search_hotels", {"location": "Rome", "max_price": 3})], "no hotel"),
    ([("book_hotel", {"hotel": "Ibis", "check_in": "yesterday"})], "has passed"),
    (
        [("book_hotel", {"hotel": "Ibis", "check_in": "20 May", "check_out": "19 May"})],
        "not after",
    ),
    ([("order_ride", {"destination": "zoo", "pickup": "Zoo"})], "the same"),
    ([("book_restaurant", {"restaurant": "Noma", "time": "3 am"})], "closed at 03:00"),
    (
        [("book_restaurant", {"restaurant": "Noma", "time": "8 pm", "party_size": 28})],
        "largest seats 20",
    ),
    (
        [("convert_currency", {"amount": 1, "from_currency": "crowns", "to_currency": "EUR"})],
        "could be Swedish",
    ),
    (
        [("convert_currency", {"amount": 1, "from_currency": "doubloons", "to_currency": "EUR"})],
        "no currency",
    ),
    ([("set_light", {"room": "Mars", "state": "on"})], "no lights in Mars"),
    ([("set_light", {"room": "hall", "state": "on", "color": "loud"})], "cannot show loud"),
    (
        [("set_climate_mode", {"mode": "off"}), ("set_thermostat", {"temperature": 20})],
        "heating and cooling are off",
    ),
    ([("set_thermostat", {"temperature": 35})], "from 5 to 30"),
    ([("set_lock", {"door": "back gate", "state": "unlocked"})], "battery is empty"),
    ([("set_lock", {"door": "heart", "state": "unlocked"})], "no lock"),
    ([("set_cover", {"cover": "terrace awning", "position": "open"})], "wind"),
    ([("set_cover", {"cover": "blinds", "position": "sideways"})], "no position"),
    ([("set_plug", {"appliance": "jukebox", "state": "on"})], "does not answer"),
    ([("start_vacuum", {})] * 5, "battery is too low"),
    ([("play_on_speaker", {"media": "jazz", "device": "shed speaker"})], "offline"),
    ([("announce", {"message": "hi", "room": "Mars"})], "no speaker"),
    (
        [
            ("set_lock", {"door": "front door", "state": "unlocked"}),
            ("set_security_mode", {"mode": "armed_away"}),
        ],
        "front door is not locked",
    ),
    ([("show_camera", {"camera": "alley"})], "offline"),
    ([("get_sensor", {"sensor": "smoke", "room": "garden"})], "no smoke sensor in garden"),
    ([("get_sensor", {"sensor": "happiness"})], "no happiness sensor"),
    ([("run_scene", {"scene": "Lüften"})], "no scene named Lüften"),
    ([("water_plants", {"zone": "spoons"})], "no zone"),
    ([("water_plants", {"zone": "lawn", "duration": "9 hours"})], "rain tank"),
    ([("start_appliance", {"appliance": "rocket"})], "no appliance"),
    ([("start_appliance", {"appliance": "oven"})] * 2, "already in use until Wed 6 May 10:45"),
]


@pytest.mark.parametrize(("calls", "reason"), FAILURES)
def test_last_call_fails(device: SimulatedDevice, calls: list[Call], reason: str) -> None:
    run(device, *calls[:-1])
    before = device.changes()
    with pytest.raises(DeviceFailure, match=re.escape(reason)):
        run(device, calls[-1])
    assert device.changes() == before


def test_unknown_function_is_a_failure(device: SimulatedDevice) -> None:
    with pytest.raises(DeviceFailure, match="no function make_tea"):
        device.call("make_tea", {})


# How people say times, and what they mean on Wednesday 6 May 2026 at 10:00.
TIMES = {
    "tomorrow at 3 pm": "Thu 7 May 15:00",
    "2026-05-14 15:00": "Thu 14 May 15:00",
    "half past six": "Wed 6 May 18:30",
    "half eight tonight": "Wed 6 May 20:30",
    "quarter to seven": "Wed 6 May 18:45",
    "twenty to seven Friday": "Fri 8 May 18:40",
    "ten past nine tonight": "Wed 6 May 21:10",
    "noon": "Wed 6 May 12:00",
    "midnight": "Thu 7 May 00:00",
    "tonight at 8": "Wed 6 May 20:00",
    "eight this evening": "Wed 6 May 20:00",
    "5:15 am": "Thu 7 May 05:15",
    "5 in the morning": "Thu 7 May 05:00",
    "6.45 pm": "Wed 6 May 18:45",
    "seven sharp tomorrow": "Thu 7 May 07:00",
    "in 20 minutes": "Wed 6 May 10:20",
    "in an hour": "Wed 6 May 11:00",
    "in three days": "Sat 9 May 10:00",
    "now": "Wed 6 May 10:00",
    "Thursday at ten fifteen": "Thu 7 May 10:15",
    "Thurs 9am": "Thu 7 May 09:00",
    "Saturday half past seven": "Sat 9 May 07:30",
    "Saturday morning": "Sat 9 May 08:00",
    "tomorrow night": "Thu 7 May 20:00",
    "next Friday": "Fri 15 May 09:00",
    "this Friday": "Fri 8 May 09:00",
    "Friday week at 18:30": "Fri 15 May 18:30",
    "next Saturday at noon": "Sat 16 May 12:00",
    "Friday the 13th at noon": "Fri 13 Nov 12:00",
    "the 14th of May": "Thu 14 May 09:00",
    "the fourteenth at nine fifteen": "Thu 14 May 09:15",
    "the 2nd": "Tue 2 Jun 09:00",
    "6 May at 19:00": "Wed 6 May 19:00",
    "14 Oct 3.15pm": "Wed 14 Oct 15:15",
    "2pm on the 9th": "Sat 9 May 14:00",
    "March the 2nd at 10": "Tue 2 Mar 10:00",
    "the 3rd of June at seven am": "Wed 3 Jun 07:00",
    "18/06": "Thu 18 Jun 09:00",
    "Boxing Day": "Sat 26 Dec 09:00",
    "Whit Monday 9:30": "Mon 25 May 09:30",
    "the last Sunday of May, 2 pm": "Sun 31 May 14:00",
    "the second Monday in August": "Mon 10 Aug 09:00",
    "the 1st of next month": "Mon 1 Jun 09:00",
    "the day after tomorrow": "Fri 8 May 09:00",
}


@pytest.mark.parametrize(("phrase", "meant"), TIMES.items())
def test_time_phrases(device: SimulatedDevice, phrase: str, meant: str) -> None:
    result = device.call("set_reminder", {"text": "x", "time": phrase})
    assert result == f'reminder "x" set for {meant}'


@pytest.mark.parametrize(
    ("period", "inside", "outside"),
    [
        ("this week", "Sunday lunch", "one-to-one"),
        ("next week", "one-to-one", "Sunday lunch"),
        ("the weekend", "swimming gala", "call with the Lagos office"),
        ("tomorrow", "project review", "stand-up"),
        ("this afternoon", "dentist", "choir"),
        ("between 2 and 4 this afternoon", "dentist", "choir"),
        ("Thursday to Saturday", "swimming gala", "Sunday lunch"),
        ("the next three days", "Lagos", "swimming gala"),
        ("the rest of today", "dentist", "stand-up"),
        ("between the 7th and the 9th of May", "swimming gala", "Sunday lunch"),
        ("the month of May", "flight to Lisbon", "nothing"),
    ],
)
def test_periods(device: SimulatedDevice, period: str, inside: str, outside: str) -> None:
    events = device.call("get_calendar_events", {"date": period})
    assert inside in events
    assert outside not in events


@pytest.mark.parametrize(
    ("start", "end", "nights"),
    [
        ("Friday", "three nights", 3),
        ("Friday", "Sunday", 2),
        ("tonight", "a fortnight", 14),
        ("28 May", "the 2nd", 5),
        ("27 December", "2 January", 6),
        ("tomorrow", "", 1),
    ],
)
def test_length_of_stay(device: SimulatedDevice, start: str, end: str, nights: int) -> None:
    arguments = {"hotel": "Ibis", "check_in": start} | ({"check_out": end} if end else {})
    stay = re.search(r"(\d+) nights?", device.call("book_hotel", arguments))
    assert stay
    assert int(stay[1]) == nights


def test_the_clock_reads_the_real_time_by_default() -> None:
    with SimulatedDevice() as device:
        before = datetime.now()
        path = device.call("take_photo", {"camera": "back"})
        assert before.strftime("%Y%m%d") in path or datetime.now().strftime("%Y%m%d") in path


def test_changes_are_told_in_order(device: SimulatedDevice) -> None:
    assert device.changes() == []
    run(
        device,
        ("set_screen_brightness", {"percent": 80}),
        ("set_wifi", {"enabled": False}),
        ("send_text_message", {"contact_name": "Mom", "message": "hi"}),
        ("set_screen_brightness", {"percent": 20}),
        ("set_wifi", {"enabled": True}),
        ("view_cart", {}),
    )
    assert device.changes() == ["screen brightness: 60 % → 20 %", 'texted Mom: "hi"']


def test_state_persists(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    with SimulatedDevice(path, now=NOW) as device:
        run(
            device,
            ("create_contact", {"name": "Zed Zimmer", "phone_number": "1234567"}),
            ("create_calendar_event", {"title": "zoo", "start_time": "tomorrow at 4 pm"}),
            ("remove_from_cart", {"product": "toaster"}),
            ("add_to_watchlist", {"title": "Zodiac"}),
            ("set_lock", {"door": "front door", "state": "unlocked"}),
            WIFI_OFF,
        )
    with SimulatedDevice(str(path), now=NOW) as device:
        assert device.changes() == []
        assert "1234567" in device.call("find_contact", {"name": "Zed"})
        assert "16:00 zoo" in device.call("get_calendar_events", {"date": "tomorrow"})
        with pytest.raises(DeviceFailure, match="Wi-Fi"):
            device.call("view_cart", {})
        device.call("set_wifi", {"enabled": True})
        assert "toaster" not in device.call("view_cart", {})
        assert "Zodiac" in device.call("add_to_watchlist", {"title": "Dune"})
        with pytest.raises(DeviceFailure, match="front door is not locked"):
            device.call("set_security_mode", {"mode": "armed_away"})


def test_a_failed_call_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    with SimulatedDevice(path, now=NOW) as device:
        before = path.read_bytes()
        for calls, _ in FAILURES:
            if len(calls) == 1:
                with pytest.raises(DeviceFailure):
                    run(device, calls[0])
        assert path.read_bytes() == before


def test_bluetooth_that_is_off(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    SimulatedDevice(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE settings SET value = 'off' WHERE name = 'bluetooth'")
    with SimulatedDevice(path) as device, pytest.raises(DeviceFailure, match="Bluetooth is off"):
        device.call("connect_bluetooth_device", {"device_name": "Jabra"})


def test_an_empty_file_is_seeded(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    path.touch()
    with SimulatedDevice(path) as device:
        assert "cart" in device.call("view_cart", {})


def test_locked_file_at_opening_and_during_a_call(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    device = SimulatedDevice(path)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DeviceError, match="in use by another program"):
        SimulatedDevice(path)
    with pytest.raises(DeviceError, match="in use by another program"):
        device.call("view_cart", {})
    other.rollback()
    other.close()
    assert "cart" in device.call("view_cart", {})
    device.close()


def test_unusable_paths(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("This is not a database at all, but it is long enough to look at.\n" * 20)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    old = tmp_path / "old.db"
    SimulatedDevice(old).close()
    with sqlite3.connect(old) as db:
        db.execute("PRAGMA user_version = 999")
    problems = {
        text: "not a simulated device's file",
        foreign: "another program",
        old: "another version",
        tmp_path: "is a folder",
        tmp_path / "missing" / "device.db": "create it first",
        text / "device.db": "cannot be created",
    }
    contents = text.read_bytes(), foreign.read_bytes()
    for path, problem in problems.items():
        with pytest.raises(DeviceError, match=problem) as raised:
            SimulatedDevice(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
    assert (text.read_bytes(), foreign.read_bytes()) == contents


def test_read_only_file(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    SimulatedDevice(path).close()
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(DeviceError, match="permissions"):
        SimulatedDevice(path)


# Any text, and text that is nearly meaningful.
WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        """tomorrow next last the 31st 3 pm half past six to between and week of in minutes - ' "
        99999999 €5 Dark ; : s1e1 Mom kitchen EI 484 forward back 1:30 °C % Ω 14/02 february noon
        -1 $1 every second quarter hours Friday 2026-02-30 0 week 99""",
    )
)
TEXT = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=string.digits + ":./- ampth", max_size=12),
    st.lists(WORDS, max_size=7).map(" ".join),
    st.sampled_from(["\ud800", "", " ", "9" * 400, "a to " * 60, "\0", "'; DROP TABLE cart; --"]),
)


def value_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    return {
        "string": TEXT,
        "boolean": st.booleans(),
        "integer": st.integers(low, high),
        "number": st.floats(low, high, allow_nan=False, allow_infinity=False) | st.just(low or 1),
    }[schema["type"]]


with SimulatedDevice() as _device:
    SCHEMAS = {function.name: function.parameters for function in _device.functions}
ANY_CALL = st.sampled_from(sorted(SCHEMAS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.fixed_dictionaries(
            {key: value_of(SCHEMAS[name]["properties"][key]) for key in SCHEMAS[name]["required"]},
            optional={
                key: value_of(schema)
                for key, schema in SCHEMAS[name]["properties"].items()
                if key not in SCHEMAS[name]["required"]
            },
        ),
    )
)


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(st.lists(ANY_CALL, min_size=1, max_size=12))
def test_valid_arguments_raise_nothing_but_failures(calls: list[Call]) -> None:
    with SimulatedDevice(now=NOW) as device:
        for function, arguments in calls:
            try:
                result = device.call(function, arguments)
            except DeviceFailure as failure:
                result = str(failure)
            assert result
        device.changes()


def state(device: SimulatedDevice) -> dict[str, list[tuple[Any, ...]]]:
    """All that a device holds, less the world's facts, which are made up when asked for."""
    store = device._store
    tables = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE sql > ''")]
    return {
        table: sorted(map(tuple, store.rows(f"SELECT * FROM {table}")), key=repr)
        for table in tables
        if table not in ("products", "titles")
    }


@pytest.mark.parametrize("plan", [plan for plan, _ in PLANS], ids=lambda plan: plan[-1][0])
def test_what_has_a_receipt_can_be_taken_back(device: SimulatedDevice, plan: list[Call]) -> None:
    result = run(device, *plan[:-1])
    before = state(device)
    function, arguments = plan[-1]
    device.call(function, {k: result if v == "$" else v for k, v in arguments.items()})
    receipt = device.receipt()
    if receipt is not None:
        assert not device.functions[function].hints.read_only
        device.undo(receipt)
        assert state(device) == before
    sends = function in ("send_email", "send_text_message", "checkout", "book_flight")
    assert not sends or receipt is None


def test_a_receipt_of_a_replaced_row_gives_the_old_one_back(device: SimulatedDevice) -> None:
    run(device, ("add_to_cart", {"product": "tea", "quantity": 2}))
    before = state(device)
    run(device, ("add_to_cart", {"product": "tea", "quantity": 3}))
    receipt = device.receipt()
    assert receipt is not None and state(device) != before
    device.undo(receipt)
    assert state(device) == before
    with pytest.raises(DeviceFailure, match="has changed again since"):
        device.undo(receipt)
    assert state(device) == before
    with pytest.raises(DeviceFailure):
        run(device, ("make_phone_call", {"recipient": "Zzyzx Quux"}))
    assert device.receipt() is None
