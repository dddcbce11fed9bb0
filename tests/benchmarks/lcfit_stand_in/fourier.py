"""Of the stand-in, which needs none."""
