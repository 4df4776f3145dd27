# Labels of tests that are not plain unit tests: numeric format cli e2e fuzz slow. A room's
# label holds for all its tests unless a test has one of its own.
set(TENON_LABEL_format format)
set(TENON_LABEL_data format)
set(TENON_LABEL_transport numeric)
set(TENON_LABEL_ops numeric)
set(TENON_LABEL_engine numeric)
set(TENON_LABEL_stats numeric)
set(TENON_LABEL_similarity numeric)
