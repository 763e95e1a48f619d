"""Schedules: tools that are called by themselves, each fire by one of the replicas."""
