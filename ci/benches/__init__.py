"""The measurements of ci/bench."""
