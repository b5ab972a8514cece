"""Nipype workflows: `init_*_wf` builders, one file a stage."""
