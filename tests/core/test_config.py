"""config.toml: each wrong key costs itself only and is named with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from taskclf_tray.core.config import (
    WITHOUT_EFFECT,
    Config,
    ConfigProblem,
    ensure_config,
    load_config,
    render_default_config,
    require_exclusions,
)
from taskclf_tray.core.errors import ConfigError
from taskclf_tray.core.person_files import remedy_of


def _load(tmp_path: Path, text: str | bytes) -> tuple[Config, list[ConfigProblem]]:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(path)


def test_default_file_holds_every_key_with_an_effect_a_comment_and_the_default(tmp_path: Path) -> None:
    text = render_default_config()
    names = list(Config.model_fields)
    assert list(tomllib.loads(text)) == [name for name in names if name not in WITHOUT_EFFECT]
    assert _load(tmp_path, text) == (Config(), [])
    lines = text.splitlines()
    assert all(lines[lines.index(line) - 1].startswith("# ") for line in lines if " = " in line and line[0] != "#")


def test_a_file_keeps_what_was_set_of_a_key_without_effect(tmp_path: Path) -> None:
    text = render_default_config({"retention_days": 30})
    assert _load(tmp_path, text)[0].retention_days == 30
    assert "ui_port" not in text


def test_missing_file_is_the_default() -> None:
    assert load_config(Path("/nonexistent/config.toml")) == (Config(), [])


def test_values_of_every_kind(tmp_path: Path) -> None:
    config, problems = _load(
        tmp_path,
        'source = "simulated"\nexclude_apps = ["KeePassXC"]\nquiet_hours = ["22:00-07:00"]\nautostart = true\n'
        'aw_timeout_seconds = 3\nsmooth_window = 5\naw_api_key = "k"\nexclude_title_patterns = ["(?i)bank"]\n',
    )
    assert problems == []
    assert config.exclude_apps == ("KeePassXC",)
    assert config.aw_timeout_seconds == 3.0
    assert isinstance(config.aw_timeout_seconds, float)
    assert (config.source, config.quiet_hours, config.autostart, config.smooth_window) == (
        "simulated",
        ("22:00-07:00",),
        True,
        5,
    )
    assert "bank" not in repr(config)
    assert "'k'" not in repr(config)


def test_config_of_the_taskclf_tool_works_unchanged(tmp_path: Path) -> None:
    config, problems = _load(
        tmp_path,
        '# --- Identity ---\nusername = "alice"\nnotifications_enabled = true\nprivacy_notifications = true\n'
        'aw_host = "http://localhost:5600"\npoll_seconds = 60\naw_timeout_seconds = 10\n'
        'title_salt = "taskclf-default-salt"\nui_port = 8741\nsuggestion_banner_ttl_seconds = 0\n'
        "transition_minutes = 2\nidle_transition_minutes = 1\ngap_fill_escalation_minutes = 480\n",
    )
    assert problems == []
    assert config == Config(username="alice", ui_port=8741)


BAD = [
    ("poll_seconds", "true"),
    ("poll_seconds", "0"),
    ("poll_seconds", "5.0"),
    ("poll_seconds", '"60"'),
    ("aw_timeout_seconds", "nan"),
    ("aw_timeout_seconds", "inf"),
    ("aw_timeout_seconds", "0"),
    ("notifications_enabled", "1"),
    ("username", "3"),
    ("source", '"sometimes"'),
    ("aw_host", '"localhost:5600"'),
    ("aw_host", '"ftp://localhost"'),
    ("aw_host", '"http://user:pw@localhost"'),
    ("aw_host", '"http://[::1"'),
    ("aw_api_key", '"a\\nb"'),
    ("smooth_window", "4"),
    ("smoother", '"median"'),
    ("smoother", "true"),
    ("asks_per_day", "7"),
    ("asks_per_day", "-1"),
    ("quiet_hours", '["25:00-07:00"]'),
    ("quiet_hours", '"22:00-07:00"'),
    ("exclude_apps", '"x"'),
    ("exclude_apps", "[1]"),
    ("exclude_title_patterns", '["("]'),
    ("target_accuracy", "1.0"),
    ("ui_port", "70000"),
    ("retention_days", "{ a = 1 }"),
    ("autostart", '"yes"'),
]


@pytest.mark.parametrize(("key", "value"), BAD, ids=range(len(BAD)))
def test_wrong_value_costs_its_own_key_and_is_named_with_its_line(tmp_path: Path, key: str, value: str) -> None:
    other = "retention_days = 7" if key != "retention_days" else "asks_per_day = 2"
    config, problems = _load(tmp_path, f"# comment\n{other}\n\n{key} = {value}\n")
    assert [(problem.key, problem.line) for problem in problems] == [(key, 4)]
    assert remedy_of(Config, key) in str(problems[0])
    assert getattr(config, key) == getattr(Config(), key)
    assert config in (Config(retention_days=7), Config(asks_per_day=2))


@pytest.mark.parametrize("previous", [None, Config()])
def test_while_the_setting_of_words_is_wrong_none_are_recorded(tmp_path: Path, previous: Config | None) -> None:
    (tmp_path / "config.toml").write_text('personal_words = "no"\n')
    config, (problem,) = load_config(tmp_path / "config.toml", previous)
    assert config.personal_words is False
    assert str(problem).endswith("write true or false; no words are recorded until it is corrected.")


def test_unknown_keys_and_tables_are_named(tmp_path: Path) -> None:
    config, problems = _load(tmp_path, "poll_second = 5\npoll_seconds = 7\n\n[advanced]\nx = 1\n")
    assert [(problem.key, problem.line) for problem in problems] == [("poll_second", 1), ("advanced", 4)]
    assert config == Config(poll_seconds=7)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a = 1\nb = \n", 2),
        (b"a = 1\n\na = 2\n", 3),
        (b'a = """\nnever ends', 2),
        (b"a = 1\n\xff = 2\n", 2),
        (b"x = " + b"[" * 50_000, None),
        (b"#" * 10_000_000, None),
    ],
    ids=range(6),
)
def test_broken_file_costs_the_defaults_and_is_kept(tmp_path: Path, data: bytes, line: int | None) -> None:
    config, problems = _load(tmp_path, data)
    assert config == Config()
    assert len(problems) == 1
    assert problems[0].line == line or line is None
    assert (tmp_path / "config.toml").read_bytes() == data
    assert ensure_config(tmp_path / "config.toml") is False


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    config, problems = _load(tmp_path, b"\xef\xbb\xbfpoll_seconds = 9\r\nnope = 1\r\n")
    assert config.poll_seconds == 9
    assert [problem.line for problem in problems] == [2]


def test_a_directory_in_its_place_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert len(load_config(tmp_path / "config.toml")[1]) == 1


def test_ensure_adopts_the_values_of_the_other_tool(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.toml"
    theirs.write_text('username = "a \\"b\\" ü"\npoll_seconds = 30\nui_port = 8741\n')
    path = tmp_path / "home/config.toml"
    assert ensure_config(path, theirs) is True
    assert load_config(path) == (Config(username='a "b" ü', poll_seconds=30), [])
    assert theirs.read_text().startswith("username")


IN_USE = Config(exclude_apps=("keepassxc",), exclude_title_patterns=("bank",), asks_per_day=2)


@pytest.mark.parametrize(
    "data",
    [
        b'exclude_apps = ["keepassxc"]\nquiet_hours = [\n',
        b'exclude_apps = ["keepassxc"]\nautostart = tru\n',
        b'exclude_apps = ["keepassxc"]\n# caf\xe9\n',
        b'exclude_apps = ["keepassxc"]\nexclude_apps = []\n',
        b'exclude_apps = ["keepassxc"]\n' + b"#" * 1_100_000,
        b'exclude_apps = "keepassxc"\n',
        b'exclude_apps = ["keepassxc", 7]\n',
        b"exclude_title_patterns = true\n",
    ],
    ids=range(8),
)
def test_while_nobody_knows_what_is_excluded_nothing_may_be_read(tmp_path: Path, data: bytes) -> None:
    """At a start it blocks; over settings in use those stay, exclusions and all."""
    _, problems = _load(tmp_path, data)
    with pytest.raises(ConfigError, match=r"^Nothing is recorded until config\.toml is corrected") as caught:
        require_exclusions(problems)
    assert caught.value.next_step
    config, problems = load_config(tmp_path / "config.toml", IN_USE)
    require_exclusions(problems)
    assert len(problems) == 1
    assert "stays" in str(problems[0]) or "stay." in str(problems[0])
    assert config.exclude_apps == IN_USE.exclude_apps or not data.startswith(b"exclude_apps")
    assert config.exclude_title_patterns == IN_USE.exclude_title_patterns or b"patterns" not in data


def test_of_a_list_only_the_wrong_entry_is_left_out(tmp_path: Path) -> None:
    config, problems = _load(
        tmp_path, 'exclude_title_patterns = ["project", "(bank"]\nexclude_apps = ["keepassxc", " "]\n'
    )
    assert config == Config(exclude_title_patterns=("project",), exclude_apps=("keepassxc",))
    assert [(problem.key, problem.line) for problem in problems] == [("exclude_title_patterns", 1), ("exclude_apps", 2)]
    assert '"(bank" is left out' in str(problems[0])
    require_exclusions(problems)


@pytest.mark.parametrize(
    "text",
    [
        'exclude_app = ["keepassxc"]',
        'excluded_apps = ["keepassxc"]',
        'Exclude_Apps = ["keepassxc"]',
        '[privacy]\nexclude_apps = ["keepassxc"]',
        '[tray]\nasks_per_day = 3\n[tray.deep]\nexclude_apps = ["keepassxc"]',
        'exclude_apps = []\n[[rules]]\nexclude_apps = ["keepassxc"]',
    ],
)
def test_a_misspelt_or_misplaced_exclusion_counts_and_is_named(tmp_path: Path, text: str) -> None:
    config, problems = _load(tmp_path, text)
    assert config.exclude_apps == ("keepassxc",)
    assert any("counts" in str(problem) for problem in problems)


def test_settings_in_use_outlive_a_file_that_is_gone(tmp_path: Path) -> None:
    config, problems = load_config(tmp_path / "config.toml", IN_USE)
    assert config == IN_USE
    assert "gone" in str(problems[0])
    assert load_config(tmp_path / "config.toml", Config()) == (Config(), [])


def test_a_wrong_value_leaves_the_one_in_use(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('asks_per_day = "many"\nexclude_apps = []\n')
    config, problems = load_config(tmp_path / "config.toml", IN_USE)
    assert config == Config(asks_per_day=2)
    assert "the value in use stays" in str(problems[0])


def test_a_mistake_in_a_list_of_exclusions_ends_none_that_is_in_use(tmp_path: Path) -> None:
    """The wrong entry may be the one that was meant; what is sound counts besides."""
    in_use = Config(exclude_apps=("KeePassXC",), exclude_title_patterns=("bank",))
    path = tmp_path / "config.toml"
    path.write_text('exclude_apps = [""]\nexclude_title_patterns = ["ban(", "salary"]\n')
    config, problems = load_config(path, in_use)
    assert config.exclude_apps == ("KeePassXC",)
    assert config.exclude_title_patterns == ("salary", "bank")
    assert [problem.line for problem in problems] == [1, 2]
    assert "the others and those in use count" in str(problems[0])
    path.write_text('exclude_apps = []\nexclude_title_patterns = ["salary"]\n')  # no mistake
    config, problems = load_config(path, config)
    assert (config.exclude_apps, config.exclude_title_patterns, problems) == ((), ("salary",), [])
