"""Asya's command line. Commands import what they need when they run, so that ``asya --help`` answers at once."""
