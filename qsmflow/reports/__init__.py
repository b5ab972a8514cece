"""What a person looks at: the subject's HTML report and the methods text."""
