"""The lab: starts real servers, engines and clusters for tests, benchmarks and tools. Product code never imports it."""
