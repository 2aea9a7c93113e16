"""The error sentence and what the error classes can be caught as."""

import pytest

from spikewright.core.errors import (
    ArgumentError,
    CheckpointError,
    ConfigError,
    ConversionError,
    DataError,
    ShapeError,
    SpikewrightError,
    sentence,
)


def test_a_sentence_names_who_what_was_met_and_what_is_allowed():
    assert sentence("IF.start", "nan", "finite numbers") == "IF.start: got nan; expected finite numbers."


def test_a_sentence_ends_with_what_to_do_and_one_full_stop():
    assert sentence("a", "b", "c", "Do d.") == "a: got b; expected c. Do d."
    assert sentence("a", "b", "c", "Do d") == "a: got b; expected c. Do d."


@pytest.mark.parametrize("kind", [ArgumentError, CheckpointError, ConfigError, ConversionError, DataError, ShapeError])
def test_every_error_is_caught_by_the_one_base(kind):
    with pytest.raises(SpikewrightError, match="met"):
        raise kind("met")


@pytest.mark.parametrize("kind", [ArgumentError, ShapeError, ConfigError])
def test_errors_about_values_are_value_errors(kind):
    assert issubclass(kind, ValueError)
