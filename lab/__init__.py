"""What starts real servers, engines and clusters for tests, benchmarks and tools; product code never imports it."""
