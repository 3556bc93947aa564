"""The starter taxonomy: it is commented, and it changes no label and no colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.app.status import color_of
from taskclf_tray.core.types import LABEL_LOOKS, LABEL_SET_V1, CoreLabel
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy import TaxonomyAdvanced, TaxonomyConfig, default_taxonomy
from taskclf_tray.infer.taxonomy_file import (
    load_taxonomy,
    parse_taxonomy,
    starter_taxonomy_text,
    write_starter_taxonomy,
)
from taskclf_tray.ui.icon import icon_art
from tests.support.sample_rows import forest, golden_rows, vocabularies


def test_it_is_the_default_taxonomy_that_asks_for_no_confidence() -> None:
    starter = parse_taxonomy(starter_taxonomy_text())
    assert starter.model_copy(update={"advanced": TaxonomyAdvanced()}) == default_taxonomy()
    assert starter.min_confidence_for_mapping == 0


def test_every_key_a_person_may_want_is_there_with_a_comment() -> None:
    text = starter_taxonomy_text()
    for key in ("mixed_label_name", "include_rejected_in_reports", "probability_aggregation", "reweight_core_labels"):
        before = text[: text.index(f"  {key}:")].rstrip("\n").rsplit("\n", 1)[1]
        assert before.lstrip().startswith("#")


def test_the_example_in_its_comment_is_valid() -> None:
    lines = starter_taxonomy_text().split("\n")
    start = next(i for i, line in enumerate(lines) if "# - name: Deep Work" in line)
    example = [line.replace("# ", "", 1) for line in lines[start : start + 4]]
    taxonomy = parse_taxonomy("buckets:\n" + "\n".join(example))
    assert taxonomy.buckets[0].core_labels == ["Build", "Debug", "Write"]


@pytest.mark.parametrize("threshold", [None, 0.0, 0.3, 0.6, 0.9])
def test_it_changes_no_label(threshold: float | None) -> None:
    def answers(taxonomy: TaxonomyConfig | None) -> list[WindowPrediction]:
        config = PipelineConfig(
            model=forest(), cat_encoders=vocabularies(), reject_threshold=threshold, taxonomy=taxonomy
        )
        return finish(decide_rows(config, golden_rows()), resolver_of=lambda _: config.resolver)

    for without, with_starter in zip(answers(None), answers(parse_taxonomy(starter_taxonomy_text())), strict=True):
        assert with_starter.ui_label == without.ui_label
        assert with_starter.is_rejected == without.is_rejected
        shares = [with_starter.mapped_probs[label] for label in LABEL_SET_V1]
        np.testing.assert_allclose(shares, without.core_probs, atol=1e-15)


@pytest.mark.parametrize("label", LABEL_SET_V1)
def test_it_changes_no_colour_and_no_letter(label: str) -> None:
    starter = parse_taxonomy(starter_taxonomy_text())
    bucket = next(bucket for bucket in starter.buckets if bucket.name == label)
    assert bucket.color == LABEL_LOOKS[CoreLabel(label)].color
    assert icon_art(IconState.LIVE, core_label=label, ui_label=label, color=bucket.color) == icon_art(
        IconState.LIVE, core_label=label, ui_label=label
    )


def test_the_persons_colour_reaches_the_icon() -> None:
    taxonomy = parse_taxonomy('buckets:\n  - {name: Flow, core_labels: [Build, Debug], color: "#123456"}\n')
    sure = taxonomy.model_copy(update={"advanced": TaxonomyAdvanced(min_confidence_for_mapping=0.0)})
    config = PipelineConfig(model=forest(), cat_encoders=vocabularies(), taxonomy=sure)
    seen = {(p.ui_label, color_of(p, taxonomy)) for p in decide_rows(config, golden_rows())}
    assert seen == {("Flow", "#123456"), ("Other", None)}
    assert icon_art(IconState.LIVE, core_label="Build", ui_label="Flow", color="#123456").color == "#123456"


def test_it_is_written_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "configs" / "user_taxonomy.yaml"
    assert write_starter_taxonomy(path)
    assert load_taxonomy(path) == parse_taxonomy(starter_taxonomy_text())
    path.write_text("mine")
    assert not write_starter_taxonomy(path)
    assert path.read_text() == "mine"
    assert write_starter_taxonomy(path, overwrite=True)
    path.unlink()
    path.symlink_to("nowhere")
    assert not write_starter_taxonomy(path)
