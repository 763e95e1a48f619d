"""Programs that tests need and that a package index or Debian has."""
