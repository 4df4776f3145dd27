# --json prints one object that JSON readers take.

% require python3
$ python3 -c 'import json' # is there
