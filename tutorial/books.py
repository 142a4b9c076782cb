"""A reading list: which books there are, how far each is read, and who has it.

It is kept in one JSON file, ~/books.json, or the one that the variable BOOKS names.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field


def add_book(title: str, author: str | None = None) -> str:
    """Put a book on the reading list.

    Args:
        title: the book's title
        author: who wrote it
    """
    books = _read()
    books[title] = {"author": author}
    _write(books)
    return f"{title} is on the list"


def note_page(title: str, page: Annotated[int, Field(ge=1)]) -> str:
    """Note up to which page a book is read.

    Args:
        title: the book's title
        page: the page
    """
    return _change(title, {"page": page}, f"page {page} of {title}")


def finish_book(title: str, stars: Annotated[int, Field(ge=1, le=5)] | None = None) -> str:
    """Note that a book is read to its end, and how good it was.

    Args:
        title: the book's title
        stars: from 1 to 5
    """
    return _change(title, {"finished": True, "stars": stars}, f"{title} is finished")


def lend_book(title: str, person: str) -> str:
    """Note that somebody has borrowed a book.

    Args:
        title: the book's title
        person: who has it now
    """
    return _change(title, {"lent": person}, f"{person} has {title}")


def return_book(title: str) -> str:
    """Note that a book that was lent is back.

    Args:
        title: the book's title
    """
    return _change(title, {"lent": None}, f"{title} is back")


def find_books(query: str) -> str:
    """Search the reading list by title, author, borrower or state (unread, finished, lent).

    Args:
        query: what to look for

    Hints:
        read-only
    """
    found = [title for title, book in _read().items() if query.lower() in _about(title, book)]
    return ", ".join(found) or "no such book"


def _about(title: str, book: dict[str, Any]) -> str:
    state = "finished" if book.get("finished") else "unread"
    lent = f"lent {book['lent']}" if book.get("lent") else ""
    return f"{title} {book.get('author')} {state} {lent}".lower()


def _change(title: str, change: dict[str, Any], told: str) -> str:
    books = _read()
    known = next((name for name in books if name.lower() == title.lower()), None)
    if known is None:
        raise LookupError(f"{title} is not on the list")
    books[known] |= change
    _write(books)
    return told


def _file() -> Path:
    return Path(os.environ.get("BOOKS", Path.home() / "books.json"))


def _read() -> dict[str, dict[str, Any]]:
    return json.loads(_file().read_text("utf-8")) if _file().exists() else {}


def _write(books: dict[str, dict[str, Any]]) -> None:
    _file().write_text(json.dumps(books, indent=1, ensure_ascii=False), "utf-8")
