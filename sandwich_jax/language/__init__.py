"""The same experiment on text: a weak writer, and an expert that is toxic every so often."""
