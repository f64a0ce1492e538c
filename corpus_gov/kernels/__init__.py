"""Compiled loops over Arrow buffers: no policy, no input or output, no Python per document."""
