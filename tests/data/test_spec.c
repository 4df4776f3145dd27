/* test_spec.c - the grammar of data specs, and the choice of splits. */
#include "test.h"

#include "data/dataset.h"

static tn__data_spec parse(const char *text)
{
    tn__data_spec spec = {0};
    assert_ok(tn__data_spec_parse(&spec, text, err));
    return spec;
}

static void every_key_is_read(void **state)
{
    (void)state;
    tn__data_spec spec =
        parse("tar:/a/b.tar,split=val,limit=5,skip=3,mean=0.5/0.25/1,"
              "std=2,size=32,classes=7,seed=18446744073709551615,cache=/c");
    assert_string_equal(spec.kind, "tar");
    assert_string_equal(spec.path, "/a/b.tar");
    assert_string_equal(spec.split, "val");
    assert_int_equal(spec.limit, 5);
    assert_int_equal(spec.skip, 3);
    assert_int_equal(spec.mean_count, 3);
    assert_near(spec.mean[1], 0.25, 0);
    assert_int_equal(spec.std_count, 1);
    assert_near(spec.std[0], 2, 0);
    assert_int_equal(spec.size, 32);
    assert_int_equal(spec.classes, 7);
    assert_true(spec.seed == UINT64_MAX);
    assert_string_equal(spec.cache, "/c");
    tn__data_spec_release(&spec);
}

static void a_kind_may_stand_alone(void **state)
{
    (void)state;
    tn__data_spec spec = parse("fashion-mnist,split=test");
    assert_string_equal(spec.kind, "fashion-mnist");
    assert_string_equal(spec.path, "");
    tn__data_spec_release(&spec);
    spec = parse("idx:a:b");
    assert_string_equal(spec.path, "a:b");
    assert_true(spec.seed == 1);
    tn__data_spec_release(&spec);
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"idx:a,lmit=3", "unknown key 'lmit' in a data spec, did you mean 'limit'"},
        {"idx:a,colour=3", "known are split, limit, skip"},
        {"tar:a,cache=", "expected a folder"},
        {"idx:a,cache=b", "kind 'idx': only tar has it"},
        {"idx:a,limit", "has no value, expected limit=..."},
        {"idx:a,", "unknown key ''"},
        {"idx:a,limit=0", "expected a whole number from 1"},
        {"idx:a,limit=-1", "expected a whole number"},
        {"idx:a,limit=3x", "expected a whole number"},
        {"idx:a,limit=99999999999999999999", "expected a whole number"},
        {"idx:a,size=0", "'size=0'"},
        {"idx:a,size=16385", "'size=16385'"},
        {"idx:a,classes=0", "'classes=0'"},
        {"idx:a,limit=1,limit=2", "key 'limit' is twice"},
        {"idx:a,split=trian", "expected train, test or val"},
        {"idx:a,std=nan", "finite positive"},
        {"idx:a,std=0", "finite positive"},
        {"idx:a,std=1/-1", "finite positive"},
        {"idx:a,mean=inf", "finite"},
        {"idx:a,mean=1//2", "finite"},
        {"idx:a,mean=", "finite"},
        {"idx:a,classes=0-4", "expected their number; only=0-4 chooses classes"},
        {"idx:a,only=", "classes or ranges as 0/3/5-7"},
        {"idx:a,only=3-", "classes or ranges"},
        {"idx:a,only=3-2", "classes or ranges"},
        {"idx:a,only=1/", "classes or ranges"},
        {"idx:a,only=1,2", "unknown key '2'"},
        {"idx:a,only=65536", "classes or ranges"},
        {"idx:a,only=0/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "at most 16"},
        {"idx:a,part=1", "'part=1' in a data spec: expected K/N"},
        {"idx:a,part=0/2", "expected K/N"},
        {"idx:a,part=3/2", "the part K from 1 to N"},
        {"idx:a,part=1/2/3", "expected K/N"},
        {"idx:a,part=1/65537", "at most 65536"},
        {"idx:a,part=1/2,dirichlet=0", "expected a number above 0"},
        {"idx:a,part=1/2,dirichlet=inf", "expected a number above 0"},
        {"idx:a,part=1/2,shares=1/2/3", "has 3 values, part= has 2 parts"},
        {"idx:a,part=1/2,shares=1/0", "finite positive"},
        {"idx:a,dirichlet=1", "key 'dirichlet' in a data spec without part=K/N"},
        {"idx:a,shares=1/2", "key 'shares' in a data spec without part=K/N"},
        {"idx:a,special=1", "key 'special' in a data spec without part=K/N"},
        {"idx:a,mean=1/2/3/4/5/6/7/8/9/1/2/3/4/5/6/7/8", "at most 16"},
    };
    for (size_t k = 0; k < TN__COUNT(cases); k++) {
        tn__data_spec spec = {0};
        assert_fails(tn__data_spec_parse(&spec, cases[k].text, err), TN_ERROR_ARGUMENT,
                     cases[k].message);
        assert_null(spec.kind);
    }
}

static void the_nearest_name_is_at_most_two_letters_away(void **state)
{
    (void)state;
    static const char *const names[] = {"images", "idx", "tar"};
    assert_string_equal(tn__nearest_name("image", names, 3), "images");
    assert_string_equal(tn__nearest_name("xdi", names, 3), "idx");
    assert_null(tn__nearest_name("cifar", names, 3));
    assert_null(tn__nearest_name("a word of more than twenty-four letters", names, 3));
}

static void choose(unsigned there, const char *own, const char *wanted, size_t expected)
{
    char path[] = "x";
    tn__data_spec spec = {.path = path, .split = own};
    size_t split = TN__SPLITS;
    if (expected == TN__SPLITS) {
        assert_fails(tn__split_choose(&split, there, &spec, wanted, err),
                     TN_ERROR_MISMATCH, "no split '");
        return;
    }
    assert_ok(tn__split_choose(&split, there, &spec, wanted, err));
    assert_int_equal(split, expected);
}

static void splits_are_chosen_as_documented(void **state)
{
    (void)state;
    enum { TRAIN = 1, TEST = 2, VAL = 4 };
    choose(TRAIN | TEST, "train", "test", TN__SPLIT_TRAIN); /* the spec wins */
    choose(TRAIN | TEST, NULL, "train", TN__SPLIT_TRAIN);
    choose(TRAIN | TEST, NULL, NULL, TN__SPLIT_TEST);
    choose(TRAIN | VAL, NULL, NULL, TN__SPLIT_VAL);
    choose(TRAIN, NULL, "test", TN__SPLIT_TRAIN); /* the only one */
    choose(TRAIN | VAL, NULL, "test", TN__SPLIT_VAL);
    choose(TRAIN | TEST, NULL, "val", TN__SPLIT_TEST);
    choose(TEST | VAL, NULL, "train", TN__SPLITS);
    choose(TRAIN, "test", NULL, TN__SPLITS);
}

static void a_formatted_spec_reads_back(void **state)
{
    (void)state;
    double mean[] = {0.1, 1.0 / 3, 0}, std[] = {0.2, 0.2, 0.2};
    tn_dataset data = {.classes = 4, .channels = 3, .mean = mean, .std = std};
    data.split = tn__split_names[TN__SPLIT_VAL];
    tn__data_spec spec = parse("tar:x.tar,limit=9,seed=5"), again;
    char *text = NULL;
    assert_ok(tn__data_spec_format(&text, &spec, &data, err));
    assert_string_equal(text,
                        "tar:x.tar,split=val,limit=9,mean=0.1/0.3333333333333333/0,"
                        "std=0.2,classes=4,seed=5");
    again = parse(text);
    assert_true(again.mean[1] == mean[1]);
    assert_int_equal(again.std_count, 1);
    tn__free(text);
    tn__data_spec_release(&spec);
    tn__data_spec_release(&again);
    spec = parse("tar:x.tar,special=3,shares=1/9,part=2/2,only=0-4/7,dirichlet=0.3");
    assert_ok(tn__data_spec_format(&text, &spec, &data, err));
    assert_non_null(strstr(text, ",split=val,only=0-4/7,part=2/2,shares=1/9,"
                                 "dirichlet=0.3,special=3,mean="));
    again = parse(text);
    assert_memory_equal(&again.only, &spec.only, sizeof spec.only);
    assert_memory_equal(&again.special, &spec.special, sizeof spec.special);
    assert_int_equal(again.part, 2);
    tn__free(text);
    tn__data_spec_release(&spec);
    tn__data_spec_release(&again);
}

static void a_file_named_after_another_split_is_refused(void **state)
{
    (void)state;
    tn__data_spec spec = {.split = tn__split_names[TN__SPLIT_TRAIN]};
    assert_fails(tn__split_check_file("/train/t10k-images", &spec, err),
                 TN_ERROR_MISMATCH, "which by its name is test");
    assert_ok(tn__split_check_file("/test/data_batch_1.bin", &spec, err));
    assert_ok(tn__split_check_file("some.bin", &spec, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_kind_may_stand_alone),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(the_nearest_name_is_at_most_two_letters_away),
        cmocka_unit_test(splits_are_chosen_as_documented),
        cmocka_unit_test(a_formatted_spec_reads_back),
        cmocka_unit_test(a_file_named_after_another_split_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
