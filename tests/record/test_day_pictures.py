"""report_<date>.png beside the report: drawn where Pillow is loaded anyhow, and never loaded for it."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from taskclf_tray.record.day_files import write_report
from taskclf_tray.report.daily import daily_report
from taskclf_tray.report.days import Day
from taskclf_tray.report.picture import picture_png
from tests.support.report_records import MINUTE, bucket

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = Day(NINE.date(), [bucket(NINE + number * MINUTE) for number in range(90)])
IN_A_TERMINAL = """
import sys
from datetime import UTC, datetime
from pathlib import Path

import taskclf_tray.ui.app, taskclf_tray.ui.headless, taskclf_tray.app.session
from taskclf_tray.report.days import Day, LabelledTime
from taskclf_tray.record.day_files import write_report

write_report(Path(sys.argv[1]), Day(datetime(2026, 3, 2).date(), [], (), [LabelledTime(0, 1, "Meet")]), None)
print("PIL.Image" in sys.modules)
"""


def test_a_tray_draws_the_day(tmp_path: Path) -> None:
    write_report(tmp_path, DAY, None)
    data = (tmp_path / "report_2026-03-02.png").read_bytes()
    assert data == picture_png([DAY], daily_report(DAY), None)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.width == 1280
    before = (tmp_path / "report_2026-03-02.png").stat()
    write_report(tmp_path, DAY, None)
    assert (tmp_path / "report_2026-03-02.png").stat().st_ino == before.st_ino


def test_an_app_in_a_terminal_loads_nothing_for_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IN_A_TERMINAL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout == "False\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report_2026-03-02.json"]
