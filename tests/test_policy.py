"""The policy: what runs at once, what is asked about, what never runs."""

from pathlib import Path

import pytest

from octoplan.functions import load_function_sets
from octoplan.policy import Policy, PolicyError, default_config

KNOWN = load_function_sets("all")


@pytest.mark.parametrize(
    ("policy", "send", "alarm", "weather"),
    [
        (Policy(), "ask", "run", "run"),
        (Policy(confirm="always"), "ask", "ask", "ask"),
        (Policy(confirm="never"), "run", "run", "run"),
        (Policy(allow={"send_email"}), "run", "run", "run"),
        (Policy(confirm="never", deny={"send_email"}), "refuse", "run", "run"),
        (Policy(allow={"send_email"}, deny={"send_email"}), "refuse", "run", "run"),
    ],
)
def test_what_may_run(policy: Policy, send: str, alarm: str, weather: str) -> None:
    names = ("send_email", "set_timer_alarm", "get_weather_forecast")
    assert [policy.verdict(KNOWN[name]) for name in names] == [send, alarm, weather]


def test_the_config_file_says_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Policy.load() == Policy()
    default_config().parent.mkdir()
    default_config().write_text('confirm = "always"\ndeny = ["send_email"]\n', "utf-8")
    assert Policy.load() == Policy(confirm="always", deny={"send_email"})
    Policy.load().check(KNOWN)
    other = tmp_path / "other.toml"
    other.write_text('allow = ["send_emial"]', "utf-8")
    with pytest.raises(PolicyError, match="'send_emial', which is no function"):
        Policy.load(other).check(KNOWN)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('confirm = "perhaps"', "confirm"),
        ('permit = ["send_email"]', "permit"),
        ("confirm = ", "is not TOML"),
    ],
)
def test_what_is_no_policy_is_said(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(PolicyError, match=problem) as error:
        Policy.load(path)
    assert "\n" not in str(error.value)
