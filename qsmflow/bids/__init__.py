"""What is in a BIDS dataset, whether it can be used, and how derivatives are named and written."""
