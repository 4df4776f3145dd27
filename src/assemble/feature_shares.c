/* feature_shares.c - features streamed by several processes, each a run of the images.
 *
 * What is kept of an image or a shard depends on no other, so that the parts only have
 * to be put together: the bytes are those of one process.
 */
#include "assemble/cut_features.h"

void tn__share_of(tn__images_share *out, const tn__zoo_features *features,
                  const tn__probe *probe, size_t rank)
{
    size_t shard, shards;
    tn__cluster_share(&shard, &shards, probe->cluster, rank, features->shards);
    size_t image = TN__MIN(shard * features->shard, probe->n);
    size_t end = TN__MIN((shard + shards) * features->shard, probe->n);
    *out = (tn__images_share){shard, shards, image, end - image};
}

static tn_status send_cut(tn__cut_features *cut, const tn__zoo_features *features,
                          const tn__images_share *share, size_t rank,
                          const tn_cluster *cluster, tn_error *err)
{
    size_t square = features->shard * features->shard;
    size_t row = cut->positions * cut->channels;
    size_t from = TN__MIN(share->image, features->sampled);
    size_t to = TN__MIN(share->image + share->images, features->sampled);
    tn_status status =
        tn__cluster_broadcast(cluster, cut->gram + share->shard * square,
                              share->shards * square * sizeof *cut->gram, rank, err);
    if (status == TN_OK)
        status =
            tn__cluster_broadcast(cluster, cut->rows + from * row,
                                  (to - from) * row * sizeof *cut->rows, rank, err);
    return status;
}

tn_status tn__shares_join(tn__zoo_features *features, size_t first, size_t count,
                          const tn__probe *probe, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t r = 0; r < tn__cluster_size(probe->cluster); r++) {
        tn__images_share share;
        tn__share_of(&share, features, probe, r);
        for (size_t c = first; c < first + count && status == TN_OK; c++)
            status =
                send_cut(&features->list[c], features, &share, r, probe->cluster, err);
    }
    return status;
}
