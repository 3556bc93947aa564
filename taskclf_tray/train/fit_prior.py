"""The starter model as the first trees of a personal one: what its labels do not say yet stays as the starter says.

The trees are taken over as they are, under the vocabulary of the new model: categories are codes, codes are places in
a sorted list, and the person's own programs shift them. A program the starter never met goes where its `__unknown__`
goes. So before its first own tree the new model answers exactly what the starter answers.
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
    """A model to begin with: its text, vocabularies, and what it was made of."""

    text: str
    cat_encoders: CatEncoders
    schema: FeatureSchema
    provenance: str
    name: str

    @classmethod
    def load(cls, bundle: Path) -> Prior:
        """Of a bundle. Raises ModelFormatError, ModelIncompatibleError (also where its bytes cannot be verified)."""
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
        """How many it was trained in: a tree for each label in each of them."""
        return self.text.count("\nTree=") // len(LABEL_SET_V1)

    @classmethod
    def starter(cls) -> Prior:
        """The model that is shipped."""
        return cls.load(starter_bundle())

    def words_with(self, words: Mapping[str, Sequence[str]]) -> CatEncoders:
        """Its vocabularies and these."""
        return {
            column: sorted({UNKNOWN_VALUE, *self.cat_encoders.get(column, ()), *own}) for column, own in words.items()
        }

    def under(self, words: CatEncoders, share: float = 1.0) -> str:
        """The model's text for rows encoded with other vocabularies, which hold all of its own.

        `share`: its raw scores are so many times its own, so that below 1 it is less sure.
        """
        text = self.text if share == 1.0 else scaled(self.text, share)
        return recoded(text, self.schema.model_columns, self.cat_encoders, words)

    def mixed_with(self, provenance: Provenance) -> Provenance:
        """What a model made of both is made of."""
        return provenance if provenance == self.provenance else "mixed"


def recoded(
    text: str, columns: Sequence[str], old: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]
) -> str:
    """LightGBM text in which every set of categories names the same values by the codes of other vocabularies."""
    sources = {column: _old_codes(old.get(column, ()), words) for column, words in new.items()}
    return "\n".join(_recoded_lines(text.split("\n"), columns, sources))


def scaled(text: str, share: float) -> str:
    """LightGBM text in which every tree answers so many times what it did."""
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
