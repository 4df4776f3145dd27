/* line.c - one line of a list, as text and as JSON. */
#include "neurons/line.h"

#include <stdlib.h>

tn_status tn__line_begin(tn__line *l, tn_error *err)
{
    *l = (tn__line){0};
    l->json = cJSON_CreateObject();
    l->stream = open_memstream(&l->text, &l->size);
    return l->stream && l->json ? TN_OK : tn__fail_memory(err, sizeof *l);
}

/* Hands the line over; *stop where the caller wants no more. Frees it in any case. */
tn_status tn__line_end(tn__line *l, tn_status status, bool *stop,
                       tn_line_callback *call, void *user, tn_error *err)
{
    char *json = NULL;
    bool broken = !l->stream || fclose(l->stream) != 0;
    if (!status && l->json)
        json = cJSON_PrintUnformatted(l->json);
    if (!status && (broken || !json))
        status = tn__fail_memory(err, l->size);
    if (!status)
        *stop = call(user, l->text, json) != 0;
    cJSON_free(json);
    cJSON_Delete(l->json);
    free(l->text);
    return status;
}

tn_status tn__line_text(tn__line *l, const char *key, const char *text, tn_error *err)
{
    return cJSON_AddStringToObject(l->json, key, text) ? TN_OK
                                                       : tn__fail_memory(err, 64);
}

tn_status tn__line_number(tn__line *l, const char *key, uint64_t number, tn_error *err)
{
    return cJSON_AddNumberToObject(l->json, key, (double)number)
               ? TN_OK
               : tn__fail_memory(err, 64);
}

tn_status tn__line_shape(tn__line *l, const tn__shape *shape, tn_error *err)
{
    double dims[TN__MAX_RANK];
    for (int a = 0; a < shape->rank; a++)
        dims[a] = (double)shape->dims[a];
    cJSON *array = cJSON_CreateDoubleArray(dims, shape->rank);
    if (array && cJSON_AddItemToObject(l->json, "shape", array))
        return TN_OK;
    cJSON_Delete(array);
    return tn__fail_memory(err, sizeof dims);
}
