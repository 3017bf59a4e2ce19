"""What happened: plain counters in each process, one access line an exchange, one exposition a host."""
