/* origin.c - where each block of an assembled network comes from, inside the file. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "assemble/job.h"

/* First and last node of a block in the member's own order. */
static void node_range(size_t range[2], const tn__member *m, const tn__block *b)
{
    range[0] = m->model->node_count;
    range[1] = 0;
    for (size_t n = 0; n < m->model->node_count; n++) {
        if (m->unit[n] == TN__NONE || m->unit[n] < b->first || m->unit[n] > b->last)
            continue;
        range[0] = TN__MIN(range[0], n);
        range[1] = TN__MAX(range[1], n);
    }
}

static cJSON *describe(const tn_zoo *zoo, const tn__block *b)
{
    const tn__member *m = &zoo->members[b->member];
    size_t range[2];
    cJSON *json = cJSON_CreateObject(), *nodes = cJSON_CreateArray();
    node_range(range, m, b);
    cJSON_AddStringToObject(json, "member", m->name);
    if (m->model->source_sha256[0])
        cJSON_AddStringToObject(json, "sha256", m->model->source_sha256);
    if (m->licence)
        cJSON_AddStringToObject(json, "licence", m->licence);
    for (int k = 0; k < 2; k++)
        cJSON_AddItemToArray(nodes, cJSON_CreateNumber((double)range[k]));
    cJSON_AddItemToObject(json, "nodes", nodes);
    cJSON_AddStringToObject(json, "from",
                            m->model->values[m->cuts[b->first].value].name);
    cJSON_AddStringToObject(json, "to",
                            m->model->values[m->cuts[b->last + 1].value].name);
    return json;
}

tn_status tn__origin_set(tn_model *model, const tn_zoo *zoo, const tn__block *blocks,
                         size_t count, tn_error *err)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t k = 0; k < count; k++)
        cJSON_AddItemToArray(list, describe(zoo, &blocks[k]));
    char *text = list ? cJSON_PrintUnformatted(list) : NULL;
    tn_status status = text ? tn__model_set_metadata(model, "tenon.blocks", text, err)
                            : tn__fail_memory(err, count);
    cJSON_Delete(list);
    free(text);
    return status;
}
