"""From k-space of several coils to one complex image."""
