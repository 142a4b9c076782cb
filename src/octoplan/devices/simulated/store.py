"""The one SQLite file that holds a simulated device: its schema, settings, and log of changes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from octoplan.devices import DeviceError, DeviceFailure
from octoplan.devices.simulated import seed
from octoplan.plans import Call

WIFI_ON = Call(function="set_wifi", arguments={"enabled": True})
"""What helps where there is no internet."""

# "octo" marks the file as ours; the version goes up with every change of the schema.
_APPLICATION_ID = 0x6F63746F
_VERSION = 1
_LOCK_TIMEOUT = 2.0  # seconds

_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE contacts (name TEXT PRIMARY KEY, phone TEXT, email TEXT, also TEXT NOT NULL);
CREATE TABLE sent (kind TEXT, recipient TEXT, title TEXT, content TEXT, attachment TEXT, at TEXT);
CREATE TABLE events (title TEXT, start TEXT, end TEXT, place TEXT);
CREATE TABLE alerts (kind TEXT, at TEXT, text TEXT);
CREATE TABLE notes (title TEXT, content TEXT, at TEXT);
CREATE TABLE files (path TEXT PRIMARY KEY, about TEXT NOT NULL);
CREATE TABLE gadgets (name TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE products (name TEXT PRIMARY KEY, price REAL, stock INTEGER, stars REAL,
                       reviews INTEGER, verdict TEXT);
CREATE TABLE cart (product TEXT PRIMARY KEY, quantity INTEGER, price REAL);
CREATE TABLE orders (number TEXT PRIMARY KEY, item TEXT, total REAL, status TEXT, due TEXT);
CREATE TABLE coupons (code TEXT PRIMARY KEY, percent REAL, minimum REAL, expired TEXT);
CREATE TABLE reviews (kind TEXT, name TEXT, stars INTEGER, text TEXT, PRIMARY KEY (kind, name));
CREATE TABLE saved (list TEXT, name TEXT, detail TEXT, PRIMARY KEY (list, name));
CREATE TABLE titles (name TEXT PRIMARY KEY, year INTEGER, genre TEXT, people TEXT,
                     minutes INTEGER, seasons INTEGER);
CREATE TABLE profiles (name TEXT PRIMARY KEY);
CREATE TABLE progress (profile TEXT, title TEXT, episode TEXT, seconds INTEGER, seen INTEGER,
                       PRIMARY KEY (profile, title));
CREATE TABLE bookings (reference TEXT PRIMARY KEY, kind TEXT, what TEXT, start TEXT, detail TEXT,
                       status TEXT);
CREATE TABLE things (kind TEXT, name TEXT, state TEXT, fault TEXT, PRIMARY KEY (kind, name));
"""


class Store:
    """An open simulated device file, or a copy of one in memory.

    Args:
        path: The file; ":memory:" for none.
        now: What the clock shows, or None for the real time.
        copy: Whether all happens to a copy, which is gone when it is closed.
    """

    def __init__(self, path: str | Path, now: datetime | None, copy: bool = False) -> None:
        self._path = str(path)
        self._now = now
        # In order: a state with its values before and after, or a deed with neither.
        self._log: list[tuple[str, str | None, str | None]] = []
        file = Path(path)
        # SQLite would open it all the same, and fail at the first change.
        if file.is_file() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
            raise self._unusable(sqlite3.OperationalError("readonly"))
        try:
            # We begin and end transactions ourselves.
            self._db = self._copied(file) if copy else self._connected(path)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        self._db.row_factory = sqlite3.Row
        try:
            with self._writing():
                self._prepare()
            self._watch()
        except BaseException:
            self._db.close()
            raise

    @staticmethod
    def _connected(path: str | Path) -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None)

    def _copied(self, file: Path) -> sqlite3.Connection:
        memory = self._connected(":memory:")
        if file.exists():
            with closing(self._connected(file)) as original:
                original.backup(memory)
        return memory

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def now(self) -> datetime:
        """The device's clock, in local time to the second."""
        return self._now or datetime.now().replace(microsecond=0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A call: all that it changes is kept when it ends well, nothing when it raises."""
        log = list(self._log)
        try:
            with self._writing():
                self._db.execute("DELETE FROM touched")
                yield
        except BaseException:
            self._log = log
            raise

    def touched(self) -> list[list[Any]]:
        """The rows that the last transaction put in (1) or took out (0), in order.

        Each is the table, 1 or 0, and the row's values.
        """
        rows = self.rows("SELECT * FROM touched ORDER BY rowid")
        return [[*row[:2], *row[2 : 2 + len(self._columns[row[0]])]] for row in rows]

    def restore(self, touched: list[list[Any]]) -> None:
        """Take rows out that were put in, and put those in that were taken out.

        Raises DeviceFailure when a row is no longer as it was left.
        """
        for table, put_in, *values in reversed(touched):
            if put_in:
                same = " AND ".join(f"{column} IS ?" for column in self._columns[table])
                found = self.row(f"SELECT rowid FROM {table} WHERE {same}", *values)
                if found is None:
                    raise DeviceFailure("what it changed has changed again since")
                self.rows(f"DELETE FROM {table} WHERE rowid = ?", found[0])
            else:
                marks = ", ".join("?" * len(values))
                try:
                    self.rows(f"INSERT INTO {table} VALUES ({marks})", *values)
                except sqlite3.IntegrityError:
                    raise DeviceFailure("what it changed has changed again since") from None

    def _watch(self) -> None:
        """Have SQLite note every row that is put in or taken out, as its own undo examples do.

        https://www.sqlite.org/undoredo.html
        """
        tables = [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE sql > ''")]
        self._columns = {
            table: [row["name"] for row in self.rows(f"PRAGMA table_info({table})")]
            for table in tables
        }
        widest = max(map(len, self._columns.values()))
        values = ", ".join(f"v{number}" for number in range(widest))
        self._db.execute("PRAGMA recursive_triggers = ON")  # what REPLACE takes out counts too
        self._db.execute(f"CREATE TEMP TABLE touched (source, put_in, {values})")
        for table, columns in self._columns.items():
            for event, rows in {"DELETE": "0", "INSERT": "1", "UPDATE": "01"}.items():
                notes = ""
                for put_in in rows:
                    row = "NEW" if put_in == "1" else "OLD"
                    found = [f"{row}.{column}" for column in columns]
                    found += ["NULL"] * (widest - len(columns))
                    notes += (
                        f"INSERT INTO touched VALUES ('{table}', {put_in}, {', '.join(found)});"
                    )
                self._db.execute(
                    f"CREATE TEMP TRIGGER touched_{table}_{event} AFTER {event} ON main.{table} "
                    f"BEGIN {notes} END"
                )

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows that a statement yields; also runs the ones that yield none."""
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row that a statement yields."""
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def insert(self, table: str, *values: Any) -> None:
        """Put a row into a table, in place of one with the same key."""
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def get(self, setting: str) -> str:
        """A setting's value; empty when it was never set."""
        found = self.row("SELECT value FROM settings WHERE name = ?", setting)
        return str(found[0]) if found else ""

    def put(self, setting: str, value: str, shown: str = "") -> str:
        """Set a setting and return its value before; `shown` names it among the changes."""
        before = self.get(setting)
        self.insert("settings", setting, value)
        if shown:
            self.changed(shown, before or "not set", value or "not set")
        return before

    def go_online(self) -> None:
        """Raise DeviceFailure when there is no internet."""
        if self.get("wifi") != "on":
            raise DeviceFailure("no internet connection, Wi-Fi is off", WIFI_ON)

    def changed(self, what: str, before: str, after: str) -> None:
        """Log that a state went from one value to another."""
        for place, (logged, first, _) in enumerate(self._log):
            if logged == what and first is not None:
                self._log[place] = (what, first, after)
                return
        self._log.append((what, before, after))

    def did(self, what: str) -> None:
        """Log something done, such as "sent e-mail to Ngozi Okafor"."""
        self._log.append((what, None, None))

    def changes(self) -> list[str]:
        """What was logged since the file was opened, less what is again as it was."""
        return [
            what if before is None else f"{what}: {before} → {after}"
            for what, before, after in self._log
            if before is None or before != after
        ]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _prepare(self) -> None:
        """Seed the file if it is empty; else make sure that it is one of ours."""
        mark = self.rows("PRAGMA application_id")[0][0]
        version = self.rows("PRAGMA user_version")[0][0]
        if self.count("sqlite_master") == 0:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            for table, rows in seed.tables(self.now):
                marks = ", ".join("?" * len(rows[0]))
                self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        elif mark != _APPLICATION_ID:
            raise DeviceError(
                f"{self._path} is an SQLite file of another program; choose another path"
            )
        elif version != _VERSION:
            raise DeviceError(
                f"{self._path} was made by another version of octoplan; move it away or delete it"
            )

    def _unusable(self, error: sqlite3.Error) -> DeviceError:
        """The one line that says what to do about an error of SQLite's."""
        problem, path = str(error), Path(self._path)
        if "locked" in problem:
            advice = "is in use by another program; close that program, then try again"
        elif "not a database" in problem or "malformed" in problem:
            advice = "is not a simulated device's file; move it away or choose another path"
        elif path.is_dir():
            advice = "is a folder; give the path of a file"
        elif not path.parent.is_dir():
            advice = f"cannot be created: there is no folder {path.parent}; create it first"
        elif "readonly" in problem or "unable to open" in problem:
            advice = "cannot be read and written; change its permissions or choose another path"
        else:
            advice = f"cannot be used ({problem}); check the disk or choose another path"
        return DeviceError(f"{self._path} {advice}")
