"""The mesh on AWS."""
