"""The starter model as the first trees of a personal model, which decide where there are no labels yet.

The trees keep their splits, recoded for the vocabulary of the new model: a category is the position of its value in a
sorted list, and the apps of the person shift the positions. An app that the starter never met goes where `__unknown__`
goes. So before its first own tree the new model predicts exactly what the starter predicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskclf_tray.core.errors import ModelIncompatibleError
from taskclf_tray.core.model_text import MAX_MODEL_BYTES
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.schema import SCHEMAS, FeatureSchema
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import UNKNOWN_VALUE
from taskclf_tray.models.bundle import MODEL_FILE, CatEncoders, load_model_bundle, starter_bundle
from taskclf_tray.train.dataset import Provenance

_IS_CATEGORICAL: Final = 1
_WORD_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Prior:
    """A model to start from: its text, its vocabularies and its provenance."""

    text: str
    cat_encoders: CatEncoders
    schema: FeatureSchema
    provenance: str
    name: str

    @classmethod
    def load(cls, bundle: Path) -> Prior:
        """Load a bundle. Raises ModelFormatError, ModelIncompatibleError (also where its bytes cannot be verified)."""
        model, metadata, words = load_model_bundle(bundle)
        if not model.verified or metadata.time_basis != "local":
            # LightGBM dies of a damaged text, so it only ever sees one with its hash
            raise ModelIncompatibleError(
                f"The model {bundle.name} cannot be continued.", "Train without it, or begin with the starter model."
            )
        text = read_regular(bundle / MODEL_FILE, MAX_MODEL_BYTES).decode()
        return cls(text, words, SCHEMAS[metadata.schema_version], metadata.data_provenance, bundle.name)

    @property
    def rounds(self) -> int:
        """The number of boosting rounds: each has a tree per label."""
        return self.text.count("\nTree=") // len(LABEL_SET_V1)

    @classmethod
    def starter(cls) -> Prior:
        """Load the shipped model."""
        return cls.load(starter_bundle())

    def words_with(self, words: Mapping[str, Sequence[str]]) -> CatEncoders:
        """The union of its vocabularies and these."""
        return {
            column: sorted({UNKNOWN_VALUE, *self.cat_encoders.get(column, ()), *own}) for column, own in words.items()
        }

    def under(self, words: CatEncoders, share: float = 1.0) -> str:
        """The text of the model for rows encoded with other vocabularies, which contain its own.

        `share`: the factor of the raw scores; below 1 the model is less sure.
        """
        text = self.text if share == 1.0 else scaled(self.text, share)
        return recoded(text, self.schema.model_columns, self.cat_encoders, words)

    def mixed_with(self, provenance: Provenance) -> Provenance:
        """The provenance of a model made of both."""
        return provenance if provenance == self.provenance else "mixed"


def recoded(
    text: str, columns: Sequence[str], old: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]
) -> str:
    """LightGBM text in which every set of categories has the same values under the codes of other vocabularies."""
    sources = {column: _old_codes(old.get(column, ()), words) for column, words in new.items()}
    return "\n".join(_recoded_lines(text.split("\n"), columns, sources))


def scaled(text: str, share: float) -> str:
    """LightGBM text with the values of every tree multiplied by `share`."""
    return "\n".join(_scaled_line(line, share) for line in text.split("\n"))


def _scaled_line(line: str, share: float) -> str:
    key, _, values = line.partition("=")
    if key not in ("leaf_value", "internal_value"):
        return line
    return f"{key}=" + " ".join(repr(float(value) * share) for value in values.split())


def _old_codes(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """For each new code the old one of its value; where it had none that of `__unknown__`, or -1: in no set."""
    codes = {word: code for code, word in enumerate(sorted(old))}
    return [codes.get(word, codes.get(UNKNOWN_VALUE, -1)) for word in sorted(new)]


def _recoded_lines(lines: Sequence[str], columns: Sequence[str], sources: Mapping[str, list[int]]) -> Iterator[str]:
    tree: dict[str, list[str]] = {}
    for line in lines:
        key, _, value = line.partition("=")
        if key in ("split_feature", "decision_type", "threshold", "cat_boundaries"):
            tree[key] = value.split()
        if key == "cat_threshold":
            sets = [_codes_of_set(tree, value.split(), k) for k in range(len(tree["cat_boundaries"]) - 1)]
            features = _features_of_sets(tree)
            packed = [_words(_renamed(codes, sources[columns[features[k]]])) for k, codes in enumerate(sets)]
            yield "cat_boundaries=" + " ".join(map(str, _boundaries(packed)))
            yield "cat_threshold=" + " ".join(str(word) for words in packed for word in words)
        elif key not in ("tree_sizes", "cat_boundaries"):  # sizes change; LightGBM reads trees without them, in order
            yield line


def _features_of_sets(tree: Mapping[str, list[str]]) -> dict[int, int]:
    """Which feature each set of categories is asked of: a categorical node's threshold is the number of its set."""
    nodes = zip(tree["split_feature"], tree["decision_type"], tree["threshold"], strict=True)
    return {int(float(place)): int(feature) for feature, kind, place in nodes if int(kind) & _IS_CATEGORICAL}


def _codes_of_set(tree: Mapping[str, list[str]], packed: Sequence[str], k: int) -> set[int]:
    first, last = int(tree["cat_boundaries"][k]), int(tree["cat_boundaries"][k + 1])
    bits = sum(int(word) << (_WORD_BITS * place) for place, word in enumerate(packed[first:last]))
    return {code for code in range(bits.bit_length()) if bits >> code & 1}


def _renamed(codes: set[int], source: Sequence[int]) -> set[int]:
    return {new for new, old in enumerate(source) if old in codes}


def _words(codes: set[int]) -> list[int]:
    """The set as LightGBM packs it: 32 codes in a word, at least one word."""
    words = [0] * (max(codes, default=0) // _WORD_BITS + 1)
    for code in codes:
        words[code // _WORD_BITS] |= 1 << (code % _WORD_BITS)
    return words


def _boundaries(packed: Sequence[Sequence[int]]) -> list[int]:
    at = [0]
    for words in packed:
        at.append(at[-1] + len(words))
    return at
