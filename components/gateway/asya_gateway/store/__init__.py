"""Where records and their histories are kept: one port, three stores."""
