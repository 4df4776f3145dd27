/* tour.c - the library in sixty lines: load two networks, fuse them, look at the
 * result.
 *
 *     cc tour.c -ltenon -o tour && ./tour a.onnx b.onnx fashion-mnist fused.onnx
 */
#include <stdio.h>

#include <tenon/tenon.h>

static int show_progress(void *user, const tn_progress *p)
{
    (void)user;
    fprintf(stderr, "\r%s %.0f %s ", p->stage, p->done, p->unit);
    return 0; /* anything else cancels */
}

static tn_status tour(const char *a, const char *b, const char *spec, const char *out,
                      tn_error *err)
{
    tn_model *parents[2] = {NULL}, *fused = NULL;
    tn_dataset *probe = NULL, *test = NULL;
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    tn_fuse_report report = {0};
    tn_eval_report score[3], ensemble;
    tn_observer observer = {.progress = show_progress};
    tn_status status;

    if ((status = tn_model_load(&parents[0], a, NULL, err)) ||
        (status = tn_model_load(&parents[1], b, NULL, err)) ||
        (status = tn_dataset_open(&probe, spec, "train", err)) ||
        (status = tn_dataset_open(&test, spec, "test", err)))
        goto done;

    /* only the images of `probe` are looked at, never its labels */
    const tn_model *models[3] = {parents[0], parents[1]};
    if ((status = tn_fuse(&fused, &report, models, 2, probe, &options, &observer, err)))
        goto done;
    for (size_t g = 0; g < report.group_count; g++)
        printf("%s: %zu neurons, cost %.4g\n", report.groups[g].name,
               report.groups[g].neurons, report.groups[g].cost);

    models[2] = fused;
    if ((status = tn_eval(score, &ensemble, models, 3, test, NULL, NULL, err)))
        goto done;
    printf("parents %.4f %.4f, fused %.4f\n", score[0].accuracy, score[1].accuracy,
           score[2].accuracy);
    status = tn_model_save(fused, out, NULL, err);

done:
    tn_fuse_report_release(&report);
    tn_model_free(fused);
    tn_model_free(parents[0]);
    tn_model_free(parents[1]);
    tn_dataset_free(probe);
    tn_dataset_free(test);
    return status;
}

int main(int argc, char **argv)
{
    tn_error err = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: tour A.onnx B.onnx DATA OUT.onnx\n");
        return 2;
    }
    if (tour(argv[1], argv[2], argv[3], argv[4], &err)) {
        fprintf(stderr, "tour: %s\n", err.message);
        return 1;
    }
    return 0;
}
