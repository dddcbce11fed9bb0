"""The bench that MetaLyra is tested on: a simulated sky, and the archives on this machine."""
