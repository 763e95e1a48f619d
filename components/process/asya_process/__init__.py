"""What every process of Asya has: logs as JSON lines, and programs that die with their parent."""
