"""How ``torchrun`` or ``accelerate launch`` has started this process: alone, or as one of more."""

import os


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the first of those that train together, or the only one."""
    return os.environ.get("RANK", "0") == "0"
