"""The door to the running application, as the inference documents name it."""

from taskclf_tray.app.online_loop import run_online_loop
from taskclf_tray.app.snapshot import Snapshot
from taskclf_tray.app.worker import Listener, Settings, TrayRuntime
from taskclf_tray.record.suggest import _LabelSuggester

__all__ = ["Listener", "Settings", "Snapshot", "TrayRuntime", "_LabelSuggester", "run_online_loop"]
