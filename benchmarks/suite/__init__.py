"""What the benchmarks share: the servers, the clients that are compared, statistics, criteria, tables and plots."""
