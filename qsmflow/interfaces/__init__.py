"""Nipype interfaces, one a stage: load, call one function of `qsmflow.core`, save."""
