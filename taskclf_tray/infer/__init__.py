"""Feature rows to predictions: the evaluator, calibration, smoothing, taxonomy and the drivers over them."""
