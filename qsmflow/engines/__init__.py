"""How a DAG is executed: resources of each stage, workers, logging, resume."""
