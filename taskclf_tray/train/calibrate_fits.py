"""Fit calibrators; each fit gives one of the classes that are served, in the fixed file formats.

A minute is not an independent sample: the evidence grows with the labelled blocks. So a prior that weighs as much as a
few blocks holds each fit near the identity, and matters less as blocks become many. Without it, isotonic curves on few
rows give 0 and 1, and one surprise has an infinite loss.

Some labels are wrong: a block is labelled as a whole, with glances elsewhere and ragged ends. A confident minute with
another label costs so much that a fit which believes every label makes all minutes unsure. So a share of the labels,
the noise, is taken to be uniform, and the fit maximises the likelihood under (1 - noise) p + noise / 8 (the forward
correction of Patrini et al., CVPR 2017, for uniform noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize
from sklearn.isotonic import IsotonicRegression

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.calibrators import FLOOR, IsotonicCalibrator, IsotonicRegressor, TemperatureCalibrator

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_CLASSES: Final = len(LABEL_SET_V1)
_LOG_TEMPERATURES: Final = (-2.0, 3.0)
_TEMPERATURE_SPREAD: Final = 0.25
"""Prior standard deviations: of the logarithm of a temperature (measured on people with a known truth: wider ones are
chosen less often where they would help, and do more harm where they would not), …"""
_WEIGHT_SPREAD: Final = 0.25
"""… of how far one class's temperature is from the common one, …"""
_BIAS_SPREAD: Final = 0.5
"""… and of what is added to one class."""
_PSEUDO_BLOCKS: Final = 3.0
"""The total weight of the prior of an isotonic curve, in blocks."""
_BASE_SHARE: Final = 0.05
"""The share of the class frequency in the target of that prior; the rest is the identity. So it is never 0 or 1."""
_CURVE_POINTS: Final = 256
_USUAL_NOISE: Final = 0.1
"""The prior mean of the noise, …"""
_NOISE_SPREAD: Final = 1.0
"""… and the prior standard deviation of its log odds."""
_LEAST_NOISE: Final = 1e-12
"""In place of 0."""


def fit_noise(probs: FloatArray, y: IntArray, block_count: int) -> float:
    """Estimate the share of noise labels, together with the temperature that fits best.

    A temperature changes the probabilities of unsure minutes; noise is wrong however sure the model is.
    """
    logits = np.log(np.maximum(probs, FLOOR))
    usual_odds = np.log(_USUAL_NOISE / (1 - _USUAL_NOISE))

    def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
        tempered = logits * np.exp(-parameters[0])
        noise = 1 / (1 + np.exp(-parameters[1] - usual_odds))
        loss, slopes, by_noise = _loss_and_slopes(tempered, y, noise)
        by_odds = by_noise * noise * (1 - noise)
        gradient = block_count * np.array([-(slopes * tempered).sum(), by_odds]) + spread * parameters
        return block_count * loss + float((spread * parameters**2).sum() / 2), gradient

    spread = np.array([_TEMPERATURE_SPREAD, _NOISE_SPREAD]) ** -2.0
    found = optimize.minimize(cost, np.zeros(2), jac=True, method="L-BFGS-B").x
    return float(1 / (1 + np.exp(-found[1] - usual_odds)))


def label_losses(probs: FloatArray, y: IntArray, noise: float) -> FloatArray:
    """(N,) negative log-likelihoods of labels with this share of noise."""
    own = np.maximum(probs[np.arange(len(y)), y], FLOOR)
    return np.asarray(-np.log((1 - noise) * own + noise / _CLASSES))


def fit_temperature(probs: FloatArray, y: IntArray, block_count: int, noise: float = 0.0) -> TemperatureCalibrator:
    """The temperature of least negative log-likelihood (Guo et al., ICML 2017, section 4.2).

    `block_count`: how many independent samples the rows make.
    """
    logits = np.log(np.maximum(probs, FLOOR))

    def cost(log_temperature: float) -> float:
        loss, _, _ = _loss_and_slopes(logits * np.exp(-log_temperature), y, noise)
        return block_count * loss + (log_temperature / _TEMPERATURE_SPREAD) ** 2 / 2

    best = optimize.minimize_scalar(cost, bounds=_LOG_TEMPERATURES, method="bounded")
    return TemperatureCalibrator(float(np.exp(best.x)))


def fit_vector(probs: FloatArray, y: IntArray, block_count: int, noise: float = 0.0) -> IsotonicCalibrator:
    """Vector scaling: a temperature and a bias for each class (Guo et al., ICML 2017, section 4.2; Kull et al., NeurIPS
    2019 call its kin Dirichlet calibration).

    softmax(w_k log p_k + b_k) is e^{b_k} p_k^{w_k}, renormalised: a rising curve for each class, so it is stored as an
    isotonic calibrator with many points. Scaling that mixes classes is no such curve, and is left out.
    """
    logits = np.log(np.maximum(probs, FLOOR))

    def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
        common, own, bias = parameters[0], parameters[1 : 1 + _CLASSES], parameters[1 + _CLASSES :]
        weights = np.exp(common + own)
        loss, slopes, _ = _loss_and_slopes(logits * weights + bias, y, noise)
        by_weight = (slopes * logits).sum(axis=0) * weights
        gradient = block_count * np.concatenate([[by_weight.sum()], by_weight, slopes.sum(axis=0)])
        return block_count * loss + float((spread * parameters**2).sum() / 2), gradient + spread * parameters

    spread = np.array([_TEMPERATURE_SPREAD, *[_WEIGHT_SPREAD] * _CLASSES, *[_BIAS_SPREAD] * _CLASSES]) ** -2.0
    found = optimize.minimize(cost, np.zeros(1 + 2 * _CLASSES), jac=True, method="L-BFGS-B").x
    return vector_curves(np.exp(found[0] + found[1 : 1 + _CLASSES]), found[1 + _CLASSES :])


def vector_curves(weights: FloatArray, biases: FloatArray) -> IsotonicCalibrator:
    """softmax(w_k log p_k + b_k) as curves; linear interpolation between two points is off by less than 0.5 %."""
    at = np.append(np.geomspace(FLOOR, 1.0, _CURVE_POINTS)[:-1], 1.0)
    highest = float(biases.max())
    curves = (np.exp(bias - highest + weight * np.log(at)) for weight, bias in zip(weights, biases, strict=True))
    return IsotonicCalibrator(tuple(_regressor(at, curve) for curve in curves))


def fit_isotonic(probs: FloatArray, y: IntArray, block_count: int) -> IsotonicCalibrator:
    """Fit one class against the rest, eight times (Zadrozny & Elkan, KDD 2002), each with its prior.

    Labels are taken as they are: without the noise the lower end of a curve would be 0, where a surprise costs most.
    """
    prior_weight = _PSEUDO_BLOCKS / max(1, block_count)
    return IsotonicCalibrator(tuple(_curve(probs[:, k], y == k, prior_weight) for k in range(_CLASSES)))


def _curve(probs: FloatArray, is_it: npt.NDArray[np.bool_], prior_weight: float) -> IsotonicRegressor:
    prior = (1 - _BASE_SHARE) * probs + _BASE_SHARE * (is_it.sum() + 1) / (len(is_it) + _CLASSES)
    targets = (is_it + prior_weight * prior) / (1 + prior_weight)
    fitted = IsotonicRegression().fit(probs, targets)
    return _regressor(fitted.X_thresholds_, fitted.y_thresholds_)


def _regressor(at: Sequence[float] | FloatArray, levels: Sequence[float] | FloatArray) -> IsotonicRegressor:
    return IsotonicRegressor(tuple(map(float, at)), tuple(map(float, levels)))


def _loss_and_slopes(logits: FloatArray, y: IntArray, noise: float) -> tuple[float, FloatArray, float]:
    """Mean negative log-likelihood of labels under softmax(logits) and noise; its derivatives by logits and noise."""
    rows = np.arange(len(y))
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    meant = logs[rows, y] + np.log1p(-noise)
    either = np.logaddexp(meant, np.log(max(noise, _LEAST_NOISE) / _CLASSES))
    slopes = np.exp(logs)
    slopes[rows, y] -= 1.0
    slopes *= np.exp(meant - either)[:, None] / len(y)
    by_noise = (np.exp(logs[rows, y]) - 1 / _CLASSES) / np.exp(either)
    return float(-either.mean()), slopes, float(by_noise.mean())
