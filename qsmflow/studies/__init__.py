"""What methods are held against: problems whose truth is known."""
