"""The torture finds each of these faults; `make mutants` tries all of them, which takes minutes."""

import pytest

from tests.engine.mutants import MUTANTS, QUICK, killed, text_of


@pytest.mark.timeout(700)
@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.rule)
def test_the_torture_finds_what_breaks_a_rule(mutant):
    assert killed(mutant) is not None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_a_mutant_changes_one_place_of_the_source(mutant):
    assert text_of(mutant).count(mutant.old) == 1
