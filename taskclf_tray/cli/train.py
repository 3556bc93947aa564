"""`taskclf-tray train`: train a model on the person's labels, calibrate it, tune its threshold, and judge it.

A child process does the work (`jobs/train.py`). Ctrl-C ends it and leaves nothing half-written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import Commands, file_path, name_or_path
from taskclf_tray.cli.job_progress import run_with_bar
from taskclf_tray.cli.output import Actions, add_action, add_actions, paths_of, tell
from taskclf_tray.cli.replay import add_replay
from taskclf_tray.cli.retrain import add_files, add_retrain, minutes_asked_for
from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.schema import NEWEST_SCHEMA, SCHEMAS
from taskclf_tray.core.time import to_us
from taskclf_tray.models.registry import BundleInfo, list_bundles
from taskclf_tray.models.selection import bound_calibrator_stores
from taskclf_tray.system.paths import HomePaths

_JOB: Final = "taskclf_tray.jobs.train"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("train", help="make models from your labels, calibrate and judge them"))
    for add in COMMANDS:
        add(actions)


def add_lgbm(actions: Actions) -> None:
    """`train lgbm`."""
    parser = add_action(actions, "lgbm", handle_lgbm, "train a model on your labels; nothing begins to use it")
    _add_minutes(parser)
    parser.add_argument("--schema", choices=sorted(SCHEMAS), default=NEWEST_SCHEMA, help="the features it is to use")
    parser.add_argument(
        "--rounds", type=_rounds, default=DEFAULT_NUM_BOOST_ROUND, metavar="NUMBER", help="of boosting, at most"
    )
    parser.add_argument(
        "--seed", type=_seed, default=7, metavar="NUMBER", help="the same labels and seed, the same model"
    )
    parser.add_argument(
        "--prior",
        type=name_or_path,
        metavar="MODEL",
        help="what it begins with: a model, starter, or none (default: starter for v3)",
    )
    parser.add_argument(
        "--out-dir", type=file_path, metavar="DIR", help="where the model's folder goes (default: models/)"
    )


def add_calibrate(actions: Actions) -> None:
    """`train calibrate`."""
    parser = add_action(actions, "calibrate", handle_calibrate, "choose calibrators on days after a model's training")
    _add_minutes(parser)
    _add_model(parser)
    parser.add_argument(
        "--out-dir", type=file_path, metavar="DIR", help="the folder of the store (default: in artifacts/)"
    )


def add_tune_reject(actions: Actions) -> None:
    """`train tune-reject`."""
    parser = add_action(actions, "tune-reject", handle_tune, "find the reject threshold that keeps the target accuracy")
    _add_minutes(parser)
    _add_model(parser)
    parser.add_argument(
        "--target-accuracy", type=_target, metavar="NUMBER", help="of what is accepted (default: as in config.toml)"
    )
    parser.add_argument(
        "--write", "--write-policy", action="store_true", help="write the threshold to the inference policy"
    )
    parser.add_argument(
        "--calibrator-store",
        type=name_or_path,
        metavar="DIR",
        help="the calibrators, or none (default: those the model is served with)",
    )


def add_evaluate(actions: Actions) -> None:
    """`train evaluate`."""
    parser = add_action(actions, "evaluate", handle_evaluate, "judge what is served on days after its training")
    _add_minutes(parser)
    _add_model(parser)
    parser.add_argument("--out-dir", type=file_path, metavar="DIR", help="where evaluation.json and the pictures go")


def add_list(actions: Actions) -> None:
    """`train list`."""
    add_action(actions, "list", handle_list, "the models, and what each was trained on")


COMMANDS: Final[tuple[Callable[[Actions], None], ...]] = (
    add_lgbm,
    add_calibrate,
    add_tune_reject,
    add_evaluate,
    add_retrain,
    add_replay,
    add_list,
)
"""Each adds one command of the group."""


# -- options --------------------------------------------------------------------------------------------------


def _add_minutes(parser: argparse.ArgumentParser) -> None:
    """Add the options that select labelled minutes."""
    parser.add_argument("--from", dest="start", type=time_options.since, metavar="WHEN", help="a local date or a time")
    parser.add_argument(
        "--to", dest="end", type=time_options.until, metavar="WHEN", help="a local date (included) or a time"
    )
    add_files(parser)
    parser.epilog = time_options.HELP


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-dir", type=name_or_path, metavar="DIR", help="the model that is meant (default: the served one)"
    )


def _rounds(word: str) -> int:
    number = int(word)
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError("there are 1 to 10000 rounds")
    return number


def _seed(word: str) -> int:
    number = int(word)
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError("a seed lies between 0 and 2147483647")
    return number


def _target(word: str) -> float:
    number = float(word)
    if not 0.5 <= number <= 0.999:
        raise argparse.ArgumentTypeError("a target accuracy lies between 0.5 and 0.999")
    return number


# -- the commands ---------------------------------------------------------------------------------------------


def handle_lgbm(options: argparse.Namespace) -> int:
    """Train a model and judge it."""
    more = {"schema_version": options.schema, "rounds": options.rounds, "seed": options.seed, "prior": options.prior}
    facts = _job(options, "lgbm", more)
    trained, judged = facts["trained"], facts["judged"]
    days = _days(judged["judged_from"], judged["judged_to"])
    weak = f" and {trained['weak_minutes']} that rules label" if trained["weak_minutes"] else ""
    begun = f", beginning with {facts['prior']}" if facts["prior"] else ""
    lines = [
        f"Trained {facts['model']} on {_minutes(trained)}{weak}: {facts['rounds']} rounds{begun}.",
        f"Judged on {judged['judged_on']}, {judged['minutes']} minutes ({days}): {_scores(judged)}.",
        f"Written: {facts['folder']}",
    ]
    if facts["against_starter"]:
        lines.append(facts["against_starter"])
    if facts["served"] == facts["model"]:
        lines.append("There is no better model here, so it is served.")
    elif facts["served"] is not None:
        lines.append(
            f"{facts['served']} is still served. To serve the new model: "
            f"taskclf-tray policy create --model-dir {facts['model']} --force"
        )
    tell(options, facts, lines, is_done=True)
    return 0


def handle_calibrate(options: argparse.Namespace) -> int:
    """Choose calibrators."""
    facts = _job(options, "calibrate", {"model_dir": options.model_dir})
    personal = len(facts["personal"])
    lines = [
        f"Calibrators for {facts['model']}, from {_minutes(facts)}: {facts['method']}. {facts['reason']}",
        *([f"{personal} of the people get one of their own."] if personal else []),
        f"Written: {facts['store']}",
        _how_to_serve(facts),
    ]
    tell(options, facts, lines, is_done=True)
    return 0


def _how_to_serve(facts: Mapping[str, Any]) -> str:
    if facts["is_served"]:
        return "They are served with it."
    if facts["is_served_later"]:
        return "They are served with it as soon as the app has been started, which brings the starter model."
    store = facts["store"]
    return f"To serve them: taskclf-tray policy create --force --model-dir {facts['model']} --calibrator-store {store}"


def handle_tune(options: argparse.Namespace) -> int:
    """Tune the threshold; returns 1 when it was to be written and none is proven."""
    more = {
        "model_dir": options.model_dir, "target_accuracy": options.target_accuracy, "is_to_be_written": options.write,
        "calibrator_store": options.calibrator_store,
    }  # fmt: skip
    facts = _job(options, "tune-reject", more)
    tell(options, facts, _tuning(facts), is_done=True)
    return 1 if options.write and facts["written"] is None else 0


def _tuning(facts: Mapping[str, Any]) -> list[str]:
    seen = f"Looked at {_minutes(facts)} that {facts['model']} decides."
    before = f"{facts['threshold_before']:g}"
    if facts["threshold"] is None:
        return [
            seen,
            facts["reason"],
            *_estimate(facts["estimate"]),
            f"The threshold stays {before}, and the app keeps asking.",
        ]
    return [
        seen,
        f"Threshold {facts['threshold']:g} (before: {before}): with {facts['confidence']:.0%} confidence at least "
        f"{facts['target_accuracy']:.0%} of what is accepted is right, as far as days to come are like these.",
        f"Here {facts['accuracy']:.1%} of it is right, and {facts['coverage']:.0%} of the minutes are accepted.",
        f"Written: {facts['written']}" if facts["written"] else "The same with --write puts it into the policy.",
    ]


def _estimate(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    return [
        f"Estimated: at {found['threshold']:g}, {found['accuracy']:.1%} of what is accepted is right here, and "
        f"{found['coverage']:.0%} of the minutes are accepted."
    ]


def handle_evaluate(options: argparse.Namespace) -> int:
    """Judge what is served."""
    facts = _job(options, "evaluate", {"model_dir": options.model_dir})
    tell(options, facts, _evaluation(facts), is_done=True)
    return 0


def _evaluation(facts: Mapping[str, Any]) -> list[str]:
    boundary = facts["boundary"]
    lines = [
        f"{facts['model']} on {_minutes(facts)}:",
        f"  {_scores(facts)}",
        f"  calibration error {_percent(facts['ece'])}, Brier score {_number(facts['brier'])}",
        f"  accuracy {_percent(facts['accuracy_at_60'])} at 60% coverage, {_percent(facts['accuracy_at_80'])} at 80%",
        f"  rejected {_percent(facts['reject_rate'])} at {facts['reject_threshold']:g}; of the rest "
        f"{_percent(facts['accepted_accuracy'])} is right",
        f"  changes of label per 100 minutes: {_number(100 * facts['flap_rate_smoothed'], 1)} shown, "
        f"{_number(100 * facts['flap_rate_true'], 1)} in truth",
        f"  of {boundary['changes']} changes of work {boundary['missed']} are missed",
        "",
        "  label          precision  recall     F1  minutes",
    ]
    for one in facts["classes"]:
        if one["support"] or one["predicted"]:
            numbers = (_number(one[key]) for key in ("precision", "recall", "f1"))
            lines.append(f"  {one['label']:14} {'  '.join(f'{number:>7}' for number in numbers)}  {one['support']:7d}")
    files = [Path(name) for name in facts["files"].values()]
    return [*lines, "", f"Written to {files[0].parent}: {', '.join(path.name for path in files)}"]


def handle_list(options: argparse.Namespace) -> int:
    """Print the bundles, each with the reason when it cannot be served."""
    paths = paths_of(options)
    table = [_row(paths, info) for info in list_bundles(paths.models, is_thorough=True)]
    lines = [line for row in table for line in _row_lines(row)] or [f"There is no model in {paths.models}."]
    tell(options, {"models_dir": str(paths.models), "models": table}, lines)
    return 0


def _row(paths: HomePaths, info: BundleInfo) -> dict[str, Any]:
    metadata = info.metadata
    params = {} if metadata is None else metadata.params
    stores = [] if metadata is None else bound_calibrator_stores(paths.home, info.name, metadata.schema_hash)
    return {
        "model": info.name,
        "macro_f1": info.macro_f1,
        "weighted_f1": info.weighted_f1,
        "data_provenance": None if metadata is None else metadata.data_provenance,
        "schema_version": None if metadata is None else metadata.schema_version,
        "train_date_from": None if metadata is None else metadata.train_date_from,
        "train_date_to": None if metadata is None else metadata.train_date_to,
        "dataset_hash": None if metadata is None else metadata.dataset_hash,
        "created_at": None if metadata is None else metadata.created_at,
        "seed": params.get("seed"),
        "prior": params.get("prior_model"),
        "calibrators": [path.as_posix() for path in stores],
        "problem": info.problem,
    }


def _row_lines(row: Mapping[str, Any]) -> list[str]:
    if row["problem"] is not None:
        return [row["model"], f"  cannot be served: {row['problem']}"]
    begun = f", beginning with {row['prior']}" if row["prior"] else ""
    return [
        row["model"],
        f"  macro F1 {row['macro_f1']:.3f}, weighted F1 {row['weighted_f1']:.3f}",
        f"  {row['data_provenance']} data {_days(row['train_date_from'], row['train_date_to'])}, schema "
        f"{row['schema_version']}, seed {row['seed']}{begun}",
        f"  dataset {str(row['dataset_hash'])[:12]}, calibrators: {len(row['calibrators']) or 'none'}",
    ]


# -- the process ----------------------------------------------------------------------------------------------


def _job(options: argparse.Namespace, action: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Run the job with a progress bar; returns its outcome."""
    request = {
        "action": action,
        "home": str(paths_of(options).home),
        **minutes_asked_for(options),
        "start_us": None if options.start is None else to_us(options.start),
        "end_us": None if options.end is None else to_us(options.end),
        "out_dir": None if getattr(options, "out_dir", None) is None else str(options.out_dir),
        "is_debug": options.debug,
        **more,
    }
    return run_with_bar(_JOB, request, is_debug=options.debug)


# -- words ----------------------------------------------------------------------------------------------------


def _minutes(facts: Mapping[str, Any]) -> str:
    """`450 labelled minutes of 3 days (2026-03-09 – 2026-03-11)`."""
    days = "1 day" if facts["days"] == 1 else f"{facts['days']} days"
    return f"{facts['minutes']} labelled minutes of {days} ({_days(facts['date_from'], facts['date_to'])})"


def _days(first: str, last: str) -> str:
    return first if first == last else f"{first} – {last}"


def _scores(facts: Mapping[str, Any]) -> str:
    names = (("macro F1", "macro_f1"), ("weighted F1", "weighted_f1"))
    return ", ".join(
        [*(f"{name} {_number(facts[key])}" for name, key in names), f"{_percent(facts['accuracy'])} right"]
    )


def _number(value: float | None, decimals: int = 3) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
