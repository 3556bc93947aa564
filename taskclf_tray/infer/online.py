"""The door to the online driver and to the loop around it, as the inference documents name them."""

from taskclf_tray.app.online_loop import run_online_loop
from taskclf_tray.infer.predictor import OnlinePredictor

__all__ = ["OnlinePredictor", "run_online_loop"]
