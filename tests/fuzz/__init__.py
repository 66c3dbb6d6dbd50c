"""Hostile input of all kinds: the same targets for the suite, by Hypothesis, and for `make fuzz`, by atheris."""
