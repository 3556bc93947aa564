"""Jobs that learn as a test wants: `python -m tests.support.refit_jobs REQUEST`; a file in the home says how."""

from __future__ import annotations

if __name__ == "__main__":
    from taskclf_tray.system.job_entry import start

    start("tests.support.refit_jobs")

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taskclf_tray.models.head_files import save_head
from taskclf_tray.models.policy import InferencePolicy, save_inference_policy
from taskclf_tray.models.promotion import HeadBasis, policy_to_learn_on
from tests.support.heads import some_head


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def edit(policy: InferencePolicy, models: Path, **changes: Any) -> None:
    """As an editor saves it."""
    save_inference_policy(InferencePolicy.model_validate(policy.model_dump() | changes), models)


def main(arguments: list[str]) -> int:
    """As the file `way` says; each start is noted beside it, with the request."""
    request = json.loads(arguments[0])
    home, models = Path(request["home"]), Path(request["models_dir"])
    with (home / "refits").open("a") as file:
        file.write(json.dumps(request) + "\n")
    count = len((home / "refits").read_text().splitlines())
    way = (home / "way").read_text()
    if way == "slow":
        time.sleep(600)
    if way == "refused":
        say(event="error", title="The disk is full.", next_step="Free some space.")
        return 1
    policy = policy_to_learn_on(models)
    entry = save_head(some_head(seed=count), home, fitted_at=datetime.now(UTC), labelled_minutes=10)
    basis = asdict(HeadBasis.of(policy))
    say_fitted = {"outcome": "fitted", "head": entry.model_dump(), "basis": basis, "threshold": {}}
    if way == "edits":
        changes = {"personal_head": entry} if count == 1 else {}
        edit(policy, models, reject_threshold=0.42 + count / 100, _mine="kept", **changes)
        if count == 2:
            edit(policy, models, reject_threshold=0.43, _mine="kept")
    say(event="done", **say_fitted)
    return 0
