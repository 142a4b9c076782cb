"""The simulated shop: the functions of the `ecommerce` set."""

from __future__ import annotations

import re
import sqlite3
from datetime import date, timedelta

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated import times
from octoplan.devices.simulated.matching import best, between, pick, subject, words
from octoplan.devices.simulated.store import Store

_MAKERS = ("Nordhaus", "Tavola", "Brightwell", "Kestrel", "Ardent", "Lumio", "Halden", "Mirova")
_RIVALS = ("MegaShop", "Thalmann", "AudioHut", "Ravensby")
_VERDICTS = (
    "good value, well made", "sturdy, a little heavy", "does what it says", "nice, slow delivery",
    "pretty, but not very durable", "excellent quality", "works well, poor instructions",
)  # fmt: skip
_NO_PAYMENT = words("invoice cash cheque check cod")
_DEAREST = 20_000  # euros; nothing dearer comes into the shop by itself
# What an order that is not delivered is likely to be.
_OPEN = ("in preparation",) * 6 + ("shipped", "out for delivery")
_NUMBER = re.compile(r"\b(?=[\w-]*\d)[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\b")


class Shop:
    """One public method a function of the `ecommerce` set."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search_products(self, query: str, max_price: float | None = None) -> str:
        """What fits the query, at most three; the shop sells nearly everything."""
        self._store.go_online()
        found = [
            row
            for row in self._known(query)
            if max_price is None or row["price"] <= max_price
        ]  # fmt: skip
        if not found and max_price is not None and max_price < 2:
            raise DeviceFailure(f"no {query} under €{max_price:g}")
        if len(found) < 3:
            start = between(0, len(_MAKERS) - 1, query)
            names = [f"{_MAKERS[(start + n) % len(_MAKERS)]} {query}" for n in range(3)]
            found += [self._made(name, max_price) for name in names[: 3 - len(found)]]
        return "; ".join(
            f"{row['name']} {_euro(row['price'])}, rating {row['stars']}"
            + ("" if row["stock"] else ", out of stock")
            for row in found[:3]
        )

    def compare_prices(self, product: str) -> str:
        """The price here and in two other shops."""
        self._store.go_online()
        row = self._product(product)
        start = between(0, len(_RIVALS) - 1, row["name"])
        shops = [("our shop", row["price"])]
        for number in range(2):
            rival = _RIVALS[(start + number) % len(_RIVALS)]
            shops.append((rival, row["price"] * between(88, 118, rival, row["name"]) / 100))
        return f"{row['name']}: " + "; ".join(f"{shop} {_euro(price)}" for shop, price in shops)

    def get_product_reviews(self, product: str) -> str:
        """Stars, number of reviews and what most say."""
        self._store.go_online()
        row = self._product(product)
        return (
            f"{row['name']}: {row['stars']} of 5 from {row['reviews']:,} reviews; {row['verdict']}"
        )

    def add_to_cart(self, product: str, quantity: int = 1) -> str:
        """Into the cart, if there is enough in stock."""
        self._store.go_online()
        row = self._product(product)
        inside = self._store.row("SELECT quantity FROM cart WHERE product = ?", row["name"])
        total = quantity + (inside[0] if inside else 0)
        if not row["stock"]:
            raise DeviceFailure(f"{row['name']} is out of stock")
        if total > row["stock"]:
            raise DeviceFailure(f"only {row['stock']} of {row['name']} left in stock")
        self._store.insert("cart", row["name"], total, row["price"])
        self._store.did(f"put {quantity} × {row['name']} in the cart")
        return f"added {row['name']}; {self._cart()}"

    def remove_from_cart(self, product: str) -> str:
        """Out of the cart, all of it."""
        self._store.go_online()
        rows = self._store.rows("SELECT product FROM cart")
        found = best(subject(product), [(row[0], row[0]) for row in rows])
        if not found:
            raise DeviceFailure(f"{product} is not in the cart")
        self._store.rows("DELETE FROM cart WHERE product = ?", found[0])
        self._store.did(f"took {found[0]} out of the cart")
        return self._cart()

    def view_cart(self) -> str:
        """The cart with its total."""
        self._store.go_online()
        return self._cart()

    def add_to_wishlist(self, product: str) -> str:
        """Onto the wish list."""
        self._store.go_online()
        name = self._product(product)["name"]
        if self._store.row("SELECT 1 FROM saved WHERE list = 'wish list' AND name = ?", name):
            return f"{name} is on the wish list already"
        self._store.insert("saved", "wish list", name, "")
        self._store.did(f"saved {name} to the wish list")
        rows = self._store.rows("SELECT name FROM saved WHERE list = 'wish list' ORDER BY rowid")
        return "wish list: " + ", ".join(row[0] for row in rows)

    def apply_coupon(self, code: str) -> str:
        """A seeded coupon, or any of the usual form: letters, then the percentage off (5 to 50)."""
        self._store.go_online()
        total = self._total()
        if not total:
            raise DeviceFailure("the cart is empty")
        row = self._store.row("SELECT * FROM coupons WHERE code = ?", code.upper())
        usual = re.fullmatch(r"[A-Z]{3,}(\d{1,2})", code.upper())
        if row:
            percent, minimum, expired = row["percent"], row["minimum"], row["expired"]
        elif usual and 5 <= int(usual[1]) <= 50:
            percent, minimum, expired = int(usual[1]), 0, ""
        else:
            raise DeviceFailure(f"coupon {code} is not valid")
        if expired:
            raise DeviceFailure(f"coupon {code} expired on {expired}")
        if total < minimum:
            raise DeviceFailure(f"coupon {code} needs a minimum order of €{minimum:g}")
        self._store.put("coupon", f"{percent:g}")
        self._store.did(f"applied coupon {code}, {percent:g} % off")
        return f"coupon {code} accepted, {percent:g} % off, new total {_euro(self._total())}"

    def checkout(self, payment_method: str = "", address: str = "") -> str:
        """Turns the cart into an order."""
        self._store.go_online()
        rows = self._store.rows("SELECT * FROM cart")
        if not rows:
            raise DeviceFailure("the cart is empty")
        if words(payment_method) & _NO_PAYMENT:
            raise DeviceFailure(f"payment by {payment_method} is not offered")
        items = ", ".join(row["product"] for row in rows)
        total = self._total()
        for row in rows:
            self._store.rows(
                "UPDATE products SET stock = max(0, stock - ?) WHERE name = ?",
                row["quantity"], row["product"],
            )  # fmt: skip
        self._store.rows("DELETE FROM cart")
        self._store.put("coupon", "")
        number, due = self._order(items, total)
        paid = payment_method or self._store.get("payment")
        to = address or self._store.get("home")
        self._store.did(f"ordered {items} for {_euro(total)}, paid with {paid}, to {to}")
        return f"order {number} placed, {_euro(total)} by {paid}, to {to}, arrives {due}"

    def track_order(self, order: str) -> str:
        """Where the order is."""
        self._store.go_online()
        row = self._find_order(order, _OPEN)
        due = times.said_day(date.fromisoformat(row["due"]))
        where = {
            "in preparation": f"in preparation, ships soon, expected {due}",
            "shipped": f"on its way, expected {due}",
            "out for delivery": "out for delivery, today between 15:00 and 17:00",
            "delivered": f"delivered on {due}",
        }
        return f"order {row['number']}, {row['item']}: {where.get(row['status'], row['status'])}"

    def cancel_order(self, order: str) -> str:
        """Only before it ships."""
        self._store.go_online()
        row = self._find_order(order, _OPEN)
        if row["status"] in ("cancelled", "returned"):
            raise DeviceFailure(f"order {row['number']} was already {row['status']}")
        if row["status"] != "in preparation":
            raise DeviceFailure(
                f"order {row['number']} has already shipped, it can only be returned"
            )
        self._set_status(row, "cancelled")
        return f"order {row['number']}, {row['item']}, cancelled; {_euro(row['total'])} refunded"

    def return_item(self, item: str, reason: str = "") -> str:
        """Within 30 days of delivery."""
        self._store.go_online()
        row = self._find_order(item, ("delivered",))
        if row["status"] != "delivered":
            raise DeviceFailure(
                f"{row['item']} is {row['status']}, only what was delivered can be returned"
            )
        late = (self._store.now.date() - date.fromisoformat(row["due"])).days - 30
        if late > 0:
            raise DeviceFailure(f"the return period of {row['item']} ended {late} days ago")
        self._set_status(row, "returned")
        why = f" ({reason})" if reason else ""
        return f"return of {row['item']}{why} started, label RL-{row['number']} sent by e-mail"

    def reorder(self, item: str) -> str:
        """The same again, paid and shipped as by default."""
        self._store.go_online()
        row = self._find_order(item, ("delivered",))
        known = self._store.row("SELECT * FROM products WHERE name = ?", row["item"])
        if known and not known["stock"]:
            raise DeviceFailure(f"{row['item']} is out of stock")
        number, due = self._order(row["item"], row["total"])
        self._store.did(f"ordered {row['item']} again for {_euro(row['total'])}")
        return f"ordered {row['item']} again, order {number}, {_euro(row['total'])}, arrives {due}"

    def write_review(self, product: str, rating: int, text: str = "") -> str:
        """One review a product."""
        self._store.go_online()
        name = subject(product)
        if self._store.row("SELECT 1 FROM reviews WHERE kind = 'product' AND name = ?", name):
            raise DeviceFailure(f"you have already reviewed {name}")
        self._store.insert("reviews", "product", name, rating, text)
        said = f': "{text}"' if text else ""
        self._store.did(f"reviewed {name} with {rating} of 5 stars{said}")
        return f"review of {name} posted, {rating} of 5 stars"

    def set_price_alert(self, product: str, price: float) -> str:
        """Only below today's price."""
        self._store.go_online()
        row = self._product(product, above=price)
        if row["price"] <= price:
            raise DeviceFailure(f"the price of {row['name']} is already {_euro(row['price'])}")
        self._store.insert("saved", "price alert", row["name"], str(price))
        self._store.did(f"set price alert for {row['name']} at {_euro(price)}")
        return f"{row['name']}: alert at {_euro(price)}, now {_euro(row['price'])}"

    def _known(self, query: str) -> list[sqlite3.Row]:
        rows = self._store.rows("SELECT * FROM products ORDER BY rowid")
        return best(query, [(row["name"], row) for row in rows])

    def _product(self, product: str, above: float = 0) -> sqlite3.Row:
        """The product of that name, put on sale if the shop has none: it sells all there is."""
        name = subject(product)
        found = self._known(name)
        return found[0] if found else self._made(name, None, above)

    def _made(self, name: str, max_price: float | None, above: float = 0) -> sqlite3.Row:
        """A product new to the shop, whose properties depend on its name (and the price limits)."""
        known = self._store.row("SELECT * FROM products WHERE name = ?", name)
        if known and (max_price is None or known["price"] <= max_price):
            return known
        # A name with capitals or digits is a brand's, and costs more.
        low, high = (60, 640) if re.search(r"[A-Z]|\d", name) else (8, 120)
        price = between(low, high, "price", name) + 0.9
        if max_price is not None:
            price = min(max_price, _DEAREST) * between(55, 98, "price", name) / 100
        if above:
            price = min(above, _DEAREST) * between(108, 135, "price", name) / 100
        self._store.insert(
            "products", name, round(price, 2), between(12, 120, "stock", name),
            between(36, 49, "stars", name) / 10, between(40, 4000, "reviews", name),
            pick(_VERDICTS, name),
        )  # fmt: skip
        row = self._store.row("SELECT * FROM products WHERE name = ?", name)
        assert row is not None
        return row

    def _total(self) -> float:
        total = self._store.rows("SELECT total(quantity * price) FROM cart")[0][0]
        return float(round(total * (1 - float(self._store.get("coupon") or 0) / 100), 2))

    def _cart(self) -> str:
        rows = self._store.rows("SELECT * FROM cart ORDER BY rowid")
        if not rows:
            return "the cart is empty"
        items = ", ".join(f"{row['quantity']} × {row['product']}" for row in rows)
        return f"cart: {items}; total {_euro(self._total())}"

    def _order(self, items: str, total: float) -> tuple[str, str]:
        number = f"31-{77210 + self._store.count('orders')}"
        due = self._store.now.date() + timedelta(days=3)
        self._store.insert("orders", number, items, total, "in preparation", due.isoformat())
        return number, times.said_day(due)

    def _find_order(self, what: str, statuses: tuple[str, ...]) -> sqlite3.Row:
        """The order by number or item; one that we have not seeded is in one of the statuses.

        People know what they ordered: only a number that is too short is nobody's.
        """
        number = _NUMBER.search(what)
        if number and "-" in what:
            row = self._store.row("SELECT * FROM orders WHERE number = ?", number[0])
            if row:
                return row
        item = subject(what)
        rows = self._store.rows("SELECT * FROM orders ORDER BY rowid DESC")
        found = best(item, [(row["number"], row) for row in rows]) or best(
            item, [(row["item"], row) for row in rows]
        )
        if found:
            return found[0]
        if number and number[0] == item:
            if len(re.sub(r"\D", "", item)) < 3:
                raise DeviceFailure(f"no order {item} found")
            name, goods = item, "1 parcel"
        else:
            name, goods = f"31-{between(70000, 76999, item)}", item
        status = pick(statuses, "status", item)
        ahead = -between(2, 14, item) if status == "delivered" else between(1, 5, item)
        due = self._store.now.date() + timedelta(days=ahead)
        known = self._known(item)
        total = known[0]["price"] if known else between(9, 160, "price", item) + 0.9
        self._store.insert("orders", name, goods, total, status, due.isoformat())
        row = self._store.row("SELECT * FROM orders WHERE number = ?", name)
        assert row is not None
        return row

    def _set_status(self, row: sqlite3.Row, status: str) -> None:
        self._store.rows("UPDATE orders SET status = ? WHERE number = ?", status, row["number"])
        self._store.changed(f"order {row['number']}, {row['item']}", row["status"], status)


def _euro(amount: float) -> str:
    return f"€{amount:,.0f}" if amount == round(amount) else f"€{amount:,.2f}"
