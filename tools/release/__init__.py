"""A release: packages, charts, images and what they consist of, in one folder and in the registries that are given."""
