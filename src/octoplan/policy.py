"""The policy: which calls run at once, which are asked about first, and which never run.

Functions say by MCP's hints whether they are destructive: sending, buying, booking, cancelling,
locking and the like, which cannot simply be undone. The user's config file says the rest:

    confirm = "destructive"        # or "always", "never"
    allow = ["make_phone_call"]    # never asked about
    deny = ["set_security_mode"]   # never run
    sure = 0.5                     # a plan less likely to be right than this is asked about first

    [larger]                       # or, where such a model is given, made by it instead
    url = "http://127.0.0.1:8080/v1"
    model = "qwen3-8b"
"""

import tomllib
from pathlib import Path
from typing import Literal, Self

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from octoplan.functions import Function, FunctionSet

Confirm = Literal["always", "destructive", "never"]


SURE = 0.4
"""A plan that is less likely to be right than this is asked about, where the user says no more."""


class PolicyError(ValueError):
    """A policy that cannot be used; one line that says what to do."""


class Larger(BaseModel):
    """A larger model behind an OpenAI-compatible endpoint; its key is ``OPENAI_API_KEY``'s."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    model: str


class Policy(BaseModel):
    """What may run.

    Attributes:
        confirm: which calls are asked about: all, those of destructive functions, or none.
        allow: functions that are never asked about.
        deny: functions that never run, whatever else is said.
        sure: plans that are less likely to be right than this, 0 to 1, are asked about first.
        larger: makes those plans instead. Their requests leave the device.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confirm: Confirm = "destructive"
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    sure: float = Field(default=SURE, ge=0, le=1)
    larger: Larger | None = None

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the config file; the default one need not be there.

        Raises:
            PolicyError: it holds no policy.
        """
        file = path or default_config()
        if path is None and not file.exists():
            return cls()
        try:
            return cls.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise PolicyError(f"{file}: {place}: {first['msg']}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PolicyError(f"{file} is not TOML: {error}") from error

    def check(self, functions: FunctionSet) -> None:
        """Make sure that the lists name functions that there are: a misspelt one protects nothing.

        Raises:
            PolicyError: they do not.
        """
        for name in sorted(self.allow | self.deny):
            if name not in functions:
                raise PolicyError(f"the policy names {name!r}, which is no function; mend its name")

    def verdict(self, function: Function) -> Literal["run", "ask", "refuse"]:
        """What to do with a call of the function."""
        if function.name in self.deny:
            return "refuse"
        if function.name in self.allow or self.confirm == "never":
            return "run"
        return "ask" if self.confirm == "always" or function.hints.destructive else "run"


def default_config() -> Path:
    """Where the config file is: ``~/.config/octoplan/config.toml`` on Linux."""
    return platformdirs.user_config_path("octoplan") / "config.toml"
