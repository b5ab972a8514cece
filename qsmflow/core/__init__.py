"""The science: pure functions on torch tensors. Imports nothing else of qsmflow, and neither nibabel nor nipype."""
