#!/bin/sh
# What every image has: qsmflow of the folder in which this is called, in /opt/qsmflow, with the versions of the
# constraints. The arguments are options of pip for torch alone: those of its CPU index, or none, which brings CUDA.
set -eu
here=$(dirname "$0")
python -m venv /opt/qsmflow
# with bytecode: it cannot be written later, and every start would compile all modules anew
install="/opt/qsmflow/bin/pip install --no-cache-dir"
$install "$@" "$(grep '^torch==' "$here/constraints.txt")"
PIP_CONSTRAINT=$here/constraints.txt $install .
# C++ headers and test programs, which nothing here uses
rm -rf /opt/qsmflow/lib/python3*/site-packages/torch/include /opt/qsmflow/lib/python3*/site-packages/torch/test
