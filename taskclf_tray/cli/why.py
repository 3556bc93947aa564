"""`taskclf-tray why`: why a recorded minute has its label."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from taskclf_tray.app.serving import Overrides, Serving
from taskclf_tray.app.why_text import strongest, why_told
from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import Commands, add_home
from taskclf_tray.cli.context import Record, opened
from taskclf_tray.cli.output import tell
from taskclf_tray.core.errors import LabelError, ModelError
from taskclf_tray.core.time import from_us
from taskclf_tray.infer.attribution import Attribution
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.labels.categories import KeptCategories
from taskclf_tray.models.bundle import starter_bundle
from taskclf_tray.record.why import Why, why_minute


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "why",
        help="why a minute has its label",
        description="Why a minute has its label: what the model went by, or who decided instead.",
        epilog=time_options.HELP,
    )
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.add_argument(
        "time", nargs="?", type=time_options.moment, metavar="TIME", help="a moment; by default the newest minute"
    )
    parser.set_defaults(handler=handle_why)


def handle_why(options: argparse.Namespace) -> int:
    """Explain one minute."""
    with opened(options, read_only=True) as record:
        at = options.time or _newest(record)
        config, bundle = _served(record)
        attribution = partial(Attribution.load, bundle / "model.txt")
        why = why_minute(record.database, record.user_id, at, config, attribution)
    title, body = why_told(why)
    tell(options, _facts(why), [f"{title}. {body}"])
    return 0


def _served(record: Record) -> tuple[PipelineConfig, Path]:
    """What the app serves, or would serve where a home has no model yet, and its bundle. Raises ModelError."""
    for overrides in (None, Overrides(model_dir=starter_bundle())):
        serving = Serving(
            record.paths.models, record.paths.taxonomy, overrides=overrides, kept=KeptCategories(record.database)
        )
        serving.load()
        if serving.config is not None and serving.resolved is not None:
            return serving.config, serving.resolved.bundle_dir
    raise ModelError("No model can be served, so there is nothing to explain by.", serving.problem or "")


def _newest(record: Record) -> datetime:
    reach = record.database.buckets.reach(record.user_id)
    if reach is None:
        raise LabelError("No minute is on record yet.", "Start the app with `taskclf-tray run`; it takes two minutes.")
    return from_us(reach[1]) - timedelta(microseconds=1)


def _facts(why: Why) -> dict[str, object]:
    prediction, reasons = why.prediction, why.reasons
    return {
        "start": time_options.iso(prediction.bucket_start_ts),
        "end": time_options.iso(prediction.bucket_end_ts),
        "because": why.because,
        "label": why.label,
        "core_label": prediction.core_label_name,
        "confidence": round(prediction.confidence, 6),
        "reject_threshold": prediction.reject_threshold,
        "is_of_now": why.is_of_now,
        "sentence": ". ".join(why_told(why)),
        "model_label": None if reasons is None else reasons.label,
        "named": [] if reasons is None else list(strongest(reasons)),
        "reasons": []
        if reasons is None
        else [
            {
                "group": one.group,
                "effect": round(one.effect, 6),
                "probability_without": round(one.probability_without, 6),
            }
            for one in reasons.found
        ],
    }
