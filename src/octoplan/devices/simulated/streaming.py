"""The simulated video service: the functions of the `video_streaming` set."""

from __future__ import annotations

import re
import sqlite3

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated import lexicons, spoken
from octoplan.devices.simulated.matching import best, between, has_word, subject, words
from octoplan.devices.simulated.store import WIFI_ON, Store

_STEP = re.compile(r"\b(?:back|rewind|backwards?|forward|ahead|skip|on|jump|fast)\b")


class Streaming:
    """One public method a function of the `video_streaming` set."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search_titles(self, query: str) -> str:
        """By title, people, genre or theme; what is not seeded is invented from the query."""
        self._store.go_online()
        named = self._named(query)
        if named:
            return "; ".join(map(_shown, named))
        like = self._like(query)
        found = [row for score, row in like if score == like[0][0]]
        if not found:
            about = words(query) - lexicons.GENRES
            topic = " ".join(w for w in re.findall(r"[\w'-]+", query) if words(w) & about) or query
            found = [
                self._made(form.format(_title_case(topic)), genre=query)
                for form in ("{}", "The {} Story", "Inside {}")
            ]
        return "; ".join(map(_shown, found[:3]))

    def play_title(self, title: str, episode: str = "") -> str:
        """From the beginning, or of the episode's."""
        row = self._find(title)
        said = _episode(episode, row)
        self._need_connection(row["name"])
        return self._start(row, said, 0, "playing")

    def pause_playback(self) -> str:
        """Pauses what is playing."""
        title = self._playing("playing")
        self._store.put("playback", "paused", "playback")
        self._store.did(f"paused {title['name']}")
        return f"{title['name']} paused at {_clock(self._position())}"

    def resume_playback(self, title: str = "") -> str:
        """What was paused, else what was last left unfinished by this viewer."""
        if not title and self._store.get("playback") == "playing":
            return f"{self._store.get('playing')} is already playing"
        profile = self._store.get("profile")
        name = self._find(title)["name"] if title else self._store.get("playing")
        seen = self._store.row(
            "SELECT * FROM progress WHERE profile = ? AND (? = '' OR title = ?) "
            "ORDER BY seen DESC LIMIT 1",
            profile, name, name,
        )  # fmt: skip
        if not seen and not title:
            raise DeviceFailure(f"nothing is paused or left unfinished in the profile {profile}")
        row = self._find(title or seen["title"])  # type: ignore[index]
        self._need_connection(row["name"])
        if seen:
            return self._start(row, seen["episode"], seen["seconds"], "resumed")
        # Watched elsewhere: people know what they have left unfinished.
        return self._start(row, _episode("", row), row["minutes"] * 20, "resumed")

    def seek_to(self, position: str) -> str:
        """To a time from the beginning, or forward or back from where it is."""
        row = self._playing("playing", "paused")
        length = row["minutes"] * 60
        target = _seconds(position, self._position(), length)
        if target is None:
            raise DeviceFailure(f'no position "{position}" in {row["name"]}')
        if target > length:
            raise DeviceFailure(f"{row['name']} is only {_clock(length)} long")
        self._store.rows(
            "UPDATE progress SET seconds = ? WHERE profile = ? AND title = ?",
            target, self._store.get("profile"), row["name"],
        )  # fmt: skip
        self._store.did(f"moved {row['name']} to {_clock(target)}")
        return f"{row['name']} at {_clock(target)}"

    def set_playback_speed(self, speed: float) -> str:
        """The speed, 1 is normal."""
        self._store.put("speed", f"{speed:g}", "playback speed")
        return f"playback speed {speed:g}"

    def set_subtitles(self, language: str) -> str:
        """Subtitles in a language that there is, or off."""
        off = language.strip().lower() in ("off", "none", "no")
        if not off and not has_word(language, lexicons.LANGUAGES):
            raise DeviceFailure(f"no {language} subtitles for this title")
        state = "off" if off else language
        self._store.put("subtitles", state, "subtitles")
        return "subtitles off" if off else f"subtitles in {language}"

    def set_audio_language(self, language: str) -> str:
        """A sound track that there is."""
        if language.lower() not in ("original", "original language") and not has_word(
            language, lexicons.DUBBED
        ):
            raise DeviceFailure(
                f"no {language} sound track for this title; available: English, German, French"
            )
        self._store.put("audio", language, "audio language")
        return f"audio in {language}"

    def set_video_quality(self, quality: str) -> str:
        """The picture's quality."""
        self._store.put("video quality", quality, "video quality")
        return f"video quality {quality}"

    def add_to_watchlist(self, title: str) -> str:
        """Onto the watch list."""
        self._store.go_online()
        name = self._find(title)["name"]
        if self._listed("watch list", name):
            return f"{name} is on the watch list already"
        self._store.insert("saved", "watch list", name, "")
        self._store.did(f"saved {name} to the watch list")
        return self._watchlist()

    def remove_from_watchlist(self, title: str) -> str:
        """Off the watch list."""
        self._store.go_online()
        rows = self._store.rows("SELECT name FROM saved WHERE list = 'watch list'")
        found = best(subject(title), [(row[0], row[0]) for row in rows])
        if not found:
            raise DeviceFailure(f"{title} is not on the watch list")
        self._store.rows("DELETE FROM saved WHERE list = 'watch list' AND name = ?", found[0])
        self._store.did(f"took {found[0]} off the watch list")
        return self._watchlist()

    def get_recommendations(self, based_on: str) -> str:
        """Three titles of the genre or mood, or of the genres of the title."""
        self._store.go_online()
        named = self._named(based_on)
        like = self._like(named[0]["genre"], share=0) if named else self._like(based_on)
        found = [row for _, row in like if row not in named]
        rows = self._catalogue()
        start = between(0, len(rows) - 1, based_on)
        found += [row for row in rows[start:] + rows[:start] if row not in found + named]
        return "; ".join(map(_shown, found[:3]))

    def download_title(self, title: str, episode: str = "") -> str:
        """Onto the phone, to watch without Wi-Fi."""
        if self._store.get("wifi") != "on":
            raise DeviceFailure("downloads need Wi-Fi, Wi-Fi is off", WIFI_ON)
        row = self._find(title)
        said = _episode(episode, row) if episode else ""
        shown = f"{row['name']}, {said}" if said else row["name"]
        self._store.insert("saved", "downloads", row["name"], said)
        self._store.did(f"downloaded {shown}")
        return f"{shown} downloaded"

    def cast_to_device(self, device: str) -> str:
        """To a screen of the home."""
        rows = self._store.rows("SELECT name, fault FROM things WHERE kind = 'screen'")
        known = best(device, [(row["name"], row) for row in rows])
        if known and known[0]["fault"]:
            raise DeviceFailure(f"{known[0]['name']}: {known[0]['fault']}")
        if not known and not has_word(device, lexicons.SCREENS):
            raise DeviceFailure(f'device "{device}" not found')
        self._store.put("screen", device, "video shown on")
        return f"showing the video on {device}"

    def rate_title(self, title: str, rating: int) -> str:
        """Stars for a title; a later rating takes the place of an earlier."""
        self._store.go_online()
        name = self._find(title)["name"]
        self._store.insert("reviews", "title", name, rating, "")
        self._store.did(f"rated {name} with {rating} of 5 stars")
        return f"{name} rated with {rating} of 5 stars"

    def switch_profile(self, profile: str) -> str:
        """To a profile that there is; what was playing stops."""
        rows = [row[0] for row in self._store.rows("SELECT name FROM profiles")]
        found = best(profile, [(name, name) for name in rows])
        if not found:
            raise DeviceFailure(f"no profile named {profile}")
        if self._store.put("profile", found[0], "viewer profile") != found[0]:
            self._store.put("playing", "")
            self._store.put("playback", "stopped")
        return f"profile {found[0]}"

    def _catalogue(self) -> list[sqlite3.Row]:
        return self._store.rows("SELECT * FROM titles WHERE seasons >= 0 ORDER BY rowid")

    def _named(self, title: str) -> list[sqlite3.Row]:
        """The title of that name, if there is one."""
        wanted = words(title)
        rows = self._store.rows("SELECT * FROM titles ORDER BY rowid")
        return [row for row in rows if words(row["name"]) == wanted][:1]

    def _like(self, query: str, share: float = 0.5) -> list[tuple[int, sqlite3.Row]]:
        """Titles whose people, genre or name have words of the query, with how many, most first.

        At least `share` of the words must be in common, or the query is about something else.
        """
        wanted = words(query) - words("film movie show series title set in about")
        scored = [
            (len(wanted & words(f"{row['genre']} {row['people']} {row['name']}")), row)
            for row in self._catalogue()
        ]
        enough = max(1, share * len(wanted))
        return sorted((pair for pair in scored if pair[0] >= enough), key=lambda pair: -pair[0])

    def _find(self, title: str) -> sqlite3.Row:
        """The title of that name, new to the catalogue if need be, for it has nearly all."""
        name = subject(title)
        found = self._named(name)
        row = found[0] if found else self._made(name)
        if row["seasons"] < 0:
            raise DeviceFailure(f"{row['name']} is not in the catalogue")
        return row

    def _made(self, name: str, genre: str = "") -> sqlite3.Row:
        known = self._named(name)
        if known:
            return known[0]
        series = between(0, 1, "series", name)
        self._store.insert(
            "titles", name, between(1995, 2025, name), genre, "",
            between(28, 58, name) if series else between(84, 140, name),
            between(1, 6, "seasons", name) if series else 0,
        )  # fmt: skip
        row = self._store.row("SELECT * FROM titles WHERE name = ?", name)
        assert row is not None
        return row

    def _playing(self, *states: str) -> sqlite3.Row:
        name = self._store.get("playing")
        if not name or self._store.get("playback") not in states:
            raise DeviceFailure("nothing is playing")
        return self._find(name)

    def _position(self) -> int:
        row = self._store.row(
            "SELECT seconds FROM progress WHERE profile = ? AND title = ?",
            self._store.get("profile"), self._store.get("playing"),
        )  # fmt: skip
        return int(row[0]) if row else 0

    def _start(self, row: sqlite3.Row, episode: str, seconds: int, how: str) -> str:
        latest = self._store.rows("SELECT coalesce(max(seen), 0) FROM progress")[0][0]
        profile = self._store.get("profile")
        self._store.insert("progress", profile, row["name"], episode, seconds, latest + 1)
        self._store.put("playing", row["name"])
        self._store.put("playback", "playing", "playback")
        shown = f"{row['name']}, {episode}" if episode else row["name"]
        self._store.did(f"{how.replace('playing', 'played')} {shown}")
        return f"{how} {shown}" + (f", at {_clock(seconds)}" if seconds else "")

    def _need_connection(self, name: str) -> None:
        if not self._listed("downloads", name):
            self._store.go_online()

    def _listed(self, where: str, name: str) -> bool:
        return bool(self._store.row("SELECT 1 FROM saved WHERE list = ? AND name = ?", where, name))

    def _watchlist(self) -> str:
        rows = self._store.rows(
            "SELECT name FROM saved WHERE list = 'watch list' ORDER BY rowid DESC"
        )
        return "watch list: " + ", ".join(row[0] for row in rows) if rows else "watch list is empty"


def _shown(row: sqlite3.Row) -> str:
    seasons = {-1: "", 0: "", 1: ", 1 season"}.get(row["seasons"], f", {row['seasons']} seasons")
    return f"{row['name']} ({row['year']}{seasons})"


def _title_case(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split())


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _episode(said: str, row: sqlite3.Row) -> str:
    """ "season 3 episode 1" however it was said; a series begins with its first."""
    if not said:
        return "season 1 episode 1" if row["seasons"] > 0 else ""
    text = spoken.in_digits(said)
    season = re.search(r"(?:season|series|volume|s) ?(\d{1,3})|(\d{1,3})th (?:season|series)", text)
    episode = re.search(r"(?:episode|ep|e) ?(\d{1,4})|(\d{1,4})th episode", text)
    number = int(season[1] or season[2]) if season else 0
    if number > row["seasons"] > 0 and row["people"]:
        raise DeviceFailure(f"{row['name']} has only {row['seasons']} seasons")
    parts = [f"season {number}"] if season else []
    parts += [f"episode {int(episode[1] or episode[2])}"] if episode else []
    return " ".join(parts) or said


def _seconds(position: str, here: int, length: int) -> int | None:
    """Seconds from the beginning that a position means."""
    text = spoken.in_digits(position).removeprefix("to ").removeprefix("the ")
    if re.search(r"\b(?:beginning|start|outset|top)\b", text):
        return 0
    if re.search(r"\b(?:middle|halfway|half way)\b", text):
        return length // 2
    if re.search(r"\b(?:end|finale|credits?)\b", text):
        return max(0, length - 120)
    if re.search(r"\b(?:intro|recap|opening|titles)\b", text):
        return here + 85
    clock = re.search(r"\b(?:(\d{1,2}):)?(\d{1,3}):(\d\d)\b", text)
    if clock:
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + int(clock[3])
    minute = re.search(r"\bminute (\d{1,3})\b|\b(\d{1,3})[ -]minutes?[ -](?:mark|in)\b", text)
    if minute:
        return int(minute[1] or minute[2]) * 60
    step = _STEP.search(text)
    text = re.sub(r"(hours?) (?:and )?(\d+)$", r"\1 \2 minutes", text)
    text = re.sub(r"(minutes?) (?:and )?(\d+)$", r"\1 \2 seconds", text)
    said = re.sub(r"[^\w.:' ]|\b(?:mark|by|go|jump|skip|fast|into|it|in|to|the|more)\b", " ", text)
    said = _STEP.sub(" ", said) if step else said
    span = spoken.length(" ".join(re.sub(r"\b(?:forward|ahead|back)\b", " ", said).split()))
    if span is None:
        return None
    seconds = int(span.total_seconds())
    if not step:
        return seconds
    back = re.search(r"\b(?:back|rewind|backwards?)\b", text)
    return max(0, here - seconds) if back else here + seconds
