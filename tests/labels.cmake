# Labels of tests that are not plain unit tests: numeric format cli e2e fuzz slow.
