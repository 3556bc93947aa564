"""Options anywhere on the command line, paths with `~`, and what is said of mistyped words."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from taskclf_tray.cli.arguments import (
    UsageError,
    arrange,
    file_path,
    name_or_path,
    options_of,
    parse,
)
from taskclf_tray.cli.main import build_parser, main
from tests.support.commands import LEAVES, PARSER


def test_there_are_commands_to_test() -> None:
    assert len(LEAVES) > 35
    assert {("run",), ("labels", "import"), ("infer", "batch")} <= set(LEAVES)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_options_may_stand_before_between_and_behind_the_words_of_every_command(path: tuple[str, ...]) -> None:
    for option in (["--home", "X"], ["--home=X"], ["--debug"], ["--home", "labels", "--debug"], ["--hom", "X"]):
        for place in range(len(path) + 1):
            words = [*path[:place], *option, *path[place:]]
            assert arrange(PARSER, words) == ([*path, *option], LEAVES[path])
        if path == ("run",):
            assert arrange(PARSER, option) == (["run", *option], LEAVES[path])
    assert {"--home", "--debug", "--help"} <= set(options_of(LEAVES[path]))


def test_an_option_takes_a_value_in_every_command_or_in_none() -> None:
    """Else nobody could say where the command begins."""
    takes: dict[str, set[bool]] = {}
    for command in LEAVES.values():
        for name, takes_value in options_of(command).items():
            takes.setdefault(name, set()).add(takes_value)
    assert [name for name, kinds in takes.items() if len(kinds) > 1] == []


def test_every_command_has_the_same_home_whichever_way_it_is_given(tmp_path: Path) -> None:
    here = str(tmp_path)
    for words in (
        ["--home", here, "queue", "asking", "off", "--json"],
        ["queue", f"--home={here}", "--json", "asking", "off"],
        ["--json", "queue", "asking", "off", "--home", here],
    ):
        options = parse(build_parser(), words)
        assert (options.home, options.mode, options.json) == (tmp_path, "off", True)


@pytest.mark.parametrize("words", [["--home", "X", "--help"], ["--version", "--home", "X"], ["--help"]])
def test_help_and_version_of_the_program_go_before_everything(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(build_parser(), words)
    assert end.value.code == 0


def test_help_before_a_command_is_that_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help", "labels", "import"])
    assert "usage: taskclf-tray labels import" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "usage", "says"),
    [
        (["lables", "list"], "", "“lables” is no command. Did you mean `taskclf-tray labels`?"),
        (["--home", "X", "lables"], "", "Did you mean `taskclf-tray labels`?"),
        (["report", "dialy"], "report", "Did you mean `taskclf-tray report daily`?"),
        (["daily"], "", "Did you mean `taskclf-tray report daily`?"),
        (["undo"], "", "Did you mean `taskclf-tray labels undo`?"),
        (["today"], "", "Did you mean `taskclf-tray report daily`?"),
        (["asdfghjkl"], "", "There are run, demo, doctor, labels, "),
        (["labels", "xyz"], "labels", "There are add, now, list, "),
        (["labels", "list", "--dya", "today"], "labels list", "arguments: “--dya” “today”. Did you mean --day?"),
        (["report", "daily", "2026-03-02"], "report daily", "unrecognized arguments: “2026-03-02”."),
        (["labels", "list", "--\x1b[2Jx"], "labels list", "unrecognized arguments: “--�[2Jx”."),
        (["\x1b[2J" * 100], "", "“�[2J�[2J"),
        ([""], "", "“” is no command"),
        (["labels"], "labels", "the following arguments are required: ACTION. `taskclf-tray labels --help`"),
        (["--home"], "run", "--home: expected one argument"),
        (["--home", "", "doctor"], "doctor", "the path is empty"),
        (["--home", "~nobody-of-that-name/x", "doctor"], "doctor", "there is no user behind"),
    ],
)
def test_wrong_usage_shows_the_usage_of_the_command_that_was_meant(
    words: list[str], usage: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.startswith(f"usage: taskclf-tray {usage}".rstrip())
    assert says in err
    assert "\x1b" not in err


def test_a_command_close_to_several_names_at_most_three() -> None:
    with pytest.raises(UsageError) as caught:
        parse(build_parser(), ["list"])
    assert caught.value.next_step.count("`") == 6


def test_paths_are_expanded_where_no_shell_has_done_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert file_path("~/x.csv") == tmp_path / "x.csv"
    assert name_or_path("~/m") == str(tmp_path / "m")
    assert name_or_path("2026-01-01_000000_run-0001") == "2026-01-01_000000_run-0001"
    for function in (file_path, name_or_path):
        for word in ("", "  ", "~nobody-of-that-name"):
            with pytest.raises(argparse.ArgumentTypeError):
                function(word)


def test_every_option_that_names_a_file_expands_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the metavar; `~` itself is a folder nobody wants."""
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = 0
    for command in LEAVES.values():
        for action in command._actions:
            if action.metavar in ("DIR", "FILE", "EXPORT.json", "LABELS.csv") or action.dest in ("file", "name"):
                assert callable(action.type), action
                assert str(action.type("~/x")) == str(tmp_path / "x")
                seen += 1
    assert seen > 20
