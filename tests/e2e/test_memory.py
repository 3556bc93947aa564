"""What the app holds in memory after an hour of simulated time, without a tray."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.support.app_process import AppProcess, running_app

BUDGET_KIB = 80 * 1024
GROWTH_KIB = 1024


def wait_for_bucket(app: AppProcess, moment: datetime) -> None:
    app.wait_for(
        lambda line: line["event"] == "bucket" and datetime.fromisoformat(line["bucket_start_ts"]) >= moment,
        f"the bucket of {moment}",
        60.0,
    )


def test_an_hour_of_simulated_time(tmp_path: Path) -> None:
    arguments = ("demo", "--headless", "--json", "--speed", "240", "--home", tmp_path / "home")
    with running_app(*arguments, time_zone="Etc/GMT") as app:
        first = app.wait_for_label()  # of 09:30: the night and the morning before are caught up after it
        began = datetime.fromisoformat(first["since"]).replace(hour=9, minute=30)
        wait_for_bucket(app, began + timedelta(minutes=10))
        early = app.resident_kib()
        wait_for_bucket(app, began + timedelta(minutes=60))
        late = app.resident_kib()
        assert app.end()[0] == 0
        assert app.errors == ""
    print(f"resident after 10 simulated minutes {early / 1024:.1f} MiB, after 60 {late / 1024:.1f} MiB")
    assert late <= BUDGET_KIB, f"{late / 1024:.1f} MiB after an hour"
    assert late - early < GROWTH_KIB, f"{(late - early) / 1024:.2f} MiB more within 50 minutes"
