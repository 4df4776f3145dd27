#!/bin/sh
# Trains the parents of the tables from scratch, and says before what that will take.
# Stopped at any moment it goes on where it was. bench/results_parents.py has the work.
# Usage: bench/parents.sh [--tenon PATH] [--threads N] [--epochs N] [--estimate] [NAME...]
exec python3 "$(dirname "$0")/results_parents.py" "$@"
